"""What the restore needs of the world, as Protocols. Each method says whether it is safe to repeat.

Adapters raise only errors of `restore.errors`: NotFoundError, ConflictError, VaultError, … and
TransientError for what may pass by itself. `tests/contract/` holds every adapter, fake or real, to
the sentences below.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # who needs one port should not have to load what the others speak of
    from restore.core.backup import Instance, Operation, Outcome, RecoveryPoint
    from restore.core.dumps import Blob
    from restore.core.guard import Access
    from restore.core.messages import Progress, Report, TaskResult, Ticket
    from restore.core.state import Restore
    from restore.core.tuning import Setting
    from restore.errors import RestoreError

Clock = Callable[[], datetime]  # now, with the zone UTC


@dataclass(frozen=True, slots=True)
class Stored:
    """A restore as it was loaded; `etag` is what a save must present."""

    restore: Restore
    etag: str


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list of restores."""

    id: str
    phase: str
    created: datetime
    updated: datetime
    target: str
    due: datetime | None = None  # when its next command is to be carried out
    is_stuck: bool = False


class States(Protocol):
    """The state of every restore: one JSON document each, changed only with its ETag."""

    def create(self, restore: Restore) -> Stored:
        """Store a new restore. Raises ConflictError, and changes nothing, if its id is taken."""

    def load(self, restore_id: str) -> Stored:
        """The newest state. Raises NotFoundError if there is none."""

    def save(self, restore: Restore, etag: str) -> Stored:
        """Replace the state that had `etag`. Raises ConflictError if it has another by now."""

    def claim(self, target: str, restore_id: str) -> str:
        """The restore that may work on the server `target`: this one, unless another one does.

        A claim lasts as long as its restore is `at_work`: not while it waits for an approval, nor
        once it has ended, unless it does something after that. Safe to repeat. Raises ConflictError
        if others claim at the same time.
        """

    def summaries(self) -> Iterator[Summary]:
        """All restores, newest first, without loading each."""


class Records(Protocol):
    """What workers leave beside the state: results, which are final, and progress, mere news."""

    def put_result(self, restore_id: str, result: TaskResult) -> TaskResult:
        """Store `result` for its task and attempt unless one is there; returns the one stored.

        Safe to repeat: the first one counts, so two workers on one attempt agree on its end.
        """

    def result(self, restore_id: str, task: str, attempt: int) -> TaskResult | None:
        """The result of that attempt, or None while there is none."""

    def put_progress(self, restore_id: str, progress: Progress) -> None:
        """Replace the task's progress. Losing one is harmless."""

    def progress(self, restore_id: str) -> Mapping[str, Progress]:
        """The newest progress of each task that has any, by task id."""


class Documents(Protocol):
    """Small documents by name, beside the states: rules, marks, histories."""

    def read(self, name: str) -> Document:
        """The newest. Raises NotFoundError if there is none."""

    def write(self, name: str, body: bytes, etag: str | None) -> Document:
        """Replace the one that has `etag`; None: where there is none yet.

        Raises ConflictError if it is otherwise by now.
        """


@dataclass(frozen=True, slots=True)
class Document:
    body: bytes
    etag: str


class Files(Protocol):
    """What lies in containers of the landing account, named by URL."""

    def blobs(self, url: str) -> tuple[Blob, ...]:
        """Every blob in the container, by name. Raises NotFoundError without the container."""

    def read(self, url: str, blob: Blob, offset: int, size_bytes: int) -> bytes:
        """That range, shorter only at the blob's end.

        Raises ConflictError if the blob is no longer the one with `blob.etag`.
        """

    def stream(self, url: str, blob: Blob) -> Iterator[bytes]:
        """The whole blob in order, in bounded memory; carries on after a broken connection.

        Raises as `read` does.
        """


class Landing(Files, Protocol):
    """The storage account where Azure Backup puts files."""

    def url(self, container: str) -> str:
        """The URL of a container of this account, whether it exists or not."""

    def owns(self, url: str) -> bool:
        """Whether `url` is a container of this account, and of nobody else's."""

    def create(self, url: str, restore_id: str) -> None:
        """Create the container, with a mark that says for which restore. Safe to repeat."""

    def delete(self, url: str, restore_id: str) -> None:
        """Delete the container that was created for that restore, with all that is in it.

        Safe to repeat. Raises ConflictError, and deletes nothing, where it does not bear that mark.
        """

    def made(self) -> Mapping[str, datetime]:
        """Ids of the restores that the marks of containers name, and when each was changed last."""


class Ranges(Protocol):
    """One file somewhere, read in any order and by several threads at once."""

    @property
    def name(self) -> str:
        """What to call it in a message; holds no secret."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def version(self) -> str:
        """Another one for other content: an ETag, or whatever comes near it."""

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Just that range, which lies within the file; carries on after a broken connection.

        Raises ConflictError if the file is no longer of that version, TransientError if it cannot
        be reached.
        """


