"""What a flow carries out: one command, one call to one port; the answer comes as events."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from restore import guarding
from restore.control import Control, check_callback, find_instance
from restore.core import callback, life, messages
from restore.core.announcements import MOST_AT_ONCE, cloud_event
from restore.core.backup import Instance, OperationState, choose
from restore.core.events import (
    Accepted,
    Announced,
    Begun,
    Called,
    Claimed,
    ContainerCreated,
    Event,
    InDoubt,
    JobFound,
    Listed,
    ParametersAsked,
    ParametersSeen,
    ParametersSet,
    PointFound,
    Polled,
    Purged,
    Reported,
    Sent,
    StillRead,
    Stumbled,
    TimeCame,
    Watched,
)
from restore.core.state import FINAL, Command, Do, Phase, Restore, TaskState
from restore.core.tuning import BY_USER, before, differing
from restore.errors import NotFoundError, RestoreError
from restore.ports import Destination

log = logging.getLogger("restore")

_UNENDED = frozenset(Phase) - FINAL


def perform(control: Control, restore: Restore, command: Command, now: datetime) -> list[Event]:
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
            case Do.CLAIM:
                target = restore.request.target.address
                return [Claimed(control.states.claim(target, restore.id))]
            case Do.CREATE_CONTAINER:
                control.landing.create(restore.container, restore.id)
                return [ContainerCreated()]
            case Do.EXPIRE | Do.RETIRE | Do.COLLECT:
                return [TimeCame(command.do)]
            case Do.PURGE:
                return [_purge(control, restore)]
            case Do.ANNOUNCE:
                return [_announce(control, restore)]
            case Do.CALL if restore.request.callback is not None:
                url = restore.request.callback.url
                check_callback(control, url).call(url, callback.body(restore), now)
                return [Called()]
            case Do.OPEN:
                return [guarding.opened(control, restore)]
            case Do.SHUT:
                return [guarding.shut(control, restore)]
            case Do.TUNE | Do.UNTUNE:
                return [_set_parameters(control, restore, command.do)]
            case Do.FIND_POINT:
                return [_find_point(control, restore)]
            case Do.TRIGGER:
                return _trigger(control, restore, command, now)
            case _:
                return [_ask_azure(control, restore, command.do)]
    except RestoreError as exc:
        about = {"restore": restore.id, "command": command.do.value}
        log.warning("stumbled", extra={**about, "code": exc.code, "reason": exc.message})
        return [Stumbled(command, messages.failure(exc))]


def _watch(control: Control, restore: Restore) -> list[Event]:
    """Results whose report did not arrive, and when each worker last gave a sign of life."""
    waiting = [task for task in restore.tasks if task.state is TaskState.SENT]
    results = [control.records.result(restore.id, task.id, task.attempt) for task in waiting]
    progress = control.records.progress(restore.id)
    seen = {task_id: news.updated for task_id, news in progress.items()}
    return [*(Reported(result) for result in results if result is not None), Watched(seen)]


def _set_parameters(control: Control, restore: Restore, do: Do) -> Event:
    """One step towards what the target's parameters shall be. Safe to repeat.

    What they were is stored before the first is changed.
    """
    server, wanted = restore.request.target.server or "", restore.request.server_parameters
    found = control.parameters.read(server, wanted)
    known = restore.tuned
    if known is None:
        return ParametersSeen(before(wanted, found))
    goal = known
    if do is Do.TUNE:
        goal = tuple(replace(s, value=wanted[s.name], source=BY_USER) for s in known)
    setting = next(differing(goal, found), None)
    if setting is None:
        return ParametersSet(do)
    control.parameters.write(server, setting)
    return ParametersAsked(do)


def _purge(control: Control, restore: Restore) -> Event:
    """Delete the container, unless another restore has adopted it and is not through with it."""
    for summary in control.states.summaries():
        if summary.id == restore.id or summary.phase not in _UNENDED:
            continue
        if control.states.load(summary.id).restore.container == restore.container:
            return StillRead()
    control.landing.delete(restore.container, restore.id)
    return Purged()


def _announce(control: Control, restore: Restore) -> Event:
    """One after the other, so that they arrive in their order. Safe to repeat: ids are the same."""
    for news in restore.announcements[:MOST_AT_ONCE]:
        control.bus.announce(restore.id, cloud_event(restore.id, news))
    return Announced(news.number)


def _find_point(control: Control, restore: Restore) -> Event:
    source = restore.request.source
    instance = find_instance(control, source)
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
