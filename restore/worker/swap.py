"""Databases change names: all of them in one transaction, or none.

A rename keeps the oid, so every step here knows a database by it: what has the right name and
another oid was made by somebody else, and is left alone. Nobody may be in a database that is
renamed: it accepts no new sessions meanwhile, and those that are there have some time to leave.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from restore.adapters.postgres import BusyError, Connection, translated
from restore.errors import TargetError
from restore.worker import fence
from restore.worker.job import Job

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Rename:
    """A database, and what it is to be called. `closes`: others may be in it."""

    oid: int
    name: str
    to: str
    closes: bool = True


def databases(connection: Connection) -> dict[int, str]:
    """Their names by oid."""
    rows = connection.execute("SELECT oid, datname FROM pg_database").fetchall()
    return dict(rows)


def swap(job: Job, connection: Connection, renames: Sequence[Rename]) -> None:
    """Carry out all `renames`, in their order, or none of them.

    A rename waits five seconds for sessions that were told to end and for those that were just
    coming in, so what fails a few times fails because of sessions we may not end.
    Raises BusyError for those, TargetError where a name is not what it was when this was planned.
    Source: CountOtherDBBackends in procarray.c, PostgreSQL 18.
    """
    reason = ""
    with _closed(job, connection, [rename for rename in renames if rename.closes]):
        for _ in range(job.limits.publish_tries):
            for rename in renames:
                fence.end_sessions(connection, rename.name)
            try:
                with connection.transaction():
                    _rename_all(connection, renames)
            except psycopg.errors.ObjectInUse as exc:
                reason = exc.diag.message_detail or exc.diag.message_primary or ""
                continue
            return
    raise BusyError(
        f"databases {', '.join(repr(rename.name) for rename in renames)}: expected no sessions"
        f" while they are renamed, found: {reason}",
        "stop what connects to them; they are as they were",
    )


def _rename_all(connection: Connection, renames: Sequence[Rename]) -> None:
    """A name that changed hands since it was looked at shows in the end, which undoes all of it."""
    _expect(connection, {rename.oid: rename.name for rename in renames})
    for rename in renames:
        form = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        try:
            connection.execute(form.format(*map(sql.Identifier, (rename.name, rename.to))))
        except psycopg.errors.DuplicateDatabase as exc:
            raise TargetError(
                f"target database {rename.to!r}: expected none, found one made after the plan",
                'rename it, or restore under another name with "databases.rename"',
            ) from exc
    _expect(connection, {rename.oid: rename.to for rename in renames})


def _expect(connection: Connection, names: dict[int, str]) -> None:
    found = databases(connection)
    for oid, name in names.items():
        if found.get(oid) != name:
            other = "another one" if name in found.values() else "none"
            raise TargetError(
                f"database {name!r}: expected the one of that name when this was planned"
                f" (oid {oid}), found {other}",
                "somebody renamed or dropped it meanwhile: start the restore again",
            )


@contextmanager
def _closed(job: Job, connection: Connection, renames: Sequence[Rename]) -> Iterator[None]:
    """No new sessions while the context is open; those that are there have some time to leave.

    The databases are open again afterwards, under whatever names they have then. Where this worker
    dies, or its session, the next task of the restore opens them: each does, in the end.
    """
    oids = [rename.oid for rename in renames]
    try:
        _allow(connection, oids, False)
        _wait_for_leave(job, connection, [rename.name for rename in renames])
        yield
    finally:
        with suppress(psycopg.OperationalError):
            _allow(connection, oids, True)


def reopen(connection: Connection, oid: int) -> None:
    """The database accepts sessions again, if a swap that died has left it closed.

    Raises PrivilegeError where it is not ours to open.
    """
    form = "SELECT datname FROM pg_database WHERE oid = %s AND NOT datallowconn"
    row = connection.execute(form, (oid,)).fetchone()
    if row is not None:
        with _named(connection, row[0], "to open it"):
            _allow(connection, [oid], True)


def _allow(connection: Connection, oids: Collection[int], allow: bool) -> None:
    """Whether these databases, as far as they are there, accept sessions.

    Not a CONNECTION LIMIT of 0: that is none for superusers, and would have to be remembered.
    The owner may do it, and who is a member of the owner.
    Source: postgresql.org/docs/18/sql-createdatabase.html, ALLOW_CONNECTIONS and CONNECTION LIMIT.
    """
    names = databases(connection)
    for oid in oids:
        if oid in names:
            form = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            name = sql.Identifier(names[oid])
            connection.execute(form.format(name, sql.Literal(allow)))


def _wait_for_leave(job: Job, connection: Connection, names: Sequence[str]) -> None:
    """Until nobody is in them, or the time is over that the request gives."""
    patience_ends = time.monotonic() + job.restore.request.leave_seconds
    while _sessions(connection, names) and time.monotonic() < patience_ends:
        job.meter.enter("waiting for sessions to leave")
        job.stop.check()
        time.sleep(_LOOK_SECONDS)


def _sessions(connection: Connection, names: Sequence[str]) -> int:
    """How many there are. Background workers such as autovacuum's have no user, and do not count.

    Source: postgresql.org/docs/18/monitoring-stats.html, pg_stat_activity.
    """
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s) AND usesysid IS NOT NULL",
        (list(names),),
    ).fetchone()
    assert row is not None, "count(*) gives one row"
    return int(row[0])


def drop(connection: Connection, oid: int, name: str) -> None:
    """Drop the database with that oid, if it still has that name.

    Raises BusyError while somebody is in it whom we may not end, PrivilegeError where it is not
    ours to drop.
    """
    found = "SELECT datistemplate FROM pg_database WHERE oid = %s AND datname = %s"
    row = connection.execute(found, (oid, name)).fetchone()
    if row is None:
        return
    with _named(connection, name, "to drop it"):
        if row[0]:
            form = sql.SQL("ALTER DATABASE {} IS_TEMPLATE false")
            connection.execute(form.format(sql.Identifier(name)))
        fence.drop(connection, name)


@contextmanager
def _named(connection: Connection, name: str, what: str) -> Iterator[None]:
    """Errors of the server, ours by then, say which database they are about."""
    try:
        with translated(connection):
            yield
    except (BusyError, TargetError) as exc:
        message = f"database {name!r}: expected {what}, found: {exc.message}"
        raise type(exc)(message, exc.hint) from exc
