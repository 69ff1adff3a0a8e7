"""Time as the broker sees it: what it is now, and what is to happen later.

Tests add to it with `advance`, so that an hour of locks, schedules and time-to-live passes at once.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable

# A timer of the loop may fire a little before its time by the wall clock.
_LATE_SECONDS = 0.001


class Clock:
    """Seconds since the Unix epoch, and actions due at such times.

    Without a loop, actions run only inside `advance`: enough for tests of one queue.
    Everything but `now` belongs to the thread of the loop.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._ahead_seconds = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Seconds since the epoch, with what `advance` added."""
        return self._source() + self._ahead_seconds

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` at `when`; a time in the past means soon."""
        entry = (when, next(self._order), action)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._arm()

    def soon(self, action: Callable[[], None]) -> None:
        """Run `action` after what runs now."""
        self.at(self.now(), action)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once, and run what became due."""
        self._ahead_seconds += seconds
        self._run()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run actions on `loop` from now on."""
        self._loop = loop
        self._arm()

    def stop(self) -> None:
        """Leave the loop; what is due stays due."""
        if self._handle is not None:
            self._handle.cancel()
        self._loop = self._handle = None

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._loop is not None and self._due:
            wait_seconds = self._due[0][0] - self.now()
            delay = wait_seconds + _LATE_SECONDS if wait_seconds > 0 else 0
            self._handle = self._loop.call_later(delay, self._run)

    def _run(self) -> None:
        try:
            while self._due and self._due[0][0] <= self.now():
                _, _, action = heapq.heappop(self._due)
                action()
        finally:
            self._arm()


class Alarm:
    """One action, run once at the earliest of the times it was set to since it last ran."""

    def __init__(self, clock: Clock, action: Callable[[], None]) -> None:
        self._clock = clock
        self._action = action
        self._when = math.inf

    def set(self, when: float) -> None:
        """Run the action at `when` at the latest."""
        if when < self._when:
            self._when = when
            self._clock.at(when, lambda: self._ring(when))

    def _ring(self, when: float) -> None:
        if when == self._when:  # otherwise an earlier time has been set, and has taken its place
            self._when = math.inf
            self._action()
