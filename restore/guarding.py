"""Opens the landing account for a vault's job, and shuts it after the last: one step at a time.

Each may be repeated, and stops where the account does not show yet what was asked of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from restore.control import Control, LandingGuard
from restore.core import guard
from restore.core.events import AccountAsked, AccountIs
from restore.core.guard import Guard
from restore.core.state import Do, Restore
from restore.errors import NotFoundError

log = logging.getLogger("restore")


def opened(control: Control, restore: Restore) -> AccountAsked | AccountIs:
    """What it was like is stored before it is changed. One who is just shutting it goes first."""
    if restore.instance is None:
        raise NotFoundError(f"restore {restore.id}: expected a vault, found none chosen")
    doors, vault, kept = _guard(control), restore.instance.vault, _kept(control)
    if kept.guard.closing:
        return AccountAsked(Do.OPEN)
    access = doors.accounts.read(doors.account)
    kept.store(control, kept.guard.joined(restore.id, access, vault))
    if access.lets_in(vault):
        return AccountIs(Do.OPEN)
    doors.accounts.write(doors.account, access.letting_in(vault))
    log.info("landing account", extra={"restore": restore.id, "state": "opening"})
    return AccountAsked(Do.OPEN)


def shut(control: Control, restore: Restore) -> AccountAsked | AccountIs:
    """Unless others need it open."""
    doors, kept = _guard(control), _kept(control)
    if restore.id not in kept.guard.users and not kept.guard.closing:
        return AccountIs(Do.SHUT)
    known = {summary.id for summary in control.states.summaries()}
    left = kept.guard.left(restore.id, known)
    kept = kept.store(control, left)
    if not left.closing:
        return AccountIs(Do.SHUT)
    access = doors.accounts.read(doors.account)
    wanted = left.shut(access)
    if wanted != access:
        doors.accounts.write(doors.account, wanted)
        log.info("landing account", extra={"restore": restore.id, "state": "shutting"})
        return AccountAsked(Do.SHUT)
    kept.store(control, Guard())
    return AccountIs(Do.SHUT)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The guard as it is stored; the etag is None where it never was."""

    guard: Guard
    etag: str | None

    def store(self, control: Control, new: Guard) -> _Kept:
        """Raises ConflictError where somebody else was faster."""
        if new == self.guard:
            return self
        assert control.documents is not None, "the guard needs documents"
        written = control.documents.write(guard.DOCUMENT, guard.encode(new), self.etag)
        return _Kept(new, written.etag)


def _kept(control: Control) -> _Kept:
    assert control.documents is not None, "the guard needs documents"
    try:
        found = control.documents.read(guard.DOCUMENT)
    except NotFoundError:
        return _Kept(Guard(), None)
    return _Kept(guard.decode(found.body), found.etag)


def _guard(control: Control) -> LandingGuard:
    """A restore that began while there was a guard is shut by it, or says that there is none."""
    if control.guard is None:
        raise NotFoundError(
            "landing account: expected a guard that opens and shuts it, found it switched off",
            "set RESTORE_GUARD_TENANT again, or shut the account by hand",
        )
    return control.guard
