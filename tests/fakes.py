"""The ports of the Azure side in memory, for tests of what uses them.

`tests/contract/` holds them to the same sentences as the real adapters. What can go wrong is a
plain attribute to set.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from restore import telemetry
from restore.core import messages, state
from restore.core.backup import Instance, Operation, OperationState, Outcome, RecoveryPoint
from restore.core.dumps import Blob
from restore.core.guard import Access
from restore.core.messages import POISON, REPORTS, TASKS, Progress, Report, TaskResult, Ticket
from restore.core.state import Restore
from restore.core.tuning import BY_DEFAULT, Setting
from restore.errors import ConflictError, MessageError, NotFoundError, RestoreError, TransientError
from restore.ports import Clock, Destination, Document, Hold, Stored, Summary


def utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryStates:
    """States as the bytes they would be stored as, so that what is lost in JSON is lost here."""

    def __init__(self) -> None:
        self._stored: dict[str, tuple[bytes, str]] = {}
        self._claims: dict[str, str] = {}
        self._etags = map(str, itertools.count(1))
        self._changing = threading.Lock()

    def claim(self, target: str, restore_id: str) -> str:
        with self._changing:
            holder = self._claims.get(target, restore_id)
            if holder not in self._stored or not self.load(holder).restore.at_work:
                holder = restore_id
            self._claims[target] = holder
            return holder

    def create(self, restore: Restore) -> Stored:
        with self._changing:
            if restore.id in self._stored:
                raise ConflictError(f"restore {restore.id}: expected none, found one")
            return self._put(restore)

    def load(self, restore_id: str) -> Stored:
        try:
            body, etag = self._stored[restore_id]
        except KeyError:
            raise NotFoundError(f"restore {restore_id}: expected one, found none") from None
        return Stored(state.decode(body), etag)

    def save(self, restore: Restore, etag: str) -> Stored:
        with self._changing:
            if self._stored.get(restore.id, (b"", ""))[1] != etag:
                raise ConflictError(f"restore {restore.id}: expected etag {etag}, found another")
            return self._put(restore)

    def summaries(self) -> Iterator[Summary]:
        restores = [self.load(restore_id).restore for restore_id in list(self._stored)]
        for restore in sorted(restores, key=lambda r: r.created, reverse=True):
            address = restore.request.target.address
            phase, due = restore.phase.value, [command.due for command in restore.outbox]
            yield Summary(
                restore.id,
                phase,
                restore.created,
                restore.updated,
                address,
                min(due, default=None),
                bool(restore.stuck),
            )

    def _put(self, restore: Restore) -> Stored:
        etag = next(self._etags)
        self._stored[restore.id] = (state.encode(restore), etag)
        return Stored(restore, etag)


class MemoryRecords:
    def __init__(self) -> None:
        self._results: dict[tuple[str, str, int], bytes] = {}
        self._progress: dict[tuple[str, str], bytes] = {}

    def put_result(self, restore_id: str, result: TaskResult) -> TaskResult:
        key = (restore_id, result.task, result.attempt)
        body = self._results.setdefault(key, messages.encode_result(result))
        return messages.decode_result(body)

    def result(self, restore_id: str, task: str, attempt: int) -> TaskResult | None:
        body = self._results.get((restore_id, task, attempt))
        return None if body is None else messages.decode_result(body)

    def put_progress(self, restore_id: str, progress: Progress) -> None:
        self._progress[restore_id, progress.task] = messages.encode_progress(progress)

    def progress(self, restore_id: str) -> Mapping[str, Progress]:
        return {
            task: messages.decode_progress(body)
            for (owner, task), body in self._progress.items()
            if owner == restore_id
        }


@dataclass
class MemoryLandingAccounts:
    """Who gets into accounts, by their ids."""

    accounts: dict[str, Access]

    def read(self, account: str) -> Access:
        try:
            return self.accounts[account]
        except KeyError:
            raise NotFoundError(f"landing account {account}: expected one, found none") from None

    def write(self, account: str, access: Access, was: Access) -> None:
        self.accounts[account] = access.since(was, self.read(account))


class MemoryDocuments:
    def __init__(self, **documents: bytes) -> None:
        self._etags = map(str, itertools.count(1))
        self._documents = {name: Document(body, "0") for name, body in documents.items()}
        self._changing = threading.Lock()

    def read(self, name: str) -> Document:
        try:
            return self._documents[name]
        except KeyError:
            raise NotFoundError(f"document {name}: expected one, found none") from None

    def write(self, name: str, body: bytes, etag: str | None) -> Document:
        with self._changing:
            known = self._documents.get(name)
            if (known.etag if known else None) != etag:
                raise ConflictError(f"document {name}: expected etag {etag}, found another")
            self._documents[name] = Document(body, next(self._etags))
            return self._documents[name]


class MemoryLanding:
    """One account; `put` is what Azure Backup, or a person with the portal, would do."""

    def __init__(
        self, account: str = "https://landing.blob.core.windows.net", clock: Clock = utc_now
    ) -> None:
        self.clock = clock
        self._account = account
        self._marks: dict[str, tuple[str, datetime]] = {}
        self._containers: dict[str, dict[str, tuple[bytes, str]]] = {}
        self._etags = (f"0x{number:X}" for number in itertools.count(1))
        self.chunk_bytes = 4 * 1024 * 1024

    def put(self, url: str, name: str, content: bytes) -> Blob:
        etag = next(self._etags)
        self._container(url)[name] = (content, etag)
        return Blob(name, len(content), etag)

    def drop(self, url: str) -> None:
        """As somebody with the portal would."""
        del self._containers[self._name(url)]

    def url(self, container: str) -> str:
        return f"{self._account}/{container}"

    def owns(self, url: str) -> bool:
        prefix, _, name = url.rpartition("/")
        plain = name.replace("-", "").isalnum() and name.isascii() and name == name.lower()
        return prefix == self._account and plain and 3 <= len(name) <= 63

    def create(self, url: str, restore_id: str) -> None:
        if self._name(url) not in self._containers:
            self._marks[self._name(url)] = (restore_id, self.clock())
        self._containers.setdefault(self._name(url), {})

    def delete(self, url: str, restore_id: str) -> None:
        name = self._name(url)
        if name in self._containers and self._marks.get(name, ("",))[0] != restore_id:
            raise ConflictError(f"container {name}: expected a mark of {restore_id}, found another")
        self._containers.pop(name, None)
        self._marks.pop(name, None)

    def made(self) -> Mapping[str, datetime]:
        return {
            restore_id: changed
            for name, (restore_id, changed) in self._marks.items()
            if name == f"restore-{restore_id}"
        }

    def blobs(self, url: str) -> tuple[Blob, ...]:
        found = self._container(url)
        return tuple(Blob(name, len(found[name][0]), found[name][1]) for name in sorted(found))

    def read(self, url: str, blob: Blob, offset: int, size_bytes: int) -> bytes:
        content, etag = self._container(url).get(blob.name, (b"", None))
        if etag is None:
            raise NotFoundError(f"blob {blob.name!r}: expected it, found none")
        if etag != blob.etag:
            raise ConflictError(f"blob {blob.name!r}: expected {blob.etag}, found {etag}")
        return content[offset : offset + size_bytes]

    def stream(self, url: str, blob: Blob) -> Iterator[bytes]:
        for offset in range(0, max(blob.size_bytes, 1), self.chunk_bytes):
            if chunk := self.read(url, blob, offset, self.chunk_bytes):
                yield chunk

    def _name(self, url: str) -> str:
        if not self.owns(url):
            raise NotFoundError(f"container: expected one of {self._account}, found another URL")
        return url.rpartition("/")[2]

    def _container(self, url: str) -> dict[str, tuple[bytes, str]]:
        try:
            return self._containers[self._name(url)]
        except KeyError:
            raise NotFoundError(f"container {url}: expected it, found none") from None


@dataclass
class _Job:
    id: str
    landing: Destination
    files: Mapping[str, bytes]
    polls: int = 0
    written: bool = False


class MemoryServerParameters:
    """One server's parameters. `busy` is how many writes are refused first."""

    def __init__(self, server: str, values: Mapping[str, str]) -> None:
        self.busy = 0
        self._server = server
        self._defaults = dict(values)
        self._values = {name: Setting(name, v, BY_DEFAULT) for name, v in values.items()}

    def read(self, server: str, names: Collection[str]) -> tuple[Setting, ...]:
        if server.lower() != self._server.lower():
            raise NotFoundError(f"server {server!r}: expected one, found none")
        if missing := sorted(set(names) - set(self._values)):
            raise NotFoundError(f"server parameters: expected {missing[0]!r}, found none")
        return tuple(self._values[name] for name in sorted(names))

    def write(self, server: str, setting: Setting) -> None:
        self.read(server, [setting.name])
        if self.busy:
            self.busy -= 1
            raise ConflictError("server parameters: expected no other change, found one")
        default = setting.source == BY_DEFAULT
        value = self._defaults[setting.name] if default else setting.value
        self._values[setting.name] = replace(setting, value=value)


