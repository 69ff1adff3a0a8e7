"""What belongs to a database but stands outside of it: its settings, grants and comment.

pg_restore brings them only where it creates the database itself, under its archived name. What
keeps sessions out, or a database from being dropped, comes last of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.psql import Statement, pieces
from restore.core.sql import quote_identifier
from restore.core.toc import Head

_CLOSES = re.compile(r"ALTER DATABASE .+ (?:CONNECTION LIMIT|IS_TEMPLATE) = \S+;\s*", re.DOTALL)


def statements(head: Head, staging: str, privileges: bool = True) -> Iterator[str]:
    """ALTER DATABASE … SET, GRANT ON DATABASE and the like of an archive, for `staging` instead.

    Source: dumpDatabase in pg_dump.c, PostgreSQL 18: the entries' kinds and tags; the name stands
    behind the word DATABASE, in quotes or not.
    """
    name = head.dbname
    spellings = [f" DATABASE {spelled} " for spelled in (name, quote_identifier(name))]
    new = f" DATABASE {quote_identifier(staging)} "
    kinds = ("ACL", "COMMENT", "DATABASE PROPERTIES") if privileges else _WITHOUT_PRIVILEGES
    for entry in head.entries.described(*kinds):
        about = entry.tag == f"DATABASE {name}"
        if not about and entry.description != "DATABASE PROPERTIES":
            continue
        raw = entry.definition.encode("utf-8", "surrogateescape")
        for piece in pieces([raw]):
            text = piece.text.decode("utf-8", "replace") if isinstance(piece, Statement) else ""
            found = next((spelled for spelled in spellings if spelled in text), None)
            if found is not None and not text.startswith("ALTER ROLE "):  # see role_settings
                yield text.replace(found, new, 1)


_WITHOUT_PRIVILEGES = ("COMMENT", "DATABASE PROPERTIES")


def apply(
    connection: Connection, head: Head, staging: str, privileges: bool = True
) -> tuple[str, ...]:
    """Carry out all that closes nothing; a warning for each that is refused. Repeatable."""
    found = (s for s in statements(head, staging, privileges) if not _CLOSES.fullmatch(s))
    labels = tuple(
        f"database {head.dbname!r}: its security label is left out: no provider of labels is loaded"
        " on a managed server"
        for entry in head.entries.described("SECURITY LABEL")
        if entry.tag == f"DATABASE {head.dbname}"
    )
    return (*_carried_out(connection, head, found), *labels)


def close(connection: Connection, head: Head, staging: str) -> tuple[str, ...]:
    """Carry out the rest, once nobody has to get in any more: CONNECTION LIMIT and IS_TEMPLATE."""
    found = (s for s in statements(head, staging) if _CLOSES.fullmatch(s))
    return _carried_out(connection, head, found)


def reopen(connection: Connection, staging: str) -> None:
    """Take back what `close` did, for whoever begins again. The database exists."""
    statement = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1 IS_TEMPLATE false")
    connection.execute(statement.format(sql.Identifier(staging)))


def _carried_out(connection: Connection, head: Head, found: Iterable[str]) -> tuple[str, ...]:
    refused = []
    for statement in found:
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
