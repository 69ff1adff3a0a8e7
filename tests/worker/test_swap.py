"""Databases change places: finish, its replacements, and what is in the way."""

from __future__ import annotations

import threading
from contextlib import closing, suppress

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from restore import flows
from restore.core.messages import Result
from restore.core.options import OnExisting, Publish
from restore.core.state import Phase, UndoState
from restore.worker import swap
from restore.worker.worker import work
from tests.fakes import MemoryHold
from tests.waiting import eventually
from tests.worker.stage import ID, OWNER, Stage

BEFORE, RESTORING = f"crm__before_{ID[:8]}", f"crm__restoring_{ID[:8]}"
SWAPPED = {"crm": "new", BEFORE: "old"}
AS_IT_WAS = {"crm": "old", RESTORING: "new"}
UNDONE = AS_IT_WAS


@pytest.fixture
def stage(bench):
    """One database that is there, and what is to take its place."""
    stage = Stage(bench, "crm", old=("crm",))
    memberships = bench.memberships()
    yield stage
    assert stage.closed() == set()
    assert bench.memberships() == memberships, "everything borrowed was given back"


def test_the_old_one_is_kept_and_dropped_at_the_end_of_its_time(stage):
    restore = stage.settle()
    assert (restore.phase, restore.debts) == (Phase.SUCCEEDED, ())
    assert stage.marks() == SWAPPED
    assert restore.notes == (f"database 'crm': the one that was there is kept as '{BEFORE}'",)
    stage.retire()
    assert stage.marks() == {"crm": "new"}
    assert stage.restore.undo.state is UndoState.CLOSED


def test_an_undo_swaps_back_and_then_the_restored_one_is_dropped(stage):
    stage.settle()
    stage.undo()
    assert stage.marks() == UNDONE
    assert stage.restore.undo.state is UndoState.DONE
    stage.retire()
    assert stage.marks() == {"crm": "old"}


def test_what_replaces_goes_to_its_place_and_what_was_there_is_dropped(bench):
    stage = Stage(bench, "crm", "shop", old=("crm",), on_existing=OnExisting.REPLACE)
    restore = stage.settle()
    assert (restore.phase, restore.undo, restore.debts) == (Phase.SUCCEEDED, None, ())
    assert stage.marks() == {"crm": "new", "shop": "new"}


def test_of_a_mixed_restore_only_what_replaced_something_is_undone(bench):
    stage = Stage(bench, "crm", "shop", old=("crm",))
    stage.settle()
    assert stage.marks() == {**SWAPPED, "shop": "new"}
    stage.undo()
    assert stage.marks() == {**UNDONE, "shop": "new"}
    stage.retire()
    assert stage.marks() == {"crm": "old", "shop": "new"}


def test_sessions_may_leave_by_themselves_and_nobody_comes_in_meanwhile(bench, monkeypatch):
    stage = Stage(bench, "crm", old=("crm",), leave_seconds=600)
    monkeypatch.setattr(swap, "_LOOK_SECONDS", 0.01)
    with closing(psycopg.connect(bench.server.admin_conninfo("crm"))) as last:
        last.execute("SELECT 1")
        finish = threading.Thread(target=stage.settle)
        finish.start()
        assert eventually(lambda: stage.closed() == {"crm"})
        for conninfo in (bench.server.admin_conninfo, bench.server.superuser_conninfo):
            with pytest.raises(psycopg.OperationalError, match="not currently accepting"):
                psycopg.connect(conninfo("crm"))
        last.execute("SELECT 2")
        last.close()
        finish.join(60)
    assert stage.marks() == SWAPPED


def test_sessions_that_do_not_leave_in_time_are_ended(stage):
    with closing(psycopg.connect(stage.bench.server.admin_conninfo("crm"))) as idle:
        idle.execute("SELECT 1")
        assert stage.settle().phase is Phase.SUCCEEDED
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 2")


def test_a_session_that_may_not_be_ended_leaves_everything_as_it_was(stage):
    bench = stage.bench
    bench.limits = bench.limits.__class__(publish_tries=1)
    with closing(psycopg.connect(bench.server.superuser_conninfo("crm"))) as monitor:
        monitor.execute("SELECT 1")
        ticket = stage.until("finish")
        result = stage.work("finish")
        assert (result.result, result.failure.code) == (Result.FAILED, "target-busy")
        assert result.failure.transient
        assert stage.closed() == set()
        assert sorted(bench.databases()) == sorted(AS_IT_WAS)
    assert stage.settle().phase is Phase.SUCCEEDED
    assert stage.restore.task("finish").attempt == ticket.attempt + 1
    assert stage.marks() == SWAPPED