class MemoryVault:
    """A vault whose jobs are done after `polls` looks; the last one finds the files written."""

    def __init__(self, landing: MemoryLanding, polls: int = 1) -> None:
        self.polls = polls
        self.refusal: RestoreError | None = None  # what validating and triggering raise
        self.job_failure: Outcome | None = None  # how jobs end instead
        self.lost_answers = 0  # so many accepted restores look like a broken connection
        self.restores_begun = 0
        self._landing = landing
        self._instances: list[Instance] = []
        self._points: list[tuple[Instance, str | None, RecoveryPoint, Mapping[str, bytes]]] = []
        self._jobs: dict[str, _Job] = {}
        self._operations: dict[str, tuple[str, int]] = {}  # URL -> job id ("": none), polls

    def protect(self, instance: Instance) -> None:
        self._instances.append(instance)

    def back_up(
        self,
        instance: Instance,
        point: RecoveryPoint,
        files: Mapping[str, bytes],
        region: str | None = None,
    ) -> None:
        """Make a recovery point; `region` is the paired one it is replicated to, if any."""
        self._points.append((instance, region, point, files))

    def instances(self, vault: str) -> tuple[Instance, ...]:
        return tuple(i for i in self._instances if i.vault.lower() == vault.lower())

    def points(self, instance: Instance, region: str | None = None) -> tuple[RecoveryPoint, ...]:
        far = region not in (None, instance.region)
        return tuple(
            point
            for owner, replica, point, _ in self._points
            if owner == instance and (not far or replica == region)
        )

    def begin_validation(self, instance: Instance, point: str, landing: Destination) -> Operation:
        self._check(instance, point, landing)
        return self._accept("")

    def begin_restore(self, instance: Instance, point: str, landing: Destination) -> Operation:
        files = self._check(instance, point, landing)
        self.restores_begun += 1
        job = _Job(f"{instance.vault}/backupJobs/job-{self.restores_begun}", landing, files)
        self._jobs[job.id] = job
        if self.lost_answers:
            self.lost_answers -= 1
            raise TransientError("restore: expected an answer, found a broken connection")
        return self._accept(job.id)

    def poll(self, operation: Operation) -> Outcome:
        if operation.status_url not in self._operations:
            raise NotFoundError(f"operation {operation.status_url}: expected it, found none")
        job, polls = self._operations[operation.status_url]
        self._operations[operation.status_url] = (job, polls + 1)
        if polls < self.polls:
            return Outcome(OperationState.RUNNING)
        return Outcome(OperationState.SUCCEEDED, job=job)

    def find_restore(self, instance: Instance, landing: Destination) -> str | None:
        fit = (job.id for job in self._jobs.values() if job.landing == landing)
        return next((job for job in fit if job.startswith(instance.vault)), None)

    def job(self, instance: Instance, job: str, landing: Destination) -> Outcome:
        found = self._jobs.get(job)
        if found is None or found.landing.region != landing.region:
            raise NotFoundError(f"backup job {job}: expected it, found none")
        found.polls += 1
        if found.polls <= self.polls:
            return Outcome(OperationState.RUNNING)
        if self.job_failure is not None:
            return self.job_failure
        if not found.written:
            found.written = True
            for name, content in found.files.items():
                self._landing.put(found.landing.url, name, content)
        return Outcome(OperationState.SUCCEEDED, job=job)

    def _check(self, instance: Instance, point: str, landing: Destination) -> Mapping[str, bytes]:
        if self.refusal is not None:
            raise self.refusal
        self._landing.blobs(landing.url)
        for owner, _, known, files in self._points:
            if owner == instance and known.id == point:
                return files
        raise NotFoundError(f"recovery point {point}: expected it, found none")

    def _accept(self, job: str) -> Operation:
        url = f"https://management.azure.com/operations/{len(self._operations) + 1}?s=signed"
        self._operations[url] = (job, 0)
        return Operation(url)


