"""Task finish: the proven databases get their names, all in one transaction, at the very end."""

from __future__ import annotations

import psycopg
from psycopg import sql

from restore.adapters.postgres import BusyError, Connection
from restore.core.messages import TaskResult
from restore.core.plan import DatabaseStep
from restore.errors import ExecutionError, RestoreError, TargetError
from restore.worker import fence
from restore.worker.job import Job
from restore.worker.roles import borrow, give_back


class NotProvenError(ExecutionError):
    """What is there under a staging name is not what was proven."""

    code = "not-proven"


def run(job: Job) -> TaskResult:
    """Publish, then give back what was borrowed. A second run finds what the first one did.

    Once the databases have their names the restore counts: nothing after that makes it fail.
    """
    job.meter.enter("publishing")
    connection = fence.hold(job, *job.plan.databases)
    with job.using(connection):
        waiting = _unpublished(job, connection)
        if waiting:
            borrow(connection, job.plan)  # another restore to this server may have given it back
            for step in waiting:
                _set_owner(connection, step)
            _publish(connection, waiting, job.limits.publish_tries)
    warnings = _give_back(job, connection)
    kept = tuple(
        f"database {step.target!r}: the one that was there is kept as {step.before!r}"
        for step in job.plan.databases
        if step.before
    )
    return job.done(warnings=warnings, notes=kept)


def _give_back(job: Job, connection: Connection) -> tuple[str, ...]:
    """Warnings about what stays borrowed: what is published counts, whatever goes wrong here."""
    try:
        with job.using(connection):
            return give_back(connection, job.plan)
    except RestoreError:
        pass  # most likely the session is gone: a new one tells
    try:
        with job.session() as another:
            return give_back(another, job.plan)
    except RestoreError as exc:
        roles = ", ".join(map(repr, job.plan.borrow))
        return (f"membership in {roles}: expected to give it back, found: {exc.message}",)


def _unpublished(job: Job, connection: Connection) -> list[DatabaseStep]:
    """The databases that still have their staging names.

    Known by oid, which a rename keeps: a database of the right name that somebody began anew is
    not the one that was proven.
    """
    rows = connection.execute("SELECT oid, datname FROM pg_database").fetchall()
    names: dict[int, str] = dict(rows)
    waiting = []
    for index, step in enumerate(job.plan.databases):
        proven = job.proven(index)
        name = names.get(proven.oid) if proven else None
        if name == step.staging:
            waiting.append(step)
        elif name != step.target:
            raise NotProvenError(
                f"database {step.name!r}: expected the proven one as {step.staging!r},"
                f" found {'it as ' + repr(name) if name else 'it gone'}",
                "start the restore again: nothing was published",
            )
    return waiting


def _set_owner(connection: Connection, step: DatabaseStep) -> None:
    if step.owner is None:
        return
    statement = sql.SQL("ALTER DATABASE {} OWNER TO {}")
    connection.execute(statement.format(sql.Identifier(step.staging), sql.Identifier(step.owner)))


def _publish(connection: Connection, steps: list[DatabaseStep], tries: int) -> None:
    """All renames or none.

    A rename locks out new sessions and waits five seconds for those that were told to end, so what
    fails a few times fails because of sessions we may not end.
    Source: CountOtherDBBackends in procarray.c, PostgreSQL 18.
    """
    reason = ""
    for _ in range(tries):
        for step in steps:
            fence.end_sessions(connection, step.staging)
            fence.end_sessions(connection, step.target)
        try:
            with connection.transaction():
                for step in steps:
                    _rename(connection, step)
        except psycopg.errors.ObjectInUse as exc:
            reason = exc.diag.message_detail or exc.diag.message_primary or ""
            continue
        return
    raise BusyError(
        f"databases {', '.join(repr(step.target) for step in steps)}: expected no sessions while"
        f" they are renamed, found: {reason}",
        "stop what connects to them; the old databases are untouched",
    )


def _rename(connection: Connection, step: DatabaseStep) -> None:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (step.target,))
    taken = found.fetchone() is not None
    if taken and not step.before:
        raise TargetError(
            f"target database {step.target!r}: expected none, found one made after the plan",
            'rename it, or restore under another name with "databases.rename"',
        )
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    staging, target = sql.Identifier(step.staging), sql.Identifier(step.target)
    if taken:
        connection.execute(rename.format(target, sql.Identifier(step.before)))
    connection.execute(rename.format(staging, target))
