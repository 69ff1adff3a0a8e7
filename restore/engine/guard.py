"""Who may work in a database, and what is in it before anything is made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from restore.adapters.postgres import BusyError, Connection, translated
from restore.engine import ledger
from restore.engine.ledger import ForeignDatabaseError, Ledger
from restore.engine.loading import Relations

_KEY = 0x7265_7374_6F72_6521  # of the advisory lock that an engine holds in its database
_LOCK_SECONDS = 60.0


@contextmanager
def hold(connect: Callable[[], Connection], check: Callable[[], None]) -> Iterator[Connection]:
    """A session that keeps other engines out, once what a dead one left behind has ended.

    Raises BusyError where another engine does not come to its end.
    """
    with connect() as connection, translated(connection):
        connection.execute("SET lock_timeout = '1s'")
        patience_ends = time.monotonic() + _LOCK_SECONDS
        while not _locked(connection):
            check()
            if time.monotonic() > patience_ends:
                raise BusyError(
                    f"database {connection.info.dbname!r}: expected no other engine in it,"
                    " found one",
                    "wait for its end, or end its sessions",
                )
        connection.execute("SET lock_timeout = 0")
        _end_stale_sessions(connection)
        yield connection


def stands(connection: Connection) -> None:
    """Is the guard still held, and the server the one it was?

    To be asked by whoever opens another session: behind a crash that nobody noticed it would build
    on what was committed, but not on disk yet, and is gone. Raises UnreachableError.
    """
    with translated(connection):
        connection.execute("SELECT 1")


def open_ledger(connection: Connection, identity: str, notes: tuple[str, ...]) -> Ledger:
    """What there is already; a new ledger in an empty database.

    Raises ForeignDatabaseError for a database with anything else in it.
    """
    found = ledger.identity(connection)
    if found is None:
        if strangers := _strangers(connection):
            raise ForeignDatabaseError(
                f"database {connection.info.dbname!r}: expected it empty, found"
                f" {', '.join(strangers)}",
                "restore into a new database: createdb --template=template0",
            )
        ledger.create(connection, identity, notes)
    elif found != identity:
        raise ForeignDatabaseError(
            f"database {connection.info.dbname!r}: expected the beginnings of this archive,"
            " found those of another",
            "go on with the other archive, or begin in a new database",
        )
    return ledger.read(connection)


def _locked(connection: Connection) -> bool:
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (_KEY,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _end_stale_sessions(connection: Connection) -> None:
    """End the other sessions of our name in this database, and see them gone.

    Whoever they belonged to has lost the guard, so it is dead or as good as dead. Those that wait
    for the guard as we did belong to the living.
    """
    ours = (
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name = current_setting('application_name')"
        " AND wait_event IS DISTINCT FROM 'advisory'"
    )
    patience_ends = time.monotonic() + _LOCK_SECONDS
    pause = threading.Event()
    while connection.execute(f"SELECT pg_terminate_backend(pid) {ours}".encode()).fetchone():
        if time.monotonic() > patience_ends:
            raise BusyError("database: expected the sessions of a dead engine to end, found them")
        pause.wait(0.05)


def _strangers(connection: Connection) -> list[str]:
    """What there is in a database that should be empty; a few names of it."""
    rows = connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n"
        " ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <>"
        " 'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.objid = c.oid"
        " AND d.deptype = 'e')"
        " UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
        " AND nspname NOT IN ('information_schema', 'public') LIMIT 5"
    )
    return [str(name) for (name,) in rows]


def relations(connection: Connection) -> Relations:
    rows = connection.execute(
        "SELECT n.nspname, c.relname, c.relkind::text FROM pg_class AS c JOIN pg_namespace AS n"
        " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_'"
    )
    return {(schema, name): kind for schema, name, kind in rows}
