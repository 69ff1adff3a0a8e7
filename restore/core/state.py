"""Everything known about one restore: values, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from restore.core.backup import Instance, Operation, RecoveryPoint
from restore.core.dumps import Blob
from restore.core.messages import Failure, TaskResult, Ticket
from restore.core.plan import Plan
from restore.core.request import RestoreRequest
from restore.core.shape import shape
from restore.core.tuning import Setting


class Phase(StrEnum):
    REQUESTED = "requested"
    EXTRACTING = "extracting"  # Azure Backup writes the files
    PREPARING = "preparing"  # a worker reads them and the target, and plans
    AWAITING_APPROVAL = "awaiting_approval"  # of the plan, by a person
    RESTORING = "restoring"  # into staging databases
    FINISHING = "finishing"  # publishing, or taking back what was begun
    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_WARNINGS = "succeeded_with_warnings"
    PARTIAL = "partial"  # published, but something was lost, which the status lists
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset(
    {
        Phase.SUCCEEDED,
        Phase.SUCCEEDED_WITH_WARNINGS,
        Phase.PARTIAL,
        Phase.FAILED,
        Phase.CANCELLED,
    }
)


class Do(StrEnum):
    """What a flow can be told to do. One word, one call to one port."""

    FIND_POINT = "find-point"
    CREATE_CONTAINER = "create-container"
    OPEN = "open"  # the landing account, to Azure Backup
    VALIDATE = "validate"
    POLL_VALIDATION = "poll-validation"
    TRIGGER = "trigger"
    POLL_TRIGGER = "poll-trigger"
    POLL_JOB = "poll-job"
    LIST_FILES = "list-files"
    SHUT = "shut"  # the landing account, unless others need it open
    CLAIM = "claim"  # the target server, for this restore alone
    SEND = "send"
    WATCH = "watch"  # look for results whose report was lost, and for workers that fell silent
    EXPIRE = "expire"  # an approval that never came
    RETIRE = "retire"  # what was replaced, once it is too late to undo
    TUNE = "tune"  # the server's parameters, before it is restored to
    UNTUNE = "untune"  # put back as they were
    PURGE = "purge"  # the container that was made for the vault's files
    ANNOUNCE = "announce"  # to others, what has happened
    CALL = "call"  # back, whoever wants to be told of the end
    COLLECT = "collect"  # debts: what should have been given back, and was not


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do, not before `due`."""

    do: Do
    due: datetime
    ticket: Ticket | None = None
    not_before: datetime | None = None  # when the ticket may be taken
    begun: datetime | None = None  # a trigger: when it was last tried; others: asked since
    failures: int = 0


class TaskState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


SETTLES = frozenset({"finish", "cleanup", "undo", "retire", "debts"})
"""Tasks that give back all they can: what they could not is all that is owed by then."""

CARRIED_THROUGH = SETTLES | {"publish"}
"""Kinds of tasks that are seen through once they were sent, though the restore is stopping."""


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work for a worker.

    prepare, roles, tablespaces, database-<n>, publish-<n>, finish; cleanup after a failure; and
    undo, retire and debts when all that is over.
    """

    id: str
    state: TaskState = TaskState.WAITING
    attempt: int = 1
    sent: datetime | None = None
    failures: tuple[Failure, ...] = ()  # how earlier attempts ended
    since: datetime | None = None  # when this attempt was first sent
    taken: bool = False  # a worker gave a sign of life for this attempt
    result: TaskResult | None = None

    @property
    def kind(self) -> str:
        return self.id.partition("-")[0]

    @property
    def database(self) -> int | None:
        """The index in `plan.databases` of the database it restores or publishes, if any."""
        _, _, index = self.id.partition("-")
        return int(index) if index else None


class UndoState(StrEnum):
    OPEN = "open"  # what was replaced is kept
    ASKED = "asked"
    DONE = "done"  # it has its name again; what was restored is kept
    CLOSING = "closing"
    CLOSED = "closed"  # what nobody wanted back is gone


@dataclass(frozen=True, slots=True)
class Undo:
    """Whether what was replaced can be had back, and until when."""

    state: UndoState
    until: datetime
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    at: datetime
    phase: Phase


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that has happened, and that others are still to be told."""

    number: int
    type: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Restore:
    """Everything known about one restore. Stored as JSON, never changed in place."""

    id: str  # 16 hex digits
    request: RestoreRequest
    container: str  # URL of the container the files are in, or will be
    created: datetime
    updated: datetime
    phase: Phase = Phase.REQUESTED
    outbox: tuple[Command, ...] = ()
    instance: Instance | None = None
    point: RecoveryPoint | None = None
    operation: Operation | None = None  # the one Azure is working on
    job: str | None = None  # ARM id
    landed: tuple[str, ...] = ()  # names, as events told
    files: tuple[Blob, ...] = ()  # as last listed
    listed: bool = False
    quiet_since: datetime | None = None  # listings have been equal since then
    waits_for: str = ""  # the restore that works on the target server now
    plan: Plan | None = None
    tasks: tuple[Task, ...] = ()
    data_as_of: str = ""
    tuned: tuple[Setting, ...] | None = None  # parameters of the server as they were before
    approved: str = ""  # the hash of the plan that somebody agreed to
    published: tuple[int, ...] = ()  # of `plan.databases`: those that got their names
    undo: Undo | None = None
    debts: tuple[str, ...] = ()  # what should have been given back or dropped, and was not
    debt_tries: int = 0  # how often that was tried since
    purged: datetime | None = None  # when the files were deleted
    opened: bool = False  # the landing account, or is about to
    stuck: str = ""  # what has not gone on for too long
    after: str = ""  # the task that is to be done after the end, once the server is ours
    failure: Failure | None = None
    cancelled: bool = False
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()
    announcements: tuple[Announcement, ...] = ()  # not told yet, in their order
    announced: int = 0  # how many there have been
    trace: str = ""  # the span that asked for it, as whoever records it wrote it down
    version: Literal[1] = 1

    @property
    def stopping(self) -> bool:
        """Whether no more work is wanted: workers stop, and only the cleanup still runs."""
        return self.cancelled or self.failure is not None

    @property
    def ended(self) -> bool:
        return self.phase in FINAL

    @property
    def at_work(self) -> bool:
        """Whether it keeps others from working on its target server."""
        if not self.ended:
            return self.phase is not Phase.AWAITING_APPROVAL
        sent = any(task.state is TaskState.SENT for task in self.tasks)
        busy = (Do.CLAIM, Do.SEND, Do.UNTUNE)
        return sent or any(command.do in busy for command in self.outbox)

    @property
    def ended_at(self) -> datetime | None:
        return next((change.at for change in self.history if change.phase in FINAL), None)

    def task(self, task_id: str) -> Task | None:
        return next((task for task in self.tasks if task.id == task_id), None)


def encode(restore: Restore) -> bytes:
    """The state as JSON. What is None is left out: nobody has to know the field."""
    return shape(Restore).dump_json(restore, by_alias=True, exclude_none=True)


def decode(body: bytes) -> Restore:
    """The state that `encode` wrote, here or in another release.

    What an older release did not write has its default; what a newer one added is left out, and is
    lost when the state is saved. Raises ValueError for a version or a word that this one does not
    know: such a state is left alone.
    """
    return shape(Restore).validate_json(body, extra="ignore")
