"""One ticket, from the queue to a stored and reported result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from restore import telemetry
from restore.adapters.postgres import Server, Tls
from restore.adapters.tools import Client
from restore.core.messages import TASKS, Failure, Report, Result, TaskResult, Ticket, failure
from restore.core.request import Target
from restore.core.state import Restore
from restore.engine.meter import Meter
from restore.errors import MachineError, NotFoundError, RestoreError, TargetError
from restore.ports import Bus, Clock, Files, Hold, Inbox, Login, Records, Secrets, States
from restore.worker import after, cleanup, database, finish, prepare, roles
from restore.worker.job import Job, Limits
from restore.worker.stop import Reason, Stop, StoppedError
from restore.worker.watch import Departure, Watch, Watched, ids, is_expected, is_unwanted

log = logging.getLogger("restore.worker")

_SEEN_SECONDS = 0.05
_TASKS: Mapping[str, Callable[[Job], TaskResult]] = {
    "prepare": prepare.run,
    "roles": roles.run,
    "tablespaces": roles.run_tablespaces,
    "database": database.run,
    "publish": finish.run_one,
    "finish": finish.run,
    "cleanup": cleanup.run,
    "undo": after.run_undo,
    "retire": after.run_debts,
    "debts": after.run_debts,
}


class TargetNotAllowedError(TargetError):
    """The request names a server this installation may not write to."""

    code = "target-not-allowed"


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker has at hand. `token` gives a Microsoft Entra token for PostgreSQL."""

    clock: Clock
    states: States
    records: Records
    landing: Files
    bus: Bus
    inbox: Inbox
    secrets: Secrets
    token: Callable[[], str]
    targets: tuple[str, ...]
    tls: Tls
    clients: Mapping[int, Client]
    limits: Limits = field(default_factory=Limits)
    departure: Departure = field(default_factory=Departure)
    round_seconds: float = 2.0  # between two pieces of news


def work(worker: Worker, hold: Hold) -> None:
    """Do what the ticket asks for, unless it was done; then settle it.

    The result is stored before the message is settled, and the fences of the task are held until it
    is stored: whoever gets them next finds it. Errors outside of the task itself (storage, bus)
    leave the message to its lock, so that it comes again.
    """
    ticket = hold.ticket
    with telemetry.span(
        f"task {_kind(ticket)}",
        hold.trace,
        telemetry.Kind.CONSUMER,
        restore_id=ticket.restore,
        restore_task=ticket.task,
        restore_attempt=ticket.attempt,
        messaging_system="servicebus",
        messaging_destination_name=TASKS,
    ):
        _work(worker, hold, ticket)


def _work(worker: Worker, hold: Hold, ticket: Ticket) -> None:
    result = worker.records.result(ticket.restore, ticket.task, ticket.attempt)
    if result is None:
        if not _exists(worker, ticket):
            _log(ticket, "refused")
            hold.refuse(NotFoundError.code, f"restore {ticket.restore}: expected one, found none")
            return
        restore = _expecting(worker, ticket)
        if restore is None:
            _log(ticket, "not expected")
            hold.complete()
            return
        try:
            with ExitStack() as held:
                result = _store(worker, ticket, restore, held)
        except StoppedError as stopped:
            if stopped.reason is Reason.LEAVING:
                _log(ticket, "handed back")
                hold.give_back()
                return
            result = worker.records.result(ticket.restore, ticket.task, ticket.attempt)
        if result is None:
            _log(ticket, "superseded")
            hold.complete()
            return
    worker.bus.send_report(Report(ticket.restore, ticket.task, ticket.attempt))
    hold.complete()


def _exists(worker: Worker, ticket: Ticket) -> bool:
    try:
        worker.states.load(ticket.restore)
    except NotFoundError:
        return False
    return True


def _expecting(worker: Worker, ticket: Ticket) -> Restore | None:
    """The restore, if it waits for this ticket."""
    try:
        restore = worker.states.load(ticket.restore).restore
    except NotFoundError:
        return None
    return restore if is_expected(restore, ticket) else None


def _is_over(worker: Worker, ticket: Ticket) -> bool:
    """Whether this attempt has a result by now, or is not waited for any more."""
    result = worker.records.result(ticket.restore, ticket.task, ticket.attempt)
    return result is not None or _expecting(worker, ticket) is None


def _store(worker: Worker, ticket: Ticket, restore: Restore, held: ExitStack) -> TaskResult:
    """The result of this attempt, stored. Raises StoppedError if it is not ours to give."""
    _log(ticket, "started")
    started = time.monotonic()
    try:
        found = _attempt(worker, ticket, restore, held)
    except StoppedError as stopped:
        if stopped.reason is not Reason.CANCELLED:
            raise
        found = _ended(ticket, Result.CANCELLED)
    seconds = time.monotonic() - started
    stored = worker.records.put_result(ticket.restore, replace(found, seconds=seconds))
    _log(ticket, stored.result.value, stored)
    _measure(ticket, stored, restore)
    return stored


