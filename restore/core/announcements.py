"""What others are told: each transition of a restore as a CloudEvent, numbered from 1.

They are derived from the change of the state, and stored with it: whoever comes next can tell what
was not told yet, under the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from restore.core import cloudevent
from restore.core.cloudevent import COUNT, SECONDS, TEXT, event, members_of
from restore.core.state import (
    FINAL,
    Announcement,
    Command,
    Do,
    Phase,
    Restore,
    Task,
    TaskState,
    UndoState,
)

MEDIA_TYPE = "application/cloudevents+json"
MOST_AT_ONCE = 100  # told by one command, before the state is saved again

_DATABASE = {"name": TEXT, "target": TEXT}
_ERROR = {"code": TEXT, "message": TEXT, "hint": TEXT}
_PLAN = {"hash": TEXT, "databases": COUNT, "refusals": COUNT, "warnings": COUNT}
_LOADED = {**_DATABASE, "tables": COUNT, "rows": COUNT, "bytes": COUNT}
_END = {"databases": COUNT, "warnings": COUNT, "seconds": SECONDS}

TYPES: Mapping[str, Mapping[str, Any]] = {
    "restore.requested": {},
    "restore.extracting": {},
    "restore.preparing": {},
    "restore.plan.ready": {"plan": members_of(_PLAN)},
    "restore.approval.needed": {"plan": members_of(_PLAN)},
    "restore.approved": {"plan": members_of(_PLAN)},
    "restore.restoring": {},
    "restore.database.restored": {"database": members_of(_LOADED)},
    "restore.finishing": {},
    "restore.database.published": {"database": members_of(_DATABASE)},
    "restore.stuck": {"reason": TEXT},
    "restore.succeeded": {"end": members_of(_END)},
    "restore.partial": {"end": members_of(_END)},
    "restore.failed": {"end": members_of(_END), "error": members_of(_ERROR)},
    "restore.cancelled": {"end": members_of(_END)},
    "restore.undone": {},
    "restore.closed": {},
}
"""What there is to tell, and what beside the common members is in `data`: as JSON Schema."""

_BY_PHASE = {
    Phase.EXTRACTING: "restore.extracting",
    Phase.PREPARING: "restore.preparing",
    Phase.AWAITING_APPROVAL: "restore.approval.needed",
    Phase.RESTORING: "restore.restoring",
    Phase.FINISHING: "restore.finishing",
    Phase.SUCCEEDED: "restore.succeeded",
    Phase.SUCCEEDED_WITH_WARNINGS: "restore.succeeded",
    Phase.PARTIAL: "restore.partial",
    Phase.FAILED: "restore.failed",
    Phase.CANCELLED: "restore.cancelled",
}


def announced(before: Restore | None, after: Restore, now: datetime) -> Restore:
    """`after`, with what its change from `before` has to tell, and the command that tells it."""
    known = len(after.announcements)
    told = tuple(
        Announcement(after.announced + number, type_, now, data)
        for number, (type_, data) in enumerate(_changes(before, after), start=1)
    )
    waiting = (*after.announcements, *told)
    outbox = tuple(command for command in after.outbox if command.do is not Do.ANNOUNCE)
    if waiting:
        pending = before.outbox if before else ()
        found = next((c for c in pending if c.do is Do.ANNOUNCE and known), None)
        current = next((c for c in after.outbox if c.do is Do.ANNOUNCE), found)
        outbox = (*outbox, current or Command(Do.ANNOUNCE, now))
    total = after.announced + len(told)
    if (waiting, outbox, total) == (after.announcements, after.outbox, after.announced):
        return after
    return replace(after, announcements=waiting, outbox=outbox, announced=total)


def told(restore: Restore, number: int) -> Restore:
    """The same restore; everybody knows all up to `number`. What is left is told at once."""
    left = tuple(news for news in restore.announcements if news.number > number)
    outbox = tuple(command for command in restore.outbox if command.do is not Do.ANNOUNCE)
    return replace(restore, announcements=left, outbox=outbox)


def cloud_event(restore_id: str, news: Announcement) -> dict[str, Any]:
    """The event in JSON format: the same each time it is told."""
    source, data = f"/api/restores/{restore_id}", {**news.data, "number": news.number}
    id_ = f"{restore_id}-{news.number}"
    return event(id_, source, news.type, restore_id, news.at, data)


def schema(type_: str) -> dict[str, Any]:
    """The JSON Schema of the events of that type."""
    common = {
        "restore": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "number": {"type": "integer", "minimum": 1},
        "status": {"enum": [phase.value for phase in Phase]},
        "target": TEXT,
    }
    return cloudevent.schema(
        type_,
        {"type": "string", "pattern": "^[0-9a-f]{16}-[0-9]+$"},
        {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        members_of({**common, **TYPES[type_]}),
    )


def _changes(before: Restore | None, after: Restore) -> Iterator[tuple[str, dict[str, Any]]]:
    """In the order in which it must have happened."""
    common = {
        "restore": after.id,
        "status": after.phase.value,
        "target": after.request.target.address,
    }
    if before is None:
        yield "restore.requested", common
        return
    if after.approved != before.approved:
        yield "restore.approved", {**common, "plan": _plan(after)}
    if after.plan is not None and after.plan != before.plan:
        yield "restore.plan.ready", {**common, "plan": _plan(after)}
    for task in after.tasks:
        if _is_news(before.task(task.id), task):
            yield "restore.database.restored", {**common, "database": _loaded(after, task)}
    for index in sorted(set(after.published) - set(before.published)):
        yield "restore.database.published", {**common, "database": _database(after, index)}
    if after.stuck and after.stuck != before.stuck:
        yield "restore.stuck", {**common, "reason": after.stuck}
    if after.phase is not before.phase:
        yield _BY_PHASE[after.phase], {**common, **_of_phase(after)}
    if after.undo is not None and before.undo is not None:
        if after.undo.undone and not before.undo.undone:
            yield "restore.undone", common
        elif after.undo.state is UndoState.CLOSED and before.undo.state is not UndoState.CLOSED:
            yield "restore.closed", common


def _is_news(before: Task | None, task: Task) -> bool:
    done = task.kind == "database" and task.state is TaskState.DONE
    return done and (before is None or before.state is not TaskState.DONE)


def _of_phase(restore: Restore) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if restore.phase is Phase.AWAITING_APPROVAL:
        body["plan"] = _plan(restore)
    if restore.phase in FINAL:
        body["end"] = {
            "databases": len(restore.published),
            "warnings": len(restore.warnings),
            "seconds": (restore.updated - restore.created).total_seconds(),
        }
    if restore.phase is Phase.FAILED:
        failure = restore.failure
        code, message, hint = (failure.code, failure.message, failure.hint) if failure else _NONE
        body["error"] = {"code": code, "message": message, "hint": hint}
    return body


_NONE = ("nothing-to-restore", "databases: expected one to publish, found none", "")


def _plan(restore: Restore) -> dict[str, Any]:
    plan = restore.plan
    assert plan is not None, "it is ready, needs an approval, or has it"
    return {
        "hash": plan.hash,
        "databases": len(plan.databases),
        "refusals": len(plan.refusals),
        "warnings": len(plan.warnings),
    }


def _database(restore: Restore, index: int) -> dict[str, Any]:
    assert restore.plan is not None, "what is restored was planned"
    step = restore.plan.databases[index]
    return {"name": step.name, "target": step.target}


def _loaded(restore: Restore, task: Task) -> dict[str, Any]:
    assert restore.plan is not None, "what is restored was planned"
    index = task.database or 0
    found = task.result.database if task.result else None
    return {
        **_database(restore, index),
        "tables": found.tables if found else 0,
        "rows": found.rows_found if found else 0,
        "bytes": restore.plan.databases[index].blob.size_bytes,
    }