@dataclass
class _Message:
    queue: str
    id: str
    body: bytes
    visible: datetime
    trace: str = ""
    deliveries: int = 0
    is_held: bool = False


@dataclass(frozen=True)
class DeadLetter:
    body: bytes
    reason: str
    queue: str = TASKS


@dataclass
class MemoryBus:
    """Both queues, with locks, schedules and duplicate detection by `clock`.

    A lock is renewed as long as its context is open; one that is left unsettled expires
    `lock_seconds` later.
    """

    clock: Clock = utc_now
    lock_seconds: float = 60
    duplicate_seconds: float = 600
    max_deliveries: int = 10
    buried: list[DeadLetter] = field(default_factory=list)
    set_aside_messages: list[DeadLetter] = field(default_factory=list)
    announced: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _messages: list[_Message] = field(default_factory=list)
    _sent: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def send_ticket(self, ticket: Ticket, not_before: datetime | None = None) -> None:
        self.send(TASKS, ticket.message_id, messages.encode_ticket(ticket), not_before)

    def send_report(self, report: Report) -> None:
        self.send(REPORTS, report.message_id, messages.encode_report(report))

    def set_aside(self, queue: str, body: bytes, why: RestoreError) -> None:
        kept = DeadLetter(body, why.code, queue)
        if kept not in self.set_aside_messages:
            self.set_aside_messages.append(kept)

    def announce(self, restore_id: str, event: Mapping[str, Any]) -> None:
        if event["id"] not in {known["id"] for _, known in self.announced}:
            self.announced.append((restore_id, dict(event)))

    def dead_letters(self) -> Mapping[str, int]:
        return {
            TASKS: len(self.buried),
            REPORTS: 0,
            POISON: len(self.set_aside_messages),
        }

    def send(
        self, queue: str, message_id: str, body: bytes, not_before: datetime | None = None
    ) -> None:
        """Any bytes: what is not ours on a queue is part of life, too."""
        now = self.clock()
        with self._changed:
            last = self._sent.get((queue, message_id))
            if last is not None and now - last < timedelta(seconds=self.duplicate_seconds):
                return
            self._sent[queue, message_id] = now
            visible = not_before or now
            self._messages.append(_Message(queue, message_id, body, visible, telemetry.here()))
            self._changed.notify_all()

    def reports(self) -> list[bytes]:
        """What a Service Bus trigger would get next, taken off the queue."""
        with self._changed:
            taken = [message for message in self._messages if message.queue == REPORTS]
            self._messages = [message for message in self._messages if message.queue != REPORTS]
        return [message.body for message in taken]

    @property
    def tickets(self) -> list[Ticket]:
        """What is on the task queue, in hand or scheduled included."""
        return [messages.decode_ticket(m.body) for m in self._messages if m.queue == TASKS]

    def expire_locks(self) -> None:
        """Whatever is in hand can be had by others at once; whoever has it does not notice."""
        with self._changed:
            for message in self._messages:
                message.is_held = False

    @contextmanager
    def take(self, wait_seconds: float) -> Iterator[Hold | None]:
        with self._changed:
            self._changed.wait_for(lambda: self._next() is not None, wait_seconds)
            taken = self._next()
            if taken is None:
                hold = None
            else:
                taken.is_held = True
                taken.deliveries += 1
                hold = MemoryHold(
                    messages.decode_ticket(taken.body),
                    self._settler(taken),
                    self._refuser(taken),
                    taken.trace,
                )
        try:
            yield hold
        finally:
            if hold is not None and taken is not None:
                self._let_go(taken, hold.settled)

    def _next(self) -> _Message | None:
        """The first ticket that can be had; whatever is none is dead-lettered on the way."""
        for message in list(self._messages):
            if message.queue != TASKS or message.is_held or message.visible > self.clock():
                continue
            if message.deliveries >= self.max_deliveries:
                self._bury(message, "MaxDeliveryCountExceeded")
                continue
            try:
                messages.decode_ticket(message.body)
            except MessageError as exc:
                self._bury(message, exc.code)
                continue
            return message
        return None

    def _bury(self, message: _Message, reason: str) -> None:
        self._messages.remove(message)
        self.buried.append(DeadLetter(message.body, reason))

    def _settler(self, message: _Message) -> Callable[[bool], None]:
        def settle(is_done: bool) -> None:
            with self._changed:
                message.is_held = False
                message.visible = self.clock()
                if is_done and message in self._messages:
                    self._messages.remove(message)
                self._changed.notify_all()

        return settle

    def _refuser(self, message: _Message) -> Callable[[str], None]:
        def refuse(reason: str) -> None:
            with self._changed:
                if message in self._messages:
                    self._bury(message, reason)
                self._changed.notify_all()

        return refuse

    def _let_go(self, message: _Message, is_settled: bool) -> None:
        if not is_settled:
            with self._changed:
                message.is_held = False
                message.visible = self.clock() + timedelta(seconds=self.lock_seconds)


