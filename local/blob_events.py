"""Event Grid for a storage account that has none: BlobCreated events, posted to a webhook."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from http.client import HTTPException
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from local.part import Part

_EVENT_TYPE = "Microsoft.Storage.BlobCreated"
_ID_SPACE = uuid.UUID("5d7bb1de-45f0-4c55-9bd2-94bd4b1d2f3e")
_PUT_BLOB_BYTES = 1 << 20  # beyond it, clients upload blocks

# Event Grid waits 10 s, 30 s, 1 min and so on, up to 30 attempts; here all goes faster.
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0
_MOST_ATTEMPTS = 30
_ANSWER_SECONDS = 30.0
_HOPELESS = (400, 413)  # dead-lettered at once


class Schema(Enum):
    """How events are written, as an event subscription names it; and their content type."""

    EVENT_GRID = "EventGridSchema"
    CLOUD_EVENTS = "CloudEventSchemaV1_0"

    @property
    def content_type(self) -> str:
        if self is Schema.CLOUD_EVENTS:
            return "application/cloudevents-batch+json; charset=utf-8"
        return "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Troubles:
    """What happens to events in real life, made frequent; fractions from 0 to 1."""

    doubled: float = 0.0
    dropped: float = 0.0
    shuffled: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Created:
    """A blob that has appeared, or has been replaced."""

    account_url: str
    account: str
    container: str
    name: str
    etag: str
    size_bytes: int
    content_type: str
    time: datetime


@dataclass(slots=True)
class _Delivery:
    event: dict[str, Any]
    attempts: int = 0
    due: float = field(default_factory=time.monotonic)


def event(created: Created, schema: Schema, sequence: int) -> dict[str, Any]:
    """The BlobCreated event of `created`; told twice, it has the same id.

    The name is percent-encoded in data.url and plain in the subject.
    Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage.
    """
    request_id = str(uuid.uuid5(_ID_SPACE, f"{created.container}/{created.name}/{created.etag}"))
    source = (
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-restore-local"
        f"/providers/Microsoft.Storage/storageAccounts/{created.account}"
    )
    subject = f"/blobServices/default/containers/{created.container}/blobs/{created.name}"
    moment = f"{created.time:%Y-%m-%dT%H:%M:%S.%f}0Z"
    data = _data(created, request_id, sequence)
    if schema is Schema.CLOUD_EVENTS:
        return {
            "source": source,
            "subject": subject,
            "type": _EVENT_TYPE,
            "time": moment,
            "id": request_id,
            "data": data,
            "specversion": "1.0",
        }
    return {
        "topic": source,
        "subject": subject,
        "eventType": _EVENT_TYPE,
        "eventTime": moment,
        "id": request_id,
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }


def _data(created: Created, request_id: str, sequence: int) -> dict[str, Any]:
    path = f"{created.container}/{quote(created.name, safe='/~')}"
    return {
        "api": "PutBlob" if created.size_bytes <= _PUT_BLOB_BYTES else "PutBlockList",
        "clientRequestId": str(uuid.uuid5(_ID_SPACE, request_id)),
        "requestId": f"{request_id[:-6]}000000",
        "eTag": created.etag.strip('"'),
        "contentType": created.content_type,
        "contentLength": created.size_bytes,
        "blobType": "BlockBlob",
        "url": f"{created.account_url.rstrip('/')}/{path}",
        "sequencer": f"{sequence:048X}",
        "storageDiagnostics": {"batchId": str(uuid.uuid5(_ID_SPACE, created.etag))},
    }


def troubled(events: Iterable[dict[str, Any]], troubles: Troubles) -> Iterator[dict[str, Any]]:
    """`events` as they arrive: some twice, some never, in any order; the same for the same seed.

    What happens to an event depends on its id alone, not on those around it.
    """
    arriving = []
    for one in events:
        dice = random.Random(f"{troubles.seed}/{one['subject']}")
        if dice.random() >= troubles.dropped:
            arriving += [one] * (2 if dice.random() < troubles.doubled else 1)
    if troubles.shuffled:
        random.Random(troubles.seed).shuffle(arriving)
    yield from arriving


class BlobEvents(Part):
    """Watches an account by listing it, and posts an event for every blob that appears.

    Blobs that are there at the start are no news, as for a new event subscription. An event is
    posted until the webhook accepts it, at growing intervals; given up, it is in `undelivered`.
    """

    def __init__(
        self,
        storage: str,
        webhook: str,
        *,
        prefix: str = "",
        ignored: Collection[str] = (),
        schema: Schema = Schema.EVENT_GRID,
        troubles: Troubles | None = None,
        poll_seconds: float = 0.2,
    ) -> None:
        """`storage` is a connection string; only containers that begin with `prefix` are watched.

        `ignored` are containers that never are.
        """
        self.undelivered: list[dict[str, Any]] = []
        self._webhook = webhook
        self._prefix = prefix
        self._ignored = frozenset(ignored)
        self._schema = schema
        self._troubles = troubles or Troubles()
        self._poll_seconds = poll_seconds
        # No look at the environment for proxies: it is loopback, and others may change it.
        self._blobs = BlobServiceClient.from_connection_string(
            storage, retry_total=0, use_env_settings=False
        )
        self._known: set[tuple[str, str, str]] = set()
        self._waiting: list[_Delivery] = []
        self._sequence = itertools.count(time.time_ns())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="blob-events", daemon=True)
        self._open = build_opener(ProxyHandler({})).open

    def start(self) -> Self:
        """Raises AzureError when the account cannot be listed."""
        for _ in self._appeared():
            pass
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop watching and posting; safe to repeat."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._blobs.close()

    def _run(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            try:
                appeared = list(self._appeared())
            except AzureError:
                continue  # the account is away; what it holds is news when it is back
            events = (event(one, self._schema, next(self._sequence)) for one in appeared)
            self._waiting += [_Delivery(one) for one in troubled(events, self._troubles)]
            self._deliver()

    def _appeared(self) -> Iterator[Created]:
        for container in list(self._blobs.list_containers(name_starts_with=self._prefix or None)):
            name = str(container.name)
            if name not in self._ignored:
                yield from self._appeared_in(name)

    def _appeared_in(self, container: str) -> Iterator[Created]:
        with self._blobs.get_container_client(container) as client:
            for blob in client.list_blobs():
                key = (container, str(blob.name), str(blob.etag))
                if key in self._known:
                    continue
                self._known.add(key)
                yield Created(
                    str(self._blobs.url),
                    str(self._blobs.account_name),
                    *key,
                    int(blob.size),
                    str(blob.content_settings.content_type or "application/octet-stream"),
                    blob.last_modified,
                )

    def _deliver(self) -> None:
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            if self._stopped.is_set():
                return
            if delivery.due > time.monotonic():
                self._waiting.append(delivery)
                continue
            status = self._post(delivery.event)
            delivery.attempts += 1
            if 200 <= status < 300:
                continue
            if status in _HOPELESS or delivery.attempts >= _MOST_ATTEMPTS:
                self.undelivered.append(delivery.event)
                continue
            wait = _FIRST_WAIT_SECONDS * 2 ** (delivery.attempts - 1)
            delivery.due = time.monotonic() + min(wait, _LONGEST_WAIT_SECONDS)
            self._waiting.append(delivery)

    def _post(self, one: dict[str, Any]) -> int:
        """The HTTP status of the webhook's answer; 0 if there was none."""
        request = Request(
            self._webhook,
            json.dumps([one]).encode(),
            {"Content-Type": self._schema.content_type, "aeg-event-type": "Notification"},
        )
        try:
            with self._open(request, timeout=_ANSWER_SECONDS) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return int(error.code)
        except (OSError, HTTPException):
            return 0