def test_a_database_that_took_the_name_after_the_plan_is_left_alone(stage):
    stage.bench.rows("ALTER DATABASE crm RENAME TO elsewhere")
    stage.create("crm", "stranger", OWNER)
    restore = stage.settle()
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "target")
    assert "found another one" in restore.failure.message
    assert stage.marks() == {"crm": "stranger", "elsewhere": "old"}


def test_a_name_that_was_free_at_the_plan_and_is_taken_by_now_is_left_alone(bench):
    stage = Stage(bench, "crm")
    stage.create("crm", "stranger", OWNER)
    restore = stage.settle()
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "target")
    assert "found one made after the plan" in restore.failure.message
    assert stage.marks() == {"crm": "stranger"}


def test_a_database_that_is_gone_since_the_plan_is_told(stage):
    stage.bench.rows("ALTER DATABASE crm RENAME TO elsewhere")
    restore = stage.settle()
    assert "found none" in restore.failure.message
    assert stage.marks() == {"elsewhere": "old"}


def test_an_undo_of_what_somebody_renamed_changes_nothing(bench):
    stage = Stage(bench, "crm", "shop", old=("crm", "shop"))
    stage.settle()
    bench.rows(f'ALTER DATABASE "{BEFORE}" RENAME TO mine')
    stage.undo()
    restore = stage.restore
    assert restore.undo.state is UndoState.OPEN
    assert "somebody renamed or dropped one of them" in restore.warnings[0]
    assert (stage.mark("crm"), stage.mark("shop"), stage.mark("mine")) == ("new", "new", "old")
    stage.retire()
    assert stage.marks() == {"crm": "new", "shop": "new", "mine": "old"}


def test_where_nobody_has_the_name_any_more_nothing_is_dropped_and_somebody_is_told(stage):
    stage.settle()
    stage.bench.rows("ALTER DATABASE crm RENAME TO mine")
    restore = stage.retire()
    assert stage.marks() == {"mine": "new", BEFORE: "old"}
    assert f"so '{BEFORE}' stays" in restore.warnings[-1]
    assert restore.warnings[-1].startswith("given up after ")


def test_what_somebody_renamed_to_keep_it_is_kept(stage):
    stage.settle()
    stage.bench.rows(f'ALTER DATABASE "{BEFORE}" RENAME TO mine')
    assert stage.retire().debts == ()
    assert stage.marks() == {"crm": "new", "mine": "old"}


def test_what_was_replaced_goes_though_its_replacement_was_replaced_as_well(stage):
    """By another restore, which keeps that one aside for its own time."""
    stage.settle()
    stage.bench.rows("ALTER DATABASE crm RENAME TO crm__before_another")
    stage.create("crm", "newest", OWNER)
    stage.undo()
    assert stage.mark("crm") == "newest"
    assert stage.restore.undo.state is UndoState.OPEN
    stage.retire()
    assert stage.marks() == {"crm": "newest", "crm__before_another": "new"}


def test_what_cannot_be_dropped_now_is_dropped_later(stage):
    stage.settle()
    with closing(psycopg.connect(stage.bench.server.superuser_conninfo(BEFORE))) as monitor:
        monitor.execute("SELECT 1")
        until = stage.restore.undo.until
        stage.bench.now = until
        while not stage.restore.task("retire") or not stage.restore.debts:
            stage.bench.step()
        (debt,) = stage.restore.debts
        assert debt.startswith(f"database '{BEFORE}': expected to drop it, found: ")
        assert stage.mark(BEFORE) == "old"
    stage.retire()
    assert (stage.marks(), stage.restore.debts) == ({"crm": "new"}, ())


def test_a_template_is_dropped_too(stage):
    stage.settle()
    stage.bench.rows(f'ALTER DATABASE "{BEFORE}" IS_TEMPLATE true')
    stage.retire()
    assert stage.marks() == {"crm": "new"}


# ---- each by itself


def test_each_is_published_by_itself_and_what_fails_is_dropped(bench):
    stage = Stage(bench, "crm", "shop", old=("crm", "shop"), publish=Publish.EACH)
    bench.rows("ALTER DATABASE shop RENAME TO elsewhere")
    restore = stage.settle()
    assert (restore.phase, restore.published) == (Phase.PARTIAL, (0,))
    assert stage.marks() == {**SWAPPED, "elsewhere": "old"}
    stage.undo()
    assert stage.marks() == {**UNDONE, "elsewhere": "old"}


