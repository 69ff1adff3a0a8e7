"""Builds of indexes and the like side by side: as many at once as there are sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial

from restore.adapters.postgres import Connection
from restore.core.post import Build
from restore.core.schedule import Schedule, Work
from restore.engine.crew import Crew
from restore.engine.making import left, make
from restore.engine.session import Session, Sessions

_MOST_MEMORY_KB = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Budget:
    """What building indexes may use of the server, shared by the sessions that build.

    Only what any login may set for itself, and a quarter of the memory that the server keeps for
    its cache: as many as eight databases are restored side by side.
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
        return cls(max(shared_kb // 4, default_kb), default_kb, connections)

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

    def run(self) -> None:
        """Make what is not made yet, the longest first.

        Raises the first error of any session, and ends what the others do.
        """
        todo = {b.work.key: b for b in self.builds if any(True for _ in left(b.steps, self.made))}
        schedule = Schedule(build.work for build in todo.values())
        crew = Crew(self.sessions, self.check)
        sessions = min(self.budget.connections, len(todo))
        crew.run([partial(self._work, crew, schedule, todo)] * sessions)

    def _work(self, crew: Crew, schedule: Schedule[int], todo: Mapping[int, Build]) -> None:
        with self.sessions.session() as session:
            while (work := _next(crew, schedule)) is not None:
                beside = min(schedule.running + schedule.waiting, self.budget.connections)
                self.budget.give(session, beside)
                for _ in make(session, todo[work.key].steps, self.made):
                    self.check()
                with crew.changed:
                    schedule.done(work)
                    crew.changed.notify_all()


def _next(crew: Crew, schedule: Schedule[int]) -> Work[int] | None:
    """What may be done now, waiting for what it needs; None when all is done."""
    with crew.changed:
        while not schedule.is_done:
            if (work := schedule.take()) is not None:
                return work
            crew.wait()
    return None
