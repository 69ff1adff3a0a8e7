"""A function app, its services, its workers and its callers, all of memory, and their troubles."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from restore import control, flows
from restore.core.backup import Instance, Operation, OperationState, Outcome, RecoveryPoint
from restore.core.dumps import Blob
from restore.core.guard import Access
from restore.core.policy import Policy
from restore.core.state import FINAL, Do, Phase, Restore, TaskState
from restore.core.status import operation
from restore.errors import DataLossError, RestoreError, TransientError
from restore.ports import Destination, Stored
from restore.worker import worker as worker_module
from restore.worker.job import Job
from restore.worker.stop import StoppedError
from restore.worker.watch import Departure, Watch
from tests.fakes import (
    MemoryBus,
    MemoryCaller,
    MemoryDocuments,
    MemoryLanding,
    MemoryLandingAccounts,
    MemoryRecords,
    MemoryStates,
    MemoryVault,
)
from tests.simulation.scheduler import BEGIN, Actor, Killed, Scheduler
from tests.simulation.target import Broken, Server
from tests.simulation.tasks import Tasks

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers"
VAULT = f"{GROUP}/Microsoft.DataProtection/backupVaults/safe"
SERVER = f"{GROUP}/Microsoft.DBforPostgreSQL/flexibleServers/pg1"
HOST = "pg2.example.com:5432"
LISTENER = "ops.example.com"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/landing"
SHUT = Access(cross_tenant=False)
INSTANCE = Instance(VAULT, "pg1-0c0ffee0", SERVER, "westeurope", "ProtectionConfigured")

POLICY = Policy(
    announce=True,
    guards=True,
    approval_hours=2,
    undo_hours=2,
    keep_files_hours=0.5,
    keep_failed_files_hours=1,
    deadline_hours=24,
    silence_seconds=300,
    max_attempts=4,
    debt_seconds=30,
    max_databases=2,
)
TROUBLED_SECONDS = 3600.0  # after which nothing goes wrong any more
PATIENCE_SECONDS = 80 * 3600.0
TICK_SECONDS = 30.0
LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Troubles:
    """How likely each is, at each chance there is for it."""

    crash: float = 0.0  # a process ends, at a port call
    throttled: float = 0.0  # a call is refused for now
    lost_answer: float = 0.0  # a call has its effect, and looks broken
    event_lost: float = 0.0
    event_twice: float = 0.0
    report_lost: float = 0.0
    report_twice: float = 0.0
    worker_killed: float = 0.0  # at a pause of its task
    lock_lost: float = 0.0
    task_fails: float = 0.0
    vault_fails: bool = False
    slow: float = 0.0  # a pause takes so long that others think it dead

    @property
    def explained(self) -> set[str]:
        """Codes of failures that there is a reason for: some take several troubles in a row."""
        codes = {"database-exists", "not-approved"}
        if self.vault_fails:
            codes.add("vault-job-failed")
        if self.task_fails:
            codes.add("data-loss")
        if max(self.throttled, self.lost_answer, self.task_fails) >= _OFTEN:
            codes.add("transient")
        if max(self.crash, self.slow, self.worker_killed) >= _OFTEN:
            codes.add("worker-lost")
        return codes

    @classmethod
    def draw(cls, chance: Any) -> Troubles:
        """Some seeds are calm, some are mad, most have a few troubles of their own."""
        rates = (0.0, 0.0, 0.003, _OFTEN, 0.1)
        names = [name for name, field in cls.__dataclass_fields__.items() if field.type == "float"]
        drawn = {name: chance.choice(rates) for name in names}
        return cls(**drawn, vault_fails=chance.random() < 0.05)


class Ports:
    """A port whose every call is a chance for others to come between, and for trouble."""

    def __init__(self, port: Any, world: World) -> None:
        self._port, self._world = port, world

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*arguments: Any) -> Any:
            world = self._world
            world.meanwhile()
            if world.happens(world.troubles.throttled):
                raise TransientError(f"{name}: expected an answer, found 503")
            result = method(*arguments)
            if world.happens(world.troubles.lost_answer):
                raise TransientError(f"{name}: expected an answer, found a broken connection")
            world.meanwhile()
            return result

        return call


_OFTEN = 0.02
_AT_ONCE = POLICY.max_databases


class SlowVault(MemoryVault):
    """Its jobs show some time after they began, and their files land one by one."""

    def __init__(self, world: World, polls: int) -> None:
        super().__init__(world.landing, polls)
        self._world = world
        self._landing = self  # type: ignore[assignment]
        self._begun: dict[str, float] = {}

    def begin_restore(self, instance: Instance, point: str, landing: Destination) -> Operation:
        self._needs_an_open_account()
        self._begun.setdefault(landing.url, self._world.scheduler.seconds)
        return super().begin_restore(instance, point, landing)

    def begin_validation(self, instance: Instance, point: str, landing: Destination) -> Operation:
        self._needs_an_open_account()
        return super().begin_validation(instance, point, landing)

    def _needs_an_open_account(self) -> None:
        if not self._world.accounts.accounts[ACCOUNT].lets_in(VAULT):
            raise Broken("the vault finds the landing account shut")

    def find_restore(self, instance: Instance, landing: Destination) -> str | None:
        begun = self._begun.get(landing.url)
        if begun is None or self._world.scheduler.seconds < begun + _SHOWS_AFTER_SECONDS:
            return None
        return super().find_restore(instance, landing)

    def put(self, url: str, name: str, content: bytes) -> None:
        """What a job writes, a moment later."""
        self._needs_an_open_account()
        land = partial(self._world.landing.put, url, name, content)
        late = self._world.scheduler.random.uniform(0, POLICY.settle_seconds / 2)
        self._world.scheduler.spawn("file", lambda: land() and None, late)

    def blobs(self, url: str) -> tuple[Blob, ...]:
        return self._world.landing.blobs(url)


_SHOWS_AFTER_SECONDS = 60.0


class WatchedLanding(MemoryLanding):
    """No container goes while its restore may still read it."""

    def __init__(self, world: World) -> None:
        super().__init__(clock=world.scheduler.clock)
        self._world = world

    def delete(self, url: str, restore_id: str) -> None:
        if not self._world.states.load(restore_id).restore.ended:
            raise Broken(f"{restore_id} has not ended, and its files are deleted")
        super().delete(url, restore_id)


class SlowAccounts(MemoryLandingAccounts):
    """The management API takes its time, and a change may arrive though who asked for it died."""

    def __init__(self, world: World) -> None:
        super().__init__({ACCOUNT: SHUT})
        self._world = world

    def read(self, account: str) -> Access:
        self._wait()
        found = super().read(account)
        self._wait()
        return found

    def write(self, account: str, access: Access, was: Access) -> None:
        self._wait()
        self.accounts[account] = access.since(was, self.accounts[account])
        self._wait()

    def _wait(self) -> None:
        if self._world.is_troubled and self._world.scheduler.running is not None:
            self._world.scheduler.sleep(self._world.scheduler.random.choice((0.1, 0.5, 30.0)))


class Listener(MemoryCaller):
    """Somebody's service, which may be away for the first hours."""

    def __init__(self, world: World, away_seconds: float) -> None:
        super().__init__()
        self._world, self._away_seconds = world, away_seconds

    def call(self, url: str, content: bytes, now: datetime) -> None:
        self.failures = int(self._world.scheduler.seconds < self._away_seconds)
        super().call(url, content, now)


