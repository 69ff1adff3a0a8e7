"""Task cleanup: after a failure or a cancel, nothing of the restore stays on the target."""

from __future__ import annotations

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.messages import TaskResult
from restore.worker import fence
from restore.worker.debts import settle
from restore.worker.job import Job

_NO_SUCH = (psycopg.errors.UndefinedObject, psycopg.errors.InvalidCatalogName)


def run(job: Job) -> TaskResult:
    """Drop the staging databases, give back what was borrowed, drop the roles that were made.

    What got its name before the failure stays, with the roles. A worker that does not stop by
    itself is shut out by its fence first. Safe to repeat.
    """
    if job.restore.plan is None:
        return job.done()
    job.meter.enter("cleaning up")
    connection = fence.hold(job, *job.plan.databases, evict=True)
    with job.using(connection):
        settled = settle(job, connection)
        notes = () if settled.published else _drop_roles(job, connection)
        return job.done(debts=settled.debts, published=settled.published, notes=notes)


def _drop_roles(job: Job, connection: Connection) -> tuple[str, ...]:
    """Drop the roles that were not there before; notes on those that must stay.

    A role that owns something by now, or that we did not make, stays.
    """
    began = job.restore.task("roles")
    if began is None or began.sent is None:
        return ()
    kept = []
    for role in job.plan.creates:
        try:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        except _NO_SUCH:
            continue
        except (
            psycopg.errors.DependentObjectsStillExist,
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.ObjectInUse,
        ) as exc:
            kept.append(f"role {role!r} is kept: {exc.diag.message_primary}")
    return tuple(kept)
