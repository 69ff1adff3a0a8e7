"""Actors that run one at a time on a clock of their own; chance decides who goes on.

Each actor is a greenlet that runs until it hands over: wherever another one could come between, at
every call of a port, and whenever it waits. The same seed gives the same order, call by call.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from greenlet import getcurrent, greenlet

BEGIN = datetime(2026, 4, 15, 3, 0, tzinfo=UTC)


class Killed(BaseException):
    """The process of this actor ends here."""


@dataclass(eq=False)
class Actor:
    """Something that runs. `leave` is called when it ends, also when it is killed."""

    name: str
    work: Callable[[], None]
    is_killed: bool = False
    has_ended: bool = False
    error: BaseException | None = None
    leave: list[Callable[[], None]] = field(default_factory=list)
    thread: Any = None


class Scheduler:
    """`seconds` is the virtual time. `sleep` is for actors; all else for whoever set them up."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seconds = 0.0
        self.steps = 0
        self.running: Actor | None = None
        self._queue: list[tuple[float, float, int, Actor]] = []
        self._order = itertools.count()
        self._until = 0.0
        self._is_over: Callable[[], bool] = lambda: False
        self._main = getcurrent()

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def clock(self) -> datetime:
        return self.now

    def spawn(self, name: str, work: Callable[[], None], after_seconds: float = 0.0) -> Actor:
        actor = Actor(name, work)
        actor.thread = greenlet(partial(self._live, actor), self._main)
        self._later(actor, after_seconds)
        return actor

    def sleep(self, seconds: float) -> None:
        """The running actor goes on so much later; others may run meanwhile. Raises Killed."""
        actor = self.running
        assert actor is not None, "only an actor sleeps"
        self._later(actor, seconds)
        following = self._next()
        if following is None:
            self._main.switch()
        elif following is not actor:
            following.thread.switch()
        if actor.is_killed:
            raise Killed

    def run(self, until_seconds: float, is_over: Callable[[], bool]) -> None:
        """Run whoever is next until then. Raises what an actor raised."""
        self._until, self._is_over = until_seconds, is_over
        while (actor := self._next()) is not None:
            actor.thread.switch()  # comes back when one has ended, or when it is over
            if self.running is not None and self.running.error is not None:
                raise self.running.error

    def stop(self) -> None:
        """End every actor that is left."""
        self._is_over = lambda: True
        while self._queue:
            _, _, _, self.running = heapq.heappop(self._queue)
            self.running.is_killed = True
            self.running.thread.switch()

    def _later(self, actor: Actor, seconds: float) -> None:
        # Chance orders those of one moment, so that none is always first.
        entry = (self.seconds + seconds, self.random.random(), next(self._order), actor)
        heapq.heappush(self._queue, entry)

    def _next(self) -> Actor | None:
        """Whose turn it is, at what time; None once it is over."""
        if not self._queue or self._queue[0][0] > self._until or self._is_over():
            return None
        at, _, _, self.running = heapq.heappop(self._queue)
        self.seconds = max(self.seconds, at)
        self.steps += 1
        return self.running

    @staticmethod
    def _live(actor: Actor) -> None:
        try:
            if not actor.is_killed:
                actor.work()
        except Killed:
            pass
        except BaseException as exc:
            actor.error = exc
        for leave in actor.leave:
            leave()
        actor.has_ended = True