class WatchedStates(MemoryStates):
    """Every state that is ever stored is held against what must always be so."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._decoded: dict[str, Stored] = {}

    def save(self, restore: Restore, etag: str) -> Stored:
        before = self.load(restore.id).restore
        stored = super().save(restore, etag)
        self._decoded[restore.id] = stored
        self._world.check_change(before, stored.restore)
        return stored

    def load(self, restore_id: str) -> Stored:
        """Decoded once for each time it was stored: a restore is never changed in place."""
        known = self._decoded.get(restore_id)
        if known is None or known.etag != self._stored.get(restore_id, (b"", ""))[1]:
            known = self._decoded[restore_id] = super().load(restore_id)
        return known

    def ids(self) -> list[str]:
        return list(self._stored)


class World:
    """One run. `story` is what happened, for whoever has to find out why."""

    def __init__(self, seed: int) -> None:
        self.scheduler = Scheduler(seed)
        chance = self.scheduler.random
        self.troubles = Troubles.draw(chance)
        self.names = [f"db{number}" for number in range(chance.randint(1, 3))]
        self.server = Server(self.scheduler)
        self.states = WatchedStates(self)
        self.records = MemoryRecords()
        self.landing = WatchedLanding(self)
        self.vault = SlowVault(self, chance.randint(0, 3))
        if self.troubles.vault_fails:
            self.vault.job_failure = Outcome(OperationState.FAILED, message="no permission")
        self.vault.protect(INSTANCE)
        point = RecoveryPoint("rp1", BEGIN - timedelta(hours=3), "Completed")
        files = {"backupstarttimestamp": b"t", "g_roles.sql": b"--"}
        files |= {f"g_database_{name}.sql": b"PGDMP" for name in self.names}
        self.vault.back_up(INSTANCE, point, files)
        self.bus = MemoryBus(clock=self.scheduler.clock, lock_seconds=LOCK_SECONDS)
        self.documents = MemoryDocuments()
        self.accounts = SlowAccounts(self)
        self.caller = Listener(self, chance.choice((0.0, 0.0, 3 * 3600.0)))
        self.story: list[str] = []
        self.asked: dict[str, str] = {}  # restore id -> what was asked of it, in the end
        self.control = control.Control(
            clock=self.scheduler.clock,
            states=Ports(self.states, self),
            records=Ports(self.records, self),
            landing=Ports(self.landing, self),
            vault=Ports(self.vault, self),
            parameters=None,  # type: ignore[arg-type]
            bus=Ports(self.bus, self),
            policy=POLICY,
            vaults=(VAULT,),
            targets=(HOST,),
            callbacks=(LISTENER,),
            caller=Ports(self.caller, self),
            documents=Ports(self.documents, self),
            guard=control.LandingGuard(Ports(self.accounts, self), ACCOUNT),
        )
        self.tasks = Tasks(self)
        self._announced: set[tuple[str, str]] = set()
        self._working: dict[Actor, _SteppedWatch] = {}
        self._callers = 0
        self.is_over = False

    # ---- chance

    @property
    def is_troubled(self) -> bool:
        return self.scheduler.seconds < TROUBLED_SECONDS

    @property
    def _idle_seconds(self) -> float:
        """Between two looks at a queue."""
        return 10.0 if self.is_troubled else 60.0

    def happens(self, rate: float) -> bool:
        return self.is_troubled and rate > 0 and self.scheduler.random.random() < rate

    def meanwhile(self) -> None:
        """Others may come between, and this process may end."""
        if self.scheduler.running is None:
            return
        self.scheduler.sleep(self.scheduler.random.choice((0.0, 0.0, 0.01, 0.5)))
        if self.happens(self.troubles.crash):
            raise Killed

    def work_goes_on(self, job: Job, seconds: float) -> None:
        """A worker is at it; meanwhile it looks whether it is still wanted, and tells the news."""
        if self.happens(self.troubles.slow):
            seconds += 400.0
        self.scheduler.sleep(seconds)
        if self.happens(self.troubles.worker_killed):
            raise Killed
        actor = self.scheduler.running
        if actor is not None and (watch := self._working.get(actor)) is not None:
            watch.round()

    def chance_of_failure(self) -> None:
        if self.happens(self.troubles.task_fails):
            if self.scheduler.random.random() < 0.7:
                raise TransientError("server: expected an answer, found none")
            raise DataLossError("rows: expected 10, found 9")

    # ---- who is there

    def populate(self, restores: int) -> None:
        """Callers, workers, the timer, and whoever delivers events and reports."""
        chance = self.scheduler.random
        if chance.random() < 0.7:
            for name in self.names:
                if chance.random() < 0.6:
                    self.server.create(name)
        for number in range(restores):
            caller = partial(self._caller, number)
            self.scheduler.spawn(f"caller {number}", caller, chance.uniform(0, 600))
        for number in range(chance.randint(1, 3)):
            self.spawn_worker(number)
        self.scheduler.spawn("timer", self._timer)
        self.scheduler.spawn("post", self._post)

    def spawn_worker(self, number: int) -> None:
        self.scheduler.spawn(f"worker {number}", lambda: self._worker(number), 5.0)

    def _caller(self, number: int) -> None:
        """Asks for a restore, and perhaps for something else of it; insists on answers."""
        actor = self.scheduler.running
        assert actor is not None, "a caller is an actor"
        self._callers += 1
        actor.leave.append(self._one_caller_less)
        chance = self.scheduler.random
        body = {
            "source": {"server": SERVER},
            "target": {"host": "pg2.example.com", "user": "admin"},
            "onExisting": chance.choice(["refuse", "swap", "swap", "replace"]),
            "publish": chance.choice(["together", "each"]),
            "approval": chance.choice(["none", "none", "required"]),
            "dryRun": chance.random() < 0.1,
        }
        if chance.random() < 0.3:
            body["callback"] = {"url": f"https://{LISTENER}/{number}"}
        key = f"incident-{number}"
        restore = self._insist(lambda: flows.start(self.control, json.dumps(body).encode(), key))
        wish = chance.choice(["nothing", "nothing", "cancel", "undo", "approve"])
        self.story.append(f"{self.scheduler.seconds:9.1f} {restore.id} is asked for, then {wish}")
        self.asked[restore.id] = wish
        if wish == "cancel":
            if chance.random() < 0.5:  # while the account is being opened
                self._until(restore.id, lambda r: r.opened or r.ended, 1.0)
                self.scheduler.sleep(chance.uniform(0, 90))
            else:
                self.scheduler.sleep(chance.uniform(0, 2000))
            self._insist(lambda: flows.cancel(self.control, restore.id))
        if body["approval"] == "required" and wish != "nothing":
            self._until(restore.id, lambda r: r.phase is Phase.AWAITING_APPROVAL or r.ended)
            self.scheduler.sleep(chance.uniform(0, 1800))
            plan = self.states.load(restore.id).restore.plan
            if plan is not None:
                approval = json.dumps({"hash": plan.hash}).encode()
                with suppress(flows.NotApprovableError):
                    self._insist(lambda: flows.approve(self.control, restore.id, approval))
        if wish == "undo":
            self._until(restore.id, lambda r: r.ended)
            self.scheduler.sleep(chance.uniform(0, 3 * 3600))
            with suppress(flows.NotUndoableError):
                self._insist(lambda: flows.undo(self.control, restore.id))

    def _one_caller_less(self) -> None:
        self._callers -= 1

    def _until(
        self, restore_id: str, is_there: Callable[[Restore], bool], step_seconds: float = 60.0
    ) -> None:
        while not is_there(self.states.load(restore_id).restore):
            self.scheduler.sleep(step_seconds)

    def _insist(self, call: Callable[[], Restore]) -> Restore:
        """A caller who repeats the request until it is answered."""
        while True:
            try:
                return call()
            except (TransientError, Killed):
                if self.scheduler.running is not None and self.scheduler.running.is_killed:
                    raise
                self.scheduler.sleep(15.0)

    def _timer(self) -> None:
        while not self.is_at_rest():
            self.scheduler.spawn("tick", self._tick)
            self.scheduler.sleep(self._pause())
        self.is_over = True

    def _pause(self) -> float:
        """Nobody needs a tick every half minute while nothing can happen."""
        dues = [s.due for s in self.states.summaries() if s.due is not None]
        if not dues:
            return TICK_SECONDS
        wait = (min(dues) - self.scheduler.now).total_seconds()
        return max(TICK_SECONDS, min(wait, 3600.0) if not self.is_troubled else TICK_SECONDS)

    def _tick(self) -> None:
        try:
            flows.tick(self.control)
        except (RestoreError, ExceptionGroup) as exc:
            _expected(exc)

    def _post(self) -> None:
        """Deliver reports at least once, and news of files if at all."""
        while True:
            for body in self.bus.reports():
                if not self.happens(self.troubles.report_lost):
                    times = 2 if self.happens(self.troubles.report_twice) else 1
                    for _ in range(times):
                        self.scheduler.spawn("report", lambda body=body: self._report(body))
            self._announce()
            self.scheduler.sleep(self._idle_seconds)

    def _report(self, body: bytes) -> None:
        for _ in range(10):
            try:
                flows.task_reported(self.control, body)
                return
            except RestoreError as exc:
                _expected(exc)
            except Killed:
                if self.scheduler.running is not None and self.scheduler.running.is_killed:
                    raise
            self.scheduler.sleep(LOCK_SECONDS)

    def _announce(self) -> None:
        chance = self.scheduler.random
        for restore_id in self.states.ids():
            url = self.landing.url(f"restore-{restore_id}")
            with suppress(RestoreError):
                for blob in self.landing.blobs(url):
                    if (url, blob.name) in self._announced:
                        continue
                    self._announced.add((url, blob.name))
                    if self.happens(self.troubles.event_lost):
                        continue
                    for _ in range(2 if self.happens(self.troubles.event_twice) else 1):
                        news = _created(url, blob)
                        late = chance.choice((0.0, 3.0, 600.0))
                        self.scheduler.spawn("event", lambda n=news: self._event(n), late)

    def _event(self, news: str) -> None:
        try:
            flows.file_landed(self.control, news)
        except RestoreError as exc:
            _expected(exc)

    # ---- workers

    def _worker(self, number: int) -> None:
        """The real loop around tasks; one that is killed is replaced by another."""
        actor = self.scheduler.running
        assert actor is not None, "a worker is an actor"
        actor.leave.append(lambda: self._working.pop(actor, None))
        actor.leave.append(lambda: self._replace(actor, number))
        worker = worker_module.Worker(
            clock=self.scheduler.clock,
            states=Ports(self.states, self),
            records=Ports(self.records, self),
            landing=Ports(self.landing, self),
            bus=Ports(self.bus, self),
            inbox=self.bus,
            secrets=None,  # type: ignore[arg-type]
            token=lambda: "",
            targets=(HOST,),
            tls=None,  # type: ignore[arg-type]
            clients={},
            departure=Departure(),
        )
        while True:
            with self.bus.take(0) as hold:
                if hold is not None:
                    self._lose_lock()
                    try:
                        worker_module.work(worker, hold)
                    except RestoreError as exc:
                        _expected(exc)
            self.scheduler.sleep(1.0 if hold is not None else self._idle_seconds)

    def _replace(self, actor: Actor, number: int) -> None:
        if not self.is_over:
            self.spawn_worker(number)

    def _lose_lock(self) -> None:
        """The lock of some message expires, whoever is at work on it goes on without."""
        if self.happens(self.troubles.lock_lost):
            self.bus.expire_locks()

    def watching(self, watch: _SteppedWatch) -> None:
        actor = self.scheduler.running
        assert actor is not None, "a task is run by an actor"
        self._working[actor] = watch

    def unwatched(self) -> None:
        if self.scheduler.running is not None:
            self._working.pop(self.scheduler.running, None)

    # ---- what must always be so

    def check_change(self, before: Restore, after: Restore) -> None:
        if before.ended and after.phase is not before.phase:
            raise Broken(f"{after.id} was {before.phase}, which is final, and became {after.phase}")
        if not after.ended and not after.outbox:
            raise Broken(f"{after.id} has not ended, and nothing comes next")
        if _works(after) and not _works(before):
            others = [r.id for r in self.restores if r.id != after.id and _works(r)]
            if others:
                raise Broken(f"{after.id} begins while {others} work on the same server")
        if sum(t.kind == "database" and t.state is TaskState.SENT for t in after.tasks) > _AT_ONCE:
            raise Broken(f"{after.id} restores more databases at the same time than it may")
        for task in after.tasks:
            if len(task.failures) > task.attempt:
                raise Broken(f"{after.id}: {task.id} has failed more often than it was tried")
        if after.phase is not before.phase:
            if after.failure and after.failure.code not in self.troubles.explained:
                raise Broken(f"{after.id} failed without need: {after.failure}")
            why = f": {after.failure.code}, {after.failure.message}" if after.failure else ""
            self.story.append(f"{self.scheduler.seconds:9.1f} {after.id} {after.phase}{why}")
        done = {t.id for t in before.tasks if t.state is TaskState.DONE and t.id != "prepare"}
        lost = done - {t.id for t in after.tasks if t.state is TaskState.DONE} - {"debts", "retire"}
        if lost:
            raise Broken(f"{after.id}: what was done is to be done again: {sorted(lost)}")

    @property
    def restores(self) -> list[Restore]:
        return [self.states.load(restore_id).restore for restore_id in self.states.ids()]

    def is_at_rest(self) -> bool:
        """Nobody asks for anything any more, and nothing is left to do."""
        if self.is_troubled or self._callers:
            return False
        return all(restore.ended and not restore.outbox for restore in self.restores)

    def check_end(self) -> None:
        """What must be so when all has come to rest."""
        for restore_id in self.states.ids():
            restore = self.states.load(restore_id).restore
            if not restore.ended:
                raise Broken(f"{restore_id} never came to an end: {restore.phase}")
            if restore.outbox:
                raise Broken(f"{restore_id} has ended, and its outbox holds {restore.outbox}")
            if restore.purged is None or restore_id in self.landing.made():
                raise Broken(f"{restore_id} has ended, and its files are still there")
            self._check_effect(restore)
            self._check_told(restore)
            self._check_called(restore)
        if self.accounts.accounts[ACCOUNT] != SHUT:
            raise Broken(f"the landing account was left {self.accounts.accounts[ACCOUNT]}")
        if self.bus.tickets:
            raise Broken(f"tickets are left: {self.bus.tickets}")
        if self.vault.restores_begun > len(self.states.ids()):
            raise Broken(f"{self.vault.restores_begun} jobs of the vault were begun")

    def _check_told(self, restore: Restore) -> None:
        """All that happened, in its order."""
        events = [event for told, event in self.bus.announced if told == restore.id]
        numbers = [event["data"]["number"] for event in events]
        if numbers != list(range(1, restore.announced + 1)):
            raise Broken(f"{restore.id} had {restore.announced} events, told were {numbers}")
        ends = [event["type"] for event in events if event["data"]["status"] in FINAL]
        if not ends or sum("end" in event["data"] for event in events) != 1:
            raise Broken(f"{restore.id} ended, and told {ends}")

    def _check_called(self, restore: Restore) -> None:
        """Who asked for a call had one; or it was given up, and the restore says so."""
        if restore.request.callback is None:
            return
        url = restore.request.callback.url
        ends = {json.loads(body)["status"] for called, body in self.caller.called if called == url}
        given_up = any(warning.startswith("callback:") for warning in restore.warnings)
        if ends != {operation(restore)["status"]} and not (given_up and not ends):
            raise Broken(f"{restore.id} is {restore.phase}, and {url} was told of {ends}")

    def _check_effect(self, restore: Restore) -> None:
        ours = [d for d in self.server.databases.values() if d.by == restore.id]
        undone = restore.undo is not None and restore.undo.undone
        mine = {index: t for t in restore.tasks if (index := t.database) is not None}
        if restore.phase in (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS):
            if restore.request.dry_run:
                if ours:
                    raise Broken(f"{restore.id} was a dry run, and made {ours}")
                return
            times = [n for oid, n in self.server.published.items() if self._by(oid, restore, mine)]
            if times != [1] * len(self.names):
                raise Broken(f"{restore.id} succeeded, its databases were published {times} times")
        elif restore.phase is not Phase.PARTIAL:
            published = [d for d in ours if self.server.published.get(d.oid)]
            if published:
                raise Broken(f"{restore.id} is {restore.phase}, and published {published}")
        staged = [d for d in ours if "__restoring_" in d.name]
        if staged and not undone:
            raise Broken(f"{restore.id} left {staged}")
        if restore.id in self.server.borrowed or restore.debts:
            raise Broken(f"{restore.id} did not give back what it borrowed: {restore.debts}")

    def _by(self, oid: int, restore: Restore, mine: Any) -> bool:
        for index, step in enumerate(restore.plan.databases if restore.plan else ()):
            task = restore.task(f"database-{index}")
            result = task.result.database if task and task.result else None
            if result is not None and result.oid == oid and step:
                return True
        return False


class _SteppedWatch(Watch):
    """The real watch without its thread: it looks whenever its task pauses."""

    world: World

    def __enter__(self) -> _SteppedWatch:  # type: ignore[override]
        self._rounds = 0
        self.world.watching(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.world.unwatched()

    def round(self) -> None:
        self._attempt(self._rounds)
        self._rounds += 1


def _works(restore: Restore) -> bool:
    """Has it the server for itself?"""
    works = restore.phase in (Phase.PREPARING, Phase.RESTORING, Phase.FINISHING)
    return works and not any(command.do is Do.CLAIM for command in restore.outbox)


def _created(url: str, blob: Blob) -> str:
    container = url.rpartition("/")[2]
    return json.dumps(
        {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobServices/default/containers/{container}/blobs/{blob.name}",
            "data": {"api": "PutBlockList", "url": f"{url}/{blob.name}"},
        }
    )


def _expected(error: BaseException) -> None:
    """Raises what no trouble explains."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            _expected(each)
    elif not isinstance(error, RestoreError | StoppedError):
        raise error
