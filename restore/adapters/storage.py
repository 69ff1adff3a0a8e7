"""Azure Storage: the states and records of restores, and the containers Azure Backup fills."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import (
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    ExponentialRetry,
)

from restore.adapters.azure_errors import code_of, translated
from restore.adapters.credentials import credential
from restore.core import messages, state
from restore.core.dumps import Blob
from restore.core.messages import Progress, TaskResult
from restore.core.state import Restore
from restore.errors import ConflictError, MessageError, NotFoundError
from restore.ports import Document, Stored, Summary
from restore.settings import Connection

log = logging.getLogger("restore.storage")

STATE_CONTAINER = "restore-state"

CHUNK_BYTES = 4 * 1024 * 1024
"""What one request of a stream asks for: all that is held, and all that a broken one costs."""

_ACCESS_HINT = (
    "the identity needs the role Storage Blob Data Contributor on the account (a new assignment "
    "takes up to ten minutes), and the account's firewall must let it in"
)
_JSON = ContentSettings(content_type="application/json")

# Source: learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9](-?[a-z0-9])*")
_MARK = "restore"  # in a container's metadata: whose it is
_ABSENT = "*"  # If-None-Match: only if there is no such blob


def _connect(connection: Connection) -> BlobServiceClient:
    """A client that outlives an outage of about a minute: a stream runs for hours.

    The SDK's own default gives up after three tries, 15 seconds and more apart.
    """
    options: dict[str, Any] = {
        "retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=5),
        "connection_timeout": 10,
        "read_timeout": 60,
        "max_single_get_size": CHUNK_BYTES,
        "max_chunk_get_size": CHUNK_BYTES,
    }
    if connection.string:
        return BlobServiceClient.from_connection_string(connection.string, **options)
    identity = credential(connection.client_id)
    return BlobServiceClient(connection.endpoint, credential=identity, **options)


class _StateContainer:
    """The container of states and records, created when first needed."""

    def __init__(self, connection: Connection) -> None:
        self._service = _connect(connection)

    def close(self) -> None:
        self._service.close()

    @cached_property
    def _container(self) -> ContainerClient:
        container = self._service.get_container_client(STATE_CONTAINER)
        with translated(f"container {STATE_CONTAINER}", _ACCESS_HINT):
            _create(container)
        return container

    def _read(self, name: str) -> tuple[bytes, str]:
        """The blob's content and ETag. Raises NotFoundError."""
        container = self._container
        with translated(f"blob {STATE_CONTAINER}/{name}", _ACCESS_HINT):
            download = container.download_blob(name)
            return download.readall(), str(download.properties.etag)

    def _write(
        self,
        name: str,
        body: bytes,
        etag: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> str:
        """Write the blob where it has `etag`, is `_ABSENT`, or anyhow; its new ETag.

        Raises ConflictError where it is otherwise.
        """
        condition: dict[str, Any] = {}
        if etag == _ABSENT:
            condition = {"overwrite": False}
        elif etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        blob = self._container.get_blob_client(name)
        options = {"overwrite": True, "content_settings": _JSON, "metadata": metadata, **condition}
        with translated(f"blob {STATE_CONTAINER}/{name}", _ACCESS_HINT):
            return str(blob.upload_blob(body, **options)["etag"])

    def _list(self, prefix: str, **options: Any) -> list[BlobProperties]:
        container = self._container
        with translated(f"container {STATE_CONTAINER}", _ACCESS_HINT):
            return list(container.list_blobs(name_starts_with=prefix, **options))


class BlobStates(_StateContainer):
    """`restores/<id>.json`; what a list of restores shows is repeated in the blob's metadata."""

    def create(self, restore: Restore) -> Stored:
        return self._save(restore, _ABSENT)

    def load(self, restore_id: str) -> Stored:
        try:
            body, etag = self._read(_state_name(restore_id))
        except NotFoundError:
            raise NotFoundError(
                f"restore {restore_id}: expected one of that id, found none",
                "GET /api/restores lists those there are",
            ) from None
        try:
            return Stored(state.decode(body), etag)
        except ValueError as exc:
            raise MessageError(
                f"state of restore {restore_id}: expected one of version 1, "
                f"found {len(body)} bytes that are not",
                "was it written by another release, or by hand?",
            ) from exc

    def save(self, restore: Restore, etag: str) -> Stored:
        return self._save(restore, etag)

    def claim(self, target: str, restore_id: str) -> str:
        """A blob `targets/<host:port>` holds the id of the restore that claimed it last."""
        name = f"targets/{target}"
        try:
            self._write(name, restore_id.encode(), _ABSENT)
            return restore_id
        except ConflictError:
            body, etag = self._read(name)
        holder = body.decode()
        if holder != restore_id and self._works(holder):
            return holder
        self._write(name, restore_id.encode(), etag)
        return restore_id

    def _works(self, restore_id: str) -> bool:
        try:
            return self.load(restore_id).restore.at_work
        except NotFoundError:
            return False

    def summaries(self) -> Iterator[Summary]:
        listed = self._list("restores/", include=["metadata"])
        yield from sorted(map(self._summary, listed), key=lambda s: s.created, reverse=True)

    def _save(self, restore: Restore, etag: str) -> Stored:
        name = _state_name(restore.id)
        return Stored(
            restore, self._write(name, state.encode(restore), etag, _metadata(_summarise(restore)))
        )

    def _summary(self, blob: BlobProperties) -> Summary:
        """From the metadata; a blob that lost it (rewritten by hand) is loaded instead.

        One that cannot be read is listed all the same: it must not hide the others, nor itself.
        """
        restore_id = blob.name.removeprefix("restores/").removesuffix(".json")
        try:
            return Summary(
                id=restore_id,
                phase=blob.metadata["phase"],
                created=datetime.fromisoformat(blob.metadata["created"]),
                updated=datetime.fromisoformat(blob.metadata["updated"]),
                target=blob.metadata["target"],
                due=_instant(blob.metadata.get("due", "")),
                is_stuck="stuck" in blob.metadata,
            )
        except KeyError:
            pass
        try:
            return _summarise(self.load(restore_id).restore)
        except MessageError:
            return Summary(restore_id, "unreadable", blob.creation_time, blob.last_modified, "")


def _state_name(restore_id: str) -> str:
    return f"restores/{restore_id}.json"


def _summarise(restore: Restore) -> Summary:
    return Summary(
        id=restore.id,
        phase=restore.phase.value,
        created=restore.created,
        updated=restore.updated,
        target=restore.request.target.address,
        due=min((command.due for command in restore.outbox), default=None),
        is_stuck=bool(restore.stuck),
    )


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _metadata(summary: Summary) -> dict[str, str]:
    due = {"due": summary.due.isoformat()} if summary.due else {}
    stuck = {"stuck": "yes"} if summary.is_stuck else {}
    return {
        **due,
        **stuck,
        "phase": summary.phase,
        "created": summary.created.isoformat(),
        "updated": summary.updated.isoformat(),
        "target": summary.target,
    }


class BlobRecords(_StateContainer):
    """`results/<restore>/<task>.<attempt>.json`, written once; `progress/<restore>/<task>.json`."""

    def put_result(self, restore_id: str, result: TaskResult) -> TaskResult:
        name = _result_name(restore_id, result.task, result.attempt)
        try:
            self._write(name, messages.encode_result(result), _ABSENT)
        except ConflictError:
            return messages.decode_result(self._read(name)[0])
        return result

    def result(self, restore_id: str, task: str, attempt: int) -> TaskResult | None:
        try:
            body, _ = self._read(_result_name(restore_id, task, attempt))
        except NotFoundError:
            return None
        return messages.decode_result(body)

    def put_progress(self, restore_id: str, progress: Progress) -> None:
        self._write(
            f"progress/{restore_id}/{progress.task}.json", messages.encode_progress(progress)
        )

    def progress(self, restore_id: str) -> Mapping[str, Progress]:
        names = [blob.name for blob in self._list(f"progress/{restore_id}/")]
        news = filter(None, map(self._news, names))
        return {progress.task: progress for progress in news}

    def _news(self, name: str) -> Progress | None:
        """None for what another release wrote: a restore does not fail for lack of news."""
        try:
            return messages.decode_progress(self._read(name)[0])
        except MessageError as exc:
            log.warning("progress left out", extra={"blob": name, "reason": exc.message})
            return None


def _result_name(restore_id: str, task: str, attempt: int) -> str:
    return f"results/{restore_id}/{task}.{attempt}.json"


class BlobDocuments(_StateContainer):
    """Blobs under their own names in the container of states."""

    def read(self, name: str) -> Document:
        return Document(*self._read(name))

    def write(self, name: str, body: bytes, etag: str | None) -> Document:
        return Document(body, self._write(name, body, etag or _ABSENT))


class BlobLanding:
    """The account Azure Backup writes to. An URL is taken apart, never called."""

    def __init__(self, connection: Connection) -> None:
        self._service = _connect(connection)
        # Whatever a connection string carries behind the path (a shared access signature) is no
        # part of a container's name.
        self._account = self._service.primary_endpoint.partition("?")[0].rstrip("/")

    def close(self) -> None:
        self._service.close()

    def url(self, container: str) -> str:
        return f"{self._account}/{container}"

    def owns(self, url: str) -> bool:
        return _container_of(url, self._account) is not None

    def create(self, url: str, restore_id: str) -> None:
        container = self._container(url)
        with translated(_named(container), _ACCESS_HINT):
            _create(container, {_MARK: restore_id})

    def delete(self, url: str, restore_id: str) -> None:
        container = self._container(url)
        try:
            with translated(_named(container), _ACCESS_HINT):
                found = container.get_container_properties()
                if found.metadata.get(_MARK) != restore_id:
                    raise ConflictError(
                        f"{_named(container)}: expected the mark of restore {restore_id},"
                        " found none or another",
                        "only what was made for a restore is deleted after it",
                    )
                container.delete_container()
        except NotFoundError:
            return

    def made(self) -> Mapping[str, datetime]:
        with translated("containers of the landing account", _ACCESS_HINT):
            found = list(self._service.list_containers("restore-", include_metadata=True))
        marked = ((container.metadata or {}, container) for container in found)
        return {
            metadata[_MARK]: container.last_modified
            for metadata, container in marked
            if container.name == f"restore-{metadata.get(_MARK)}"
        }

    def blobs(self, url: str) -> tuple[Blob, ...]:
        container = self._container(url)
        with translated(_named(container), _ACCESS_HINT):
            found = [Blob(b.name, b.size, _bare(b.etag)) for b in container.list_blobs()]
        return tuple(sorted(found, key=lambda blob: blob.name))

    def read(self, url: str, blob: Blob, offset: int, size_bytes: int) -> bytes:
        size_bytes = min(size_bytes, blob.size_bytes - offset)
        client = self._container(url).get_blob_client(blob.name)
        with translated(f"blob {blob.name!r} of {_named(client)}", _ACCESS_HINT):
            if size_bytes <= 0:
                _check_unchanged(client, blob)
                return b""
            download = client.download_blob(
                offset,
                size_bytes,
                etag=f'"{blob.etag}"',
                match_condition=MatchConditions.IfNotModified,
            )
            return download.readall()

    def stream(self, url: str, blob: Blob) -> Iterator[bytes]:
        """In requests of CHUNK_BYTES, each with the client's own patience."""
        if blob.size_bytes == 0:
            self.read(url, blob, 0, 0)
        for offset in range(0, blob.size_bytes, CHUNK_BYTES):
            yield self.read(url, blob, offset, CHUNK_BYTES)

    def _container(self, url: str) -> ContainerClient:
        name = _container_of(url, self._account)
        if name is None:
            raise NotFoundError(
                f"container: expected one of {self._account}, found another URL",
                "files are only read from the landing account in the setting LandingStorage",
            )
        return self._service.get_container_client(name)


def _container_of(url: str, account: str) -> str | None:
    """The container's name if `url` is one of `account`, compared as text.

    Text, because whatever needs decoding or resolving (userinfo, dots, escapes, a default port
    spelled out) is no URL that Azure or this project would write.
    """
    prefix, _, name = url.rpartition("/")
    return name if prefix == account and _CONTAINER.fullmatch(name) else None


def _create(container: ContainerClient, metadata: dict[str, str] | None = None) -> None:
    try:
        container.create_container(metadata=metadata)
    except ResourceExistsError as exc:
        if code_of(exc) != "ContainerAlreadyExists":  # it is just being deleted
            raise


def _check_unchanged(client: BlobClient, blob: Blob) -> None:
    """A range behind the end has no request of its own, but the same promise."""
    client.get_blob_properties(etag=f'"{blob.etag}"', match_condition=MatchConditions.IfNotModified)


def _bare(etag: str) -> str:
    """A listing gives ETags without quotes, everything else with them; a condition needs them."""
    return etag.strip('"')


def _named(client: ContainerClient | BlobClient) -> str:
    return f"container {client.container_name}"
