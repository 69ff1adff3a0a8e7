"""A running task is told to stop: why, and what has to be ended for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum


class Reason(Enum):
    """Why a task is stopped before its end."""

    CANCELLED = "cancelled"  # the restore was cancelled, or has failed elsewhere
    LEAVING = "leaving"  # this worker is asked to end: another one carries on
    SUPERSEDED = "superseded"  # the attempt is over: somebody else ended it


class StoppedError(Exception):
    """The task was told to stop. Nobody's fault, so no error of the restore."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Stop:
    """One task's order to stop: given once, by another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self.reason: Reason | None = None

    def order(self, reason: Reason) -> None:
        """Stop the task. The first reason counts; what it waits for is ended now."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            ends = tuple(self._ends)
        for end in ends:
            end()

    def check(self) -> None:
        """Raises StoppedError if the task shall stop."""
        if self.reason is not None:
            raise StoppedError(self.reason)

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """`end` is called, by another thread, if the order comes while the context is open.

        Raises StoppedError, when the context is entered or left, if the task shall stop: what was
        ended early looks like a failure otherwise.
        """
        with self._lock:
            self._ends.append(end)
        try:
            self.check()
            yield
        except StoppedError:
            raise
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._ends.remove(end)
        self.check()
