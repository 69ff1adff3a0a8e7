"""What every decision shares: tries, tickets and debts, before a restore's end and after it."""

from datetime import timedelta

import pytest

from restore.core import life
from restore.core.decider import same, union
from restore.core.events import Reported, Stumbled, TimeCame, Watched
from restore.core.messages import Result, TaskResult, Ticket
from restore.core.state import Command, Do, Phase, TaskState
from tests.core import test_afterwards as afterwards
from tests.core.test_life import LOST, NOW, POLICY, prepared, proven

TICKET = Ticket("0123456789abcdef", "roles", 1)


def before():
    return prepared("crm"), "roles"


def after():
    story = afterwards.ended(debts=(afterwards.OWED,))
    return story.on(TimeCame(Do.RETIRE), after=POLICY.undo_hours * 3600), "retire"


@pytest.mark.parametrize("begin", [before, after])
def test_a_task_is_tried_again_later_each_time_and_only_so_often(begin):
    story, task = begin()
    waits = []
    while story.failed(task, LOST).state_of(task) is TaskState.SENT:
        sends = [c for c in story.restore.outbox if c.ticket and c.ticket.task == task]
        waits.append((sends[-1].not_before - story.now).total_seconds())
        assert [c.ticket.attempt for c in sends] == [story.restore.task(task).attempt]
    assert waits == [POLICY.retry_seconds, 2 * POLICY.retry_seconds]
    assert len(story.restore.task(task).failures) == POLICY.max_attempts


@pytest.mark.parametrize("begin", [before, after])
def test_a_ticket_nobody_took_is_sent_again_and_a_silent_worker_replaced(begin):
    story, task = begin()
    story.on(Watched(), after=POLICY.silence_seconds + 1)
    assert story.restore.task(task).attempt == 1
    seen = {task: story.now + timedelta(seconds=1)}
    story.on(Watched(seen), after=POLICY.silence_seconds + 2)
    assert story.restore.task(task).attempt == 2


@pytest.mark.parametrize("begin", [before, after])
def test_a_report_of_another_attempt_or_of_a_task_that_was_never_sent_changes_nothing(begin):
    story, task = begin()
    for result in (TaskResult(task, 9, Result.DONE), TaskResult("database-9", 1, Result.DONE)):
        found = life.decide(story.restore, Reported(result), story.now, POLICY)
        assert found is story.restore


def test_a_failure_without_a_reason_is_a_failure():
    story = proven().on(Reported(TaskResult("finish", 1, Result.FAILED))).done("cleanup")
    assert (story.restore.phase, story.restore.failure.code) == (Phase.FAILED, "internal")


def test_where_nothing_was_published_nothing_has_succeeded():
    story = proven().on(Reported(TaskResult("finish", 1, Result.CANCELLED)))
    assert story.restore.phase is Phase.FAILED


def test_debts_add_up_until_a_task_tells_them_all():
    story = prepared("crm").done("roles", debts=("a",)).done("database-0", debts=("a", "b"))
    assert story.restore.debts == ("a", "b")
    assert story.done("finish", debts=("b",)).restore.debts == ("b",)
    assert story.restore.task("finish").result.debts == ()


def test_a_task_that_failed_pays_no_debts():
    story = afterwards.ended(debts=(afterwards.OWED,)).on(TimeCame(Do.COLLECT), after=60)
    assert story.failed("debts", LOST).restore.debts == (afterwards.OWED,)


def test_a_command_is_the_same_however_often_it_was_tried():
    one = Command(Do.SEND, NOW, TICKET)
    assert same(one, Command(Do.SEND, NOW + timedelta(1), TICKET, failures=3))
    assert not same(one, Command(Do.SEND, NOW, Ticket(TICKET.restore, "roles", 2)))
    assert not same(one, Command(Do.WATCH, NOW))


def test_a_stumble_over_what_is_not_to_be_done_any_more_changes_nothing():
    story = proven()
    stumbled = Stumbled(Command(Do.CLAIM, NOW), LOST)
    assert life.decide(story.restore, stumbled, story.now, POLICY) is story.restore


def test_what_is_told_twice_is_kept_once():
    assert union(("a", "b"), ("b", "c", "c")) == ("a", "b", "c")
