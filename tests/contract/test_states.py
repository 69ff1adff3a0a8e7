"""The states of restores, in memory and in storage."""

from dataclasses import replace
from datetime import timedelta

import pytest

from restore.core.state import Command, Do, Phase
from restore.errors import ConflictError, NotFoundError
from tests.contract.conftest import NOON, restore


def test_what_was_created_is_loaded_as_it_was(states):
    new = restore()
    created = states.create(new)
    assert states.load(new.id) == created
    assert created.restore == new


def test_an_id_that_is_taken_changes_nothing(states):
    first = restore()
    states.create(first)
    with pytest.raises(ConflictError):
        states.create(replace(restore(first.id), container="https://a.b/other"))
    assert states.load(first.id).restore == first


def test_a_restore_that_nobody_asked_for_is_not_found(states):
    with pytest.raises(NotFoundError):
        states.load("0" * 16)


def test_the_first_of_two_saves_wins_and_the_second_may_load_again(states):
    loaded = states.create(restore())
    first = states.save(replace(loaded.restore, phase=Phase.EXTRACTING), loaded.etag)
    with pytest.raises(ConflictError):
        states.save(replace(loaded.restore, phase=Phase.FAILED), loaded.etag)
    assert states.load(loaded.restore.id) == first
    states.save(replace(first.restore, phase=Phase.PREPARING), first.etag)
    assert states.load(loaded.restore.id).restore.phase is Phase.PREPARING


def test_a_save_of_what_was_never_created_creates_nothing(states):
    unknown = restore()
    with pytest.raises((ConflictError, NotFoundError)):
        states.save(unknown, '"0x1"')
    with pytest.raises(NotFoundError):
        states.load(unknown.id)


def test_a_server_is_claimed_by_one_restore_until_that_has_ended(states):
    first, second, third = (restore() for _ in range(3))
    for one in (first, second, third):
        states.create(one)
    server = f"{first.id}.example.com:5432"
    assert states.claim(server, first.id) == first.id
    assert states.claim(server, first.id) == first.id
    assert states.claim(server, second.id) == first.id
    assert states.claim(f"other.{server}", second.id) == second.id
    states.save(replace(first, phase=Phase.CANCELLED), states.load(first.id).etag)
    assert states.claim(server, third.id) == third.id
    assert states.claim(server, second.id) == third.id


def test_a_claim_is_void_while_its_restore_waits_for_somebody_to_approve_its_plan(states):
    waiting, other = restore(), restore()
    for one in (waiting, other):
        states.create(one)
    server = f"{waiting.id}.example.com:5432"
    assert states.claim(server, waiting.id) == waiting.id
    stored = states.load(waiting.id)
    states.save(replace(waiting, phase=Phase.AWAITING_APPROVAL), stored.etag)
    assert states.claim(server, other.id) == other.id
    assert states.claim(server, waiting.id) == other.id


def test_a_restore_that_has_ended_holds_the_server_again_while_it_does_something(states):
    ended, other = restore(), restore()
    for one in (ended, other):
        states.create(one)
    server = f"{ended.id}.example.com:5432"
    assert states.claim(server, ended.id) == ended.id
    undoing = replace(ended, phase=Phase.SUCCEEDED, outbox=(Command(Do.CLAIM, NOON),))
    states.save(undoing, states.load(ended.id).etag)
    assert states.claim(server, other.id) == ended.id
    undone = replace(undoing, outbox=(Command(Do.RETIRE, NOON),))
    states.save(undone, states.load(ended.id).etag)
    assert states.claim(server, other.id) == other.id


def test_a_claim_of_a_restore_that_is_gone_holds_up_nobody(states):
    gone, here = restore(), restore()
    states.create(here)
    server = f"{here.id}.example.com:5432"
    assert states.claim(server, gone.id) == gone.id
    assert states.claim(server, here.id) == here.id


def test_summaries_come_newest_first_and_say_what_the_state_says(states):
    old, new, middle = (restore(created=NOON + timedelta(days=days)) for days in (0, 2, 1))
    for one in (old, new, middle):
        states.create(one)
    stored = states.load(new.id)
    later = NOON + timedelta(days=3)
    states.save(replace(new, phase=Phase.RESTORING, updated=later), stored.etag)
    ours = [s for s in states.summaries() if s.id in (old.id, new.id, middle.id)]
    assert [s.id for s in ours] == [new.id, middle.id, old.id]
    assert ours[0].phase == "restoring"
    assert (ours[0].created, ours[0].updated) == (new.created, later)
    assert ours[0].target == "pg-target.postgres.database.azure.com:5432"


def test_a_summary_says_when_something_is_to_be_done_next(states):
    later = NOON + timedelta(days=3)
    idle, waiting = restore(), restore()
    states.create(replace(idle, outbox=()))
    states.create(replace(waiting, outbox=(Command(Do.COLLECT, later), Command(Do.RETIRE, NOON))))
    due = {summary.id: summary.due for summary in states.summaries()}
    assert (due[idle.id], due[waiting.id]) == (None, NOON)
