"""Use cases: load, decide, save, carry out. Each may run twice, or die at any line.

A flow never waits for anything that takes long: it stores what is to come next and returns.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from restore.core import intake, life, messages
from restore.core.backup import Instance, OperationState, choose
from restore.core.events import (
    Accepted,
    Begun,
    CancelAsked,
    ContainerCreated,
    Event,
    FileLanded,
    InDoubt,
    JobFound,
    Listed,
    PointFound,
    Polled,
    Reported,
    Sent,
    Stumbled,
    Ticked,
    Watched,
)
from restore.core.request import RestoreRequest, Source, fingerprint, parse
from restore.core.state import FINAL, Command, Do, Restore, TaskState
from restore.core.status import status
from restore.errors import ConflictError, InputError, NotFoundError, RestoreError
from restore.ports import (
    Bus,
    Clock,
    Destination,
    Landing,
    Records,
    States,
    Stored,
    Summary,
    Vault,
)

log = logging.getLogger("restore")

_ID = re.compile(r"[0-9a-f]{16}")
CONTAINER_PREFIX = "restore-"
_SAVES = 20  # how often a save may lose against others before the caller is told to come again
_STEPS = 50  # how much one call carries out before it leaves the rest to the next tick


class NotAllowedError(InputError):
    """The request names something this installation may not touch."""


class TargetNotAllowedError(NotAllowedError):
    code = "target-not-allowed"


class VaultNotAllowedError(NotAllowedError):
    code = "vault-not-allowed"


class ContainerNotAllowedError(NotAllowedError):
    code = "container-not-allowed"


class KeyReusedError(InputError):
    """The Idempotency-Key belongs to another request."""

    code = "key-reused"


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane: its ports, and what it is allowed to touch."""

    clock: Clock
    states: States
    records: Records
    landing: Landing
    vault: Vault
    bus: Bus
    policy: life.Policy
    vaults: tuple[str, ...]
    targets: tuple[str, ...]


# ---- what callers ask for ----------------------------------------------------------------------


def start(control: Control, body: bytes, key: str | None = None) -> Restore:
    """The restore that `body` asks for, stored and begun. The same `key` gives the same restore.

    Raises RequestError, NotAllowedError, KeyReusedError; then nothing was stored.
    """
    request = parse(body)
    _check_allowed(control, request)
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
    except (
        RestoreError
    ) as exc:  # it is stored, so the caller must not start another: a tick goes on
        log.warning("left to the next tick", extra={"restore": restore_id, "error": exc.code})
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
    found = _instance(control, source)
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
        log.warning("no restore for container", extra={"container": name})


def task_reported(control: Control, body: bytes) -> None:
    """A worker stored a result. A report for a restore that is gone is dropped."""
    report = messages.decode_report(body)
    try:
        control.states.load(report.restore)
    except NotFoundError:
        log.warning("no restore for report", extra={"report": report.message_id})
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
        events = _perform(control, stored.restore, command, now)
        for event in events:
            stored = _apply(control, stored.restore.id, event)
        if not events:  # somebody else is at it
            break
    return stored.restore


def _log_change(restore: Restore) -> None:
    log.info("phase", extra={"restore": restore.id, "state": restore.phase.value})


# ---- carry out ---------------------------------------------------------------------------------


def _perform(control: Control, restore: Restore, command: Command, now: datetime) -> list[Event]:
    """Carry out one command; its answer as events."""
    try:
        match command.do:
            case Do.SEND if command.ticket is not None:
                control.bus.send_ticket(command.ticket, command.not_before)
                return [Sent(command.ticket)]
            case Do.WATCH:
                return _watch(control, restore)
            case Do.LIST_FILES:
                return [Listed(control.landing.blobs(restore.container))]
            case Do.CREATE_CONTAINER:
                control.landing.create(restore.container)
                return [ContainerCreated()]
            case Do.FIND_POINT:
                return [_find_point(control, restore)]
            case Do.TRIGGER:
                return _trigger(control, restore, command, now)
            case _:
                return [_ask_azure(control, restore, command.do)]
    except RestoreError as exc:
        return [Stumbled(command, messages.failure(exc))]


def _watch(control: Control, restore: Restore) -> list[Event]:
    """Results whose report did not arrive, and when each worker last gave a sign of life."""
    waiting = [task for task in restore.tasks if task.state is TaskState.SENT]
    results = [control.records.result(restore.id, task.id, task.attempt) for task in waiting]
    progress = control.records.progress(restore.id)
    seen = {task_id: news.updated for task_id, news in progress.items()}
    return [*(Reported(result) for result in results if result is not None), Watched(seen)]


