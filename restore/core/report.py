"""The report of a restore that has ended: what was restored, what proves it, and what does not.

A value of its own, so that it has a schema (docs/schema/report.schema.json) and can be read without
this installation. Durations are whole milliseconds and instants are UTC, so that the same report
always has the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from restore.core.dumps import Blob
from restore.core.messages import DatabaseResult, Failure
from restore.core.options import Approval, Level
from restore.core.plan import DatabaseStep, Engine, Plan
from restore.core.shape import shape
from restore.core.state import Phase, Restore, Task

PRODUCT = "restore"

_FORM = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the backup, as it was used. `proof` says in words what stands for its bytes."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    name: str
    size_bytes: int
    etag: str
    sha256: str | None
    proof: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One level of one database. `done` is false where it was asked for, and not reached."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    level: Level
    done: bool
    checked: int
    what: str
    rows: int
    hash: str | None
    different: tuple[str, ...]
    unchecked: tuple[str, ...]
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Problem:
    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Database:
    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    name: str
    target: str
    published: bool
    engine: Engine
    client_major: int
    file: str
    tables: int | None
    rows_expected: int | None
    rows_found: int | None
    size_bytes: int | None
    checks: tuple[Checked, ...]
    lost: tuple[str, ...]
    failures: tuple[Problem, ...]
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Span:
    """How long something took; `name` is a phase or a task."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    name: str
    state: str
    milliseconds: int
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Objective:
    """A time that was reached: from when to when, and what those are."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    meaning: str
    start: datetime | None
    end: datetime | None
    milliseconds: int | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether somebody had to agree to the plan, and did."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    required: bool
    plan: str | None
    approved: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Source:
    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    vault: str | None
    instance: str | None
    server: str | None
    recovery_point: str | None
    recovery_point_time: datetime | None
    container: str
    data_as_of: str | None
    data_as_of_time: datetime | None
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Target:
    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    host: str
    port: int
    server_version: str | None


@dataclass(frozen=True, slots=True)
class Tools:
    """`clients` are the majors of psql, pg_restore and pg_dump that were used."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    product: str
    version: str
    clients: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`as_of` is when the state that it tells of was last changed."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    id: str
    status: Phase
    requested: datetime
    ended: datetime
    as_of: datetime
    source: Source
    target: Target
    tools: Tools
    level: Level
    databases: tuple[Database, ...]
    rto: Objective
    rpo: Objective
    approval: Agreement
    phases: tuple[Span, ...]
    tasks: tuple[Span, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    debts: tuple[str, ...]
    undone: bool
    error: Problem | None = None
    kind: Literal["restore-report"] = "restore-report"
    version: Literal[1] = 1


def report(restore: Restore, version: str) -> Report:
    """What there is to say of `restore`, which has ended; `version` is that of this product."""
    ended = restore.ended_at or restore.updated
    plan = restore.plan
    return Report(
        id=restore.id,
        status=restore.phase,
        requested=_utc(restore.created),
        ended=_utc(ended),
        as_of=_utc(restore.updated),
        source=_source(restore),
        target=Target(
            restore.request.target.host,
            restore.request.target.port,
            plan.target_version if plan else None,
        ),
        tools=Tools(PRODUCT, version, _clients(plan)),
        level=restore.request.verify,
        databases=tuple(_databases(restore)),
        rto=_objective(
            "from the request until the databases had their names",
            restore.created,
            ended if restore.published else None,
        ),
        rpo=_objective(
            "from the moment the data is of until the request: what was written between them is"
            " not in the backup",
            _data_as_of(restore),
            restore.created,
        ),
        approval=_agreement(restore),
        phases=tuple(_phases(restore)),
        tasks=tuple(map(_task, restore.tasks)),
        warnings=restore.warnings,
        notes=restore.notes,
        left_out=tuple(map(str, plan.notes)) if plan else (),
        debts=restore.debts,
        undone=restore.undo is not None and restore.undo.undone,
        error=_problem(restore.failure) if restore.failure else None,
    )


def as_json(found: Report) -> dict[str, Any]:
    """Of nothing but values that JSON has."""
    body: dict[str, Any] = shape(Report).dump_python(found, mode="json", by_alias=True)
    return body


def canonical(value: object) -> bytes:
    """One form for each value: keys in order, no blanks, UTF-8.

    Source: RFC 8785, for values without fractions and with keys in ASCII.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    return shape(Report).json_schema(by_alias=True, mode="serialization")


# ---- where it came from ------------------------------------------------------------------------


def _source(restore: Restore) -> Source:
    instance, point = restore.instance, restore.point
    return Source(
        vault=instance.vault if instance else None,
        instance=instance.name if instance else None,
        server=instance.server if instance else None,
        recovery_point=point.id if point else None,
        recovery_point_time=_utc(point.time) if point else None,
        container=restore.container,
        data_as_of=restore.data_as_of or None,
        data_as_of_time=_instant(restore.data_as_of),
        files=tuple(_files(restore)),
    )


def _files(restore: Restore) -> Iterator[File]:
    results = {step.blob: _result(restore, index) for index, step in _steps(restore)}
    scripts = _scripts(restore.plan)
    for blob in restore.files:
        result = results.get(blob)
        sha256 = result.sha256 if result else ""
        used = result is not None or blob in scripts
        yield File(blob.name, blob.size_bytes, blob.etag, sha256 or None, _proof(sha256, used))


def _proof(sha256: str, used: bool) -> str:
    if sha256:
        return "SHA-256 of all its bytes, which were read from front to back"
    if used:
        return "its ETag, which every read was bound to; it was read in parts, so there is no hash"
    return "none: it was listed, and not restored"


def _scripts(plan: Plan | None) -> frozenset[Blob]:
    found = (plan.roles, plan.tablespaces, plan.schema, plan.data_as_of) if plan else ()
    return frozenset(blob for blob in found if blob is not None)


def _instant(text: str) -> datetime | None:
    """The instant that `text` names in ISO 8601; None if it is not one, or has no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _utc(found) if found.tzinfo else None


def _data_as_of(restore: Restore) -> datetime | None:
    """What the backup's own file says; else the time of the recovery point."""
    return _instant(restore.data_as_of) or (restore.point.time if restore.point else None)


# ---- databases ---------------------------------------------------------------------------------


def _steps(restore: Restore) -> list[tuple[int, DatabaseStep]]:
    return list(enumerate(restore.plan.databases)) if restore.plan else []


def _result(restore: Restore, index: int) -> DatabaseResult | None:
    task = restore.task(f"database-{index}")
    return task.result.database if task and task.result else None


def _databases(restore: Restore) -> Iterator[Database]:
    for index, step in _steps(restore):
        task, result = restore.task(f"database-{index}"), _result(restore, index)
        yield Database(
            name=step.name,
            target=step.target,
            published=index in restore.published,
            engine=step.engine,
            client_major=step.client,
            file=step.blob.name,
            tables=result.tables if result else None,
            rows_expected=result.rows_expected if result else None,
            rows_found=result.rows_found if result else None,
            size_bytes=result.size_bytes if result else None,
            checks=tuple(_checks(restore.request.verify, result)),
            lost=result.lost if result else (),
            failures=tuple(map(_problem, task.failures)) if task else (),
            milliseconds=_milliseconds(result.seconds if result else 0),
        )


def _checks(wanted: Level, result: DatabaseResult | None) -> Iterator[Checked]:
    """Every level that was asked for, also those that were not reached."""
    known = {check.level: check for check in result.checks} if result else {}
    levels = tuple(Level)
    for level in levels[: levels.index(wanted) + 1]:
        check = known.get(level)
        if check is None:
            yield Checked(level, False, 0, "", 0, None, (), ("it was not reached",), 0)
        else:
            yield Checked(
                level,
                check.checked > 0 or not check.unchecked,
                check.checked,
                check.what,
                check.rows,
                check.hash or None,
                check.different,
                check.unchecked,
                _milliseconds(check.seconds),
            )


def _problem(failure: Failure) -> Problem:
    return Problem(failure.code, failure.message, failure.hint)


# ---- times -------------------------------------------------------------------------------------


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _objective(meaning: str, start: datetime | None, end: datetime | None) -> Objective:
    if start is None or end is None:
        return Objective(meaning, start and _utc(start), end and _utc(end), None)
    return Objective(meaning, _utc(start), _utc(end), (end - start) // timedelta(milliseconds=1))


def _agreement(restore: Restore) -> Agreement:
    plan = restore.plan.hash if restore.plan else None
    changes = pairwise(restore.history)
    at = [after.at for before, after in changes if before.phase is Phase.AWAITING_APPROVAL]
    approved = plan is not None and restore.approved == plan
    return Agreement(
        required=restore.request.approval is Approval.REQUIRED,
        plan=plan,
        approved=approved,
        at=_utc(at[-1]) if approved and at else None,
    )


def _phases(restore: Restore) -> Iterator[Span]:
    for change, following in pairwise(restore.history):
        seconds = (following.at - change.at).total_seconds()
        yield Span(change.phase.value, "done", _milliseconds(seconds))


def _task(task: Task) -> Span:
    seconds = task.result.seconds if task.result else 0
    return Span(task.id, task.state.value, _milliseconds(seconds), task.attempt)


def _clients(plan: Plan | None) -> tuple[int, ...]:
    if plan is None:
        return ()
    return tuple(sorted({plan.client, *(step.client for step in plan.databases)} - {0}))
