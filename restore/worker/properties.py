"""What belongs to a database but stands outside of it: its settings, grants and comment.

pg_restore brings them only where it creates the database itself, under its archived name.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from restore.adapters.postgres import Connection
from restore.core.psql import Statement, pieces
from restore.core.sql import quote_identifier
from restore.core.toc import Head


def statements(head: Head, staging: str) -> Iterator[str]:
    """ALTER DATABASE … SET, GRANT ON DATABASE and the like of an archive, for `staging` instead.

    Source: dumpDatabase in pg_dump.c, PostgreSQL 18: the entries' kinds and tags; the name stands
    behind the word DATABASE, in quotes or not.
    """
    name = head.dbname
    spellings = [f" DATABASE {spelled} " for spelled in (name, quote_identifier(name))]
    new = f" DATABASE {quote_identifier(staging)} "
    for entry in head.entries.described("ACL", "COMMENT", "DATABASE PROPERTIES"):
        about = entry.tag == f"DATABASE {name}"
        if not about and entry.description != "DATABASE PROPERTIES":
            continue
        raw = entry.definition.encode("utf-8", "surrogateescape")
        for piece in pieces([raw]):
            text = piece.text.decode("utf-8", "replace") if isinstance(piece, Statement) else ""
            found = next((spelled for spelled in spellings if spelled in text), None)
            if found is not None:
                yield text.replace(found, new, 1)


def apply(connection: Connection, head: Head, staging: str) -> tuple[str, ...]:
    """Carry them out; a warning for each that the server refuses."""
    refused = []
    for statement in statements(head, staging):
        try:
            connection.execute(statement.encode())
        except psycopg.errors.OperationalError:
            raise
        except psycopg.Error as exc:
            what = statement.partition(" DATABASE ")[0]
            refused.append(
                f"database {head.dbname!r}: {what} … was refused: {exc.diag.message_primary}"
            )
    return tuple(refused)
