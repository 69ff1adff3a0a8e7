"""Use cases: load, decide, save, carry out. Each may run twice, or die at any line.

A flow never waits for anything that takes long: it stores what is to come next and returns.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from typing import Any

from restore.commands import perform
from restore.control import Control, check_allowed, find_instance
from restore.core import intake, life, messages
from restore.core.events import CancelAsked, Event, FileLanded, Reported, Ticked
from restore.core.request import Source, fingerprint, parse
from restore.core.state import FINAL, Restore
from restore.core.status import status
from restore.errors import ConflictError, InputError, NotFoundError, RestoreError
from restore.ports import Stored, Summary

log = logging.getLogger("restore")

_ID = re.compile(r"[0-9a-f]{16}")
CONTAINER_PREFIX = "restore-"
_SAVES = 20  # how often a save may lose against others before the caller is told to come again
_STEPS = 50  # how much one call carries out before it leaves the rest to the next tick


class KeyReusedError(InputError):
    """The Idempotency-Key belongs to another request."""

    code = "key-reused"


# ---- what callers ask for ----------------------------------------------------------------------


def start(control: Control, body: bytes, key: str | None = None) -> Restore:
    """The restore that `body` asks for, stored and begun. The same `key` gives the same restore.

    Raises RequestError, NotAllowedError, KeyReusedError; then nothing was stored.
    """
    request = parse(body)
    check_allowed(control, request)
    restore_id = hashlib.sha256(key.encode()).hexdigest()[:16] if key else secrets.token_hex(8)
    container = request.source.container or control.landing.url(CONTAINER_PREFIX + restore_id)
    restore = life.begin(restore_id, request, container, control.clock())
    try:
        stored = control.states.create(restore)
    except ConflictError:
        stored = control.states.load(restore_id)
        if fingerprint(stored.restore.request) != fingerprint(request):
            raise KeyReusedError(
                "Idempotency-Key: expected a new one for a new request, "
                f"found the one of restore {restore_id}",
                "use a key once; to see that restore, GET /api/restores/" + restore_id,
            ) from None
    else:
        _log_change(stored.restore)
    try:
        return _carry_on(control, stored)
    except RestoreError as exc:
        # It is stored, so the caller must not start another one: a tick carries on.
        about = {"restore": restore_id, "code": exc.code, "reason": exc.message}
        log.warning("left to the next tick", extra=about)
        return stored.restore


def cancel(control: Control, restore_id: str) -> Restore:
    """The restore, stopping or stopped. Twice, or after the end, changes nothing."""
    return _carry_on(control, _apply(control, _known(restore_id), CancelAsked()))


def show(control: Control, restore_id: str) -> dict[str, Any]:
    """The status of one restore, with the workers' progress."""
    restore = control.states.load(_known(restore_id)).restore
    progress = {} if restore.ended else control.records.progress(restore_id)
    return status(restore, progress, control.clock())


def summaries(control: Control, limit: int = 200) -> list[Summary]:
    """The newest restores."""
    found = []
    for summary in control.states.summaries():
        found.append(summary)
        if len(found) == limit:
            break
    return found


def _known(restore_id: str) -> str:
    """`restore_id` if it can be one of ours: it becomes part of a blob's name."""
    if not _ID.fullmatch(restore_id):
        raise NotFoundError(f"restore {restore_id!r:.40}: expected 16 hex digits, found another")
    return restore_id


def recovery_points(control: Control, source: Source) -> dict[str, Any]:
    """What can be restored of a server, newest first."""
    found = find_instance(control, source)
    points = control.vault.points(found, source.region)
    newest = sorted(points, key=lambda point: point.time, reverse=True)
    return {
        "vault": found.vault,
        "instance": found.name,
        "server": found.server,
        "recoveryPoints": [
            {"id": p.id, "time": p.time, "state": p.state, "restorable": p.complete} for p in newest
        ],
    }


# ---- what events tell --------------------------------------------------------------------------


def file_landed(control: Control, event: str | bytes) -> None:
    """Quick news of a file in one of our containers; anything else is none of our business."""
    landed = intake.landed(event)
    if landed is None or not control.landing.owns(landed.container):
        return
    name = landed.container.rpartition("/")[2]
    prefix, restore_id = name[: len(CONTAINER_PREFIX)], name[len(CONTAINER_PREFIX) :]
    if prefix != CONTAINER_PREFIX or not _ID.fullmatch(restore_id):
        return
    try:
        _carry_on(control, _apply(control, restore_id, FileLanded(landed.name)))
    except NotFoundError:
        log.warning("no restore for file", extra={"restore": restore_id, "blob": landed.name})


def task_reported(control: Control, body: bytes) -> None:
    """A worker stored a result. A report for a restore that is gone is dropped."""
    report = messages.decode_report(body)
    try:
        control.states.load(report.restore)
    except NotFoundError:
        about = {"restore": report.restore, "task": report.task, "attempt": report.attempt}
        log.warning("no restore for report", extra=about)
        return
    result = control.records.result(report.restore, report.task, report.attempt)
    if result is None:
        raise NotFoundError(
            f"result of {report.message_id}: expected one in storage, found none",
            "workers store a result before they report it: was the state container changed?",
        )
    _carry_on(control, _apply(control, report.restore, Reported(result)))


def tick(control: Control) -> int:
    """Carry on with every restore that has not ended; returns how many.

    One restore's trouble does not keep the others waiting; it is raised at the end.
    """
    active = [s.id for s in control.states.summaries() if s.phase not in FINAL]
    troubles = []
    for restore_id in active:
        try:
            _carry_on(control, _apply(control, restore_id, Ticked()))
        except Exception as exc:
            exc.add_note(f"restore {restore_id}")
            troubles.append(exc)
    if troubles:
        raise ExceptionGroup(f"{len(troubles)} of {len(active)} restores", troubles)
    return len(active)


# ---- load, decide, save ------------------------------------------------------------------------


def _apply(control: Control, restore_id: str, event: Event) -> Stored:
    """The state after `event`, saved. Whoever saves first wins; the others decide again."""
    for _ in range(_SAVES):
        stored = control.states.load(restore_id)
        decided = life.decide(stored.restore, event, control.clock(), control.policy)
        if decided is stored.restore:
            return stored
        try:
            saved = control.states.save(decided, stored.etag)
        except ConflictError:
            continue
        if decided.phase is not stored.restore.phase:
            _log_change(decided)
        return saved
    raise ConflictError(f"restore {restore_id}: expected to save a change, found others faster")


def _carry_on(control: Control, stored: Stored) -> Restore:
    """Carry out what is due, until nothing is."""
    for _ in range(_STEPS):
        now = control.clock()
        command = life.due(stored.restore, now)
        if command is None:
            break
        events = perform(control, stored.restore, command, now)
        for event in events:
            stored = _apply(control, stored.restore.id, event)
        if not events:  # somebody else is at it
            break
    return stored.restore


def _log_change(restore: Restore) -> None:
    log.info("phase", extra={"restore": restore.id, "state": restore.phase.value})