def _find_point(control: Control, restore: Restore) -> Event:
    source = restore.request.source
    instance = _instance(control, source)
    points = control.vault.points(instance, source.region)
    return PointFound(instance, choose(points, source.selection))


def _ask_azure(control: Control, restore: Restore, do: Do) -> Event:
    instance, point, landing = _extraction(restore)
    if do is Do.VALIDATE:
        return Accepted(do, control.vault.begin_validation(instance, point, landing))
    if do is Do.POLL_JOB and restore.job is not None:
        return Polled(do, control.vault.job(instance, restore.job, landing))
    if restore.operation is None:
        raise NotFoundError(f"{do}: expected an operation to ask for, found none")
    outcome = control.vault.poll(restore.operation)
    if do is Do.POLL_TRIGGER and outcome.state is OperationState.SUCCEEDED and not outcome.job:
        job = control.vault.find_restore(instance, landing)
        return JobFound(job) if job else Polled(do, outcome)
    return Polled(do, outcome)


def _trigger(control: Control, restore: Restore, command: Command, now: datetime) -> list[Event]:
    """Start the vault's job, once.

    The trigger cannot be repeated, and its answer can be lost. So a job that already writes to our
    container, which nobody else uses, is taken as ours; and who is about to trigger stores that
    first: only one of two can, and the next one waits until a job would have shown.
    """
    instance, point, landing = _extraction(restore)
    job = control.vault.find_restore(instance, landing)
    if job is not None:
        return [JobFound(job)]
    doubt = timedelta(seconds=control.policy.doubt_seconds)
    if command.begun is not None and now - command.begun < doubt:
        return [InDoubt()]
    stored = control.states.load(restore.id)
    if command not in stored.restore.outbox:
        return []
    begun = life.decide(stored.restore, Begun(Do.TRIGGER), now, control.policy)
    control.states.save(begun, stored.etag)
    return [Accepted(Do.TRIGGER, control.vault.begin_restore(instance, point, landing))]


def _extraction(restore: Restore) -> tuple[Instance, str, Destination]:
    if restore.instance is None or restore.point is None:
        raise NotFoundError(f"restore {restore.id}: expected a recovery point, found none chosen")
    landing = Destination(restore.container, restore.request.source.region)
    return restore.instance, restore.point.id, landing


def _instance(control: Control, source: Source) -> Instance:
    """The one backup instance `source` means, in the vaults this installation may ask."""
    _check_vault(control, source)
    vaults = (source.vault,) if source.vault else control.vaults
    found = [i for vault in vaults for i in control.vault.instances(vault)]
    fit = [i for i in found if _same(i.server, source.server) or _same(i.name, source.instance)]
    if len(fit) == 1:
        return fit[0]
    wanted = f"instance {source.instance!r}" if source.instance else f"server {source.server!r}"
    names = ", ".join(sorted(i.name for i in (fit or found))) or "none"
    raise NotFoundError(
        f"backup instance: expected one for {wanted}, found {len(fit)} among: {names}",
        'name the "instance", or the "vault" it is in; is the server protected by Azure Backup?',
    )


# ---- what is allowed ---------------------------------------------------------------------------


def _check_allowed(control: Control, request: RestoreRequest) -> None:
    address = request.target.address
    if address not in control.targets:
        raise TargetNotAllowedError(
            f"target {address}: expected one of {_list(control.targets)}, found another",
            "only servers in the setting RESTORE_TARGETS may be written to",
        )
    container = request.source.container
    if container is not None and not control.landing.owns(container):
        raise ContainerNotAllowedError(
            "source.container: expected a container of the landing account, found another account",
            f"the landing account's containers are {control.landing.url('<name>')}",
        )
    _check_vault(control, request.source)


def _check_vault(control: Control, source: Source) -> None:
    if source.vault and not any(_same(source.vault, vault) for vault in control.vaults):
        raise VaultNotAllowedError(
            f"vault {source.vault!r}: expected one of {_list(control.vaults)}, found another",
            "only vaults in the setting RESTORE_VAULTS are asked",
        )


def _same(one: str, other: str | None) -> bool:
    """ARM ids and names differ in case between Azure's own answers."""
    return other is not None and one.lower().rstrip("/") == other.lower().rstrip("/")


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
