"""Who may work on a staging database: a session advisory lock on the target server decides.

The damage of two workers on one database would be done there, so the fence stands there. It falls
with the session that holds it, so a dead worker holds up nobody.
"""

from __future__ import annotations

import hashlib
import time

import psycopg
from psycopg import sql

from restore.adapters.postgres import BusyError, Connection, translated
from restore.core.plan import DatabaseStep
from restore.worker.job import Job
from restore.worker.stop import Reason, StoppedError

_WAIT = "1s"  # between two looks at whether waiting still makes sense


def key_of(staging: str) -> int:
    """The advisory lock of a staging database: 63 bits of its name's hash."""
    return int.from_bytes(hashlib.sha256(f"restore {staging}".encode()).digest()[:8], "big") >> 1


def hold(job: Job, *steps: DatabaseStep, evict: bool = False) -> Connection:
    """A session in the maintenance database that holds the fences of `steps` until the job's end.

    Create, drop and rename staging databases through this session alone: where it is lost, they
    fail. Waits for another worker, as long as this attempt is undecided. With `evict`, one that
    does not let go in time is thrown out.
    Raises StoppedError if the attempt was decided while we waited.
    """
    connection = job.held.enter_context(job.server.connect())
    with job.using(connection):
        connection.execute("SET lock_timeout = '" + _WAIT + "'")
        for staging in sorted(step.staging for step in steps):
            _take(job, connection, key_of(staging), evict)
        connection.execute("SET lock_timeout = 0")
    if job.decided():
        raise StoppedError(Reason.SUPERSEDED)
    return connection


def _take(job: Job, connection: Connection, key: int, evict: bool) -> None:
    patience_ends = time.monotonic() + job.limits.fence_seconds
    while True:
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))
            return
        except psycopg.errors.LockNotAvailable:
            job.stop.check()
            job.meter.enter("waiting for another worker")
        if evict and time.monotonic() > patience_ends:
            _evict(connection, key)


def _evict(connection: Connection, key: int) -> None:
    """End the session that holds `key`: its worker can then neither create nor rename anything.

    Source: postgresql.org/docs/18/view-pg-locks.html: the halves of a bigint key.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND classid = %s::bigint::oid AND objid = %s::bigint::oid AND objsubid = 1"
        " AND pid <> pg_backend_pid()",
        (key >> 32, key & 0xFFFFFFFF),
    )


def end_sessions(connection: Connection, database: str) -> None:
    """End every session in `database` that we may end."""
    with translated(connection):
        found = connection.execute(
            "SELECT a.pid, a.usename, a.application_name FROM pg_stat_activity AS a"
            " JOIN pg_roles AS r ON r.oid = a.usesysid"
            " WHERE a.datname = %s AND a.pid <> pg_backend_pid() AND NOT r.rolsuper",
            (database,),
        ).fetchall()
    stubborn = []
    for pid, user, application in found:
        try:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        except psycopg.errors.InsufficientPrivilege:
            stubborn.append(f"{user} ({application or 'unnamed'}, pid {pid})")
    if stubborn:
        raise BusyError(
            f"database {database!r}: expected no sessions, found {', '.join(stubborn[:5])}",
            "end them, or grant the login pg_signal_backend",
        )


def drop(connection: Connection, database: str) -> None:
    """Drop it, if it is there, with the sessions that are in it. Safe to repeat.

    FORCE is refused while a superuser is in it, as a provider's monitoring is at times, and ends
    nobody then. Without it the server waits five seconds for everybody to leave.
    """
    form = "DROP DATABASE IF EXISTS {}"
    identifier = sql.Identifier(database)
    try:
        connection.execute(sql.SQL(form + " WITH (FORCE)").format(identifier))
    except psycopg.errors.InsufficientPrivilege:
        connection.execute(sql.SQL(form).format(identifier))