def _measure(ticket: Ticket, result: TaskResult, restore: Restore) -> None:
    kind = _kind(ticket)
    code = result.failure.code if result.failure else ""
    telemetry.measure(
        telemetry.TASK_ATTEMPTS, 1, task=kind, outcome=result.result.value, error_type=code
    )
    proven, task = result.database, restore.task(ticket.task)
    if proven is None or restore.plan is None or task is None or task.database is None:
        return
    step = restore.plan.databases[task.database]
    by = step.engine.value
    telemetry.measure(telemetry.DATABASE_BYTES, step.blob.size_bytes, engine=by)
    telemetry.measure(telemetry.DATABASE_ROWS, proven.rows_found, engine=by)
    if proven.seconds:
        rate = step.blob.size_bytes / proven.seconds
        telemetry.measure(telemetry.DATABASE_RATE, rate, engine=by)


def _attempt(worker: Worker, ticket: Ticket, restore: Restore, held: ExitStack) -> TaskResult:
    """Run the task. Whatever goes wrong in it becomes its result."""
    if is_unwanted(restore, ticket):
        return _ended(ticket, Result.CANCELLED)
    try:
        job = _job(worker, ticket, restore, held)
        watched = Watched(ticket, job.stop, job.meter, worker.states, worker.records, worker.clock)
        with Watch(watched, worker.departure, worker.round_seconds):
            try:
                found = _TASKS[_kind(ticket)](job)
            finally:
                job.meter.leave()
        return replace(found, phases=_rounded(job.meter.seconds))
    except StoppedError:
        raise
    except RestoreError as exc:
        return _ended(ticket, Result.FAILED, failure(exc))
    except OSError as exc:
        return _ended(ticket, Result.FAILED, failure(_of_machine(exc)))
    except Exception as exc:
        log.exception("internal", extra=ids(ticket))
        reason = f"internal error: expected none, found {type(exc).__name__}"
        hint = "see the worker's log; this is a fault of the restore, please report it"
        return _ended(ticket, Result.FAILED, Failure("internal", reason, hint))


def _of_machine(exc: OSError) -> MachineError:
    """A full disk, no process or descriptor to be had: nothing that the restore did wrong."""
    return MachineError(
        f"worker: expected its machine to do as asked, found {exc.strerror or type(exc).__name__}",
        "give workers more disk or memory, or lower RESTORE_SCRATCH_BYTES",
    )


def _ended(ticket: Ticket, result: Result, why: Failure | None = None) -> TaskResult:
    return TaskResult(ticket.task, ticket.attempt, result, why)


def _job(worker: Worker, ticket: Ticket, restore: Restore, held: ExitStack) -> Job:
    """Raises TargetNotAllowedError: the last look at the list, by the one who would do it."""
    target = restore.request.target
    if target.address not in worker.targets:
        raise TargetNotAllowedError(
            f"target: expected one of {', '.join(worker.targets)}, found {target.address}",
            "add it to RESTORE_TARGETS of the function app and of the workers",
        )
    application = f"restore/{ticket.restore}/{ticket.task}"
    return Job(
        ticket=ticket,
        restore=restore,
        server=Server(lambda: _login(worker, target), worker.tls, application),
        landing=worker.landing,
        secrets=worker.secrets,
        clients=worker.clients,
        limits=worker.limits,
        stop=Stop(),
        meter=Meter(told=partial(_phase_over, ticket, telemetry.here())),
        held=held,
        decided=lambda: _is_over(worker, ticket),
    )


def _kind(ticket: Ticket) -> str:
    return ticket.task.partition("-")[0]


def _rounded(phases: Mapping[str, float]) -> dict[str, float]:
    """Without what took no time that anybody would see."""
    return {name: round(took, 1) for name, took in phases.items() if took >= _SEEN_SECONDS}


def _phase_over(ticket: Ticket, task: str, phase: str, began: float, ended: float) -> None:
    telemetry.past(phase, task, began, ended, restore_id=ticket.restore, restore_task=ticket.task)
    telemetry.measure(telemetry.PHASE_DURATION, ended - began, task=_kind(ticket), phase=phase)


def _login(worker: Worker, target: Target) -> Login:
    password = worker.secrets.get(target.secret) if target.secret else worker.token()
    return Login(target.host, target.port, target.user, password, target.database)


def _log(ticket: Ticket, state: str, result: TaskResult | None = None) -> None:
    fields = {**ids(ticket), "state": state}
    if result is not None:
        fields["seconds"] = round(result.seconds, 3)
        if result.failure:
            fields["code"] = result.failure.code
        if result.database:
            fields["bytes"] = result.database.size_bytes
    log.info("task", extra=fields)
