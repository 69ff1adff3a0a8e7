"""Drills: which restores are rehearsed, when, from which recovery point, and how they went."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from restore.core import document, ncrontab
from restore.core.backup import RecoveryPoint
from restore.core.fields import STRICT
from restore.core.request import parse
from restore.core.request_error import Problem, RequestError, wrong
from restore.core.state import Phase, Restore
from restore.errors import InputError, NotFoundError

LIMIT_BYTES = 256 * 1024
SHOWN = 30  # runs of one drill in its history
_PASSED = (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)


class Choice(StrEnum):
    """Which recovery point a drill restores."""

    LATEST = "latest"
    RANDOM = "random"  # of the last days; the same again for the same slot


def _schedule(text: str) -> str:
    try:
        ncrontab.parse(text).next_after(datetime(2026, 1, 1, tzinfo=UTC))
    except InputError as exc:
        raise wrong("six NCRONTAB fields: second minute hour day month weekday", text[:60]) from exc
    return text


@dataclass(frozen=True, slots=True)
class Drill:
    """A restore that is rehearsed: proven, asked, and dropped again.

    `request` is the body of POST /api/restores without a recovery point; `drop` is always set.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    schedule: Annotated[str, AfterValidator(_schedule)]  # NCRONTAB, in UTC
    request: dict[str, Any]
    recovery_point: Choice = Choice.LATEST
    within_days: Annotated[int, Field(ge=1, le=3650)] = 30
    overdue_days: Annotated[int, Field(ge=1, le=365)] = 7

    def slot(self, now: datetime) -> datetime:
        """When it was due last."""
        return ncrontab.parse(self.schedule).last_before(now)

    def slots(self, now: datetime, count: int = SHOWN) -> Iterator[datetime]:
        """The last so many times that it was due, newest first."""
        moment = now
        for _ in range(count):
            moment = self.slot(moment)
            yield moment
            moment -= timedelta(seconds=1)

    def key(self, slot: datetime) -> str:
        """The same for the same slot: whoever starts it, it is one restore."""
        return f"drill {self.name} {slot.isoformat()}"


@dataclass(frozen=True, slots=True)
class Drills:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    version: Literal[1]
    drills: Annotated[list[Drill], Field(max_length=100)] = field(default_factory=list)

    def named(self, name: str) -> Drill:
        """Raises NotFoundError."""
        found = next((drill for drill in self.drills if drill.name == name), None)
        if found is None:
            names = ", ".join(drill.name for drill in self.drills) or "none"
            raise NotFoundError(f"drill {name!r:.60}: expected one of {names}, found another")
        return found


def schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return document.schema(Drills)


def read(body: bytes) -> Drills:
    """The drills in YAML or JSON, every request tried. Raises RequestError with every problem."""
    drills = document.read(Drills, body, LIMIT_BYTES, _HINT)
    if problems := [*_problems(drills)]:
        raise RequestError(*problems, hint=_HINT)
    return drills


def _problems(drills: Drills) -> Iterator[Problem]:
    names: set[str] = set()
    for index, drill in enumerate(drills.drills):
        if drill.name in names:
            yield Problem(f"/drills/{index}/name", "a name of its own", f"{drill.name!r} again")
        names.add(drill.name)
        try:
            asked = parse(body(drill, drill.name, None))
        except RequestError as exc:
            for problem in exc.problems:
                where = f"/drills/{index}/request{problem.field}"
                yield Problem(where, problem.expected, problem.found)
            continue
        if asked.source.container is not None and drill.recovery_point is Choice.RANDOM:
            where = f"/drills/{index}/recoveryPoint"
            yield Problem(where, '"latest" for a container', '"random"')


def body(drill: Drill, key: str, point: RecoveryPoint | None) -> bytes:
    """The body to post: under scratch names, and dropped once it is proven."""
    asked = {**drill.request, "drop": True}
    asked.pop("approval", None)
    if point is not None and isinstance(asked.get("source"), dict):
        asked["source"] = {**asked["source"], "recoveryPoint": {"id": point.id}}
    databases = asked.get("databases", {})
    if isinstance(databases, dict) and not databases.keys() & {"rename", "suffix"}:
        mark = hashlib.sha256(key.encode()).hexdigest()[:8]
        asked["databases"] = {**databases, "suffix": f"__drill_{mark}"}
    return json.dumps(asked).encode()


def choose(
    drill: Drill, key: str, points: Iterable[RecoveryPoint], now: datetime
) -> RecoveryPoint | None:
    """Any whole recovery point of the last days: the same for the same key. None: the latest.

    Raises NotFoundError where there is none.
    """
    if drill.recovery_point is Choice.LATEST:
        return None
    since = now - timedelta(days=drill.within_days)
    fit = sorted(
        (point for point in points if point.complete and since <= point.time <= now),
        key=lambda point: (point.time, point.id),
    )
    if not fit:
        raise NotFoundError(
            f"drill {drill.name!r}: expected a recovery point of the last {drill.within_days} days,"
            " found none"
        )
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return fit[number % len(fit)]


def run(slot: datetime, restore: Restore) -> dict[str, Any]:
    """One line of a history: how long it took, how old the data was, and how much it was."""
    ended = restore.ended_at
    body: dict[str, Any] = {
        "restore": restore.id,
        "due": slot,
        "status": restore.phase,
        "passed": restore.phase in _PASSED if restore.ended else None,
    }
    if ended is not None:
        body["rtoSeconds"] = round((ended - restore.created).total_seconds(), 1)
    if restore.point is not None:
        body["recoveryPoint"] = restore.point.time
        body["rpoSeconds"] = round((restore.created - restore.point.time).total_seconds(), 1)
    if restore.plan is not None:
        body["bytes"] = sum(step.blob.size_bytes for step in restore.plan.databases)
    if restore.failure is not None:
        body["error"] = {"code": restore.failure.code, "message": restore.failure.message}
    return body


def history(drill: Drill, runs: Sequence[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """A drill with its runs, newest first, and what they come to."""
    passed = [run for run in runs if run["passed"]]
    last = passed[0]["due"] if passed else None
    times = [run["rtoSeconds"] for run in passed]
    return {
        "name": drill.name,
        "schedule": drill.schedule,
        "next": ncrontab.parse(drill.schedule).next_after(now),
        "lastPassed": last,
        "overdue": is_overdue(drill, last, now),
        "rtoSeconds": {"last": times[0], "worst": max(times), "trend": _trend(times)}
        if times
        else None,
        "runs": list(runs),
    }


def is_overdue(drill: Drill, last: datetime | None, now: datetime) -> bool:
    return last is None or now - last > timedelta(days=drill.overdue_days)


def _trend(newest_first: Sequence[float]) -> float:
    """How much longer the newer half takes than the older one: 1.0 is the same."""
    half = len(newest_first) // 2
    if not half:
        return 1.0
    newer, older = newest_first[:half], newest_first[-half:]
    return round((sum(newer) / half) / max(sum(older) / half, 0.1), 2)


_HINT = "docs/drills.md has an example; docs/schema/drills.schema.json says it all"
