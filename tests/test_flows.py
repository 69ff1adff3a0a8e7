"""The control plane's use cases on ports in memory, with a clock to turn and trouble to make."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count, pairwise

import pytest

from restore import control, flows
from restore.control import ServerBusyError
from restore.core.backup import Instance, OperationState, Outcome, RecoveryPoint
from restore.core.messages import REPORTS, DatabaseResult, Failure, Report, Result, TaskResult
from restore.core.policy import Policy
from restore.core.request import fingerprint, parse, query
from restore.core.request_error import RequestError
from restore.core.state import (
    CARRIED_THROUGH,
    FINAL,
    Do,
    Phase,
    TaskState,
    UndoState,
    decode,
    encode,
)
from restore.errors import (
    ConflictError,
    InputError,
    MessageError,
    NotFoundError,
    TransientError,
    VaultError,
)
from tests.core.test_afterwards import kept
from tests.core.test_life import NOW, plan
from tests.fakes import (
    MemoryBus,
    MemoryCaller,
    MemoryDocuments,
    MemoryLanding,
    MemoryRecords,
    MemoryServerParameters,
    MemoryStates,
    MemoryVault,
)

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg/providers"
VAULT = f"{GROUP}/Microsoft.DataProtection/backupVaults/safe"
OTHER_VAULT = f"{GROUP}/Microsoft.DataProtection/backupVaults/other"
SERVER = f"{GROUP}/Microsoft.DBforPostgreSQL/flexibleServers/pg1"
TARGET_ID = f"{GROUP}/Microsoft.DBforPostgreSQL/flexibleServers/pg2"
TARGET = {"host": "PG2.example.com", "user": "admin", "secret": "pg2"}
INSTANCE = Instance(VAULT, "pg1-0c0ffee0", SERVER, "westeurope", "ProtectionConfigured")
POINT = RecoveryPoint("rp1", NOW - timedelta(hours=3), "Completed")
FILES = {"backupstarttimestamp": b"t", "g_database_crm.sql": b"PGDMP", "g_roles.sql": b"--"}
POLICY = Policy()
APPROVABLE = "a" * 64
ROUND_SECONDS = 10
ROUNDS = 80  # 800 s: fewer than a silent worker is given


def body(source=None, **changes):
    request = {"source": source or {"server": SERVER}, "target": TARGET, **changes}
    return json.dumps(request).encode()


def created(url, name):
    """What Event Grid delivers for a new blob."""
    container = url.rpartition("/")[2]
    return json.dumps(
        {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
            "data": {"api": "PutBlockList", "url": f"{url}/{name}"},
        }
    )


class World:
    """A control plane, and beside it one obedient worker. `trouble` is met at its port calls."""

    def __init__(self, polls=1, trouble=None, targets=("pg2.example.com:5432",), states=None):
        self.targets = targets
        self.now = NOW
        self.states = states or MemoryStates()
        self.records = MemoryRecords()
        self.landing = MemoryLanding(clock=self.clock)
        self.vault = MemoryVault(self.landing, polls)
        self.vault.protect(INSTANCE)
        self.vault.back_up(INSTANCE, POINT, FILES)
        self.parameters = MemoryServerParameters(TARGET_ID, {"max_wal_size": "32768"})
        self.bus = MemoryBus(clock=self.clock)
        self.documents = MemoryDocuments()
        self.taken: list[str] = []  # message ids, in the order a worker got them
        self.fails: dict[str, Failure] = {}  # by task
        self.owes: dict[str, tuple[str, ...]] = {}  # by task
        self.plan = plan("crm")
        self._reports: list[bytes] = []
        self.plain = self._control(lambda port: port)
        self.control = self._control(trouble.around(self)) if trouble else self.plain

    def clock(self) -> datetime:
        return self.now

    def _control(self, wrap: Callable) -> control.Control:
        return control.Control(
            clock=self.clock,
            states=wrap(self.states),
            records=wrap(self.records),
            landing=wrap(self.landing),
            vault=wrap(self.vault),
            parameters=wrap(self.parameters),
            bus=wrap(self.bus),
            policy=POLICY,
            vaults=(VAULT, OTHER_VAULT),
            targets=self.targets,
            documents=wrap(self.documents),
        )

    def start(self, key="incident-1", **changes):
        """The id of a restore, by a caller who repeats the POST until it is answered."""
        return persistent(lambda: flows.start(self.control, body(**changes), key)).id

    def restore(self, restore_id):
        return self.states.load(restore_id).restore

    def round(self):
        """Some seconds later: the timer, the workers, and the reports they sent."""
        self.now += timedelta(seconds=ROUND_SECONDS)
        with suppress(ExceptionGroup, Crash, TransientError):
            flows.tick(self.control)
        self.work()
        self.report()

    def work(self):
        while True:
            with self.bus.take(0) as hold:
                if hold is None:
                    return
                ticket = hold.ticket
                self.taken.append(ticket.message_id.partition("/")[2])
                self.records.put_result(ticket.restore, self._result(ticket))
                self.bus.send_report(Report(ticket.restore, ticket.task, ticket.attempt))
                hold.complete()

    def report(self):
        """Hand over reports; one that is not taken is delivered again in the next round."""
        waiting, self._reports = [*self._reports, *self.bus.reports()], []
        for report in waiting:
            try:
                flows.task_reported(self.control, report)
            except (Crash, TransientError):
                self._reports.append(report)

    def _result(self, ticket):
        restore = self.restore(ticket.restore)
        if restore.stopping and ticket.task.partition("-")[0] not in CARRIED_THROUGH:
            return TaskResult(ticket.task, ticket.attempt, Result.CANCELLED)
        if failure := self.fails.get(ticket.task):
            return TaskResult(ticket.task, ticket.attempt, Result.FAILED, failure)
        owed = self.owes.get(ticket.task, ())
        done = TaskResult(ticket.task, ticket.attempt, Result.DONE, debts=owed)
        if ticket.task == "prepare":
            return replace(done, plan=self.plan)
        proven = DatabaseResult("crm", 3, 10, 10)
        return replace(done, database=proven) if ticket.task == "database-0" else done

    def end(self, restore_id):
        """The restore after so many rounds as it needs."""
        for _ in range(ROUNDS):
            if self.restore(restore_id).ended:
                break
            self.round()
        return self.restore(restore_id)

    def jump(self, restore_id, is_there):
        """The same until it is so: from one thing that has its time to the next."""
        for _ in range(ROUNDS):
            restore = self.restore(restore_id)
            if is_there(restore):
                return restore
            if restore.outbox and not self.bus.tickets:
                soon = timedelta(seconds=ROUND_SECONDS)
                self.now = max(self.now, min(c.due for c in restore.outbox) - soon)
            self.round()
        raise AssertionError("never came there")

    def until(self, restore_id, is_there):
        for _ in range(ROUNDS):
            if is_there(self.restore(restore_id)):
                return
            self.now += timedelta(seconds=ROUND_SECONDS)
            flows.tick(self.control)
            if is_there(self.restore(restore_id)):
                return
            self.work()
            self.report()
        raise AssertionError("never came there")


def persistent(call):
    for _ in range(5):
        with suppress(Crash, TransientError):
            return call()
    raise AssertionError("expected an answer to the fifth try at the latest")


# ---- trouble at the n-th call of a port --------------------------------------------------------


class Crash(Exception):
    """The process dies here."""


class Trouble:
    """The n-th port call goes wrong, once: before it has an effect, or after."""

    def __init__(self, at, strike, is_after):
        self.left = at
        self.met = False
        self._strike = strike
        self._is_after = is_after

    def around(self, world):
        return lambda port: Shaky(port, world, self)

    def call(self, world, method, arguments):
        self.left -= 1
        strikes = self.left == 0
        if strikes and not self._is_after:
            self._meet(world)
        try:
            return method(*arguments)
        finally:
            if strikes and self._is_after:
                self._meet(world)

    def _meet(self, world):
        self.met = True
        self._strike(world)


class Shaky:
    def __init__(self, port, world, trouble):
        self._port, self._world, self._trouble = port, world, trouble

    def __getattr__(self, name):
        method = getattr(self._port, name)
        return lambda *arguments: self._trouble.call(self._world, method, arguments)


def crash(world):
    raise Crash


def broken_line(world):
    raise TransientError("connection: expected an answer, found it broken")


def another_tick(world):
    flows.tick(world.plain)


def cancelled(world):
    for summary in list(world.states.summaries()):
        flows.cancel(world.plain, summary.id)


def whole(world):
    """From the POST to the end."""
    return world.end(world.start())


def sweep(strike, is_after, check, live=whole):
    """A whole restore for every port call there is, with trouble at that call."""
    for at in count(1):
        world = World(trouble=Trouble(at, strike, is_after))
        restore = live(world)
        trouble = world.control.states._trouble
        check(world, restore, f"{strike.__name__} at call {at}")
        if not trouble.met:
            assert at > 20, "a restore takes more port calls than that"
            return


WAY = [
    Phase.REQUESTED,
    Phase.EXTRACTING,
    Phase.PREPARING,
    Phase.RESTORING,
    Phase.FINISHING,
    Phase.SUCCEEDED,
]
TASKS = ["prepare/1", "roles/1", "database-0/1", "finish/1"]


def check_success(world, restore, where="as planned"):
    assert restore.phase is Phase.SUCCEEDED, where
    assert [change.phase for change in restore.history] == WAY, where
    assert world.vault.restores_begun == 1, where
    assert world.taken == TASKS, where
    assert [task.attempt for task in restore.tasks] == [1] * 4, where
    assert [blob.name for blob in restore.files] == sorted(FILES), where
    assert [c.do for c in restore.outbox] in ([], [Do.PURGE]), where
    assert (restore.warnings, restore.failure) == ((), None), where
    assert world.bus.tickets == [], where


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("strike", [crash, broken_line, another_tick])
def test_trouble_at_any_port_call_changes_nothing_about_the_end(strike, is_after):
    """After a crash, a broken connection, and with another flow in between: once, and whole."""
    sweep(strike, is_after, check_success)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_cancel_between_any_two_port_calls_ends_it_soon_and_takes_back_what_was_begun(is_after):
    def check(world, restore, where):
        if "finish/1" in world.taken or not restore.cancelled:
            assert restore.phase is Phase.SUCCEEDED, where
            return
        assert restore.phase is Phase.CANCELLED, where
        assert world.vault.restores_begun <= 1, where
        touched = {"roles/1", "database-0/1"} & set(world.taken)
        assert ("cleanup/1" in world.taken) >= bool(touched), where
        assert len(set(world.taken)) == len(world.taken), where

    sweep(cancelled, is_after, check)


# ---- from the plan's approval to what was replaced ---------------------------------------------

CAREFUL = {"approval": "required", "publish": "each", "onExisting": "swap"}
OWED = "membership in 'owner': expected to give it back"
LONG_WAY = [*WAY[:3], Phase.AWAITING_APPROVAL, *WAY[2:5], Phase.SUCCEEDED_WITH_WARNINGS]
LONG_TASKS = ["prepare/1", "prepare/2", "roles/1", "database-0/1", "publish-0/1", "finish/1"]


def adoptable(world):
    """The URL of a container that has the files already."""
    url = world.landing.url("my-files")
    world.landing.create(url, "0" * 16)
    for name, content in FILES.items():
        world.landing.put(url, name, content)
    return url


def careful(world):
    """The id of a restore that waits for its approval, over a database that is there."""
    world.plan = plan("crm", databases=(kept("crm"),), hash=APPROVABLE)
    restore_id = world.start(source={"container": adoptable(world)}, **CAREFUL)
    world.jump(restore_id, lambda restore: restore.phase is Phase.AWAITING_APPROVAL)
    return restore_id


def approved(world, restore_id, plan_hash=APPROVABLE):
    body = json.dumps({"hash": plan_hash}).encode()
    return persistent(lambda: flows.approve(world.control, restore_id, body))


def long_life(world):
    """Approved, published, undone, its debts collected, and what nobody wants dropped."""
    restore_id = careful(world)
    world.owes = {"finish": (OWED,), "undo": (OWED,)}
    approved(world, restore_id)
    world.jump(restore_id, lambda restore: restore.ended)
    persistent(lambda: flows.undo(world.control, restore_id))
    return world.jump(restore_id, lambda restore: restore.ended and not restore.outbox)


def check_long_life(world, restore, where="as planned"):
    assert [change.phase for change in restore.history] == LONG_WAY, where
    assert world.taken == [*LONG_TASKS, "undo/1", "debts/1", "retire/1"], where
    assert (restore.undo.state, restore.undo.undone) == (UndoState.CLOSED, True), where
    assert (restore.debts, restore.warnings, restore.failure) == ((), (), None), where
    assert world.bus.tickets == [], where


def test_a_restore_is_approved_undone_and_cleared_away():
    world = World()
    check_long_life(world, long_life(world))


@pytest.mark.parametrize(
    ("strike", "is_after"), [(crash, False), (crash, True), (another_tick, True)]
)
def test_trouble_at_any_port_call_changes_nothing_about_what_comes_after_the_end(strike, is_after):
    sweep(strike, is_after, check_long_life, long_life)


def test_a_plan_is_there_once_it_is_made():
    world = World()
    restore_id = world.start()
    with pytest.raises(flows.NotPlannedError, match="found it extracting"):
        flows.plan_of(world.control, restore_id)
    world.end(restore_id)
    assert flows.plan_of(world.control, restore_id) == world.plan


def test_only_the_plan_as_it_is_now_can_be_approved():
    world = World()
    restore_id = careful(world)
    with pytest.raises(RequestError, match="/hash"):
        flows.approve(world.control, restore_id, b'{"hash": "short"}')
    with pytest.raises(flows.NotApprovableError, match="found another") as caught:
        approved(world, restore_id, "0" * 64)
    assert f"GET /api/restores/{restore_id}/plan" in caught.value.hint
    assert world.restore(restore_id).phase is Phase.AWAITING_APPROVAL
    assert approved(world, restore_id).phase is Phase.PREPARING
    assert approved(world, restore_id).phase is Phase.PREPARING  # twice


def test_a_plan_that_changed_meanwhile_is_asked_about_again():
    world = World()
    restore_id = careful(world)
    world.plan = replace(world.plan, hash="f" * 64)
    approved(world, restore_id)
    world.jump(restore_id, lambda restore: restore.phase is Phase.AWAITING_APPROVAL)
    with pytest.raises(flows.NotApprovableError):
        approved(world, restore_id)
    approved(world, restore_id, "f" * 64)
    assert world.jump(restore_id, lambda restore: restore.ended).phase is Phase.SUCCEEDED


def test_a_restore_that_waits_for_nobody_cannot_be_approved():
    world = World()
    world.plan = plan("crm", hash=APPROVABLE)
    restore_id = world.start()
    world.end(restore_id)
    with pytest.raises(flows.NotApprovableError, match="found it succeeded"):
        approved(world, restore_id)


def test_an_approval_that_never_comes_ends_the_restore_with_nothing_done():
    world = World()
    restore_id = careful(world)
    restore = world.jump(restore_id, lambda restore: restore.ended)
    assert (restore.failure.code, world.taken) == ("not-approved", ["prepare/1"])
    with pytest.raises(flows.NotApprovableError, match="found it failed"):
        approved(world, restore_id)


def test_a_dry_run_sends_nothing_but_the_prepare():
    world = World()
    restore = world.end(world.start(dryRun=True))
    assert (restore.phase, world.taken) == (Phase.SUCCEEDED, ["prepare/1"])
    assert flows.show(world.control, restore.id)["plan"]["hash"] == restore.plan.hash


def test_two_restores_that_wait_for_approval_do_not_keep_each_other_waiting():
    world = World()
    world.plan = plan("crm", hash=APPROVABLE)
    first, second = world.start("a", approval="required"), world.start("b", approval="required")
    for one in (first, second):
        world.jump(one, lambda restore: restore.phase is Phase.AWAITING_APPROVAL)
    approved(world, second)
    assert world.jump(second, lambda restore: restore.ended).phase is Phase.SUCCEEDED
    approved(world, first)
    assert world.jump(first, lambda restore: restore.ended).phase is Phase.SUCCEEDED


def published_over(world):
    """The id of a restore that has put a database aside."""
    world.plan = plan("crm", databases=(kept("crm"),), hash=APPROVABLE)
    restore_id = world.start(onExisting="swap")
    world.end(restore_id)
    return restore_id


def test_an_undo_may_be_asked_for_twice_and_waits_for_whoever_works_on_the_server():
    world = World()
    restore_id = published_over(world)
    other = world.start("another")
    world.until(other, sent("roles"))
    for _ in range(2):
        flows.undo(world.control, restore_id)
    assert world.restore(restore_id).waits_for == other
    assert world.bus.tickets[-1].restore == other
    world.jump(restore_id, lambda restore: restore.undo.undone)
    assert world.restore(other).ended
    assert flows.undo(world.control, restore_id).undo.state is UndoState.DONE


def test_nobody_else_begins_while_an_undo_is_at_work():
    world = World()
    restore_id = published_over(world)
    flows.undo(world.control, restore_id)
    other = world.start("another")
    for _ in range(8):
        world.now += timedelta(seconds=POLICY.poll_seconds)
        flows.tick(world.control)
    assert world.restore(other).waits_for == restore_id
    assert world.end(other).phase is Phase.SUCCEEDED


def test_where_nothing_was_replaced_nothing_can_be_undone():
    world = World()
    restore_id = world.start()
    with pytest.raises(flows.NotUndoableError, match="found none"):
        flows.undo(world.control, restore_id)
    world.end(restore_id)
    with pytest.raises(flows.NotUndoableError, match="found none"):
        flows.undo(world.control, restore_id)


def test_an_undo_that_comes_too_late_is_refused():
    world = World()
    restore_id = published_over(world)
    world.now = world.restore(restore_id).undo.until
    with pytest.raises(flows.NotUndoableError, match="found it later"):
        flows.undo(world.control, restore_id)
    world.jump(restore_id, lambda restore: restore.undo.state is UndoState.CLOSED)
    with pytest.raises(flows.NotUndoableError, match="found it later"):
        flows.undo(world.control, restore_id)
    assert world.taken[-1] == "retire/1"


def test_a_tick_looks_at_what_has_ended_only_when_something_is_due():
    world = World()
    restore_id = published_over(world)
    assert flows.tick(world.control) == 0
    world.now = world.restore(restore_id).undo.until
    assert flows.tick(world.control) == 1
    assert world.restore(restore_id).task("retire").state is TaskState.SENT


# ---- the whole way -----------------------------------------------------------------------------


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_ticks_alone_carry_a_restore_to_its_end(polls):
    world = World(polls)
    check_success(world, world.end(world.start()))


def test_where_azure_answers_at_once_events_alone_carry_a_restore_to_its_end():
    world = World(polls=0)
    restore = flows.start(world.control, body())
    assert restore.phase is Phase.EXTRACTING
    world.now += timedelta(seconds=POLICY.settle_seconds)
    for name in FILES:
        flows.file_landed(world.control, created(restore.container, name))
    for _ in TASKS:
        world.work()
        world.report()
    check_success(world, world.restore(restore.id))


def test_news_of_a_file_hurries_the_look_at_the_job():
    world = World(polls=1)
    restore_id = world.start()
    world.until(restore_id, lambda restore: restore.job is not None)
    world.now += timedelta(seconds=5)
    flows.file_landed(world.control, created(world.restore(restore_id).container, "g_roles.sql"))
    assert [c.do for c in world.restore(restore_id).outbox] == [Do.LIST_FILES]


def test_files_that_are_there_already_need_no_vault():
    world = World()
    url = adoptable(world)
    restore = world.end(world.start(source={"container": url}))
    assert restore.phase is Phase.SUCCEEDED
    assert restore.container == url
    assert world.vault.restores_begun == 0


def test_each_restore_has_a_container_of_its_own():
    world = World()
    one, two = world.restore(world.start("a")), world.restore(world.start("b"))
    assert one.container.endswith(f"/{flows.CONTAINER_PREFIX}{one.id}")
    assert one.container != two.container


def test_a_status_is_shown_and_the_newest_restores_come_first():
    world = World()
    first = world.start("a")
    world.now += timedelta(seconds=1)
    second = world.start("b")
    assert [summary.id for summary in flows.summaries(world.control)] == [second, first]
    assert [summary.id for summary in flows.summaries(world.control, limit=1)] == [second]
    assert flows.show(world.control, first)["status"] is Phase.EXTRACTING
    world.end(first)
    assert flows.show(world.control, first)["databases"][0]["phase"] == "published"


@pytest.mark.parametrize("restore_id", ["0123456789abcdef", "", "../x", "ABCDEF0123456789"])
def test_a_restore_that_was_never_asked_for_is_not_found(restore_id):
    for call in (flows.show, flows.cancel, flows.undo, flows.plan_of):
        with pytest.raises(NotFoundError):
            call(World().control, restore_id)


# ---- asking twice, and asking wrongly ----------------------------------------------------------


def test_the_same_key_gives_the_same_restore_without_a_second_one():
    world = World()
    first = world.start("incident-1")
    again = world.start("incident-1")
    assert again == first
    assert [summary.id for summary in world.states.summaries()] == [first]
    check_success(world, world.end(first))
    assert flows.start(world.control, body(), "incident-1").phase is Phase.SUCCEEDED


def test_without_a_key_every_post_is_a_restore_of_its_own():
    world = World()
    assert world.start(None) != world.start(None)


def test_a_key_that_was_used_for_another_request_is_refused():
    world = World()
    first = world.start("incident-1")
    with pytest.raises(flows.KeyReusedError) as caught:
        flows.start(world.control, body(onExisting="swap"), "incident-1")
    assert first in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source": {"server": SERVER, "recoveryPoint": {"before": "2026-11-20T10:00:00+02:00"}}},
        {"source": {"server": SERVER, "recoveryPoint": {"before": "2026-11-20T10:00:00Z"}}},
        {"source": {"instance": "pg1", "vault": VAULT, "region": "northeurope"}},
        {"databases": {"include": ["a", "b"], "rename": {"a": "c", "b": "Größe"}}},
        {"globals": {"roles": "skip", "schema": "apply"}, "onExisting": "swap"},
    ],
)
def test_a_stored_request_is_known_again_when_its_key_comes_back(changes):
    world = World()
    request = parse(body(**changes))
    stored = replace(world.restore(world.start()), request=request)
    assert fingerprint(decode(encode(stored)).request) == fingerprint(request)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"target": {**TARGET, "host": "live.example.com"}}, control.TargetNotAllowedError),
        ({"target": {**TARGET, "port": 5433}}, control.TargetNotAllowedError),
        (
            {"source": {"server": SERVER, "vault": VAULT.replace("safe", "foreign")}},
            control.VaultNotAllowedError,
        ),
        (
            {"source": {"container": "https://foreign.blob.core.windows.net/files"}},
            control.ContainerNotAllowedError,
        ),
        ({"callback": {"url": "https://hooks.example.com/"}}, control.CallbackNotAllowedError),
        ({"extra": 1}, RequestError),
    ],
)
def test_a_request_that_is_refused_stores_nothing(changes, error):
    world = World()
    with pytest.raises(error):
        flows.start(world.control, body(**changes), "key")
    assert list(world.states.summaries()) == []


@pytest.mark.parametrize("failures", [0, 2])
def test_who_asked_for_it_is_told_of_the_end(failures):
    """Once, though it was not to be reached at first."""
    world = World()
    caller = MemoryCaller(failures)
    world.control = replace(world.control, callbacks=("hooks.example.com",), caller=caller)
    restore_id = world.start(callback={"url": "https://hooks.example.com/r"})
    assert world.end(restore_id).phase is Phase.SUCCEEDED
    world.jump(restore_id, lambda restore: Do.CALL not in {c.do for c in restore.outbox})
    [(url, content)] = caller.called
    assert url == "https://hooks.example.com/r"
    assert (json.loads(content)["id"], json.loads(content)["status"]) == (restore_id, "Succeeded")


def test_a_host_that_is_no_longer_allowed_is_not_called():
    world = World()
    allowing = replace(world.control, callbacks=("hooks.example.com",), caller=MemoryCaller())
    asked = body(callback={"url": "https://hooks.example.com/r"})
    restore_id = flows.start(allowing, asked, "key").id
    world.end(restore_id)
    restore = world.jump(restore_id, lambda restore: Do.CALL not in {c.do for c in restore.outbox})
    assert "callback to hooks.example.com: expected one of none" in restore.warnings[-1]


def test_an_allowed_name_is_the_same_in_any_case():
    world = World()
    source = {"server": SERVER.upper().replace("/SUBSCRIPTIONS", "/subscriptions"), "vault": VAULT}
    check_success(world, world.end(world.start(source={**source, "vault": VAULT.lower()})))


# ---- which backup ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        {"server": SERVER},
        {"server": SERVER.lower()},
        {"instance": "PG1-0C0FFEE0"},
        {"instance": INSTANCE.name, "vault": VAULT.lower()},
    ],
)
def test_recovery_points_are_found_by_server_or_instance_in_any_case(source):
    world = World()
    world.vault.back_up(INSTANCE, RecoveryPoint("rp2", NOW, "Partial"), {})
    found = flows.recovery_points(world.control, query(source))
    assert (found["vault"], found["instance"], found["server"]) == (VAULT, INSTANCE.name, SERVER)
    assert [(p["id"], p["restorable"]) for p in found["recoveryPoints"]] == [
        ("rp2", False),
        ("rp1", True),
    ]


def test_only_what_was_replicated_is_there_in_another_region():
    world = World()
    source = query({"server": SERVER, "region": "northeurope"})
    assert flows.recovery_points(world.control, source)["recoveryPoints"] == []
    world.vault.back_up(INSTANCE, POINT, FILES, "northeurope")
    assert len(flows.recovery_points(world.control, source)["recoveryPoints"]) == 1


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ({"server": SERVER}, "found 2 among: pg1-0c0ffee0, pg1-again"),
        ({"instance": "pg9"}, "found 0 among: pg1-0c0ffee0, pg1-again"),
        ({"server": SERVER.replace("pg1", "pg9")}, "found 0 among: pg1-0c0ffee0, pg1-again"),
        ({"server": SERVER.replace("pg1", "pg9"), "vault": VAULT}, "found 0 among: pg1-0c0ffee0"),
    ],
)
def test_a_server_that_is_protected_twice_or_not_at_all_is_refused_with_what_there_is(
    source, found
):
    world = World()
    world.vault.protect(replace(INSTANCE, vault=OTHER_VAULT, name="pg1-again"))
    with pytest.raises(NotFoundError, match=found):
        flows.recovery_points(world.control, query(source))
    restore = world.restore(world.start(source=source))
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "not-found")


def test_a_vault_without_servers_says_that_it_has_none():
    source = query({"instance": "pg1", "vault": OTHER_VAULT})
    with pytest.raises(NotFoundError, match="among: none"):
        flows.recovery_points(World().control, source)


# ---- the trigger -------------------------------------------------------------------------------


def test_a_trigger_whose_answer_was_lost_adopts_its_job():
    world = World()
    world.vault.lost_answers = 1
    check_success(world, world.end(world.start()))


def test_a_lost_trigger_that_no_job_came_of_is_repeated_only_after_the_doubt():
    """The job may show late; a second one would write the files twice."""
    world = World()
    world.vault.refusal = TransientError("restore: expected an answer, found none")
    triggers = []
    begin_restore = world.vault.begin_restore

    def counted(*arguments):
        triggers.append(world.now)
        return begin_restore(*arguments)

    world.vault.begin_restore = counted
    world.vault.begin_validation = lambda *_: world.vault._accept("")
    restore_id = world.start()
    for _ in range(40):
        world.round()
    assert len(triggers) > 1
    waits = [later - earlier for earlier, later in pairwise(triggers)]
    assert min(waits) >= timedelta(seconds=POLICY.doubt_seconds)
    world.vault.refusal = None
    check_success(world, world.end(restore_id))


def test_a_refusal_of_the_vault_ends_the_restore_with_its_reason():
    world = World()
    world.vault.refusal = VaultError("restore: expected it to be accepted, found 403", "ask")
    restore = world.restore(world.start())
    assert restore.phase is Phase.FAILED or world.end(restore.id).phase is Phase.FAILED
    assert world.restore(restore.id).failure.hint == "ask"


def test_a_job_of_the_vault_that_fails_ends_the_restore():
    world = World()
    world.vault.job_failure = Outcome(OperationState.FAILED, message="job: found Failed")
    restore = world.end(world.start())
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "vault-job-failed")


# ---- conflicts ---------------------------------------------------------------------------------


class Rushed(MemoryStates):
    """Others save first, `conflicts` times."""

    conflicts = 0

    def save(self, restore, etag):
        if self.conflicts > 0:
            self.conflicts -= 1
            raise ConflictError("restore: expected that etag, found another")
        return super().save(restore, etag)


def test_whoever_loses_against_another_save_decides_again():
    world = World()
    restore_id = world.start()
    rushed = Rushed()
    rushed._stored = world.states._stored
    rushed.conflicts = 3
    hurried = replace(world.control, states=rushed)
    assert flows.cancel(hurried, restore_id).phase is Phase.CANCELLED


def test_a_save_that_never_wins_gives_up_instead_of_turning_for_ever():
    world = World()
    restore_id = world.start()
    rushed = Rushed()
    rushed._stored = world.states._stored
    rushed.conflicts = 1000
    with pytest.raises(ConflictError, match="found others faster"):
        flows.cancel(replace(world.control, states=rushed), restore_id)
    assert not world.restore(restore_id).ended


# ---- reports -----------------------------------------------------------------------------------


def report(restore_id, task="prepare", attempt=1):
    return (
        b'{"report":{"restore":"%s","task":"%s","attempt":%d},"version":1}'
        % (restore_id.encode(), task.encode(), attempt)
    )  # fmt: skip


def prepared(world):
    """A restore whose prepare was sent, and not yet taken."""
    restore_id = world.start()
    world.until(restore_id, lambda restore: restore.phase is Phase.PREPARING)
    return restore_id


def test_a_report_that_comes_twice_counts_once():
    world = World()
    restore_id = prepared(world)
    world.work()
    flows.task_reported(world.control, report(restore_id))
    after = world.restore(restore_id)
    flows.task_reported(world.control, report(restore_id))
    assert world.restore(restore_id) == after
    world.bus.reports()
    check_success(world, world.end(restore_id))


def test_a_report_that_is_lost_is_made_up_for_by_its_result():
    world = World()
    restore_id = world.start()
    for _ in range(ROUNDS):
        world.round()
        world.work()
        world.bus.reports()
    check_success(world, world.restore(restore_id))


def test_a_report_without_a_result_comes_again():
    world = World()
    restore_id = prepared(world)
    with pytest.raises(NotFoundError, match="expected one in storage"):
        flows.task_reported(world.control, report(restore_id))
    assert world.restore(restore_id).phase is Phase.PREPARING


def test_a_report_for_a_restore_that_is_gone_is_set_aside():
    world = World()
    flows.task_reported(world.control, report("f" * 16))
    world.records.put_result("e" * 16, TaskResult("prepare", 1, Result.DONE))
    flows.task_reported(world.control, report("e" * 16))
    flows.task_reported(world.control, report("e" * 16))
    assert [letter.reason for letter in world.bus.set_aside_messages] == ["not-found"] * 2
    assert list(world.states.summaries()) == []
    health = flows.health(world.control)
    assert (health["status"], health["deadLetters"]["restore-poison"]) == ("degraded", 2)


def test_a_report_of_an_attempt_that_is_over_changes_nothing():
    world = World()
    world.fails = {"prepare": Failure("transient", "gone", transient=True)}
    restore_id = prepared(world)
    world.work()
    world.report()
    waiting = world.restore(restore_id)
    assert waiting.task("prepare").attempt == 2
    flows.task_reported(world.control, report(restore_id))
    assert world.restore(restore_id).task("prepare") == waiting.task("prepare")


@pytest.mark.parametrize("message", [b"", b"{}", b'{"report":{},"version":1}'])
def test_what_is_no_report_is_set_aside_with_its_reason(message):
    world = World()
    flows.task_reported(world.control, message)
    (letter,) = world.bus.set_aside_messages
    assert (letter.body, letter.reason, letter.queue) == (message, "message", REPORTS)


def test_a_ticket_is_sent_to_the_tasks_and_a_report_is_not():
    world = World()
    prepared(world)
    assert [ticket.task for ticket in world.bus.tickets] == ["prepare"]
    assert world.bus.reports() == []
    world.work()
    assert len(world.bus.reports()) == 1
    assert REPORTS == "restore-reports"


# ---- news of files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://landing.blob.core.windows.net/other",
        "https://landing.blob.core.windows.net/restore-nonsense",
        "https://landing.blob.core.windows.net/restore-0123456789abcdef",
        "https://foreign.blob.core.windows.net/restore-{id}",
        "https://landing.blob.core.windows.net/{id}",
    ],
)
def test_news_of_files_elsewhere_are_none_of_our_business(url):
    world = World()
    restore_id = world.start()
    before = world.restore(restore_id)
    flows.file_landed(world.control, created(url.format(id=restore_id), "x.sql"))
    assert world.restore(restore_id) == before


def test_an_event_of_another_kind_is_left_alone_and_what_is_none_is_refused():
    world = World()
    flows.file_landed(world.control, '{"eventType": "Microsoft.Storage.BlobDeleted", "data": {}}')
    with pytest.raises(MessageError):
        flows.file_landed(world.control, "a file!")


# ---- one restore's trouble ---------------------------------------------------------------------


class Unreadable(MemoryStates):
    broken = ""

    def load(self, restore_id):
        if restore_id == self.broken:
            raise MessageError(f"restore {restore_id}: expected a state, found rubbish")
        return super().load(restore_id)


def test_a_tick_goes_on_after_one_restores_trouble_and_tells_it_at_the_end():
    world = World()
    ids = [world.start(key) for key in ("a", "b", "c")]
    states = Unreadable()
    states._stored, states._etags = world.states._stored, world.states._etags
    summaries = list(world.states.summaries())
    states.summaries = lambda: iter(summaries)
    states.broken = ids[1]
    broken = replace(world.control, states=states)
    world.now += timedelta(seconds=POLICY.poll_seconds)
    before = [world.restore(restore_id) for restore_id in ids]
    with pytest.raises(ExceptionGroup, match="1 of 3 restores") as caught:
        flows.tick(broken)
    assert caught.value.exceptions[0].__notes__ == [f"restore {ids[1]}"]
    changed = [
        world.restore(restore_id) != was for restore_id, was in zip(ids, before, strict=True)
    ]
    assert changed == [True, False, True]


def test_a_tick_leaves_restores_that_have_ended_alone():
    world = World()
    world.end(world.start("a"))
    world.start("b")
    assert flows.tick(world.control) == 1


def test_a_port_that_is_down_fails_a_restore_only_after_many_tries():
    world = World()
    world.vault.instances = lambda vault: broken_line(world)
    restore_id = world.start()
    assert world.restore(restore_id).phase is Phase.REQUESTED
    for _ in range(300):
        world.round()
    restore = world.restore(restore_id)
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "transient")


@pytest.mark.parametrize("error", [InputError("bus: expected a queue"), TransientError("bus: no")])
@pytest.mark.parametrize(("task", "rounds"), [("prepare", 400), ("roles", 800)])
def test_a_queue_that_takes_no_tickets_ends_the_restore(task, rounds, error):
    world = World()
    send_ticket = world.bus.send_ticket

    def refuse(ticket, not_before=None):
        if ticket.task in (task, "cleanup"):
            raise error
        send_ticket(ticket, not_before)

    world.bus.send_ticket = refuse
    restore_id = world.start()
    for _ in range(rounds):
        world.round()
    restore = world.restore(restore_id)
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, error.code)
    assert restore.task(task).state is TaskState.FAILED


def test_results_that_cannot_be_looked_up_do_not_fail_a_restore_whose_reports_come():
    world = World()
    world.records.progress = lambda restore_id: broken_line(world)
    restore_id = prepared(world)
    for _ in range(400):
        world.now += timedelta(seconds=ROUND_SECONDS)
        flows.tick(world.control)
    check_success(world, world.end(restore_id))


# ---- cancelling --------------------------------------------------------------------------------


def sent(task):
    def is_sent(restore):
        found = restore.task(task)
        return found is not None and found.state is TaskState.SENT

    return is_sent


@pytest.mark.parametrize(
    ("is_there", "phase", "tasks"),
    [
        (lambda restore: restore.phase is Phase.EXTRACTING, Phase.CANCELLED, []),
        (lambda restore: restore.job is not None, Phase.CANCELLED, []),
        (sent("prepare"), Phase.CANCELLED, TASKS[:1]),
        (sent("roles"), Phase.CANCELLED, [*TASKS[:2], "cleanup/1"]),
        (sent("database-0"), Phase.CANCELLED, [*TASKS[:3], "cleanup/1"]),
        (sent("finish"), Phase.SUCCEEDED, TASKS),
        (lambda restore: restore.phase in FINAL, Phase.SUCCEEDED, TASKS),
    ],
    ids=["extracting", "job", "prepare", "roles", "database", "finish", "ended"],
)
def test_a_cancel_ends_it_at_any_time_but_publishing_is_seen_through(is_there, phase, tasks):
    world = World()
    restore_id = world.start()
    world.until(restore_id, is_there)
    for _ in range(2):
        flows.cancel(world.control, restore_id)
    assert world.end(restore_id).phase is phase
    assert world.taken == tasks


# ---- files that are kept, and then are not ----------------------------------------------------


def ended(world, **changes):
    restore_id = world.start(**changes)
    return restore_id, world.end(restore_id)


def test_files_go_once_they_are_published_and_their_time_is_over():
    world = World()
    restore_id, restore = ended(world)
    url = restore.container
    world.jump(restore_id, lambda restore: restore.purged is not None)
    with pytest.raises(NotFoundError):
        world.landing.blobs(url)
    assert world.restore(restore_id).outbox == ()


def test_files_are_kept_for_as_long_as_the_request_says():
    world = World()
    restore_id, restore = ended(world, keepFiles=5)
    assert len(world.landing.blobs(restore.container)) == len(FILES)
    end = restore.ended_at
    restore = world.jump(restore_id, lambda restore: restore.purged is not None)
    assert restore.purged - end >= timedelta(hours=5)


def test_what_failed_can_be_adopted_for_some_days_and_is_not_deleted_under_who_does():
    world = World()
    world.fails = {"roles": Failure("tool", "psql: expected exit 0, found 3")}
    restore_id, restore = ended(world)
    assert restore.phase is Phase.FAILED
    (purge,) = [c for c in restore.outbox if c.do is Do.PURGE]
    assert purge.due - restore.ended_at == timedelta(hours=POLICY.keep_failed_files_hours)
    world.now = purge.due
    world.fails = {}
    adopting = flows.start(world.control, body({"container": restore.container}), "again").id
    flows.tick(world.control)
    assert world.restore(restore_id).purged is None
    adopted = world.end(adopting)
    assert adopted.phase is Phase.SUCCEEDED
    assert Do.PURGE not in [c.do for c in adopted.outbox]
    world.jump(restore_id, lambda restore: restore.purged is not None)


def test_a_container_with_another_mark_is_left_alone_and_said_so():
    world = World()
    restore_id, restore = ended(world, keepFiles=1)
    world.landing.drop(restore.container)
    world.landing.create(restore.container, "f" * 16)
    restore = world.jump(restore_id, lambda restore: bool(restore.warnings))
    assert world.landing.blobs(restore.container) == ()
    assert restore.warnings[0].startswith("landing container: expected to delete it, found: ")


def test_containers_of_restores_nobody_knows_are_deleted_after_some_days():
    world = World()
    lost, young, known = "a" * 16, "b" * 16, world.start(keepFiles=100)
    world.end(known)
    world.landing.create(world.landing.url(f"restore-{lost}"), lost)
    world.landing.create(world.landing.url("restore-others"), "c" * 16)
    world.now += timedelta(hours=73)
    world.landing.create(world.landing.url(f"restore-{young}"), young)
    world.now = world.now.replace(minute=17)
    flows.tick(world.control)
    assert sorted(world.landing.made()) == sorted([young, known])
    assert world.landing.blobs(world.landing.url("restore-others")) == ()


# ---- who waits, who is refused, who is stuck ---------------------------------------------------


def test_a_busy_server_is_refused_at_once_to_who_does_not_wait():
    world = World()
    prepared(world)
    with pytest.raises(ServerBusyError, match="expected no other restore on it"):
        flows.start(world.control, body(whenBusy="refuse"))
    assert len(list(world.states.summaries())) == 1


def test_of_two_that_come_at_the_same_time_the_one_that_does_not_wait_fails_untouched():
    world = World()
    first = world.start("first")
    second = world.start("second", whenBusy="refuse")
    assert world.end(first).phase is Phase.SUCCEEDED
    restore = world.end(second)
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "server-busy")
    assert restore.tasks == ()


def test_a_task_nobody_takes_is_stuck_until_somebody_does():
    world = World()
    restore_id = prepared(world)
    assert flows.health(world.control)["status"] == "ok"
    world.now += timedelta(seconds=POLICY.stuck_seconds)
    flows.tick(world.control)
    assert world.restore(restore_id).stuck.startswith("no worker has taken task prepare since ")
    assert flows.health(world.control)["restores"] == {"active": 1, "stuck": 1, "unreadable": 0}
    world.end(restore_id)
    flows.tick(world.control)
    assert world.restore(restore_id).stuck == ""
    assert flows.health(world.control)["status"] == "ok"


def test_nobody_carries_on_shows_though_no_timer_runs():
    world = World()
    prepared(world)
    world.now += timedelta(hours=1)
    assert flows.health(world.control)["restores"]["stuck"] == 1
