"""A restore as files: the order as it was posted, the job it becomes, and the upload."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import ContainerClient, ContentSettings

from local.vault import faults
from local.vault.backup import File, RecoveryPoint
from local.vault.faults import Faults, Refusal

_CONTENT = ContentSettings(content_type="application/octet-stream")


@dataclass(frozen=True, slots=True)
class Order:
    """What a restore request asks for."""

    point: str
    url: str
    container_id: str  # "" if not given
    file_prefix: str
    cross_region: bool = False

    @classmethod
    def read(cls, body: dict[str, Any], *, cross_region: bool = False) -> Order:
        """The order in a bare restore request. Raises Refusal for any other kind of restore."""
        try:
            target = body["restoreTargetInfo"]
            details = target["targetDetails"]
            kinds = (
                body["objectType"],
                body["sourceDataStoreType"],
                target["objectType"],
                target["recoveryOption"],
                details["restoreTargetLocationType"],
            )
            order = cls(
                body["recoveryPointId"],
                details["url"],
                details.get("targetResourceArmId") or "",
                details["filePrefix"],
                cross_region,
            )
        except (KeyError, TypeError) as missing:
            raise faults.bad_request(f"the restore request lacks {missing}") from missing
        if kinds != _RESTORE_AS_FILES:
            raise Refusal(
                400,
                "RestoreToTargetServerNotSupported",
                f"Flexible servers are restored as files: expected {_RESTORE_AS_FILES}.",
            )
        return order


_RESTORE_AS_FILES = (
    "AzureBackupRecoveryPointBasedRestoreRequest",
    "VaultStore",
    "RestoreFilesTargetInfo",
    "FailIfExists",
    "AzureBlobs",
)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Job:
    """A restore under way or done: its thread writes `ended` last, once the rest is right."""

    order: Order
    point: RecoveryPoint
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    activity: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=_now)
    ended: datetime | None = None
    error: Refusal | None = None
    transferred_bytes: int = 0
    polls: int = 0


def land(
    job: Job, container: ContainerClient, faults_now: Faults, stopped: threading.Event
) -> None:
    """Put the files of the job's recovery point into `container`, and end the job.

    The outermost frame of a thread: whatever goes wrong becomes the job's error. Files that are
    late (`Faults.late_blobs`) come after the job has ended, or never if the vault stops.
    """
    files = job.point.files
    in_time = len(files) - faults_now.late_blobs
    try:
        _upload(job, container, files[:in_time], faults_now, stopped)
    except Refusal as refusal:
        job.error = refusal
    except Exception as error:
        job.error = Refusal(500, "CloudInternalError", f"{type(error).__name__}: {error}")
    job.ended = _now()
    if job.error is None and not stopped.wait(faults_now.late_seconds if files[in_time:] else 0):
        with suppress(Refusal, AzureError):
            _upload(job, container, files[in_time:], faults_now, stopped)


def _upload(
    job: Job,
    container: ContainerClient,
    files: Sequence[File],
    faults_now: Faults,
    stopped: threading.Event,
) -> None:
    for file in files:
        if stopped.wait(faults_now.seconds_per_blob):
            raise Refusal(500, "OperationCancelled", "the vault was stopped")
        job.transferred_bytes += _upload_blob(container, file, faults_now.truncated)
        if faults_now.job_failed:
            raise Refusal(500, faults_now.job_failed, "The restore failed.", "Try again later.")


def _upload_blob(container: ContainerClient, file: File, truncated: str) -> int:
    size_bytes = file.path.stat().st_size
    try:
        if truncated and file.name.endswith(f"_database_{truncated}.sql"):
            half = BytesIO(_head(file.path, size_bytes // 2))
            container.upload_blob(file.name, half, content_settings=_CONTENT)
        else:
            with file.path.open("rb") as source:
                container.upload_blob(file.name, source, content_settings=_CONTENT)
    except ResourceExistsError as error:
        raise faults.blob_exists(file.name) from error
    return size_bytes


def _head(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as source:
        return source.read(size_bytes)
