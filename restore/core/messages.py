"""What travels between control plane and workers: tickets, reports, results and progress <-> JSON.

A message on the bus is a ticket, never the truth: it names a task and nothing else. Its content is
nested one level down, because the Functions host copies top-level keys of a JSON body over the
message's own properties. Results and progress are blobs: they may be larger than a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from restore.core.options import Level
from restore.core.plan import Plan
from restore.core.shape import shape
from restore.errors import MessageError, RestoreError, TransientError

TASKS = "restore-tasks"
REPORTS = "restore-reports"
EVENTS = "restore-events"  # the topic: what others are told
POISON = "restore-poison"  # what is no message of ours, with its reason; nobody takes from it

_Id = Annotated[str, Field(pattern=r"\A[0-9a-f]{16}\z")]
_TaskId = Annotated[str, Field(pattern=r"\A[a-z]{1,20}(-[0-9]{1,5})?\z")]


class Result(StrEnum):
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One task to do: where to look it up, and the how-many-eth try this is (from 1)."""

    restore: _Id
    task: _TaskId
    attempt: Annotated[int, Field(ge=1)]

    @property
    def message_id(self) -> str:
        return f"{self.restore}/{self.task}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class Report:
    """The news that a task's result is stored."""

    restore: _Id
    task: _TaskId
    attempt: Annotated[int, Field(ge=1)]

    @property
    def message_id(self) -> str:
        return f"{self.restore}/{self.task}/{self.attempt}/report"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work, as a person reads it."""

    code: str
    message: str
    hint: str = ""
    transient: bool = False


def failure(error: RestoreError) -> Failure:
    return Failure(error.code, error.message, error.hint, isinstance(error, TransientError))


@dataclass(frozen=True, slots=True)
class TableCount:
    """Rows of one table: what was found, and what the dump holds (None: not countable there)."""

    table: str  # schema-qualified, quoted where needed
    found: int
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What one level of verification compared, and what came of it.

    `checked` is how many `what`: tables, objects, statements. `hash` is one number for the content
    of all tables, `rows` how many rows it stands for.
    """

    level: Level
    checked: int
    what: str
    different: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()  # what could not be compared, and why
    hash: str = ""
    rows: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DatabaseResult:
    """A database in its staging name: restored and counted."""

    name: str
    tables: int
    rows_found: int
    rows_expected: int | None = None
    different: tuple[TableCount, ...] = ()
    lost: tuple[str, ...] = ()  # objects pg_restore could not create, with its message
    size_bytes: int = 0
    seconds: float = 0.0
    oid: int = 0  # of the proven database: a rename keeps it, a database made anew has another
    checks: tuple[Check, ...] = ()
    sha256: str = ""  # of the dump, where it was read from front to back


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a task ended. Stored before the message is settled; the first one stored counts."""

    task: str
    attempt: int
    result: Result
    failure: Failure | None = None
    plan: Plan | None = None
    database: DatabaseResult | None = None
    data_as_of: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    debts: tuple[str, ...] = ()  # what should have been given back or dropped, and was not
    published: tuple[int, ...] = ()  # of `plan.databases`: those that have their names by now
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)  # seconds of each, in their order


@dataclass(frozen=True, slots=True)
class TableProgress:
    """One table that is being loaded. Bytes are packed ones; rows those that are committed."""

    table: str
    bytes_done: int
    bytes_total: int
    rows: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is. `phase` is a word for people: reading, schema, data, counting, …"""

    task: str
    attempt: int
    phase: str
    updated: datetime
    bytes_done: int = 0
    bytes_total: int = 0
    rate_bytes_per_second: float = 0.0
    rows: int = 0
    tables: tuple[TableProgress, ...] = ()  # those being loaded now
    phases: dict[str, float] = field(default_factory=dict)  # seconds of each so far, in their order


@dataclass(frozen=True, slots=True)
class _TicketBody:
    ticket: Ticket = field()
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class _ReportBody:
    report: Report
    version: Literal[1] = 1


_T = TypeVar("_T")


def encode_ticket(ticket: Ticket) -> bytes:
    return shape(_TicketBody).dump_json(_TicketBody(ticket))


def decode_ticket(body: bytes) -> Ticket:
    """Raises MessageError for anything but a ticket of a version this release knows."""
    return _decode(_TicketBody, body, "ticket").ticket


def encode_report(report: Report) -> bytes:
    return shape(_ReportBody).dump_json(_ReportBody(report))


def decode_report(body: bytes) -> Report:
    """Raises MessageError for anything but a report of a version this release knows."""
    return _decode(_ReportBody, body, "report").report


def encode_result(result: TaskResult) -> bytes:
    return shape(TaskResult).dump_json(result, exclude_none=True)


def decode_result(body: bytes) -> TaskResult:
    return _decode(TaskResult, body, "task result")


def encode_progress(progress: Progress) -> bytes:
    return shape(Progress).dump_json(progress)


def decode_progress(body: bytes) -> Progress:
    return _decode(Progress, body, "progress")


def _decode(kind: type[_T], body: bytes, what: str) -> _T:
    try:
        return shape(kind).validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, first["loc"])) or "the whole"
        raise MessageError(
            f"{what}: expected {first['msg'].removeprefix('Input should be ')} at {place}, "
            f"found {len(body)} bytes that are not",
            "was it written by another release, or by something else?",
        ) from exc
