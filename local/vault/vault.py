"""The vault itself: its recovery points, the operations it accepted, the jobs it runs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from azure.storage.blob import BlobServiceClient

from local import processes
from local.part import Part
from local.postgres import PostgresServer
from local.vault import backup, faults
from local.vault.account import Account
from local.vault.backup import RecoveryPoint
from local.vault.faults import Denial, Faults, Refusal
from local.vault.landing import Job, Order, land
from local.vault.names import Names
from local.vault.parameters import Parameters
from local.vault.server import ArmServer


@dataclass(slots=True)
class Operation:
    """A long operation that was accepted: a validation has no job, a failed one an error."""

    id: str
    started: datetime
    job: Job | None = None
    error: Refusal | None = None
    polls: int = 0
    ended: datetime | None = None


class LocalVault(Part):
    """A Backup vault that protects `source` and restores into the account of `storage`.

    `url` is the base URL for azure-mgmt-dataprotection, which needs `enforce_https=False` on each
    call. Set `faults` to make things go wrong; a count in it starts afresh when it is set.
    """

    def __init__(
        self,
        source: PostgresServer | None,
        storage: str,
        *,
        names: Names | None = None,
        faults: Faults | None = None,
    ) -> None:
        """`storage` is a connection string; `source` may be None where no backup is taken."""
        self.names = names or Names()
        self.faults = faults or Faults()
        self.parameters = Parameters()
        self.account = Account()
        self._source = source
        self._points: list[RecoveryPoint] = []
        self._jobs: dict[str, Job] = {}
        self._operations: dict[str, Operation] = {}
        self._blobs = BlobServiceClient.from_connection_string(
            storage, retry_total=1, use_env_settings=False
        )
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._folder: processes.Folder | None = None
        self._arm: ArmServer | None = None

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, new: Faults) -> None:
        self._faults = new
        self._to_throttle = new.throttled
        self._to_lose = new.lost_answers

    @property
    def url(self) -> str:
        """The base URL of its management API."""
        assert self._arm is not None, "start() comes first"
        return self._arm.url

    @property
    def landing_account_id(self) -> str:
        """The ARM id of the account it restores into."""
        return self.names.storage_account_id(self._blobs.account_name or "")

    def start(self) -> Self:
        self._folder = processes.Folder("vault")
        self._arm = ArmServer(self)
        self._arm.start()
        return self

    def stop(self) -> None:
        """Stop answering, end the jobs, remove the backups; safe to repeat."""
        self._stopped.set()
        if self._arm is not None:
            self._arm.stop()
        for thread in self._threads:
            thread.join()
        self._blobs.close()
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def take_backup(self, *, at: datetime | None = None, complete: bool = True) -> RecoveryPoint:
        """Back the source up now; the recovery point says `at`, if given.

        Raises ToolError when a client program fails.
        """
        assert self._source is not None, "this vault has no source to back up"
        assert self._folder is not None, "start() comes first"
        started = at or datetime.now(UTC)
        folder = self._folder.path / uuid.uuid4().hex
        folder.mkdir(mode=0o700)
        files = backup.dump(self._source, folder, started, complete=complete)
        return self._keep(files, started, at or datetime.now(UTC), complete)

    def add_backup(self, folder: Path, *, at: datetime | None = None) -> RecoveryPoint:
        """Make files made elsewhere a recovery point; they stay where they are.

        What tells when a backup began is added if it is not among them: `at`, or else the time of
        the oldest file.
        """
        assert self._folder is not None, "start() comes first"
        files = backup.adopt(folder)
        oldest = min((file.path.stat().st_mtime for file in files), default=time.time())
        moment = at or datetime.fromtimestamp(oldest, UTC)
        if backup.MARKER not in {file.name for file in files}:
            files = (backup.marker(self._folder.path, moment), *files)
        return self._keep(files, moment, moment, True)

    def _keep(
        self, files: tuple[backup.File, ...], started: datetime, time: datetime, complete: bool
    ) -> RecoveryPoint:
        point = RecoveryPoint(uuid.uuid4().hex, started, time, complete, files)
        self._points.append(point)
        return point

    def points(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> list[RecoveryPoint]:
        """The recovery points from `start` to `end`, newest first."""
        fit = [
            point
            for point in self._points
            if (start is None or start <= point.time) and (end is None or point.time <= end)
        ]
        return sorted(fit, key=lambda point: point.time, reverse=True)

    def point(self, point_id: str) -> RecoveryPoint:
        """Raises Refusal when there is none of that id."""
        for point in self._points:
            if point.id == point_id:
                return point
        raise faults.not_found(f"recoveryPoints/{point_id}")

    def validate(self, order: Order) -> Operation:
        """Check an order, no more. Raises Refusal, or returns an operation that fails with it."""
        try:
            self._check(order)
        except Refusal as refusal:
            if self.faults.permission_missing is not Denial.LATER:
                raise
            return self._accept(error=refusal)
        return self._accept()

    def restore(self, order: Order) -> Operation:
        """Start the restore; its files appear in the container one after the other."""
        self._check(order)
        job = Job(order, self.point(order.point))
        container = self._blobs.get_container_client(_container(order.url))
        thread = threading.Thread(
            target=land,
            args=(job, container, self.faults, self._stopped),
            name=f"job-{job.id}",
            daemon=True,
        )
        self._threads.append(thread)
        self._jobs[job.id] = job
        operation = self._accept(job=job)
        thread.start()
        return operation

    def _check(self, order: Order) -> None:
        """What Azure Backup checks before a restore."""
        self.point(order.point)
        name = _container(order.url)
        account = self._blobs.account_name or ""
        if order.url != f"{self._blobs.url.rstrip('/')}/{name}":
            raise faults.container_missing(order.url)
        if not self._blobs.get_container_client(name).exists():
            raise faults.container_missing(order.url)
        expected = self.names.container_id(account, name).lower()
        elsewhere = self.names.storage_subscription != self.names.subscription
        if order.container_id.lower() != expected and (order.container_id or elsewhere):
            raise faults.wrong_container_id()
        if self.faults.permission_missing:
            raise faults.permission_missing()
        if not self.account.lets_in(self.names.vault_id):
            raise faults.account_locked()

    def _accept(self, job: Job | None = None, error: Refusal | None = None) -> Operation:
        operation = Operation(str(uuid.uuid4()), datetime.now(UTC), job, error)
        self._operations[operation.id] = operation
        return operation

    def operation(self, operation_id: str) -> Operation:
        """Look at an operation once more; `Faults.operation_polls` looks later it has ended."""
        operation = self._operations[operation_id]
        with self._changing:
            operation.polls += 1
            if operation.ended is None and operation.polls > self.faults.operation_polls:
                operation.ended = datetime.now(UTC)
        return operation

    def job(self, job_id: str, *, cross_region: bool = False) -> tuple[Job, str]:
        """A job and the status it shows. Raises Refusal when there is none of that id."""
        job = self._jobs.get(job_id)
        if job is None or job.order.cross_region != cross_region:
            raise faults.not_found(f"backupJobs/{job_id}")
        return job, self._look_at(job)

    def jobs(self, *, cross_region: bool = False) -> Iterable[tuple[Job, str]]:
        """All jobs, newest first, each with the status it shows."""
        newest_first = sorted(self._jobs.values(), key=lambda job: job.started, reverse=True)
        fit = [job for job in newest_first if job.order.cross_region == cross_region]
        return [(job, self._look_at(job)) for job in fit]

    def _look_at(self, job: Job) -> str:
        """The status it shows this time."""
        with self._changing:
            job.polls += 1
        if job.ended is None or job.polls <= self.faults.job_polls:
            return "InProgress"
        return "Failed" if job.error else "Completed"

    def throttles(self) -> bool:
        """Whether this request is one too many."""
        with self._changing:
            self._to_throttle -= 1
            return self._to_throttle >= 0

    def loses_answer(self) -> bool:
        """Whether the answer to this accepted restore gets lost."""
        with self._changing:
            self._to_lose -= 1
            return self._to_lose >= 0


def _container(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[-1]
