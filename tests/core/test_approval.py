"""Between the plan and the work: a dry run ends there, an approval is waited for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from restore.core import life
from restore.core.events import Approved, CancelAsked, Claimed, FileLanded, Ticked, TimeCame
from restore.core.facts import Finding
from restore.core.options import Approval
from restore.core.state import Do, Phase
from tests.core.test_life import LOST, NOW, POLICY, REQUEST, Story, plan, prepared

ASKING = replace(REQUEST, approval=Approval.REQUIRED)
DRY = replace(REQUEST, dry_run=True)
HOURS = 3600


def waiting(**changes) -> Story:
    return prepared("crm", request=ASKING, **changes)


def test_a_dry_run_ends_with_the_plan():
    story = prepared("crm", request=DRY)
    assert (story.restore.phase, story.restore.plan.hash) == (Phase.SUCCEEDED, "hash")
    assert [task.id for task in story.restore.tasks] == ["prepare"]
    assert (story.outbox, story.restore.published, story.restore.undo) == ((), (), None)


def test_a_dry_run_of_what_cannot_work_fails_and_one_that_has_to_be_approved_just_ends():
    finding = Finding("database-exists", "target database 'crm'", "expected none, found one")
    assert prepared("crm", request=DRY, refusals=(finding,)).restore.phase is Phase.FAILED
    both = replace(ASKING, dry_run=True)
    assert prepared("crm", request=both).restore.phase is Phase.SUCCEEDED


def test_nothing_is_sent_before_the_plan_is_approved_and_the_server_is_free_for_others():
    story = waiting()
    assert (story.restore.phase, story.todo) == (Phase.AWAITING_APPROVAL, [Do.EXPIRE])
    assert not story.restore.at_work


def test_an_approval_looks_at_the_server_again_and_then_goes_on():
    story = waiting().on(Approved("hash"), after=20 * HOURS)
    assert (story.restore.phase, story.tickets) == (Phase.PREPARING, ["prepare"])
    assert story.restore.task("prepare").attempt == 2
    assert story.restore.at_work
    assert story.done("prepare", plan=plan("crm")).tickets == ["roles"]
    assert story.restore.phase is Phase.RESTORING


def test_an_approved_restore_waits_until_the_server_is_free():
    story = waiting()
    story.server_is_free = False
    story.on(Approved("hash"), Claimed("fedcba9876543210"))
    assert (story.todo, story.restore.waits_for) == ([Do.CLAIM], "fedcba9876543210")
    story.on(Claimed(story.restore.id), after=POLICY.poll_seconds)
    assert story.tickets == ["prepare"]


@pytest.mark.parametrize("plan_hash", ["", "another"])
def test_an_approval_of_another_plan_changes_nothing(plan_hash):
    story = waiting()
    assert life.decide(story.restore, Approved(plan_hash), NOW, POLICY) is story.restore


def test_an_approval_counts_once_and_only_while_it_is_waited_for():
    for story in (waiting().on(Approved("hash")), prepared("crm"), prepared("crm", request=DRY)):
        assert life.decide(story.restore, Approved("hash"), NOW, POLICY) is story.restore


def test_a_plan_that_changed_has_to_be_approved_again():
    story = waiting().on(Approved("hash")).done("prepare", plan=plan("crm", hash="new"))
    assert story.restore.phase is Phase.AWAITING_APPROVAL
    story.on(Approved("hash"))
    assert story.restore.phase is Phase.AWAITING_APPROVAL
    story.on(Approved("new"), after=1).done("prepare", plan=plan("crm", hash="new"))
    assert story.tickets == ["roles"]
    assert story.restore.task("prepare").attempt == 3


def test_a_refusal_after_the_approval_still_refuses():
    finding = Finding("database-exists", "target database 'crm'", "expected none, found one")
    story = waiting().on(Approved("hash")).done("prepare", plan=plan("crm", refusals=(finding,)))
    assert (story.restore.phase, story.restore.failure.code) == (Phase.FAILED, "database-exists")


def test_what_the_first_plan_warned_of_is_forgotten_if_the_second_one_does_not():
    old = Finding("older-target", "database 'crm'", "expected 18")
    new = Finding("owner-missing", "database 'crm'", "expected an owner")
    note = Finding("skipped", "file 'x'", "left alone")
    story = waiting(warnings=(old, new), notes=(note,)).on(FileLanded("late"), Approved("hash"))
    story.done("prepare", plan=plan("crm", warnings=(new,)))
    assert [warning.partition(":")[0] for warning in story.restore.warnings] == [
        "file 'late' landed after the container had been quiet",
        "database 'crm'",
    ]
    assert story.restore.notes == ()


def test_tries_after_the_approval_are_counted_anew():
    story = waiting().on(Approved("hash"))
    for attempt in (2, 3):
        assert story.restore.task("prepare").attempt == attempt
        story.failed("prepare", LOST)
    assert story.restore.task("prepare").attempt == 4
    assert story.failed("prepare", LOST).restore.phase is Phase.FAILED


def test_an_approval_that_never_comes_ends_it():
    story = waiting()
    assert story.on(TimeCame(Do.EXPIRE)).restore.phase is Phase.AWAITING_APPROVAL
    story.on(TimeCame(Do.EXPIRE), after=POLICY.approval_hours * HOURS)
    assert (story.restore.phase, story.restore.failure.code) == (Phase.FAILED, "not-approved")
    assert story.outbox == ()


def test_a_cancel_while_it_waits_ends_it():
    story = waiting().on(CancelAsked())
    assert (story.restore.phase, story.outbox) == (Phase.CANCELLED, ())


def test_the_time_somebody_thinks_is_not_taken_from_the_work():
    story = waiting().on(Ticked(), after=(POLICY.deadline_hours + 1) * HOURS)
    assert story.restore.phase is Phase.AWAITING_APPROVAL
    story.on(Approved("hash"), Ticked(), after=HOURS)
    assert story.restore.phase is Phase.PREPARING
    late = NOW + timedelta(hours=3 * POLICY.deadline_hours)
    assert life.decide(story.restore, Ticked(), late, POLICY).failure.code == "deadline"
