"""The landing account: open while a vault writes, shut otherwise, whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from restore import control, flows, guarding
from restore.core import guard
from restore.core.guard import Access, Guard
from restore.core.state import Do, Phase
from restore.errors import NotFoundError, TransientError
from tests.fakes import MemoryDocuments, MemoryLandingAccounts
from tests.test_flows import POLICY, VAULT, World

ACCOUNT = "/subscriptions/x/providers/Microsoft.Storage/storageAccounts/landing"
SHUT = Access(cross_tenant=False)


@pytest.fixture
def world():
    return guarded(World())


def guarded(world):
    world.accounts = MemoryLandingAccounts({ACCOUNT: SHUT})
    world.documents = MemoryDocuments()
    world.control = replace(
        world.control,
        policy=replace(POLICY, guards=True),
        documents=world.documents,
        guard=control.LandingGuard(world.accounts, ACCOUNT),
    )
    return world


def kept(world):
    return guard.decode(world.documents.read(guard.DOCUMENT).body)


def now(world):
    return world.accounts.read(ACCOUNT)


def test_it_is_open_while_the_vault_writes_and_shut_before_a_worker_begins(world):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: restore.job is not None)
    assert now(world).lets_in(VAULT)
    assert kept(world).users == (restore_id,)
    world.jump(restore_id, lambda restore: restore.task("prepare") is not None)
    assert now(world) == SHUT
    assert kept(world).users == ()
    assert world.end(restore_id).phase is Phase.SUCCEEDED


def test_one_that_is_cancelled_midway_leaves_it_shut(world):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: now(world).lets_in(VAULT))
    flows.cancel(world.control, restore_id)
    world.jump(restore_id, lambda restore: not restore.opened)
    assert world.restore(restore_id).phase is Phase.CANCELLED
    assert now(world) == SHUT


def test_the_first_of_two_leaves_it_open_for_the_other(world):
    first, second = world.start(), world.start("incident-2")
    for restore_id in (first, second):
        world.jump(restore_id, lambda restore: restore.job is not None)
    flows.cancel(world.control, first)
    world.jump(first, lambda restore: not restore.opened)
    assert kept(world).users == (second,)
    assert now(world).lets_in(VAULT)
    world.jump(second, lambda restore: not restore.opened)
    assert now(world) == SHUT


def test_who_comes_while_it_is_being_shut_waits_for_that(world):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: restore.instance is not None)
    restore = world.restore(restore_id)
    etag = world.documents.read(guard.DOCUMENT).etag
    world.documents.write(guard.DOCUMENT, guard.encode(Guard(crossed=True, closing=True)), etag)
    world.accounts.accounts[ACCOUNT] = SHUT
    assert guarding.opened(world.control, restore).__class__.__name__ == "AccountAsked"
    assert now(world) == SHUT
    assert guarding.shut(world.control, restore).do is Do.SHUT
    assert not kept(world).closing


def test_a_restore_that_nobody_knows_any_more_keeps_it_open_for_no_one(world):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: now(world).lets_in(VAULT))
    found = world.documents.read(guard.DOCUMENT)
    gone = replace(kept(world), users=("f" * 16, restore_id))
    world.documents.write(guard.DOCUMENT, guard.encode(gone), found.etag)
    world.jump(restore_id, lambda restore: not restore.opened)
    assert now(world) == SHUT


def test_what_it_was_is_known_before_it_is_changed(world, monkeypatch):
    def dies(*_):
        raise TransientError("landing account: expected an answer, found none")

    monkeypatch.setattr(world.accounts, "write", dies)
    restore_id = world.start()
    world.jump(restore_id, lambda restore: any(c.failures for c in restore.outbox))
    assert kept(world) == Guard((restore_id,), crossed=True, added=(VAULT.lower(),))
    assert now(world) == SHUT


def test_one_that_is_switched_off_meanwhile_says_so(world):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: restore.job is not None)
    world.control = replace(world.control, guard=None)
    with pytest.raises(NotFoundError, match="switched off"):
        guarding.shut(world.control, world.restore(restore_id))
    assert world.end(restore_id).phase is Phase.SUCCEEDED_WITH_WARNINGS
    assert any("landing account" in warning for warning in world.restore(restore_id).warnings)


def test_a_document_that_is_not_understood_says_so_and_is_not_overwritten(world):
    world.documents.write(guard.DOCUMENT, b'{"version": 2}', None)
    restore = world.end(world.start())
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "message")
    assert "delete the blob" in restore.failure.hint
    assert world.documents.read(guard.DOCUMENT).body == b'{"version": 2}'
    assert now(world) == SHUT


# ---- a cancel in the midst of opening ----------------------------------------------------------


def cancelled_amid(world, monkeypatch, method, before):
    """The id of a restore that is cancelled and shut around the first such call of its opening."""
    called, done = getattr(world.accounts, method), []

    def shuts():
        if not done:
            done.append(next(iter(world.states.summaries())).id)
            flows.cancel(world.control, done[0])
            for _ in range(2):
                world.now += timedelta(seconds=POLICY.doubt_seconds + 1)
                flows.tick(world.control)

    def around(*arguments):
        if before:
            shuts()
        answer = called(*arguments)
        if not before:
            shuts()
        return answer

    monkeypatch.setattr(world.accounts, method, around)
    world.start()
    monkeypatch.undo()
    return done[0]


@pytest.mark.parametrize("method", ["read", "write"])
@pytest.mark.parametrize("before", [True, False])
def test_one_that_is_cancelled_while_it_opens_is_shut_in_the_end(
    world, monkeypatch, method, before
):
    """However late: also after it was seen shut for long, and what it was like is forgotten."""
    restore_id = cancelled_amid(world, monkeypatch, method, before)
    world.jump(restore_id, lambda restore: not restore.opened)
    assert world.restore(restore_id).phase is Phase.CANCELLED
    assert now(world) == SHUT
    assert kept(world).users == ()
    other = world.start("incident-2")
    world.jump(other, lambda restore: restore.ended and not restore.opened)
    assert now(world) == SHUT
    assert kept(world) == Guard()


def test_what_was_changed_is_forgotten_once_it_has_been_shut_for_long(world):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: now(world).lets_in(VAULT))
    flows.cancel(world.control, restore_id)
    world.jump(restore_id, lambda restore: kept(world).shut_since is not None)
    assert kept(world).crossed
    world.accounts.accounts[ACCOUNT] = SHUT.letting_in(VAULT)  # it was on its way all the time
    world.jump(restore_id, lambda restore: not restore.opened)
    assert now(world) == SHUT
    assert kept(world) == Guard()


def test_one_that_cannot_be_shut_keeps_nobody_else_from_opening_it(world, monkeypatch):
    first = world.start()
    world.jump(first, lambda restore: now(world).lets_in(VAULT))
    with monkeypatch.context() as patch:

        def denied(*_):
            raise TransientError("the management API is away")

        patch.setattr(world.accounts, "write", denied)
        flows.cancel(world.control, first)
        assert not kept(world).closing
    second = world.start("incident-2")
    world.jump(second, lambda restore: restore.job is not None)
    assert now(world).lets_in(VAULT)


def test_a_change_that_was_carried_out_though_it_was_not_answered_is_put_back(world, monkeypatch):
    called = world.accounts.write

    def lost(*arguments):
        flows.cancel(world.control, next(iter(world.states.summaries())).id)
        for _ in range(2):
            world.now += timedelta(seconds=POLICY.doubt_seconds + 1)
            flows.tick(world.control)
        monkeypatch.undo()
        called(*arguments)
        raise TransientError("no answer")

    monkeypatch.setattr(world.accounts, "write", lost)
    restore_id = world.start()
    world.jump(restore_id, lambda restore: restore.ended and not restore.opened)
    assert now(world) == SHUT


def test_a_change_by_others_is_told(world, caplog):
    restore_id = world.start()
    world.jump(restore_id, lambda restore: restore.job is not None)
    world.accounts.accounts[ACCOUNT] = replace(now(world), cross_tenant=False)
    world.jump(restore_id, lambda restore: restore.task("prepare") is not None)
    said = [record.state for record in caplog.records if record.message == "landing account"]
    assert "changed by others" in said
    assert now(world) == SHUT
