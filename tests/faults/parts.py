"""A whole restore on real parts, in one process, with one fault at one call to one of them."""

from __future__ import annotations

import gc
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import psycopg
from azure.servicebus import ServiceBusClient

from local.azurite import Azurite
from local.postgres import PostgresServer, Stop
from local.servicebus import Broker, QueueConfig
from local.servicebus import ServiceBus as LocalBus
from local.vault import LocalVault
from restore import flows
from restore.adapters import postgres, tools
from restore.adapters.azure_backup import AzureBackup
from restore.adapters.credentials import credential
from restore.adapters.servicebus import ServiceBus
from restore.adapters.storage import BlobLanding, BlobRecords, BlobStates
from restore.control import Control
from restore.core.messages import POISON, REPORTS, TASKS
from restore.core.state import Do, Restore
from restore.errors import RestoreError, TransientError
from restore.settings import Connection
from restore.worker.worker import work
from tests.worker.bench import DATA, SET_ID, Bench

NAME = 'Cr\'m_database_€ "x".sql'
ROUNDS = 400
LOCK_SECONDS = 60.0
_TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"""


class Way(Enum):
    """How a call fails."""

    REFUSED = "refused"  # it has no effect, and says so
    LOST = "answer lost"  # it has its effect, and looks broken
    DEATH = "death before"  # the process ends before it
    DEATH_AFTER = "death after"  # the process ends before anybody hears of its effect
    RESTART = "server restarted"  # PostgreSQL crashes and is back when the call is made


class Death(BaseException):
    """The process ends here; whoever comes next starts anew."""


@dataclass
class Fault:
    """At the `at`-th call to a part of `family`; `met` once it was there. `calls` are counted."""

    family: str = ""
    at: int = 0
    way: Way = Way.REFUSED
    calls: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    met: bool = False
    where: str = ""
    restart: Callable[[], None] = lambda: None

    def around(self, family: str, name: str, call: Callable[[], Any], broken: Exception) -> Any:
        self.counts[family] += 1
        if family != self.family:
            return call()
        self.calls += 1
        if self.met or self.calls != self.at:
            return call()
        self.met, self.where = True, name
        if self.way is Way.DEATH:
            raise Death
        if self.way is Way.RESTART:
            self.restart()
            return call()
        if self.way is Way.REFUSED:
            raise broken
        call()
        raise Death if self.way is Way.DEATH_AFTER else broken


FAMILIES = ("vault", "storage", "bus", "subprocess", "postgres")


class Shaky:
    """A port as it is, but for the fault."""

    def __init__(self, port: Any, family: str, fault: Fault) -> None:
        self._port, self._family, self._fault = port, family, fault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        broken = TransientError(f"{name}: expected an answer, found a broken connection")

        def call(*arguments: Any) -> Any:
            what = f"{type(self._port).__name__}.{name}"
            run = lambda: method(*arguments)  # noqa: E731
            return self._fault.around(self._family, what, run, broken)

        return call


class Parts:
    """Storage, bus and server, started once for many runs."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._open = ExitStack()

    def __enter__(self) -> Parts:
        broker = Broker()
        for queue in (TASKS, REPORTS, POISON):
            config = QueueConfig(lock_seconds=LOCK_SECONDS, requires_duplicate_detection=True)
            broker.create_queue(queue, config)
        self.local = self._open.enter_context(LocalBus(broker))
        storage = self._open.enter_context(Azurite())
        connection = Connection(storage.connection_string)
        self.states = self._open.enter_context(closing(BlobStates(connection)))
        self.records = self._open.enter_context(closing(BlobRecords(connection)))
        self.landing = self._open.enter_context(closing(BlobLanding(connection)))
        self.bus = self._open.enter_context(
            closing(ServiceBus(Connection(self.local.connection_string)))
        )
        client = ServiceBusClient.from_connection_string(self.local.connection_string)
        self._open.enter_context(client)
        self.reports = self._open.enter_context(client.get_queue_receiver(REPORTS))
        folder = Path(self._open.enter_context(TemporaryDirectory()))
        shutil.copy(DATA / "roles-pg16.sql", folder / f"{SET_ID}_roles.sql")
        shutil.copy(DATA / "crm-pg16.dump", folder / f"{SET_ID}_database_{NAME}.sql")
        self.azure = self._open.enter_context(LocalVault(None, storage.connection_string))
        self.azure.add_backup(folder)
        self.vault = AzureBackup(self.azure.url, credential())
        self._open.enter_context(closing(self.vault))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        gc.collect()


