"""Tasks undo, retire and debts: what may follow when a restore is over."""

from __future__ import annotations

from restore.core.messages import TaskResult
from restore.errors import TargetError
from restore.worker import cleanup, fence
from restore.worker.borrowed import borrow
from restore.worker.debts import settle, swapped
from restore.worker.job import Job
from restore.worker.swap import Rename, databases, swap


def run_undo(job: Job) -> TaskResult:
    """What was replaced gets its name again; what was restored is kept under its staging name.

    Safe to repeat: what has its name already is passed over.
    Raises TargetError, and changes nothing, where one of them is not as the restore left it.
    """
    job.meter.enter("undoing")
    connection = fence.hold(job, *job.plan.databases)
    with job.using(connection):
        names = databases(connection)
        renames: list[Rename] = []
        for step, oid in swapped(job):
            now = names.get(step.replaces)
            if now == step.before and names.get(oid) == step.target:
                renames.append(Rename(oid, step.target, step.staging))
                renames.append(Rename(step.replaces, step.before, step.target))
            elif now != step.target:
                raise TargetError(
                    f"database {step.target!r}: expected the restored one, and the replaced one as"
                    f" {step.before!r}, found that somebody renamed or dropped one of them",
                    "nothing was undone: give them these names again, or rename them yourself",
                )
        if renames:
            borrow(connection, job.plan)
            swap(job, connection, renames)
        settled = settle(job, connection)
    return job.done(
        debts=settled.debts,
        notes=tuple(
            f"database {step.target!r}: is again the one that was there; what was restored is kept"
            f" as {step.staging!r} until the undo window ends"
            for step, _ in swapped(job)
        ),
    )


def run_debts(job: Job) -> TaskResult:
    """Whatever earlier tasks could not give back or drop; after the undo window also what was kept.

    A worker that does not let go is shut out by its fence first. Safe to repeat.
    """
    if job.restore.stopping and not job.restore.published:
        return cleanup.run(job)
    job.meter.enter("giving back")
    connection = fence.hold(job, *job.plan.databases, evict=True)
    with job.using(connection):
        return job.done(debts=settle(job, connection).debts)
