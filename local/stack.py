"""The whole installation on this machine: storage, bus, vault, servers, app and workers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from azure.servicebus import ServiceBusClient
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from local import processes
from local.azurite import Azurite
from local.blob_events import BlobEvents, Schema, Troubles
from local.functions import FunctionsHost
from local.part import Part
from local.postgres import PostgresServer, binaries
from local.servicebus import Broker, QueueConfig, ServiceBus
from local.vault import LocalVault
from restore.adapters.storage import STATE_CONTAINER
from restore.cli.client import Client
from restore.core.messages import EVENTS, POISON, REPORTS, TASKS
from restore.flows import CONTAINER_PREFIX

ROOT = Path(__file__).resolve().parents[1]
SECRET = "target-admin"
REPORT_KEY = "report-key"
LISTENER = "listener"  # the subscription of the topic that events are sent to


class Stack(Part):
    """Everything a restore needs, started together and gone together.

    The source is PostgreSQL 16, the target 18 and its admin no superuser, unless told otherwise.
    Without a source there is only the vault, to which files can be added. `log` is the folder with
    what the parts had to say.
    """

    def __init__(
        self,
        *,
        source_major: int | None = 16,
        target_major: int = 18,
        debian: bool = False,
        workers: int = 1,
        lock_seconds: float = 10.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` win over those the stack gives the function app and the workers."""
        self.storage = Azurite()
        self.broker = Broker()
        self.bus = ServiceBus(self.broker)
        self.target = PostgresServer(target_major, debian=debian)
        self.source = PostgresServer(source_major, debian=debian) if source_major else None
        self.seconds: dict[str, float] = {}  # where the time went
        self._worker_count = workers
        self._settings = dict(settings or {})
        self._events: BlobEvents | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._open = ExitStack()
        queue = QueueConfig(lock_seconds=lock_seconds, requires_duplicate_detection=True)
        for name in (TASKS, REPORTS, POISON):
            self.broker.create_queue(name, queue)
        self.broker.create_topic(EVENTS)
        self.broker.create_subscription(EVENTS, LISTENER, QueueConfig(requires_session=True))

    # ---- start and stop

    def start(self) -> Self:
        """Start every part. Raises what a part raises; then nothing is left running."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self._folder = processes.Folder("stack")
        self._open.callback(self._folder.close)
        self.log = self._folder.path / "log"
        self.log.mkdir()
        with self.timed("servers and storage"), ThreadPoolExecutor() as pool:
            servers = [self.target, *([self.source] if self.source else [])]
            parts: list[Part] = [self.storage, *servers]
            starts = [pool.submit(part.start) for part in parts]
            for part in parts:
                self._open.callback(part.stop)
        for started in starts:
            started.result()
        self._open.enter_context(self.bus)
        self.vault = self._open.enter_context(
            LocalVault(self.source, self.storage.connection_string)
        )
        self.vault.parameters.apply = self._set_on_target
        self.environment = self._environment()
        with self.timed("function app"):
            self.host = FunctionsHost(ROOT, self.environment, log_path=self.log / "functions")
            self._open.enter_context(self.host)
        self.client = Client(self.host.url, self.host.key)
        self.watch_blobs()
        self._open.callback(self._stop_events)
        self._open.callback(self._stop_workers)
        for _ in range(self._worker_count):
            self.add_worker()

    def _set_on_target(self, name: str, value: str) -> None:
        """What the management API changes, the target really has: in the same units."""
        statement = sql.SQL("ALTER SYSTEM SET {} = {}").format(
            sql.Identifier(name), sql.Literal(value)
        )
        with psycopg.connect(self.target.superuser_conninfo(), autocommit=True) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """Stop everything that was started, the last first. Safe to repeat."""
        self._open.close()

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Adds the time spent inside to what was spent on `what` before."""
        begun = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - begun
            self.seconds[what] = self.seconds.get(what, 0.0) + spent

    def _stop_events(self) -> None:
        if self._events is not None:
            self._events.stop()

    def watch_blobs(self, schema: Schema = Schema.EVENT_GRID, **troubles: Any) -> None:
        """From now on, blobs are announced in that schema and with those `Troubles`."""
        self._stop_events()
        self._events = BlobEvents(
            self.storage.connection_string,
            self.host.event_grid_url("blob_created"),
            prefix=CONTAINER_PREFIX,
            ignored=(STATE_CONTAINER,),
            schema=schema,
            troubles=Troubles(**troubles),
        ).start()

    # ---- workers

    def add_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One more worker with those command line arguments, its log in `log`/worker-<n>."""
        with (self.log / f"worker-{len(self._workers)}").open("wb") as log:
            worker = processes.start(
                [sys.executable, "-m", "restore.worker", *arguments],
                cwd=ROOT,
                output=log,
                env={**os.environ, **self.environment},
            )
        self._workers.append(worker)
        return worker

    @property
    def workers(self) -> tuple[subprocess.Popen[bytes], ...]:
        """The workers that run."""
        return tuple(worker for worker in self._workers if worker.poll() is None)

    def _stop_workers(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self._workers:
            processes.stop(worker)

    # ---- restores

    def request(self, **changes: Any) -> dict[str, Any]:
        """A restore of the source's newest backup to the target, as it would be posted."""
        return {
            "source": {"server": self.vault.names.server_id},
            "target": {
                "host": self.target.host,
                "port": self.target.port,
                "user": self.target.admin,
                "secret": SECRET,
            },
            **changes,
        }

    def events(self, restore_id: str) -> list[dict[str, Any]]:
        """What was told of a restore since this was asked last, in its order, each once."""
        with (
            ServiceBusClient.from_connection_string(self.bus.connection_string) as client,
            client.get_subscription_receiver(EVENTS, LISTENER, session_id=restore_id) as receiver,
        ):
            found: dict[str, dict[str, Any]] = {}
            while received := receiver.receive_messages(100, max_wait_time=1):
                for message in received:
                    event = json.loads(b"".join(message.body))
                    found.setdefault(event["id"], event)
                    receiver.complete_message(message)
            return list(found.values())

    def wait(
        self, restore_id: str, until: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any]:
        """The restore's status once `until` says so: by default, once it has ended.

        Raises TimeoutError, with the status, after two minutes.
        """
        deadline = time.monotonic() + 120
        while True:
            status = self.client.show(restore_id).body
            if (until or _ended)(status):
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"restore {restore_id}: {status}")
            time.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        self.secrets = self._folder.path / "secrets"
        self.secrets.mkdir(mode=0o700)
        (self.secrets / SECRET).write_text(self.target.admin_password)
        key = Ed25519PrivateKey.generate().private_bytes_raw()
        (self.secrets / REPORT_KEY).write_text(base64.b64encode(key).decode())
        majors = {self.target.major, *([self.source.major] if self.source else []), 16, 18}
        return {
            "ServiceBusConnection": self.bus.connection_string,
            "LandingStorage": self.storage.connection_string,
            "RESTORE_LANDING_ACCOUNT_ID": self.vault.landing_account_id,
            "RESTORE_VAULTS": self.vault.names.vault_id,
            "RESTORE_TARGETS": f"{self.target.host}:{self.target.port}",
            "RESTORE_ARM_ENDPOINT": self.vault.url,
            "RESTORE_SECRETS_FOLDER": str(self.secrets),
            "RESTORE_REPORT_KEY": REPORT_KEY,
            "RESTORE_PGSSLMODE": "disable",
            "RESTORE_PG_BINDIRS": ":".join(str(binaries(major)) for major in sorted(majors)),
            "RESTORE_POLL_SECONDS": "0.2",
            "RESTORE_SETTLE_SECONDS": "0.5",
            "RESTORE_RETRY_SECONDS": "1",
            "TICK_SCHEDULE": "00:00:00.25",
            **self._settings,
        }


def _ended(status: dict[str, Any]) -> bool:
    return bool(status.get("ended"))