class Run(Bench):
    """One restore with one fault, and what it left."""

    def __init__(self, parts: Parts, fault: Fault) -> None:
        super().__init__(parts.server)
        self.fault, self._parts = fault, parts
        fault.restart = lambda: parts.server.restart(Stop.IMMEDIATE)
        self._key = f"fault {uuid4()}"
        self.states = Shaky(parts.states, "storage", fault)
        self.records = Shaky(parts.records, "storage", fault)
        self.landing = Shaky(parts.landing, "storage", fault)
        self.bus = Shaky(parts.bus, "bus", fault)
        self.vault = Shaky(parts.vault, "vault", fault)

    @property
    def control(self) -> Control:
        vaults = (self._parts.azure.names.vault_id,)
        return replace(super().control, vault=self.vault, vaults=vaults)

    def end(self, **request: Any) -> Restore:
        """The restore at rest, however often somebody had to come back to it."""
        with _seams(self.fault):
            self._insist(lambda: self._begin(request))
            for _ in range(ROUNDS):
                restore = self._parts.states.load(self.last).restore
                if restore.ended and {command.do for command in restore.outbox} <= {Do.PURGE}:
                    return restore
                self._step()
        raise AssertionError(f"never came to rest: {restore.phase}, {restore.outbox}")

    def _body(self, request: dict[str, Any]) -> bytes:
        server = self._parts.azure.names.server_id
        return super()._body({"source": {"server": server}, **request})

    def _begin(self, request: dict[str, Any]) -> None:
        body = self._body(request)
        self.last = flows.start(self.control, body, self._key).id

    def _insist(self, call: Callable[[], None]) -> None:
        for _ in range(3):
            try:
                return call()
            except (Death, RestoreError):
                continue
        raise AssertionError("no answer")

    def _step(self) -> None:
        try:
            if self._hear() or self._work():
                return
            self.now += timedelta(seconds=60)
            self._parts.local.advance(60)
            flows.tick(self.control)
        except (Death, RestoreError, ExceptionGroup):
            # Whatever was in hand comes again once its lock has expired.
            self._parts.local.advance(LOCK_SECONDS + 1)

    def _work(self) -> bool:
        if not self._parts.local.counts(TASKS).ready:
            return False
        with self._parts.bus.take(2.0) as hold:
            if hold is not None:
                work(replace(self.worker, round_seconds=1.0), hold)
        return hold is not None

    def _hear(self) -> bool:
        """What the Functions host does."""
        if not self._parts.local.counts(REPORTS).ready:
            return False
        for message in self._parts.reports.receive_messages(1, max_wait_time=5):
            flows.task_reported(self.control, b"".join(message.body))
            self._parts.reports.complete_message(message)
        return True

    def content(self) -> list[tuple[Any, ...]]:
        """Each table with how many rows it has, and what they come to."""
        tables = [name for (name,) in self.rows(_TABLES, NAME)]
        form = "SELECT '{1}', count(*), coalesce(sum(hashtext(t::text)), 0) FROM {0} AS t"
        union = " UNION ALL ".join(form.format(t, t.replace("'", "''")) for t in tables)
        return sorted(self.rows(union, NAME))


@contextmanager
def _seams(fault: Fault) -> Iterator[None]:
    """Where the lowest calls go out: sessions, their statements, and programs."""
    connect, execute = postgres.psycopg.connect, psycopg.Connection.execute
    popen = tools.subprocess.Popen
    gone = psycopg.OperationalError("server closed the connection unexpectedly")

    def connecting(*arguments: Any, **options: Any) -> Any:
        return fault.around("postgres", "connect", lambda: connect(*arguments, **options), gone)

    def executing(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        def run() -> Any:
            return execute(self, query, *arguments, **options)

        try:
            return fault.around("postgres", f"execute {str(query)[:60]!r}", run, gone)
        except psycopg.OperationalError as exc:
            if exc is gone:
                self.close()
            raise

    def starting(*arguments: Any, **options: Any) -> Any:
        started: list[Any] = []

        def run() -> Any:
            started.append(popen(*arguments, **options))
            return started[0]

        try:
            broken = OSError(11, "Resource temporarily unavailable")
            return fault.around("subprocess", str(arguments[0][0]).rpartition("/")[2], run, broken)
        except (Death, OSError):
            for process in started:
                process.kill()
                process.communicate()
            raise

    with (
        patch.object(postgres.psycopg, "connect", connecting),
        patch.object(psycopg.Connection, "execute", executing),
        patch.object(tools.subprocess, "Popen", starting),
    ):
        yield
