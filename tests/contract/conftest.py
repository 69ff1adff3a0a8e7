"""Each port as a fake and as the real adapter."""

from __future__ import annotations

import gc
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.storage.blob import BlobServiceClient

from local.servicebus import Broker, QueueConfig
from local.servicebus import ServiceBus as LocalBus
from local.vault import Faults, LocalVault, Names
from restore.adapters.azure_backup import AzureBackup
from restore.adapters.credentials import credential
from restore.adapters.secrets import FolderSecrets
from restore.adapters.servicebus import ServiceBus
from restore.adapters.storage import BlobLanding, BlobRecords, BlobStates
from restore.core import life
from restore.core.announcements import MEDIA_TYPE
from restore.core.backup import Instance, RecoveryPoint
from restore.core.dumps import Blob
from restore.core.messages import EVENTS, POISON, REPORTS, TASKS
from restore.core.request import parse
from restore.core.state import Restore
from restore.ports import Bus, Inbox, Landing, Records, Secrets, States, Vault
from restore.settings import Connection
from tests.contract.key_vault import key_vault
from tests.fakes import (
    MemoryBus,
    MemoryLanding,
    MemoryRecords,
    MemorySecrets,
    MemoryStates,
    MemoryVault,
)

NOON = datetime(2026, 4, 15, 12, 0, 0, 123456, tzinfo=UTC)

REQUEST = b"""{
  "source": {"server": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/\
providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-source", "recoveryPoint": "latest"},
  "target": {"host": "pg-target.postgres.database.azure.com", "user": "restoreadmin",
             "secret": "pg-target"}
}"""


def restore(restore_id: str | None = None, created: datetime = NOON) -> Restore:
    """A new restore; its id is a fresh one, for the storage is shared."""
    return life.begin(
        restore_id or secrets.token_hex(8), parse(REQUEST), "https://a.b/restore-1", created
    )


@pytest.fixture(params=["fake", "azurite"])
def states(request: pytest.FixtureRequest) -> Iterator[States]:
    if request.param == "fake":
        yield MemoryStates()
        return
    real = BlobStates(Connection(request.getfixturevalue("azurite").connection_string))
    yield real
    real.close()


@pytest.fixture(params=["fake", "azurite"])
def records(request: pytest.FixtureRequest) -> Iterator[Records]:
    if request.param == "fake":
        yield MemoryRecords()
        return
    real = BlobRecords(Connection(request.getfixturevalue("azurite").connection_string))
    yield real
    real.close()


OWNER = "0123456789abcdef"
"""The restore that containers are made for."""


@dataclass
class Yard:
    """A landing account, with what only its owner can do."""

    landing: Landing
    put: Callable[[str, str, bytes], Blob]
    delete: Callable[[str], None]

    def container(self) -> str:
        url = self.landing.url(f"restore-{secrets.token_hex(8)}")
        self.landing.create(url, OWNER)
        return url


@pytest.fixture(params=["fake", "azurite"])
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    if request.param == "fake":
        fake = MemoryLanding()
        yield Yard(fake, fake.put, fake.drop)
        return
    storage = request.getfixturevalue("azurite")
    client: BlobServiceClient = request.getfixturevalue("account")
    real = BlobLanding(Connection(storage.connection_string))

    def put(url: str, name: str, content: bytes) -> Blob:
        container = client.get_container_client(url.rpartition("/")[2])
        container.upload_blob(name, content, overwrite=True)
        return next(blob for blob in real.blobs(url) if blob.name == name)

    yield Yard(real, put, lambda url: client.delete_container(url.rpartition("/")[2]))
    real.close()


LOCK_SECONDS = 60.0


@dataclass
class Line:
    """A bus with both its ends, and what only its owner can do."""

    bus: Bus
    inbox: Inbox
    send: Callable[[bytes], None]  # anything, to the task queue
    dead_letters: Callable[[], list[tuple[bytes, str]]]
    advance: Callable[[float], None]
    reports: Callable[[], int]
    told: Callable[[str], list[dict[str, Any]]]  # by the topic, of that restore, since last asked


