"""`"publish": "each"`: what fails holds up no other database, and what is published counts."""

from dataclasses import replace

import pytest

from restore.core.events import CancelAsked, Reported
from restore.core.messages import Failure, Result, TaskResult
from restore.core.options import Publish
from restore.core.state import Do, Phase, TaskState
from tests.core.test_life import BROKEN, LOST, POLICY, REQUEST, database, prepared

EACH = replace(REQUEST, publish=Publish.EACH)


def loading():
    return prepared(request=EACH).done("roles")


def one_published():
    story = loading().done("database-0", database=database("crm"))
    return story.done("publish-0")


def test_each_is_published_when_it_is_proven():
    story = loading().done("database-0", database=database("crm"))
    assert story.tickets == ["database-1", "publish-0"]
    story.done("publish-0")
    assert (story.restore.published, story.restore.phase) == ((0,), Phase.RESTORING)
    story.done("database-1", database=database("shop")).done("publish-1")
    assert (story.tickets, story.restore.phase) == (["finish"], Phase.FINISHING)
    assert story.done("finish").restore.phase is Phase.SUCCEEDED
    assert story.restore.published == (0, 1)


@pytest.mark.parametrize("first", ["database-1", "publish-0"])
def test_one_that_fails_leaves_the_others_published(first):
    story = loading().done("database-0", database=database("crm"))
    for task in [first, *({"database-1", "publish-0"} - {first})]:
        if task == "publish-0":
            story.done(task)
        else:
            story.failed(task, BROKEN)
    assert (story.tickets, story.state_of("publish-1")) == (["finish"], TaskState.CANCELLED)
    story.done("finish")
    assert (story.restore.phase, story.restore.failure) == (Phase.PARTIAL, None)
    assert story.restore.warnings == (f"database 'shop': {BROKEN.message}",)


def test_one_that_is_proven_and_cannot_be_published_is_a_loss_too():
    busy = Failure("target-busy", "database 'crm': expected no sessions, found 1", transient=True)
    story = loading().done("database-0", database=database("crm"))
    for _ in range(POLICY.max_attempts):
        story.failed("publish-0", busy)
    story.done("database-1", database=database("shop")).done("publish-1").done("finish")
    assert (story.restore.phase, story.restore.published) == (Phase.PARTIAL, (1,))


def test_where_none_can_be_published_it_has_failed_and_is_taken_back():
    story = loading().failed("database-0", BROKEN).failed("database-1", BROKEN)
    assert (story.tickets, story.restore.failure.message) == (
        ["cleanup"],
        f"database 'shop': {BROKEN.message}",
    )
    assert story.restore.warnings == (f"database 'crm': {BROKEN.message}",)
    assert story.done("cleanup").restore.phase is Phase.FAILED


def test_the_roles_fail_for_all_of_them():
    story = prepared(request=EACH).failed("roles", BROKEN)
    assert (story.tickets, story.restore.failure) == (["cleanup"], BROKEN)


def test_a_cancel_takes_back_only_what_has_no_name_yet():
    story = one_published().on(CancelAsked())
    story.on(Reported(TaskResult("database-1", 1, Result.CANCELLED)))
    assert story.tickets == ["cleanup"]
    assert story.done("cleanup", published=(0,)).restore.phase is Phase.PARTIAL


def test_a_database_that_is_being_published_is_seen_through_though_it_is_cancelled():
    story = loading().done("database-0", database=database("crm")).on(CancelAsked())
    story.on(Reported(TaskResult("database-1", 1, Result.CANCELLED)))
    assert story.tickets == ["publish-0"]
    story.failed("publish-0", LOST).done("publish-0")
    assert story.tickets == ["cleanup"]
    assert story.done("cleanup").restore.phase is Phase.PARTIAL


def test_a_failure_while_it_is_cancelled_changes_nothing_about_that():
    story = loading().done("database-0", database=database("crm")).on(CancelAsked())
    story.failed("publish-0", BROKEN).failed("database-1", BROKEN)
    assert story.done("cleanup").restore.phase is Phase.CANCELLED


def test_what_is_published_stays_so_though_nothing_can_be_given_back():
    story = one_published().done("database-1", database=database("shop")).done("publish-1")
    story.failed("finish", BROKEN)
    assert (story.restore.phase, story.todo) == (Phase.SUCCEEDED_WITH_WARNINGS, [Do.COLLECT])
    assert story.restore.debts == (f"something may be left on the target: {BROKEN.message}",)
    assert story.restore.failure is None


def test_a_finish_tells_what_a_dead_worker_had_published():
    story = loading().done("database-0", database=database("crm"))
    story.failed("publish-0", BROKEN).done("database-1", database=database("shop"))
    story.done("publish-1").done("finish", published=(0, 1))
    assert story.restore.published == (0, 1)
    assert story.restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
