"""Use cases: load, decide, save, carry out. Each may run twice, or die at any line.

A flow never waits for anything that takes long: it stores what is to come next and returns.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from restore import __version__, predicting, telemetry
from restore.commands import perform
from restore.control import Control, check_allowed, check_free, find_instance
from restore.core import intake, life, messages, report
from restore.core.events import (
    Approved,
    CancelAsked,
    Event,
    FileLanded,
    Reported,
    Ticked,
    UndoAsked,
)
from restore.core.messages import REPORTS
from restore.core.plan import Plan
from restore.core.request import RestoreRequest, Source, approval, fingerprint, parse
from restore.core.state import FINAL, Command, Do, Phase, Restore, UndoState
from restore.core.status import operation, status
from restore.errors import (
    ConflictError,
    InputError,
    MessageError,
    NotFoundError,
    RestoreError,
)
from restore.ports import Stored, Summary
from restore.telemetry import Kind

log = logging.getLogger("restore")

_ID = re.compile(r"[0-9a-f]{16}")
CONTAINER_PREFIX = "restore-"
_SAVES = 20  # how often a save may lose against others before the caller is told to come again
_SWEEP_MINUTE = 17  # once an hour is enough to look for what was left behind
_UNENDED = frozenset(Phase) - FINAL
_LOOKS = frozenset(
    {Do.POLL_VALIDATION, Do.POLL_TRIGGER, Do.POLL_JOB, Do.LIST_FILES, Do.WATCH, Do.CLAIM}
)
_STEPS = 50  # how much one call carries out before it leaves the rest to the next tick


class NotPlannedError(InputError):
    """The restore has no plan (yet)."""

    code = "not-planned"


class NotApprovableError(InputError):
    """The plan is another one by now, or nobody waits for an approval."""

    code = "not-approvable"


class NotUndoableError(InputError):
    """There is nothing to be had back."""

    code = "not-undoable"


class NotEndedError(InputError):
    """The restore has not ended, so there is no report of it."""

    code = "not-ended"


class KeyReusedError(InputError):
    """The Idempotency-Key belongs to another request."""

    code = "key-reused"


# ---- what callers ask for ----------------------------------------------------------------------


def start(control: Control, body: bytes, key: str | None = None, trace: str = "") -> Restore:
    """The restore that `body` asks for, stored and begun. The same `key` gives the same restore.

    `trace` is the caller's span, if it has one.
    Raises RequestError, NotAllowedError, KeyReusedError; then nothing was stored.
    """
    request = parse(body)
    check_allowed(control, request)
    if key is None:
        check_free(control, request)
    restore_id = id_of(key) if key else secrets.token_hex(8)
    with telemetry.span("start", trace, restore_id=restore_id):
        return _start(control, request, restore_id)


def _start(control: Control, request: RestoreRequest, restore_id: str) -> Restore:
    container = request.source.container or control.landing.url(CONTAINER_PREFIX + restore_id)
    restore = life.begin(restore_id, request, container, control.clock(), control.policy)
    restore = replace(restore, trace=telemetry.here())
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


def id_of(key: str) -> str:
    """The id of the restore that is started with that key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def cancel(control: Control, restore_id: str) -> Restore:
    """The restore, stopping or stopped. Twice, or after the end, changes nothing."""
    return _carry_on(control, _apply(control, _known(restore_id), CancelAsked()))


def plan_of(control: Control, restore_id: str) -> Plan:
    """What the restore will do, as its worker found it. Raises NotPlannedError before that."""
    restore = control.states.load(_known(restore_id)).restore
    if restore.plan is None:
        raise NotPlannedError(
            f"restore {restore_id}: expected its plan, found it {restore.phase.value}",
            "the plan is there once the files are and a worker has read them",
        )
    return restore.plan


