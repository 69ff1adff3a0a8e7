"""The worker's tasks in the simulated world: those that move rows are played, the others are real.

Publishing, undoing, settling debts and cleaning up run as they are; only the few functions through
which they touch the server are replaced by what does the same to the simulated one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from restore.core.dumps import Blob
from restore.core.messages import DatabaseResult, Failure, Result, TaskResult
from restore.core.options import Approval, OnExisting
from restore.core.plan import DatabaseStep, Engine, Plan, side_name
from restore.errors import TargetError, TransientError
from restore.worker import after, cleanup, debts, fence, finish
from restore.worker.job import Job
from restore.worker.stop import Reason, StoppedError
from restore.worker.swap import Rename
from tests.simulation.target import Broken, Database

if TYPE_CHECKING:
    from tests.simulation.world import World

PARTS = 4


class Tasks:
    """What a worker can be asked to do. `pause` lets others run, and perhaps ends this worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server = world.server

    def table(self) -> Mapping[str, Callable[[Job], TaskResult]]:
        return {
            "prepare": self.prepare,
            "roles": self.roles,
            "database": self.database,
            "publish": finish.run_one,
            "finish": finish.run,
            "cleanup": cleanup.run,
            "undo": after.run_undo,
            "retire": self.retire,
            "debts": after.run_debts,
        }

    def pause(self, job: Job, seconds: float = 2.0) -> None:
        self._world.work_goes_on(job, seconds)
        job.stop.check()

    # ---- played

    def prepare(self, job: Job) -> TaskResult:
        self.pause(job)
        steps = []
        files = [blob.name.removesuffix(".sql") for blob in job.restore.files]
        for name in [n.partition("g_database_")[2] for n in files if "g_database_" in n]:
            existing = self._server.named(name)
            step = DatabaseStep(
                name=name,
                target=name,
                staging=side_name(name, "restoring", job.restore.id),
                before=side_name(name, "before", job.restore.id) if existing else "",
                blob=Blob(f"g_database_{name}.sql", 1000, "0x1"),
                engine=Engine.STREAM,
                client=18,
                replaces=existing.oid if existing else 0,
                keeps=job.restore.request.on_existing is not OnExisting.REPLACE,
            )
            steps.append(step)
        taken = any(step.before for step in steps)
        if taken and job.restore.request.on_existing is OnExisting.REFUSE:
            failure = Failure("database-exists", "target database: expected none, found one")
            return replace(job.done(), result=Result.FAILED, failure=failure)
        digest = f"{sum(step.replaces for step in steps):064x}"
        plan = Plan(tuple(steps), borrow=("owner",), target_version="18.4", hash=digest)
        return job.done(plan=plan)

    def roles(self, job: Job) -> TaskResult:
        self.pause(job)
        self._server.borrowed.add(job.restore.id)
        return job.done()

    def database(self, job: Job) -> TaskResult:
        """Loads part by part, and carries on with the parts that are there."""
        step = job.step
        self.hold(job, step)
        self._server.borrowed.add(job.restore.id)
        staged = self._server.named(step.staging)
        if staged is None:
            staged = self._server.create(step.staging, by=job.restore.id)
        while staged.parts < PARTS:
            self.pause(job, 20.0)
            self._expect_session(step, staged)
            self._server.load(staged, staged.parts)
            self._world.chance_of_failure()
        self.pause(job)
        self._expect_session(step, staged)
        staged.is_proven = True
        return job.done(database=DatabaseResult(step.name, 1, 10, 10, oid=staged.oid))

    def _expect_session(self, step: DatabaseStep, staged: Database) -> None:
        """A session whose fence or database is gone cannot do any more."""
        if self._server.fences.get(step.staging) is not self._world.scheduler.running:
            raise TransientError("session: expected it, found it ended")
        if self._server.databases.get(staged.oid) is not staged:
            raise TransientError("database: expected it, found it dropped")

    def retire(self, job: Job) -> TaskResult:
        undo = job.restore.undo
        if undo is None or self._world.scheduler.now < undo.until:
            raise Broken("what was replaced is to be dropped before its time")
        return after.run_debts(job)

    # ---- what the real ones use of the server

    @contextmanager
    def seams(self) -> Iterator[None]:
        """Whatever touches PostgreSQL, touches the simulated server."""
        with ExitStack() as open_:
            for module, name, instead in (
                (fence, "hold", self.hold),
                (finish, "swap", self.swap),
                (after, "swap", self.swap),
                (finish, "databases", self.databases),
                (after, "databases", self.databases),
                (debts, "databases", self.databases),
                (debts, "drop", self.drop),
                (debts, "reopen", self.reopen),
                (finish, "borrow", self.borrow),
                (after, "borrow", self.borrow),
                (debts, "borrow", self.borrow),
                (debts, "give_back", self.give_back),
                (Job, "using", _using),
                (Job, "session", _session),
            ):
                open_.enter_context(patch.object(module, name, instead))
            yield

    def hold(self, job: Job, *steps: DatabaseStep, evict: bool = False) -> Session:
        """Fences fall with whoever holds them; the worker lets go once the result is stored."""
        waited = 0
        for name in sorted(step.staging for step in steps):
            while not self._server.take_fence(name):
                self.pause(job, 1.0)
                waited += 1
                if evict and waited > 60:
                    self._server.fences.pop(name, None)
            job.held.callback(self._server.give_fence, name)
        if job.decided():
            raise StoppedError(Reason.SUPERSEDED)
        return Session(self, job, [step.staging for step in steps])

    def databases(self, session: Session) -> dict[int, str]:
        session.step()
        return {database.oid: database.name for database in self._server.databases.values()}

    def swap(self, job: Job, session: Session, renames: Sequence[Rename]) -> None:
        session.step()
        restore = job.restore
        if restore.request.approval is Approval.REQUIRED and restore.approved != job.plan.hash:
            raise Broken(f"{restore.id} publishes by a plan that nobody approved")
        found = {d.oid: d for d in self._server.databases.values()}
        for rename in renames:
            if rename.oid not in found or found[rename.oid].name != rename.name:
                raise TargetError(f"database {rename.name!r}: expected it, found another one")
        self._server.rename([(found[r.oid], r.to) for r in renames], job.restore.id)
        session.step()

    def drop(self, session: Session, oid: int, name: str) -> None:
        session.step()
        found = self._server.databases.get(oid)
        if found is not None and found.name == name:
            self._server.drop(found, session.job.restore)

    def reopen(self, session: Session, oid: int) -> None:
        """None is ever closed here."""

    def borrow(self, session: Session, plan: Plan) -> tuple[str, ...]:
        session.step()
        self._server.borrowed.add(session.job.restore.id)
        return ()

    def give_back(self, session: Session, plan: Plan) -> tuple[str, ...]:
        session.step()
        if self._world.happens(0.1):
            return ("membership in 'owner': expected to give it back, found no permission",)
        self._server.borrowed.discard(session.job.restore.id)
        return ()


class Session:
    """A session on the simulated server. Where its fence is gone, it has been ended."""

    def __init__(self, tasks: Tasks, job: Job, fences: Sequence[str]) -> None:
        self.job = job
        self._tasks = tasks
        self._fences = fences

    def step(self) -> None:
        """Another statement: others may have come between."""
        self._tasks.pause(self.job, 0.5)
        server, running = self._tasks._server, self._tasks._world.scheduler.running
        if any(server.fences.get(name) is not running for name in self._fences):
            raise TransientError("session: expected it, found it ended")


@contextmanager
def _using(job: Job, connection: Any) -> Iterator[None]:
    job.stop.check()
    yield


@contextmanager
def _session(job: Job, database: str = "") -> Iterator[Any]:
    if job is not None:
        raise TransientError("server: expected an answer, found none")
    yield