def test_a_cleanup_leaves_what_was_published(bench):
    """And what a worker renamed that died before it could say so."""
    stage = Stage(bench, "crm", "shop", old=("crm",))
    stage.die_after("finish")
    bench.allowed = ("nowhere:1",)  # so the second try fails
    while stage.restore.task("cleanup") is None:
        bench.step()
    bench.allowed = ()
    restore = stage.settle()
    assert (restore.phase, restore.published) == (Phase.SUCCEEDED_WITH_WARNINGS, (0, 1))
    assert stage.marks() == {**SWAPPED, "shop": "new"}
    assert OWNER in bench.roles()
    stage.undo()
    assert stage.marks() == {**UNDONE, "shop": "new"}


def test_a_database_that_is_being_published_gets_its_name_though_the_restore_is_cancelled(bench):
    stage = Stage(bench, "crm", old=("crm",), publish=Publish.EACH)
    stage.until("publish-0")
    flows.cancel(bench.control, ID)
    restore = stage.settle()
    assert [task.id for task in restore.tasks][-1] == "cleanup"
    assert (restore.published, restore.debts) == ((0,), ())
    assert stage.marks() == SWAPPED


def test_a_worker_that_is_told_to_end_opens_what_it_closed_and_hands_back_its_ticket(bench):
    stage = Stage(bench, "crm", old=("crm",), leave_seconds=600)
    ticket, settled, worker = stage.until("finish"), [], bench.worker
    with closing(psycopg.connect(bench.server.admin_conninfo("crm"))) as stays:
        stays.execute("SELECT 1")
        hold = MemoryHold(ticket, settled.append)
        finish = threading.Thread(target=work, args=(worker, hold))
        finish.start()
        assert eventually(lambda: stage.closed() == {"crm"})
        worker.departure.ask()
        finish.join(60)
        assert (settled, stage.closed()) == ([False], set())
        stays.execute("SELECT 2")
    assert stage.mark("crm") == "old"
    assert stage.settle().phase is Phase.SUCCEEDED


# ---- under load


class Writer(threading.Thread):
    """A client that writes numbers until it is stopped, and comes back whenever it is thrown out.

    `acknowledged` are those whose insert was answered.
    """

    def __init__(self, server):
        super().__init__()
        self._conninfo = make_conninfo(
            host=server.host,
            port=server.port,
            dbname="crm",
            user="app",
            password=server.superuser_password,
        )
        self.acknowledged, self.refused = [], 0
        self._number, self._told_to_end = 0, threading.Event()

    def run(self):
        while not self._told_to_end.is_set():
            with suppress(psycopg.Error), psycopg.connect(self._conninfo, autocommit=True) as one:
                self._write(one)
            self.refused += 1

    def _write(self, connection):
        while not self._told_to_end.is_set():
            self._number += 1
            connection.execute("INSERT INTO written VALUES (%s)", [self._number])
            self.acknowledged.append(self._number)

    def stop(self):
        self._told_to_end.set()
        self.join(60)


def test_a_swap_under_load_loses_no_write_that_was_acknowledged(stage):
    bench = stage.bench
    bench.rows(f"CREATE ROLE app LOGIN PASSWORD '{bench.server.superuser_password}'")
    for name in ("crm", RESTORING):
        bench.rows("CREATE TABLE written (number int)", name)
        bench.rows("GRANT INSERT ON written TO app", name)
    writers = [Writer(bench.server) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        for act, kept in ((stage.settle, BEFORE), (stage.undo, RESTORING)):
            assert eventually(lambda: all(len(w.acknowledged) > 50 for w in writers))
            act()
            counts = [len(w.acknowledged) for w in writers]
            assert eventually(
                lambda c=counts: all(
                    len(w.acknowledged) > n for w, n in zip(writers, c, strict=True)
                )
            )
            assert bench.rows("SELECT count(*) > 0 FROM written", kept) == [(True,)]
    finally:
        for writer in writers:
            writer.stop()
    form = "SELECT number, count(*) FROM written GROUP BY 1"
    stored = dict(bench.rows(form, "crm"))
    for number, count in bench.rows(form, RESTORING):
        stored[number] = stored.get(number, 0) + count
    acknowledged = [number for writer in writers for number in writer.acknowledged]
    missing = [n for n in set(acknowledged) if stored.get(n, 0) < acknowledged.count(n)]
    assert missing == []
    assert all(writer.refused for writer in writers)
    assert stage.restore.debts == ()