def approve(control: Control, restore_id: str, body: bytes) -> Restore:
    """The restore, going on with the plan that has the hash in `body`. Twice changes nothing.

    Raises RequestError, and NotApprovableError for another plan or a restore that does not wait.
    """
    wanted = approval(body)
    stored = _apply(control, _known(restore_id), Approved(wanted))
    restore = stored.restore
    if restore.plan is None or restore.plan.hash != wanted:
        raise NotApprovableError(
            f"restore {restore_id}: expected the hash of its plan, found another",
            f"read GET /api/restores/{restore_id}/plan, and approve what it says now",
        )
    if restore.approved != wanted:
        raise NotApprovableError(
            f"restore {restore_id}: expected one that waits for approval, found it"
            f" {restore.phase.value}"
        )
    return _carry_on(control, stored)


def undo(control: Control, restore_id: str) -> Restore:
    """The restore, giving what it replaced its name again. Twice changes nothing.

    Raises NotUndoableError where nothing was replaced, or it is too late.
    """
    stored = _apply(control, _known(restore_id), UndoAsked())
    undo = stored.restore.undo
    if undo is None:
        raise NotUndoableError(
            f"restore {restore_id}: expected a database that was replaced and is kept, found none",
            'one is kept where "onExisting" is "swap", once the restore has ended',
        )
    if undo.state not in (UndoState.ASKED, UndoState.DONE):
        raise NotUndoableError(
            f"restore {restore_id}: expected to be asked until {undo.until:%Y-%m-%d %H:%M:%S} UTC,"
            " found it later",
            "what was replaced is dropped by now, or just being dropped",
        )
    return _carry_on(control, stored)


def show(control: Control, restore_id: str) -> dict[str, Any]:
    """The status of one restore, with the workers' progress."""
    restore = control.states.load(_known(restore_id)).restore
    progress = {} if restore.ended else control.records.progress(restore_id)
    return status(restore, progress, control.clock())


def operation_of(control: Control, restore_id: str) -> dict[str, Any]:
    """Whether it is running still, for who waits for its end."""
    return operation(control.states.load(_known(restore_id)).restore)


def report_of(control: Control, restore_id: str) -> dict[str, Any]:
    """`{"report": …, "signature": …}` of a restore that has ended; no signature without a key.

    Raises NotEndedError before the end, SigningKeyError for a key that cannot be used.
    """
    restore = control.states.load(_known(restore_id)).restore
    if not restore.ended:
        raise NotEndedError(
            f"restore {restore_id}: expected one that has ended, found it {restore.phase.value}",
            f"until then, GET /api/restores/{restore_id} says how far it is",
        )
    body = report.as_json(report.report(restore, __version__))
    return control.signer.sign(body) if control.signer else {"report": body, "signature": None}


def health(control: Control) -> dict[str, Any]:
    """Counts for who has no key: `status` is ok, or degraded where somebody should look.

    Raises RestoreError where the state or the bus cannot be reached.
    """
    found = list(control.states.summaries())
    late = control.clock() - timedelta(seconds=control.policy.stuck_seconds)
    overdue = [s for s in found if s.due is not None and s.due < late]
    unread = sum(summary.phase == "unreadable" for summary in found)
    stuck = len({summary.id for summary in found if summary.is_stuck}.union(s.id for s in overdue))
    letters = control.bus.dead_letters()
    return {
        "status": "degraded" if stuck or unread or any(letters.values()) else "ok",
        "restores": {
            "active": sum(summary.phase in _UNENDED for summary in found),
            "stuck": stuck,
            "unreadable": unread,
        },
        "deadLetters": dict(letters),
    }


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


def task_reported(control: Control, body: bytes, trace: str = "") -> None:
    """A worker stored a result. `trace` is the span it reported from, if it has one.

    What is no report, or of no restore, is set aside with its reason: the trigger's host could only
    deliver it again and again.
    """
    try:
        report = messages.decode_report(body)
        known = control.states.load(report.restore)
    except (MessageError, NotFoundError) as exc:
        log.warning("report set aside", extra={"code": exc.code, "reason": exc.message})
        control.bus.set_aside(REPORTS, body, exc)
        return
    result = control.records.result(report.restore, report.task, report.attempt)
    if result is None:
        raise NotFoundError(
            f"result of {report.message_id}: expected one in storage, found none",
            "workers store a result before they report it: was the state container changed?",
        )
    with telemetry.span("report", trace, restore_id=report.restore, restore_task=report.task):
        _carry_on(control, _apply(control, report.restore, Reported(result), known))