@pytest.fixture(params=["fake", "local"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    yield from fake_line() if request.param == "fake" else real_line()


def fake_line() -> Iterator[Line]:
    now = [datetime.now(UTC)]
    bus = MemoryBus(clock=lambda: now[0], lock_seconds=LOCK_SECONDS)

    def advance(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    yield Line(
        bus,
        bus,
        lambda body: bus.send(TASKS, secrets.token_hex(8), body),
        lambda: [(letter.body, letter.reason) for letter in bus.buried],
        advance,
        lambda: len(bus.reports()),
        lambda restore_id: [event for told, event in bus.announced if told == restore_id],
    )


def real_line() -> Iterator[Line]:
    broker = Broker()
    config = QueueConfig(lock_seconds=LOCK_SECONDS, requires_duplicate_detection=True)
    broker.create_queue(TASKS, config)
    broker.create_queue(REPORTS, config)
    broker.create_queue(POISON, config)
    broker.create_topic(EVENTS)
    broker.create_subscription(EVENTS, "all", QueueConfig(requires_session=True))
    with LocalBus(broker) as local:
        bus = ServiceBus(Connection(local.connection_string), counted_seconds=0)

        def send(body: bytes) -> None:
            with (
                ServiceBusClient.from_connection_string(local.connection_string) as client,
                client.get_queue_sender(TASKS) as sender,
            ):
                sender.send_messages(ServiceBusMessage(body))

        yield Line(
            bus,
            bus,
            send,
            lambda: [(letter.body, letter.reason) for letter in local.dead_letters(TASKS)],
            local.advance,
            lambda: local.counts(REPORTS).ready,
            partial(_heard, local.connection_string),
        )
        bus.close()
    gc.collect()


def _heard(bus: str, restore_id: str) -> list[dict[str, Any]]:
    """Bodies of the messages in the restore's session."""
    with (
        ServiceBusClient.from_connection_string(bus) as client,
        client.get_subscription_receiver(EVENTS, "all", session_id=restore_id) as receiver,
    ):
        found = receiver.receive_messages(100, max_wait_time=2)
        assert {(m.session_id, m.content_type) for m in found} == {(restore_id, MEDIA_TYPE)}
        bodies = [json.loads(b"".join(message.body)) for message in found]
        assert [m.message_id for m in found] == [body["id"] for body in bodies]
        return bodies


@dataclass
class Safe:
    """A vault with one protected server that has two backups, and its landing account."""

    vault: Vault
    landing: Landing
    names: Names
    points: list[str]  # ids, oldest first
    lose_answer: Callable[[], None]  # of the next restore that is begun

    @property
    def instance(self) -> Instance:
        (found,) = self.vault.instances(self.names.vault_id)
        return found


_FILES = {"backupstarttimestamp": b"2026-04-15", "x_roles.sql": b"-- roles\n"}
_TIMES = (NOON - timedelta(days=7), NOON)


@pytest.fixture(params=["fake", "local"])
def safe(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Safe]:
    if request.param == "fake":
        yield fake_safe()
        return
    storage = request.getfixturevalue("azurite")
    for name, content in _FILES.items():
        (tmp_path / name).write_bytes(content)
    landing = BlobLanding(Connection(storage.connection_string))
    with LocalVault(None, storage.connection_string) as local:
        points = [local.add_backup(tmp_path, at=time).id for time in _TIMES]
        account_id = local.names.storage_account_id(storage.account)
        vault = AzureBackup(local.url, credential(), account_id)

        def lose_answer() -> None:
            local.faults = Faults(lost_answers=1)

        yield Safe(vault, landing, local.names, points, lose_answer)
        vault.close()
    landing.close()


def fake_safe() -> Safe:
    names, landing = Names(), MemoryLanding()
    vault = MemoryVault(landing)
    instance = Instance(
        names.vault_id, names.instance, names.server_id, names.region, "ProtectionConfigured"
    )
    vault.protect(instance)
    points = [RecoveryPoint(secrets.token_hex(16), time, "Completed") for time in _TIMES]
    for point in points:
        vault.back_up(instance, point, _FILES, names.paired_region)

    def lose_answer() -> None:
        vault.lost_answers = 1

    return Safe(vault, landing, names, [point.id for point in points], lose_answer)


SECRETS = {"pg-target": "s3cr€t p%ss word"}


@pytest.fixture(params=["fake", "folder", "key vault"])
def safe_of_secrets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secrets]:
    if request.param == "fake":
        yield MemorySecrets(SECRETS)
    elif request.param == "folder":
        for name, value in SECRETS.items():
            (tmp_path / name).write_text(value, encoding="utf-8")
        yield FolderSecrets(tmp_path)
    else:
        with closing(key_vault(SECRETS)) as vault:
            yield vault