class MemoryHold:
    def __init__(
        self,
        ticket: Ticket,
        settle: Callable[[bool], None],
        refuse: Callable[[str], None] = lambda _: None,
        trace: str = "",
    ) -> None:
        self.ticket = ticket
        self.trace = trace
        self.settled = False
        self._settle = settle
        self._refuse = refuse

    @property
    def lost(self) -> bool:
        return False

    def complete(self) -> None:
        self._once(True)

    def give_back(self) -> None:
        self._once(False)

    def refuse(self, code: str, reason: str) -> None:
        if not self.settled:
            self.settled = True
            self._refuse(code)

    def _once(self, is_done: bool) -> None:
        if not self.settled:
            self.settled = True
            self._settle(is_done)


class MemorySecrets:
    can_put = True

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets = dict(secrets or {})

    def put(self, name: str, value: str) -> None:
        self._secrets[name] = value

    def get(self, name: str) -> str:
        try:
            return self._secrets[name]
        except KeyError:
            raise NotFoundError(f"secret {name!r}: expected one, found none") from None

    def __repr__(self) -> str:
        return f"MemorySecrets({sorted(self._secrets)})"


__all__ = [
    "DeadLetter",
    "MemoryBus",
    "MemoryHold",
    "MemoryLanding",
    "MemoryRecords",
    "MemorySecrets",
    "MemoryStates",
    "MemoryVault",
]


@dataclass
class MemoryCaller:
    """Somebody's service, which is not to be reached for the first `failures` calls."""

    failures: int = 0
    called: list[tuple[str, bytes]] = field(default_factory=list)

    def call(self, url: str, content: bytes, now: datetime) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError(f"callback to {url}: expected an answer, found none")
        self.called.append((url, content))
