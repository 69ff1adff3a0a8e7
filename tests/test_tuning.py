"""Parameters of the target server: changed while it is restored to, and put back in any case."""

import pytest

from restore import flows
from restore.control import NotAllowedError
from restore.core.messages import Failure
from restore.core.state import Do, Phase
from restore.core.tuning import BY_DEFAULT, BY_USER, Setting
from tests.test_flows import TARGET, TARGET_ID, World

ASKED = {"serverParameters": {"max_wal_size": "65536"}, "target": {**TARGET, "server": TARGET_ID}}
BEFORE = Setting("max_wal_size", "32768", BY_DEFAULT)
DURING = Setting("max_wal_size", "65536", BY_USER)
SOON = 60  # rounds


def now(world):
    (setting,) = world.parameters.read(TARGET_ID, ["max_wal_size"])
    return setting


def until(world, condition, rounds=SOON):
    for _ in range(rounds):
        if condition():
            return True
        world.round()
    return False


def test_they_are_changed_before_any_work_and_put_back_after_it():
    world = World()
    restore_id = world.start(**ASKED)
    assert until(world, lambda: now(world) == DURING)
    assert world.restore(restore_id).task("database-0").sent is None
    assert until(world, lambda: world.restore(restore_id).ended)
    assert world.restore(restore_id).phase is Phase.SUCCEEDED
    assert until(world, lambda: now(world) == BEFORE)
    assert until(world, lambda: not world.restore(restore_id).outbox)
    assert world.restore(restore_id).tuned == ()


def test_what_has_the_wanted_value_is_left_alone():
    world = World()
    world.parameters.write(TARGET_ID, DURING)
    restore_id = world.start(**ASKED)
    assert until(world, lambda: world.restore(restore_id).ended)
    assert now(world) == DURING
    assert world.restore(restore_id).outbox == ()


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_they_are_put_back_after_an_end_of_another_kind(end):
    world = World()
    if end == "failed":
        world.fails["database-0"] = Failure("data-loss", "rows: expected 2, found 1")
    restore_id = world.start(**ASKED)
    assert until(world, lambda: now(world) == DURING)
    if end == "cancelled":
        flows.cancel(world.control, restore_id)
    assert until(world, lambda: world.restore(restore_id).ended)
    assert world.restore(restore_id).phase.value == end
    assert until(world, lambda: now(world) == BEFORE)


def test_a_server_that_is_busy_is_asked_again():
    world = World()
    world.parameters.busy = 2
    restore_id = world.start(**ASKED)
    assert until(world, lambda: world.restore(restore_id).ended)
    assert world.restore(restore_id).warnings == ()
    assert until(world, lambda: now(world) == BEFORE)


def test_a_restore_goes_without_what_cannot_be_changed():
    world = World()
    target = {**TARGET, "server": TARGET_ID}
    restore_id = world.start(serverParameters={"work_mem": "65536"}, target=target)
    assert until(world, lambda: world.restore(restore_id).ended)
    restore = world.restore(restore_id)
    assert restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    (warning,) = restore.warnings
    assert warning.startswith("server parameters: expected to change them, found: ")
    assert now(world) == BEFORE


def test_what_cannot_be_put_back_now_is_put_back_later_and_somebody_is_told():
    world = World()
    restore_id = world.start(**ASKED)
    assert until(world, lambda: world.restore(restore_id).task("finish") is not None)
    world.parameters.busy = 12
    assert until(world, lambda: world.restore(restore_id).warnings != (), 400)
    (warning,) = world.restore(restore_id).warnings
    assert warning.startswith("server parameters: expected to put them back, found: ")
    assert [command.do for command in world.restore(restore_id).outbox] == [Do.UNTUNE]
    assert until(world, lambda: now(world) == BEFORE, 400)


def test_nobody_else_works_on_the_server_before_they_are_back():
    world = World()
    restore_id = world.start(**ASKED)
    assert until(world, lambda: world.restore(restore_id).ended)
    assert world.restore(restore_id).at_work
    assert until(world, lambda: now(world) == BEFORE)
    assert until(world, lambda: not world.restore(restore_id).at_work)


def test_another_server_than_the_target_is_not_touched():
    other = TARGET_ID.replace("/pg2", "/pg3")
    with pytest.raises(NotAllowedError, match=r"expected the ARM id of PG2\.example\.com"):
        World().start(**{**ASKED, "target": {**TARGET, "server": other}})
