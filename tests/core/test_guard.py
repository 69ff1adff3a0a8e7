"""Whoever comes opens the account, whoever leaves last puts back what was changed, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore.core.events import (
    Accepted,
    AccountAsked,
    AccountIs,
    CancelAsked,
    ContainerCreated,
    FileLanded,
    Listed,
    Polled,
    Stumbled,
    Ticked,
)
from restore.core.guard import Access, Guard, decode, encode
from restore.core.messages import Failure
from restore.core.state import Command, Do, Phase
from tests.core.test_life import BLOBS, DONE, OPERATION, POINT, POLICY, Story

VAULT = "/subscriptions/x/providers/Microsoft.DataProtection/backupVaults/Safe"
OTHER = VAULT + "2"


@pytest.mark.parametrize(
    ("access", "is_open"),
    [
        (Access(True, open_network=True), True),
        (Access(False, open_network=True), False),
        (Access(True), False),
        (Access(True, (VAULT.lower(),)), True),
        (Access(False, (VAULT.lower(),)), False),
    ],
)
def test_it_lets_a_vault_in_by_both(access, is_open):
    assert access.lets_in(VAULT) is is_open
    assert access.letting_in(VAULT).lets_in(VAULT)
    assert (access.letting_in(VAULT) == access) is is_open


def test_the_last_who_leaves_shuts_it():
    was = Access(False, ("/some/rule",))
    one = Guard().joined("a", was, VAULT)
    now = was.letting_in(VAULT)
    two = one.joined("b", now, OTHER)
    now = now.letting_in(OTHER)
    left = two.left("a", {"a", "b"})
    assert left.users == ("b",)
    last = left.left("b", {"a", "b"})
    assert last.users == ()
    assert last.shut(now) == was


def test_a_restore_that_is_gone_needs_nothing():
    guard = Guard(users=("a", "gone"))
    assert guard.left("a", {"a"}).users == ()


def test_what_others_changed_meanwhile_stays():
    was = Access(False, ())
    guard = Guard().joined("a", was, VAULT)
    changed = Access(False, (VAULT.lower(), "/another"))
    assert guard.shut(changed) == Access(False, ("/another",))


def test_what_was_open_stays_open():
    was = Access(True, (VAULT.lower(),))
    assert Guard().joined("a", was, VAULT).shut(was) == was
    all_in = Access(True, open_network=True)
    assert Guard().joined("a", all_in, VAULT).shut(all_in) == all_in


def test_our_rule_goes_though_the_network_was_opened_to_all_meanwhile():
    guard = Guard().joined("a", Access(False), VAULT)
    opened = Access(True, (VAULT.lower(),), open_network=True)
    assert guard.shut(opened) == Access(False, open_network=True)


def test_it_is_seen_when_others_put_back_what_we_changed():
    was = Access(False)
    guard = Guard().joined("a", was, VAULT)
    assert not guard.was_changed(was.letting_in(VAULT))
    assert guard.was_changed(was)
    assert guard.was_changed(Access(True))


@given(
    st.builds(Access, st.booleans(), st.sampled_from([(), ("/r",)]), st.booleans()),
    st.permutations(["a", "b", "c"]),
    st.permutations(["a", "b", "c"]),
)
def test_in_whatever_order_they_come_and_go_it_is_as_it_was(was, come, go):
    guard, access = Guard(), was
    for name in come:
        vault = f"/vaults/{name}"
        guard = guard.joined(name, access, vault)
        access = access.letting_in(vault)
        assert access.lets_in(vault)
    for name in go:
        guard = guard.left(name, {"a", "b", "c"})
    assert guard.users == ()
    assert guard.shut(access) == was


def test_it_is_stored_as_json():
    guard = Guard(("a",), True, (VAULT.lower(),))
    assert decode(encode(guard)) == guard
    with pytest.raises(ValueError, match="version"):
        decode(b'{"version": 2}')


# ---- in the life of a restore ------------------------------------------------------------------

DENIED = Failure("access", "landing account: expected success, found 403")


def opening():
    return Story(policy=replace(POLICY, guards=True)).on(POINT, ContainerCreated())


def extracted():
    story = opening().on(AccountIs(Do.OPEN), Accepted(Do.VALIDATE, OPERATION))
    story.on(Polled(Do.POLL_VALIDATION, DONE), Accepted(Do.TRIGGER, OPERATION))
    story.on(Polled(Do.POLL_TRIGGER, replace(DONE, job="/jobs/1")), Polled(Do.POLL_JOB, DONE))
    return story.on(Listed(BLOBS)).on(Listed(BLOBS), after=10)


def test_it_is_opened_before_the_vault_is_asked():
    story = opening()
    assert (story.todo, story.restore.opened) == ([Do.OPEN], True)
    story.on(AccountAsked(Do.OPEN))
    assert story.outbox[0].due > story.now
    assert story.on(AccountIs(Do.OPEN)).todo == [Do.VALIDATE]


def test_it_is_shut_once_the_files_are_complete():
    story = extracted()
    assert story.todo == [Do.SHUT]
    assert story.on(AccountAsked(Do.SHUT)).todo == [Do.SHUT]
    story.on(AccountIs(Do.SHUT))
    assert story.restore.phase is Phase.PREPARING
    assert story.restore.opened  # until it has been looked at once more


def test_one_that_is_asked_to_open_in_vain_is_stuck():
    story = opening().on(AccountAsked(Do.OPEN))
    since = story.now
    for _ in range(2):
        story.on(AccountAsked(Do.OPEN), Ticked(), after=POLICY.stuck_seconds / 2)
    assert story.todo == [Do.OPEN]
    said = f"{since:%Y-%m-%d %H:%M:%S} UTC"
    assert story.restore.stuck == f"open has been asked for in vain since {said}"
    story.on(AccountIs(Do.OPEN), Ticked())
    assert story.restore.stuck == ""


def test_one_that_is_asked_to_shut_in_vain_keeps_nobody_waiting():
    story = extracted().on(AccountAsked(Do.SHUT))
    story.on(AccountAsked(Do.SHUT), after=POLICY.stuck_seconds)
    assert story.todo == [Do.SHUT]
    story.on(AccountAsked(Do.SHUT), after=1)
    assert story.restore.phase is Phase.PREPARING
    assert "landing account: expected to shut it" in story.restore.warnings[-1]
    assert story.restore.opened  # so that it is tried again after the end


def test_a_late_file_keeps_it_open():
    assert extracted().on(FileLanded("another")).todo == [Do.LIST_FILES]


def test_one_that_cannot_be_opened_ends_the_restore():
    story = opening()
    story.on(Stumbled(story.outbox[0], DENIED))
    assert story.restore.failure.code == "access"
    assert story.todo == [Do.SHUT]  # it may be open all the same


def test_one_that_cannot_be_shut_keeps_nobody_waiting_and_is_tried_again_after_the_end():
    story = extracted()
    story.on(Stumbled(story.outbox[0], DENIED))
    assert story.restore.phase is Phase.PREPARING
    assert "landing account: expected to shut it" in story.restore.warnings[-1]
    story.on(CancelAsked())
    story.done("prepare")
    assert story.restore.ended
    assert story.todo == [Do.SHUT]
    story.on(Stumbled(story.outbox[0], DENIED))
    assert story.outbox[0].due > story.now
    story.on(AccountAsked(Do.SHUT)).on(AccountIs(Do.SHUT), after=3600)
    assert (story.todo, story.restore.opened) == ([], False)


def test_a_cancelled_one_shuts_it():
    story = opening().on(CancelAsked())
    assert story.todo == [Do.SHUT]


@pytest.mark.parametrize("late", [AccountAsked(Do.OPEN), AccountIs(Do.OPEN)])
def test_one_that_is_opened_too_late_is_shut_again(late):
    story = opening().on(CancelAsked()).on(AccountIs(Do.SHUT)).on(AccountIs(Do.SHUT))
    assert (story.todo, story.restore.opened) == ([], False)
    story.on(late)
    assert (story.todo, story.restore.opened) == ([Do.SHUT], True)
    assert story.on(late).todo == [Do.SHUT]
    assert story.on(AccountIs(Do.SHUT)).todo == [Do.SHUT]  # of a look before that
    assert story.on(AccountIs(Do.SHUT)).todo == []


def test_a_step_that_opened_it_and_failed_is_followed_by_one_that_shuts_it():
    story = opening().on(CancelAsked()).on(AccountIs(Do.SHUT)).on(AccountIs(Do.SHUT))
    asked = Command(Do.OPEN, story.restore.updated)
    assert story.on(Stumbled(asked, Failure("azure-service", "no answer", ""))).todo == [Do.SHUT]


def test_what_others_changed_since_it_was_read_is_not_changed_back():
    read = Access(False, ("/others",))
    now = Access(False, ("/third",), open_network=True)
    assert read.letting_in(VAULT).since(read, now) == Access(
        True, ("/third", VAULT.lower()), open_network=True
    )
    assert read.since(read.letting_in(VAULT), now.letting_in(VAULT)) == now
