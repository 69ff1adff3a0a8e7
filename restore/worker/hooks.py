"""The request's own SQL in a proven staging database: hooks change it, checks question it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import pq, sql

from restore.adapters.postgres import Connection
from restore.core.plan import Check, DatabaseStep
from restore.errors import ExecutionError
from restore.worker import fence
from restore.worker.job import Job

_CHECK_SECONDS = 600
_ROWS_SHOWN = 5
_LONGEST = 300


class HookError(ExecutionError):
    """SQL that was to run before publishing failed: nothing is published."""

    code = "before-publish"


class CheckError(ExecutionError):
    """A check gave other rows than were expected: nothing is published."""

    code = "check-failed"


def run(job: Job, fenced: Connection, step: DatabaseStep) -> None:
    """All hooks in one transaction while nobody else can connect, then the checks, reading only.

    `fenced` is the session that holds the fence. Whoever comes after a crash finds no part of it:
    the staging database is made anew. Raises HookError, CheckError.
    """
    if step.hooks:
        job.meter.enter("before publishing")
        with _alone(job, fenced, step) as connection:
            _change(connection, step)
    if step.checks:
        job.meter.enter("checking")
        with job.session(step.staging) as connection:
            connection.execute("SET default_transaction_read_only = on")
            connection.execute(f"SET statement_timeout = '{_CHECK_SECONDS}s'")
            for number, check in enumerate(step.checks, start=1):
                _ask(connection, step, check, number)


@contextmanager
def _alone(job: Job, fenced: Connection, step: DatabaseStep) -> Iterator[Connection]:
    """The only session in the database; superusers, whom the service keeps for itself, can come.

    Source: postgresql.org/docs/18/sql-alterdatabase.html, CONNECTION LIMIT.
    """
    limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
    name = sql.Identifier(step.staging)
    fence.end_sessions(fenced, step.staging)
    with job.session(step.staging) as connection:
        with job.using(fenced):
            fenced.execute(limit.format(name, sql.Literal(1)))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity AS a"
            " JOIN pg_roles AS r ON r.oid = a.usesysid AND NOT r.rolsuper"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        try:
            yield connection
        finally:
            with job.using(fenced):
                fenced.execute(limit.format(name, sql.Literal(-1)))


def _change(connection: Connection, step: DatabaseStep) -> None:
    with connection.transaction():
        for number, text in enumerate(step.hooks, start=1):
            what = f"database {step.name!r}: SQL before publishing, number {number}"
            with _said(what, HookError):
                connection.execute(sql.SQL(text))
            if connection.info.transaction_status is not pq.TransactionStatus.INTRANS:
                raise HookError(
                    f"{what}: expected it to leave its transaction open, found it ended",
                    "leave out BEGIN, COMMIT and ROLLBACK: all of it is one transaction",
                )


def _ask(connection: Connection, step: DatabaseStep, check: Check, number: int) -> None:
    what = f"database {step.name!r}: check {number}"
    with _said(what, CheckError):
        cursor = connection.execute(sql.SQL(check.sql))
    rows = _rows(cursor)
    if check.expect is None:
        if rows and all(row == ("t",) for row in rows):
            return
        expected = "true"
    else:
        if rows == list(check.expect):
            return
        expected = _shown(list(check.expect))
    raise CheckError(
        f"{what}: expected {expected}, found {_shown(rows)}",
        f"it asked: {' '.join(check.sql.split())[:_LONGEST]}",
    )


def _rows(cursor: psycopg.Cursor[tuple[object, ...]]) -> list[tuple[str | None, ...]]:
    """As the server writes them."""
    result = cursor.pgresult
    if result is None or cursor.description is None:
        return []
    return [
        tuple(
            None if cell is None else cell.decode(errors="replace")
            for cell in (result.get_value(row, column) for column in range(result.nfields))
        )
        for row in range(result.ntuples)
    ]


def _shown(rows: list[tuple[str | None, ...]]) -> str:
    more = f" and {len(rows) - _ROWS_SHOWN} more rows" if len(rows) > _ROWS_SHOWN else ""
    text = ", ".join(
        "(" + ", ".join("null" if cell is None else cell for cell in row) + ")"
        for row in rows[:_ROWS_SHOWN]
    )
    return (text[:_LONGEST] or "no rows") + more


@contextmanager
def _said(what: str, error: type[ExecutionError]) -> Iterator[None]:
    """What the server says of the SQL is its fault; a lost connection is not."""
    try:
        yield
    except psycopg.OperationalError:
        raise
    except psycopg.Error as exc:
        said = exc.diag.message_primary or type(exc).__name__
        state = exc.sqlstate or "none"
        raise error(f"{what}: expected success, found SQLSTATE {state}: {said}") from exc
