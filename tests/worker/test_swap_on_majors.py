"""The same swap on older servers, where the login acts for the old owner as that major has it."""

from __future__ import annotations

import psycopg
import pytest

from restore.core.options import OnExisting
from restore.core.state import Phase, UndoState
from tests.worker.bench import Bench
from tests.worker.stage import Stage
from tests.worker.test_swap import SWAPPED, UNDONE


@pytest.fixture(scope="module", params=[15, 16])
def target(request, servers):
    return servers[request.param]


@pytest.fixture
def bench(target):
    bench = Bench(target)
    roles, memberships = bench.roles(), bench.memberships()
    yield bench
    assert bench.sessions_left(patience_seconds=10) == []
    bench.wipe(roles)
    assert bench.memberships() == memberships


def test_a_second_run_of_each_task_finds_what_the_first_one_did(bench):
    stage = Stage(bench, "crm", old=("crm",))
    memberships = bench.memberships()
    stage.die_after("finish")
    stage.settle()
    assert stage.marks() == SWAPPED
    stage.ask_undo()
    stage.die_after("undo")
    stage.settle()
    assert stage.marks() == UNDONE
    stage.bench.now = stage.restore.undo.until
    stage.die_after("retire")
    assert stage.marks() == {"crm": "old"}
    restore = stage.retire()
    assert (restore.undo.state, restore.debts, restore.warnings) == (UndoState.CLOSED, (), ())
    assert (stage.closed(), bench.memberships()) == (set(), memberships)


def test_a_session_is_ended_and_what_was_there_is_dropped(bench):
    stage = Stage(bench, "crm", old=("crm",), on_existing=OnExisting.REPLACE)
    with psycopg.connect(bench.server.admin_conninfo("crm"), autocommit=True) as idle:
        assert stage.settle().phase is Phase.SUCCEEDED
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert stage.marks() == {"crm": "new"}
