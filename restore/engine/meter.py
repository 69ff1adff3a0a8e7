"""How far a task is: set by the task, read by whoever tells the world."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_WINDOW_SECONDS = 15.0


@dataclass(slots=True)
class TableMeter:
    """One table that is being loaded, by one session or several."""

    name: str
    total_bytes: int  # packed; 0 where that is not known
    done_bytes: int = 0
    rows: int = 0  # committed
    sessions: int = 0


class Meter:
    """Phase, bytes and rows of one task. Bytes are those of the dump that were handed on.

    Set by several threads at once.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        told: Callable[[str, float, float], None] = lambda phase, began, ended: None,
    ) -> None:
        """`told` hears of each phase that is over: its name, from and to in seconds since 1970."""
        self._monotonic = monotonic
        self._told = told
        self._since = time.time()
        self._over: dict[str, float] = {}
        self._lock = threading.Lock()
        self.phase = "starting"
        self.done_bytes = 0
        self.total_bytes = 0
        self.rows = 0
        self._tables: dict[str, TableMeter] = {}
        self._marks: deque[tuple[float, int]] = deque()

    def enter(self, phase: str, total_bytes: int | None = None) -> None:
        """A new phase; with `total_bytes`, one that counts from 0."""
        self.leave()
        self.phase = phase
        if total_bytes is not None:
            self.done_bytes, self.total_bytes, self.rows = 0, total_bytes, 0
            self._marks.clear()

    def leave(self) -> None:
        """The phase is over."""
        began, self._since = self._since, time.time()
        self._over[self.phase] = self._over.get(self.phase, 0.0) + self._since - began
        self._told(self.phase, began, self._since)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each phase took so far, in their order."""
        now = dict(self._over)
        now[self.phase] = now.get(self.phase, 0.0) + time.time() - self._since
        return now

    def add(self, size_bytes: int = 0, rows: int = 0) -> None:
        with self._lock:
            self.done_bytes += size_bytes
            self.rows += rows

    def add_to(self, name: str, size_bytes: int = 0, rows: int = 0) -> None:
        """So much more of the table `name`, if a session is loading it."""
        with self._lock:
            if (table := self._tables.get(name)) is not None:
                table.done_bytes += size_bytes
                table.rows += rows

    @contextmanager
    def table(self, name: str, total_bytes: int) -> Iterator[None]:
        """A session is loading the table `name`."""
        with self._lock:
            table = self._tables.setdefault(name, TableMeter(name, total_bytes))
            table.sessions += 1
        try:
            yield
        finally:
            with self._lock:
                table.sessions -= 1
                if not table.sessions:
                    del self._tables[name]

    @property
    def tables(self) -> tuple[TableMeter, ...]:
        """The tables that are being loaded now."""
        with self._lock:
            return tuple(self._tables.values())

    def bytes_per_second(self) -> float:
        """The rate since about the last quarter of a minute, as far as this was asked before."""
        now = self._monotonic()
        self._marks.append((now, self.done_bytes))
        while now - self._marks[0][0] > _WINDOW_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        (since, before), seconds = self._marks[0], now - self._marks[0][0]
        return (self.done_bytes - before) / seconds if seconds > 0 and since < now else 0.0
