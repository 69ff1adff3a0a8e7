"""Builds of indexes and the like side by side: as many at once as there are sessions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

from restore.adapters.postgres import Connection
from restore.core.post import Build
from restore.core.schedule import Schedule, Work
from restore.engine.making import left, make
from restore.engine.session import Session, Sessions

_MOST_MEMORY_KB = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Budget:
    """What building indexes may use of the server, shared by the sessions that build.

    Only what any login may set for itself, and no more memory than the server keeps for its cache.
    Source: postgresql.org/docs/18/runtime-config-resource.html.
    """

    memory_kb: int
    least_kb: int
    connections: int

    @classmethod
    def of(cls, connection: Connection, connections: int) -> Budget:
        row = connection.execute(
            "SELECT (SELECT setting::bigint * 8 FROM pg_settings WHERE name = 'shared_buffers'),"
            " (SELECT setting::bigint FROM pg_settings WHERE name = 'maintenance_work_mem')"
        ).fetchone()
        assert row is not None, "pg_settings has both"
        shared_kb, default_kb = row
        return cls(max(shared_kb // 2, default_kb), default_kb, connections)

    def give(self, session: Session, sessions: int) -> None:
        """The share of one of so many sessions."""
        memory_kb = min(max(self.memory_kb // sessions, self.least_kb), _MOST_MEMORY_KB)
        share = (memory_kb, max(0, self.connections // sessions - 1))
        if share != session.memory:
            session.memory = share
            session.connection.execute(
                f"SET maintenance_work_mem = {share[0]};"
                f" SET max_parallel_maintenance_workers = {share[1]}".encode()
            )


@dataclass(slots=True)
class Beside:
    """One phase of builds. `run` once."""

    builds: Sequence[Build]
    made: MutableMapping[int, int]
    sessions: Sessions
    budget: Budget
    check: Callable[[], None]
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _error: BaseException | None = None

    def run(self) -> None:
        """Make what is not made yet, the longest first.

        Raises the first error of any session, and ends what the others do.
        """
        todo = {b.work.key: b for b in self.builds if any(True for _ in left(b.steps, self.made))}
        if not todo:
            return
        schedule = Schedule(build.work for build in todo.values())
        threads = [
            threading.Thread(target=self._work, args=(schedule, todo), daemon=True)
            for _ in range(min(self.budget.connections, len(todo)))
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            try:
                self.check()
            except BaseException as exc:
                self._fail(exc)
            for thread in threads:
                thread.join(0.2)
        if self._error is not None:
            raise self._error

    def _work(self, schedule: Schedule[int], todo: Mapping[int, Build]) -> None:
        try:
            with self.sessions.session() as session:
                while (work := self._next(schedule)) is not None:
                    beside = min(schedule.running + schedule.waiting, self.budget.connections)
                    self.budget.give(session, beside)
                    for _ in make(session, todo[work.key].steps, self.made):
                        self.check()
                    with self._changed:
                        schedule.done(work)
                        self._changed.notify_all()
        except BaseException as exc:
            self._fail(exc)

    def _next(self, schedule: Schedule[int]) -> Work[int] | None:
        with self._changed:
            while self._error is None and not schedule.is_done:
                if (work := schedule.take()) is not None:
                    return work
                self._changed.wait()
        return None

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        self.sessions.abort()
