"""Tasks publish-<n> and finish: the proven databases get their names, at the very end."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.messages import TaskResult
from restore.core.options import Publish
from restore.core.plan import DatabaseStep
from restore.errors import ExecutionError, RestoreError
from restore.worker import fence, side
from restore.worker.borrowed import borrow
from restore.worker.debts import Settled, settle
from restore.worker.job import Job
from restore.worker.swap import Rename, databases, swap


class NotProvenError(ExecutionError):
    """What is there under a staging name is not what was proven."""

    code = "not-proven"


def run(job: Job) -> TaskResult:
    """Publish all that is to be published together, then give back what was borrowed.

    A second run finds what the first one did. Once the databases have their names the restore
    counts: nothing after that makes it fail.
    """
    together = job.restore.request.publish is Publish.TOGETHER
    steps = job.plan.databases if together else ()
    connection = fence.hold(job, *job.plan.databases, evict=not together)
    _publish(job, connection, steps)
    settled = _settled(job, connection)
    return job.done(debts=settled.debts, published=settled.published, notes=_kept(steps))


def run_one(job: Job) -> TaskResult:
    """One database of several that are published each by itself."""
    connection = fence.hold(job, job.step)
    _publish(job, connection, [job.step])
    return job.done(notes=_kept([job.step]))


def _publish(job: Job, connection: Connection, steps: Sequence[DatabaseStep]) -> None:
    job.meter.enter("publishing")
    for step in steps:
        if step.side_schema:
            side.publish(job, connection, step)
    with job.using(connection):
        named = [step for step in steps if not step.side_schema]
        waiting = _unpublished(job, connection, named)
        if waiting:
            borrow(connection, job.plan)  # another restore to this server may have given it back
            for step, _ in waiting:
                _set_owner(connection, step)
            swap(job, connection, [r for step, oid in waiting for r in _renames(step, oid)])


def _settled(job: Job, connection: Connection) -> Settled:
    """What stays owed: what is published counts, whatever goes wrong here."""
    try:
        with job.using(connection):
            return settle(job, connection)
    except RestoreError:
        pass  # most likely the session is gone: a new one tells
    try:
        with job.session() as another:
            return settle(job, another)
    except RestoreError as exc:
        owed = f"what was borrowed or replaced: expected to give it back, found: {exc.message}"
        return Settled((owed,), ())


def _kept(steps: Sequence[DatabaseStep]) -> tuple[str, ...]:
    return tuple(
        f"database {step.target!r}: the one that was there is kept as {step.before!r}"
        for step in steps
        if step.before and step.keeps
    )


def _unpublished(
    job: Job, connection: Connection, steps: Sequence[DatabaseStep]
) -> list[tuple[DatabaseStep, int]]:
    """The databases that still have their staging names, with their oids.

    Known by oid, which a rename keeps: a database of the right name that somebody began anew is
    not the one that was proven.
    """
    names = databases(connection)
    waiting = []
    for step in steps:
        proven = job.proven(job.plan.databases.index(step))
        oid = proven.oid if proven else 0
        name = names.get(oid)
        if name == step.staging:
            waiting.append((step, oid))
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


def _renames(step: DatabaseStep, oid: int) -> list[Rename]:
    """Nobody else knows the staging database."""
    aside = [Rename(step.replaces, step.target, step.before)] if step.before else []
    return [*aside, Rename(oid, step.staging, step.target, closes=False)]
