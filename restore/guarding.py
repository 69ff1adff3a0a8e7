"""Opens the landing account for a vault's job, and shuts it after the last: one step at a time.

Each may be repeated, and stops where the account does not show yet what was asked of it. A restore
may be cancelled while a step that opens is under way. So every step that shuts writes the document,
which a step that read it before then cannot; whoever opens looks, before and after, whether that is
wanted still, and says so if not; and after the end of a restore what was changed is forgotten only
once the account has been seen shut for as long as a change may be on its way.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from restore.control import Control, LandingGuard
from restore.core import guard
from restore.core.events import AccountAsked, AccountIs
from restore.core.guard import Access, Guard
from restore.core.state import Do, Restore
from restore.errors import ConflictError, MessageError, NotFoundError, RestoreError

log = logging.getLogger("restore")

_TRIES = 20


def opened(control: Control, restore: Restore) -> AccountAsked | AccountIs:
    """What it was like is stored before it is changed. One who is just shutting it goes first."""
    if restore.instance is None:
        raise NotFoundError(f"restore {restore.id}: expected a vault, found none chosen")
    doors, vault, kept = _guard(control), restore.instance.vault, _kept(control)
    if kept.guard.closing:
        return AccountAsked(Do.OPEN)
    access = doors.accounts.read(doors.account)
    kept.store(control, kept.guard.joined(restore.id, access, vault))
    if not _is_wanted(control, restore):
        return AccountAsked(Do.OPEN)
    if access.lets_in(vault):
        return AccountIs(Do.OPEN)
    log.info("landing account", extra={"restore": restore.id, "state": "opening"})
    try:
        doors.accounts.write(doors.account, access.letting_in(vault), access)
        wanted = _is_wanted(control, restore)
    except RestoreError:  # it may have been carried out
        _note_again(control, restore, access)
        raise
    if not wanted:
        _note_again(control, restore, access)
    return AccountAsked(Do.OPEN)


def shut(control: Control, restore: Restore) -> AccountAsked | AccountIs:
    """Unless others need it open. After the end of the restore it is looked at twice."""
    doors, kept = _guard(control), _kept(control)
    needing = {user for user in kept.guard.users if _needs(control, user)}
    left = kept.guard.left(restore.id, needing)
    if left.users:
        kept.write(control, left)
        return AccountIs(Do.SHUT)
    access = doors.accounts.read(doors.account)
    wanted = left.shut(access)
    if kept.guard.users and left.was_changed(access):
        about = {"restore": restore.id, "state": "changed by others"}
        log.warning("landing account", extra=about)
    if wanted != access:
        kept.write(control, replace(left, closing=True, shut_since=None))
        try:
            doors.accounts.write(doors.account, wanted, access)
        except RestoreError:
            _let_others_open(control)
            raise
        log.info("landing account", extra={"restore": restore.id, "state": "shutting"})
        return AccountAsked(Do.SHUT)
    now, since = control.clock(), left.shut_since
    doubt = timedelta(seconds=control.policy.doubt_seconds)
    if restore.ended and since is not None and now - since >= doubt:
        kept.write(control, Guard())
        return AccountIs(Do.SHUT)
    kept.write(control, replace(left, closing=False, shut_since=since or now))
    return AccountAsked(Do.SHUT) if restore.ended else AccountIs(Do.SHUT)


def _let_others_open(control: Control) -> None:
    """Whoever waits for its closing would wait for as long as it cannot be closed."""
    kept = _kept(control)
    with suppress(ConflictError):  # somebody else is at it
        kept.store(control, replace(kept.guard, closing=False))


def _note_again(control: Control, restore: Restore, before: Access) -> None:
    """It is open, too late, and may have been shut and forgotten in between: what it was like."""
    assert restore.instance is not None, "who opened it knew the vault"
    for _ in range(_TRIES):
        kept = _kept(control)
        with suppress(ConflictError):
            kept.store(control, kept.guard.joined(restore.id, before, restore.instance.vault))
            return
    raise ConflictError(f"{guard.DOCUMENT}: expected to store it, found others faster")


def _is_wanted(control: Control, restore: Restore) -> bool:
    """By the state as it is now."""
    outbox = control.states.load(restore.id).restore.outbox
    return any(command.do is Do.OPEN for command in outbox)


def _needs(control: Control, restore_id: str) -> bool:
    try:
        restore = control.states.load(restore_id).restore
    except NotFoundError:
        return False
    return restore.opened and not restore.ended


@dataclass(frozen=True, slots=True)
class _Kept:
    """The guard as it is stored; the etag is None where it never was."""

    guard: Guard
    etag: str | None

    def store(self, control: Control, new: Guard) -> None:
        if new != self.guard:
            self.write(control, new)

    def write(self, control: Control, new: Guard) -> None:
        """Though nothing may differ: who read it before cannot write it any more.

        Raises ConflictError where somebody else was faster.
        """
        assert control.documents is not None, "the guard needs documents"
        control.documents.write(guard.DOCUMENT, guard.encode(new), self.etag)


def _kept(control: Control) -> _Kept:
    assert control.documents is not None, "the guard needs documents"
    try:
        found = control.documents.read(guard.DOCUMENT)
    except NotFoundError:
        return _Kept(Guard(), None)
    try:
        return _Kept(guard.decode(found.body), found.etag)
    except ValueError as exc:
        raise MessageError(
            f"{guard.DOCUMENT}: expected what was changed of the account, found another text",
            "is it of a newer release? deploy that again; else shut the account by hand, and"
            " delete the blob",
        ) from exc


def _guard(control: Control) -> LandingGuard:
    """A restore that began while there was a guard is shut by it, or says that there is none."""
    if control.guard is None:
        raise NotFoundError(
            "landing account: expected a guard that opens and shuts it, found it switched off",
            "set RESTORE_GUARD_TENANT again, or shut the account by hand",
        )
    return control.guard
