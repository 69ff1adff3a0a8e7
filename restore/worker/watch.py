"""Beside a running task: its progress is told, and it is stopped when nobody wants it any more."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Self

from restore.core.messages import Progress, TableProgress, Ticket
from restore.core.state import CARRIED_THROUGH, Restore, TaskState
from restore.engine.meter import Meter
from restore.errors import NotFoundError, RestoreError
from restore.ports import Clock, Records, States
from restore.worker.stop import Reason, Stop

log = logging.getLogger("restore.worker")

_LOOK_EVERY = 2  # rounds


class Departure:
    """The order to end this worker (SIGTERM): remembered, and passed on to the running task."""

    def __init__(self) -> None:
        self.asked = False
        self.listener: SimpleQueue[Reason | None] | None = None

    def pause(self, seconds: float) -> None:
        """Wait so long, or until the order to end comes."""
        self.listener = orders = SimpleQueue[Reason | None]()
        if not self.asked:
            with suppress(Empty):
                orders.get(timeout=seconds)
        self.listener = None

    def ask(self, *_: object) -> None:
        """From a signal handler: no lock may be taken, and a SimpleQueue's put takes none.

        Source: docs.python.org, queue.SimpleQueue.put: it is reentrant.
        """
        self.asked = True
        if self.listener is not None:
            self.listener.put(Reason.LEAVING)


@dataclass(frozen=True, slots=True)
class Watched:
    """The task that is watched, and where the news of it is."""

    ticket: Ticket
    stop: Stop
    meter: Meter
    states: States
    records: Records
    clock: Clock


class Watch:
    """Watches while its context is open. A blob that cannot be read now is read next time."""

    def __init__(self, watched: Watched, departure: Departure, round_seconds: float = 2.0) -> None:
        self._watched = watched
        self._departure = departure
        self._round_seconds = round_seconds
        self._orders: SimpleQueue[Reason | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._departure.listener = self._orders
        if self._departure.asked:
            self._watched.stop.order(Reason.LEAVING)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._departure.listener = None
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        rounds = 0
        self._attempt(rounds)  # a task that has just begun is no longer queued
        while True:
            try:
                order = self._orders.get(timeout=self._round_seconds)
            except Empty:
                rounds += 1
                self._attempt(rounds)
                continue
            if order is None:
                return
            self._watched.stop.order(order)

    def _attempt(self, rounds: int) -> None:
        """One round. Whatever goes wrong in it, the task goes on, and the next round comes."""
        try:
            self._tell()
            if rounds % _LOOK_EVERY == 0:
                self._look()
        except RestoreError as exc:
            about = {**ids(self._watched.ticket), "code": exc.code, "reason": exc.message}
            log.warning("watch", extra=about)
        except Exception:
            log.exception("watch", extra=ids(self._watched.ticket))

    def _tell(self) -> None:
        ticket, meter = self._watched.ticket, self._watched.meter
        news = Progress(
            task=ticket.task,
            attempt=ticket.attempt,
            phase=meter.phase,
            updated=self._watched.clock(),
            bytes_done=meter.done_bytes,
            bytes_total=meter.total_bytes,
            rate_bytes_per_second=meter.bytes_per_second(),
            rows=meter.rows,
            phases={name: round(seconds, 1) for name, seconds in meter.seconds.items()},
            tables=tuple(
                TableProgress(t.name, t.done_bytes, t.total_bytes, t.rows, t.sessions)
                for t in meter.tables
            ),
        )
        self._watched.records.put_progress(ticket.restore, news)

    def _look(self) -> None:
        watched, ticket = self._watched, self._watched.ticket
        try:
            restore = watched.states.load(ticket.restore).restore
        except NotFoundError:
            watched.stop.order(Reason.SUPERSEDED)
            return
        if not is_expected(restore, ticket):
            watched.stop.order(Reason.SUPERSEDED)
        elif is_unwanted(restore, ticket):
            watched.stop.order(Reason.CANCELLED)
        elif watched.records.result(ticket.restore, ticket.task, ticket.attempt) is not None:
            watched.stop.order(Reason.SUPERSEDED)


def ids(ticket: Ticket) -> dict[str, object]:
    """What a log line about the ticket's task is found by."""
    return {"restore": ticket.restore, "task": ticket.task, "attempt": ticket.attempt}


def is_expected(restore: Restore, ticket: Ticket) -> bool:
    """Does the restore still wait for this very attempt?"""
    task = restore.task(ticket.task)
    waits = task is not None and task.state is TaskState.SENT and task.attempt == ticket.attempt
    return waits and (not restore.ended or ticket.task in CARRIED_THROUGH)


def is_unwanted(restore: Restore, ticket: Ticket) -> bool:
    """Shall a task that is waited for come to an end without its work done?"""
    return restore.stopping and ticket.task.partition("-")[0] not in CARRIED_THROUGH