def tick(control: Control) -> int:
    """Carry on with every restore that has not ended, or has something left to do; how many.

    One restore's trouble does not keep the others waiting; it is raised at the end.
    """
    now = control.clock()
    active = [
        summary.id
        for summary in control.states.summaries()
        if summary.phase not in FINAL or (summary.due is not None and summary.due <= now)
    ]
    troubles = []
    for restore_id in active:
        try:
            _carry_on(control, _apply(control, restore_id, Ticked()))
        except Exception as exc:
            exc.add_note(f"restore {restore_id}")
            troubles.append(exc)
    if now.minute == _SWEEP_MINUTE:
        _sweep(control, now)
    if troubles:
        raise ExceptionGroup(f"{len(troubles)} of {len(active)} restores", troubles)
    return len(active)


def _sweep(control: Control, now: datetime) -> None:
    """Delete containers whose restore nobody knows any more: they hold somebody's data."""
    known = {summary.id for summary in control.states.summaries()}
    patience = timedelta(hours=control.policy.keep_failed_files_hours)
    for restore_id, changed in control.landing.made().items():
        if restore_id not in known and now - changed > patience:
            control.landing.delete(control.landing.url(CONTAINER_PREFIX + restore_id), restore_id)
            log.warning("abandoned container deleted", extra={"restore": restore_id})


# ---- load, decide, save ------------------------------------------------------------------------


def _apply(control: Control, restore_id: str, event: Event, known: Stored | None = None) -> Stored:
    """The state after `event`, saved. Whoever saves first wins; the others decide again.

    `known` is the state as it was a moment ago, if somebody has it: it saves reading it again.
    """
    event = predicting.foresee(control, event)
    for _ in range(_SAVES):
        stored = known or control.states.load(restore_id)
        decided = life.decide(stored.restore, event, control.clock(), control.policy)
        if decided is stored.restore:
            if known is None:
                return stored
            known = None  # what is there by now may be another one
            continue
        known = None
        if decided.ended and not stored.restore.ended:
            predicting.remember(control, decided)  # before that: else who dies here loses it
        try:
            saved = control.states.save(decided, stored.etag)
        except ConflictError:
            continue
        if decided.phase is not stored.restore.phase:
            _log_change(decided)
            if decided.ended:
                seconds = (decided.updated - decided.created).total_seconds()
                telemetry.measure(telemetry.DURATION, seconds, outcome=decided.phase.value)
        if decided.stuck and decided.stuck != stored.restore.stuck:
            log.warning("stuck", extra={"restore": decided.id, "reason": decided.stuck})
        return saved
    raise ConflictError(f"restore {restore_id}: expected to save a change, found others faster")


def _carry_on(control: Control, stored: Stored) -> Restore:
    """Carry out what is due, until nothing is."""
    for _ in range(_STEPS):
        now = control.clock()
        command = life.due(stored.restore, now)
        if command is None:
            break
        with _seen(stored.restore, command):
            events = perform(control, stored.restore, command, now)
        for event in events:
            stored = _apply(control, stored.restore.id, event, stored)
        if not events:  # somebody else is at it
            break
    return stored.restore


def _seen(restore: Restore, command: Command) -> AbstractContextManager[object]:
    """A span of what is done; looking again and again for news is none."""
    if command.do in _LOOKS:
        return nullcontext()
    kind = Kind.PRODUCER if command.ticket else Kind.INTERNAL
    about = {"restore_task": command.ticket.task} if command.ticket else {}
    return telemetry.span(command.do.value, restore.trace, kind, restore_id=restore.id, **about)


def _log_change(restore: Restore) -> None:
    log.info("phase", extra={"restore": restore.id, "state": restore.phase.value})
