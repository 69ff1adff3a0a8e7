"""Schema public of a staging database, open to all while objects get their owners.

An object's new owner must be allowed to create in its schema. Up to 14 everybody was, in public;
later it is the database's owner, who is us until the end. A superuser is not asked, a managed
server's login is.
Source: postgresql.org/docs/18/sql-altertable.html, OWNER TO, and release notes of 15.
"""

from __future__ import annotations

import re

from restore.adapters.postgres import Connection
from restore.core.toc import Head

_CLOSED_SINCE = 150000
_OPENS = re.compile(
    r"GRANT\s+(?:[A-Z, ]*\bCREATE\b[A-Z, ]*|ALL(?:\s+PRIVILEGES)?)\s+ON SCHEMA \"?public\"?"
    r" TO [^;]*\bPUBLIC\b"
)


def lend(connection: Connection) -> bool:
    """Let everybody create in schema public; False if there is nothing to lend.

    Safe to repeat: a database made from template0 had it for everybody up to 14, and not since.
    """
    if connection.info.server_version < _CLOSED_SINCE:
        return False
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'public'").fetchone():
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    return True


def take_back(connection: Connection) -> None:
    """Safe where the dump removed the schema."""
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'public'").fetchone():
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def is_opened_by(statement: str) -> bool:
    """Does the dump itself let everybody create there? Then it stays so."""
    return _OPENS.search(statement) is not None


def is_opened_in(head: Head) -> bool:
    return any(is_opened_by(entry.definition) for entry in head.entries.described("ACL"))
