"""Threads that work on one thing together: the first error of any ends what all others do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from restore.engine.session import AbortedError, Sessions


@dataclass(slots=True)
class Crew:
    """`changed` guards what the threads share, and is notified of every change.

    `check` raises when the work is to stop.
    """

    sessions: Sessions
    check: Callable[[], None]
    changed: threading.Condition = field(default_factory=threading.Condition)
    _error: BaseException | None = None

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        """Each in a thread of its own, until all have ended. Raises the first error of any."""
        threads = [self.start(work) for work in works]
        while any(thread.is_alive() for thread in threads):
            try:
                self.check()
            except BaseException as exc:
                self._fail(exc)
            for thread in threads:
                thread.join(0.2)
        if self._error is not None:
            raise self._error

    def start(self, work: Callable[[], None]) -> threading.Thread:
        """One more, which `run` does not wait for; its error counts like any other."""

        def guarded() -> None:
            try:
                work()
            except BaseException as exc:
                self._fail(exc)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def go_on(self) -> None:
        """Raises AbortedError where another thread has failed."""
        if self._error is not None:
            raise AbortedError("work: expected to go on, found an error elsewhere")

    def wait(self) -> None:
        """Until something has changed. Raises as `go_on` does."""
        self.go_on()
        self.changed.wait()
        self.go_on()

    def _fail(self, error: BaseException) -> None:
        with self.changed:
            if self._error is not None:
                return
            self._error = error
            self.changed.notify_all()
        self.sessions.abort()
