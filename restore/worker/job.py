"""One task in a worker's hands: what it is about, and everything it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import psycopg

from restore.adapters.postgres import Connection, Server, translated
from restore.adapters.tools import Client
from restore.core.messages import DatabaseResult, Result, TaskResult, Ticket
from restore.core.plan import DatabaseStep, Plan
from restore.core.preflight import Room
from restore.core.state import Restore
from restore.engine.meter import Meter
from restore.errors import MessageError
from restore.ports import Files, Secrets
from restore.worker.stop import Stop


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use of this machine, and how patient it is."""

    jobs: int = 2  # sessions side by side
    room: Room = field(default_factory=Room)  # of all tasks together, on the target
    scratch_bytes: int = 2 * 1024**3  # larger dumps go through a pipe
    fence_seconds: float = 60.0  # the cleanup's patience with a worker that must stop
    publish_tries: int = 3  # five seconds each, while sessions we may not end are in the way


@dataclass(frozen=True, slots=True)
class Job:
    """A task and its means. `held` is released only after the result is stored."""

    ticket: Ticket
    restore: Restore
    server: Server
    landing: Files
    secrets: Secrets
    clients: Mapping[int, Client]
    limits: Limits
    stop: Stop
    meter: Meter
    held: ExitStack
    decided: Callable[[], bool]  # whether this attempt is over by now

    @property
    def plan(self) -> Plan:
        if self.restore.plan is None:
            raise MessageError(
                f"ticket {self.ticket.message_id}: expected a restore with a plan, found no plan"
            )
        return self.restore.plan

    @property
    def step(self) -> DatabaseStep:
        """The database that a database task is about."""
        index = int(self.ticket.task.partition("-")[2])
        if index >= len(self.plan.databases):
            raise MessageError(
                f"ticket {self.ticket.message_id}: expected a database of the plan, found none"
            )
        return self.plan.databases[index]

    def proven(self, index: int) -> DatabaseResult | None:
        """What the task of `plan.databases[index]` proved, if it is done."""
        task = self.restore.task(f"database-{index}")
        done = task is not None and task.result is not None
        return task.result.database if done and task and task.result else None

    @contextmanager
    def session(self, database: str = "") -> Iterator[Connection]:
        """A session whose statements are cancelled when the job shall stop; errors are ours."""
        with self.server.connect(database) as connection, self.using(connection):
            yield connection

    @contextmanager
    def using(self, connection: Connection) -> Iterator[None]:
        """The same for a session that is there already."""
        with self.stop.ending(partial(_cancel, connection)), translated(connection):
            yield

    def done(
        self,
        *,
        plan: Plan | None = None,
        database: DatabaseResult | None = None,
        data_as_of: str = "",
        warnings: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        debts: tuple[str, ...] = (),
        published: tuple[int, ...] = (),
    ) -> TaskResult:
        """This attempt's success."""
        return TaskResult(
            task=self.ticket.task,
            attempt=self.ticket.attempt,
            result=Result.DONE,
            plan=plan,
            database=database,
            data_as_of=data_as_of,
            warnings=warnings,
            notes=notes,
            debts=debts,
            published=published,
        )


def _cancel(connection: Connection) -> None:
    with suppress(psycopg.Error):  # it may be over, or closed, by now
        connection.cancel_safe(timeout=5)