class Vault(Protocol):
    """Azure Backup, by ARM ids. Nothing here waits for a long operation."""

    def instances(self, vault: str) -> tuple[Instance, ...]:
        """Every flexible server protected in `vault`."""

    def points(self, instance: Instance, region: str | None = None) -> tuple[RecoveryPoint, ...]:
        """Its recovery points; those replicated to `region` if one is named."""

    def begin_validation(self, instance: Instance, point: str, landing: Destination) -> Operation:
        """Ask whether the restore would work. Safe to repeat."""

    def begin_restore(self, instance: Instance, point: str, landing: Destination) -> Operation:
        """Start the restore as files. NOT safe to repeat: see `find_restore`."""

    def poll(self, operation: Operation) -> Outcome:
        """How an operation stands; for a restore, success carries the id of its job."""

    def find_restore(self, instance: Instance, landing: Destination) -> str | None:
        """The ARM id of the restore job that writes to `landing`, or None (yet)."""

    def job(self, instance: Instance, job: str, landing: Destination) -> Outcome:
        """How a job stands."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where files go: the container, and the paired region to restore in (None: the vault's)."""

    url: str
    region: str | None = None


class ServerParameters(Protocol):
    """Parameters of flexible servers, by the server's ARM id."""

    def read(self, server: str, names: Collection[str]) -> tuple[Setting, ...]:
        """Those parameters as they are now, by name. Raises NotFoundError for an unknown one."""

    def write(self, server: str, setting: Setting) -> None:
        """Begin to change one; `read` shows it once that is done. Safe to repeat.

        Raises ConflictError while another change is under way.
        """


class LandingAccounts(Protocol):
    """Who gets into storage accounts, by the account's ARM id."""

    def read(self, account: str) -> Access:
        """As it is now. Raises NotFoundError for an unknown account."""

    def write(self, account: str, access: Access, was: Access) -> None:
        """Begin to change what differs from what it `was`, and nothing else of the account; `read`
        shows it once it is so. What others changed since it was so stays. Safe to repeat.
        """


class Bus(Protocol):
    """The queues and the topic.

    A message id that was sent before, within ten minutes, is dropped.
    """

    def send_ticket(self, ticket: Ticket, not_before: datetime | None = None) -> None:
        """Queue a task, visible from `not_before` on. Safe to repeat."""

    def send_report(self, report: Report) -> None:
        """Queue the news of a result. Safe to repeat."""

    def set_aside(self, queue: str, body: bytes, why: RestoreError) -> None:
        """Keep a message of `queue` that nobody can use, with the reason, for a person to see.

        Safe to repeat: the same message is kept once.
        """

    def announce(self, restore_id: str, event: Mapping[str, Any]) -> None:
        """Tell a CloudEvent to whoever listens, after those told before of the same restore.

        Safe to repeat: one that was told within ten minutes is dropped by its id.
        """

    def dead_letters(self) -> Mapping[str, int]:
        """By queue, how many messages were dead-lettered or set aside: at most 100 are counted."""


class Hold(Protocol):
    """A ticket in hand. The lock on its message is renewed until it is settled."""

    @property
    def ticket(self) -> Ticket: ...

    @property
    def trace(self) -> str:
        """The span that sent it; "" where nobody records any."""

    def complete(self) -> None:
        """Take the message off the queue. A lost lock is no error: the copy finds the work done."""

    def give_back(self) -> None:
        """Let another worker have it at once."""

    def refuse(self, code: str, reason: str) -> None:
        """Dead-letter the message. A lost lock is no error: the copy will be refused as well."""


class Inbox(Protocol):
    """The worker's end of the task queue."""

    def take(self, wait_seconds: float) -> AbstractContextManager[Hold | None]:
        """The next ticket within the wait, or None.

        A message that is no ticket is dead-lettered with its reason and never returned. Leaving
        the context unsettled lets the lock expire.
        """


class Signer(Protocol):
    """Puts a signature to reports."""

    def sign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`{"report": body, "signature": …}`; safe to repeat.

        Raises SigningKeyError without a usable key.
        """


class Caller(Protocol):
    """Tells somebody's service of an end."""

    def call(self, url: str, content: bytes, now: datetime) -> None:
        """POST `content`, signed. Safe to repeat.

        Raises TransientError unless it is answered with 2xx, InputError where it may not be sent.
        """


class Secrets(Protocol):
    """Passwords by name: 1 to 127 letters, digits and hyphens. Never logged, never kept."""

    @property
    def can_put(self) -> bool:
        """Whether there is a place to put any; that we may is only known by trying."""

    def get(self, name: str) -> str:
        """The secret's newest value. Raises NotFoundError."""

    def put(self, name: str, value: str) -> None:
        """Make `value` the secret's newest: `get` gives it from now on. Safe to repeat.

        Raises NotFoundError without a place to put it, AccessError where we may not.
        """


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a server. `password` may be a Microsoft Entra token; never printed."""

    host: str
    port: int
    user: str
    password: str
    database: str

    def __repr__(self) -> str:
        return f"Login({self.user}@{self.host}:{self.port}/{self.database})"


__all__ = [
    "Bus",
    "Clock",
    "Destination",
    "Document",
    "Documents",
    "Files",
    "Hold",
    "Inbox",
    "Landing",
    "Login",
    "Ranges",
    "Records",
    "Secrets",
    "ServerParameters",
    "States",
    "Stored",
    "Summary",
    "Vault",
]
