"""After the end: the undo window, what is dropped at its close, and debts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from restore.core import life
from restore.core.events import (
    Claimed,
    ParametersAsked,
    ParametersSeen,
    ParametersSet,
    Purged,
    Reported,
    Sent,
    StillRead,
    Stumbled,
    Ticked,
    TimeCame,
    UndoAsked,
    Watched,
)
from restore.core.messages import Failure, Result, TaskResult, Ticket
from restore.core.options import OnExisting
from restore.core.state import Command, Do, Phase, TaskState, UndoState
from restore.core.tuning import Setting
from tests.core.test_life import (
    ADOPT,
    BROKEN,
    LOST,
    NOW,
    POLICY,
    REQUEST,
    SERVER,
    Story,
    database,
    prepared,
    step,
)

SWAP = replace(REQUEST, on_existing=OnExisting.SWAP)
WINDOW = POLICY.undo_hours * 3600
DAY = 24 * 3600
ID = "0123456789abcdef"
OWED = "membership in 'owner': expected to give it back, found: permission denied"


def over(story) -> Story:
    """Its databases proven and published."""
    story.done("roles")
    for index, one in enumerate(story.restore.plan.databases):
        story.done(f"database-{index}", database=database(one.name))
    return story


def kept(name):
    return replace(step(name), before=f"{name}__before", replaces=16400)


def ended(request=SWAP, steps=None, **parts) -> Story:
    """A restore that has put one of two databases aside."""
    steps = steps or (kept("crm"), step("shop"))
    return over(prepared(request=request, databases=steps)).done("finish", **parts)


def undo(story):
    return story.restore.undo.state


# ---- the undo window


def test_what_was_replaced_is_kept_for_a_while_and_then_dropped():
    story = ended()
    assert (undo(story), story.restore.undo.until) == (UndoState.OPEN, story.now + hours(72))
    assert (story.todo, story.restore.at_work) == ([Do.RETIRE], False)
    story.on(TimeCame(Do.RETIRE), after=WINDOW - 1)
    assert (undo(story), story.tickets) == (UndoState.OPEN, [])
    story.on(TimeCame(Do.RETIRE), after=1)
    assert (undo(story), story.tickets) == (UndoState.CLOSING, ["retire"])
    assert story.restore.at_work
    story.done("retire")
    assert (undo(story), story.outbox, story.restore.phase) == (
        UndoState.CLOSED,
        (),
        Phase.SUCCEEDED,
    )
    assert not story.restore.at_work


def hours(number):
    return timedelta(hours=number)


def test_the_request_says_how_long_and_the_installation_where_it_does_not():
    assert ended(replace(SWAP, undo_hours=1)).restore.undo.until == NOW + hours(1) + seconds(10)
    at_once = ended(replace(SWAP, undo_hours=0))
    assert at_once.on(UndoAsked()).tickets == []
    assert at_once.on(TimeCame(Do.RETIRE)).tickets == ["retire"]


def seconds(number):
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    "steps",
    [(step("crm"),), (replace(kept("crm"), keeps=False),)],
    ids=["nothing was there", "what was there is dropped at once"],
)
def test_where_nothing_is_kept_there_is_nothing_to_undo(steps):
    story = ended(steps=steps)
    assert (story.restore.undo, story.outbox) == (None, ())
    assert life.decide(story.restore, UndoAsked(), story.now, POLICY) is story.restore


def test_a_restore_that_published_nothing_keeps_nothing():
    story = over(prepared(request=SWAP, databases=(kept("crm"),))).failed("finish", BROKEN)
    assert story.done("cleanup").restore.undo is None


def test_an_undo_swaps_back_and_what_was_restored_is_dropped_at_the_end_of_the_window():
    story = ended().on(UndoAsked(), after=3600)
    assert (undo(story), story.tickets) == (UndoState.ASKED, ["undo"])
    story.done("undo")
    assert (undo(story), story.restore.undo.undone, story.todo) == (
        UndoState.DONE,
        True,
        [Do.RETIRE],
    )
    assert life.decide(story.restore, UndoAsked(), story.now, POLICY) is story.restore
    story.on(TimeCame(Do.RETIRE), after=WINDOW - 3600).done("retire")
    assert (undo(story), story.restore.undo.undone) == (UndoState.CLOSED, True)


def test_an_undo_comes_too_late_when_the_window_is_over():
    story = ended()
    story.now += timedelta(seconds=WINDOW)
    assert life.decide(story.restore, UndoAsked(), story.now, POLICY) is story.restore
    story.on(TimeCame(Do.RETIRE))
    assert life.decide(story.restore, UndoAsked(), story.now, POLICY) is story.restore


def test_an_undo_that_was_asked_for_in_time_comes_before_what_is_dropped():
    story = ended()
    story.server_is_free = False
    story.on(UndoAsked(), after=WINDOW - 1).on(Claimed("fedcba9876543210"))
    assert story.restore.waits_for == "fedcba9876543210"
    story.on(TimeCame(Do.RETIRE), after=60)
    assert (undo(story), story.tickets) == (UndoState.ASKED, [])
    story.on(Claimed(story.restore.id), after=60)
    assert (story.tickets, story.restore.waits_for) == (["undo"], "")
    story.server_is_free = True
    story.on(TimeCame(Do.RETIRE), after=60).done("undo")
    story.on(TimeCame(Do.RETIRE), after=60)
    assert story.tickets == ["retire"]


def test_an_undo_that_may_pass_is_tried_again_and_one_that_failed_may_be_asked_for_again():
    story = ended().on(UndoAsked())
    for _ in range(POLICY.max_attempts - 1):
        story.failed("undo", LOST)
        assert (undo(story), story.tickets) == (UndoState.ASKED, ["undo"])
    story.failed("undo", LOST)
    assert (undo(story), story.state_of("undo")) == (UndoState.OPEN, TaskState.FAILED)
    assert story.restore.debts == story.restore.warnings
    assert story.todo == [Do.RETIRE, Do.COLLECT]
    story.on(UndoAsked())
    assert (story.tickets, story.restore.task("undo").attempt) == (["undo"], 4)
    story.done("undo")
    assert (story.restore.debts, story.todo) == ((), [Do.RETIRE])


def test_what_somebody_failed_to_undo_late_is_kept_a_day_longer():
    story = ended().on(UndoAsked(), after=WINDOW - 60).failed("undo", BROKEN)
    assert story.restore.undo.until == story.now + timedelta(seconds=DAY)
    story.on(TimeCame(Do.RETIRE), after=3600)
    assert undo(story) is UndoState.OPEN
    assert story.on(UndoAsked()).tickets == ["undo"]


def test_what_cannot_be_dropped_is_a_debt():
    story = ended().on(TimeCame(Do.RETIRE), after=WINDOW).failed("retire", BROKEN)
    assert (undo(story), story.todo) == (UndoState.CLOSED, [Do.COLLECT])
    (said,) = story.restore.debts
    assert said.startswith("what was replaced: expected to drop it, found: ")
    story.on(TimeCame(Do.COLLECT), after=POLICY.debt_seconds).done("debts")
    assert (story.restore.debts, story.outbox) == ((), ())


# ---- debts


def test_debts_are_collected_later_each_time_and_once_they_are_paid_no_more():
    story = ended(steps=(step("crm"),), debts=(OWED,))
    waits = []
    for attempt in range(1, 5):
        (collect,) = story.outbox
        waits.append((collect.due - story.now).total_seconds())
        story.on(TimeCame(Do.COLLECT), after=waits[-1] - 1)
        assert story.tickets == []
        story.on(TimeCame(Do.COLLECT), after=1)
        assert (story.tickets, story.restore.task("debts").attempt) == (["debts"], attempt)
        if attempt == 2:
            story.failed("debts", LOST)
        else:
            story.done("debts", debts=() if attempt == 4 else (OWED,))
    assert waits == [60, 120, 240, 480]
    assert (story.restore.debts, story.restore.debt_tries, story.todo) == ((), 0, [])


def test_debts_that_stay_are_given_up_and_somebody_is_told():
    story = ended(steps=(step("crm"),), debts=(OWED,))
    for tries in range(POLICY.max_debt_tries):
        story.on(TimeCame(Do.COLLECT), after=POLICY.debt_seconds * 2**tries)
        if tries % 2:
            story.failed("debts", BROKEN)
        else:
            story.done("debts", debts=(OWED,))
    assert story.outbox == ()
    assert story.restore.warnings == (f"given up after {POLICY.max_debt_tries} tries: {OWED}",)
    assert story.restore.debts == (OWED,)
    assert story.restore.phase is Phase.SUCCEEDED_WITH_WARNINGS


def test_debts_of_a_restore_that_failed_are_collected_too():
    story = prepared("crm").failed("roles", BROKEN).failed("cleanup", BROKEN)
    story.on(TimeCame(Do.COLLECT), after=POLICY.debt_seconds).done("debts")
    assert (story.restore.phase, story.restore.debts, story.todo) == (Phase.FAILED, (), [])


def test_new_debts_are_tried_as_often_as_the_first_ones():
    story = ended(debts=(OWED,))
    story.on(TimeCame(Do.COLLECT), after=60).done("debts", debts=(OWED,))
    assert story.restore.debt_tries == 1
    story.on(TimeCame(Do.RETIRE), after=WINDOW).done("retire", debts=("new",))
    assert (story.restore.debts, story.restore.debt_tries) == (("new",), 0)


def test_one_task_at_a_time():
    story = ended(debts=(OWED,)).on(TimeCame(Do.COLLECT), after=60)
    story.on(UndoAsked())
    assert (undo(story), story.tickets) == (UndoState.ASKED, ["debts"])
    story.done("debts", debts=(OWED,))
    assert (story.tickets, story.restore.after) == (["undo"], "undo")
    story.on(TimeCame(Do.COLLECT), after=120)
    assert story.tickets == ["undo"]
    story.done("undo")
    assert story.restore.after == ""


# ---- workers and ports that fail


def test_a_worker_that_falls_silent_after_the_end_is_replaced_too():
    story = ended().on(UndoAsked())
    seen = {"undo": story.now + seconds(60)}
    story.on(Watched(seen), after=60 + POLICY.silence_seconds + 1)
    assert (story.restore.task("undo").attempt, undo(story)) == (2, UndoState.ASKED)


def test_an_undo_nobody_can_be_sent_for_has_failed():
    story = ended().on(UndoAsked())
    (send,) = [command for command in story.outbox if command.do is Do.SEND]
    story.on(Stumbled(send, Failure("bus", "queue: expected one, found none")))
    assert (undo(story), story.tickets, story.restore.after) == (UndoState.OPEN, [], "")
    late = Reported(TaskResult("undo", 1, Result.DONE))
    assert life.decide(story.restore, late, story.now, POLICY) is story.restore


def test_a_server_that_cannot_be_claimed_leaves_debts_for_later():
    story = ended(steps=(step("crm"),), debts=(OWED,))
    story.server_is_free = False
    story.on(TimeCame(Do.COLLECT), after=60)
    assert story.restore.at_work
    (claim,) = story.outbox
    story.on(Stumbled(claim, Failure("access", "storage: expected to be let in")))
    assert (story.todo, story.restore.debts) == ([Do.COLLECT], (OWED,))


def test_an_event_that_comes_twice_or_late_changes_nothing():
    story = ended().on(UndoAsked()).done("undo").on(Sent(Ticket(ID, "undo", 1)))
    for event in (
        Reported(TaskResult("undo", 1, Result.DONE, debts=("late",))),
        Claimed(story.restore.id),
        TimeCame(Do.RETIRE),
        TimeCame(Do.COLLECT),
        TimeCame(Do.EXPIRE),
        Watched(),
        ParametersAsked(Do.UNTUNE),
        ParametersSet(Do.UNTUNE),
        Stumbled(Command(Do.COLLECT, NOW), LOST),
    ):
        assert life.decide(story.restore, event, story.now, POLICY) is story.restore, event


# ---- parameters of the server


def tuning() -> Story:
    target = replace(REQUEST.target, server=SERVER.decode().replace("/pg1", "/pg2"))
    request = replace(SWAP, target=target, server_parameters={"max_wal_size": "65536"})
    story = prepared(request=request, databases=(kept("crm"),))
    assert (story.todo, story.tickets) == ([Do.TUNE], [])
    return story


def tuned() -> Story:
    story = tuning()
    story.on(ParametersSeen((Setting("max_wal_size", "1024"),)), ParametersAsked(Do.TUNE))
    assert life.due(story.restore, story.now) is None
    return story.on(ParametersSet(Do.TUNE), after=POLICY.settle_seconds)


def test_parameters_are_put_back_before_others_may_work_on_the_server():
    story = over(tuned()).done("finish")
    assert (story.todo, story.restore.at_work) == ([Do.RETIRE, Do.UNTUNE], True)
    story.on(ParametersAsked(Do.UNTUNE))
    untune = story.outbox[-1]
    assert untune.due == story.now + seconds(POLICY.settle_seconds)
    story.on(Stumbled(untune, Failure("access", "expected to be let in")))
    assert story.outbox[-1].due == story.now + seconds(3600)
    (warning,) = story.restore.warnings
    assert warning.startswith("server parameters: expected to put them back, found: ")
    story.on(ParametersSet(Do.UNTUNE))
    assert (story.todo, story.restore.tuned, story.restore.at_work) == ([Do.RETIRE], (), False)


def test_an_undo_does_not_wait_for_parameters_nor_they_for_it():
    story = over(tuned()).done("finish").on(UndoAsked()).done("undo")
    assert story.todo == [Do.RETIRE, Do.UNTUNE]


def test_a_restore_goes_without_parameters_that_cannot_be_changed():
    story = tuning()
    story.on(Stumbled(story.outbox[0], Failure("access", "expected to be let in")))
    assert story.tickets == ["roles"]
    over(story).done("finish")
    assert (story.restore.phase, story.todo) == (Phase.SUCCEEDED_WITH_WARNINGS, [Do.RETIRE])


# ---- files -------------------------------------------------------------------------------------


def purge(story):
    return [command for command in story.restore.outbox if command.do is Do.PURGE]


def test_the_files_of_a_success_go_at_once_and_what_was_adopted_stays():
    story = ended()
    (command,) = purge(story)
    assert command.due == story.now
    story.on(Purged())
    assert (purge(story), story.restore.purged) == ([], story.now)
    assert purge(ended(replace(SWAP, source=ADOPT.source))) == []


def test_while_another_restore_reads_them_they_stay():
    story = ended()
    story.on(StillRead())
    (command,) = purge(story)
    assert command.due == story.now + timedelta(hours=1)


def test_files_that_cannot_be_deleted_are_tried_again_and_told():
    story = ended()
    story.on(Stumbled(purge(story)[0], Failure("access", "expected to be let in")))
    assert purge(story)[0].due == story.now + timedelta(hours=1)
    assert story.restore.warnings[-1].startswith("landing container: expected to delete it")


def test_what_is_due_and_not_done_after_the_end_is_stuck():
    story = ended()
    story.on(Ticked(), after=601)
    assert story.restore.stuck.startswith("purge has been due since ")
    story.on(Purged()).on(Ticked())
    assert story.restore.stuck == ""


def test_debts_that_are_paid_first_do_not_save_the_files():
    story = ended(debts=(OWED,))
    story.on(TimeCame(Do.COLLECT), after=POLICY.debt_seconds).done("debts")
    assert len(purge(story)) == 1


def test_the_request_says_how_long_files_are_kept():
    story = ended(replace(SWAP, keep_files=2.5))
    assert purge(story)[0].due == story.now + timedelta(hours=2.5)
