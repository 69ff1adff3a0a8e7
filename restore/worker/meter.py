"""How far a task is: set by the task, read by whoever tells the world."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW_SECONDS = 15.0


class Meter:
    """Phase and bytes of one task. Bytes are those of the dump that were handed on."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.phase = "starting"
        self.done_bytes = 0
        self.total_bytes = 0
        self._marks: deque[tuple[float, int]] = deque()

    def enter(self, phase: str, total_bytes: int | None = None) -> None:
        """A new phase; with `total_bytes`, one that counts from 0."""
        self.phase = phase
        if total_bytes is not None:
            self.done_bytes, self.total_bytes = 0, total_bytes
            self._marks.clear()

    def add(self, size_bytes: int) -> None:
        self.done_bytes += size_bytes

    def bytes_per_second(self) -> float:
        """The rate since about the last quarter of a minute, as far as this was asked before."""
        now = self._monotonic()
        self._marks.append((now, self.done_bytes))
        while now - self._marks[0][0] > _WINDOW_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        (since, before), seconds = self._marks[0], now - self._marks[0][0]
        return (self.done_bytes - before) / seconds if seconds > 0 and since < now else 0.0
