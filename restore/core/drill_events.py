"""What others are told of drills, as CloudEvents: passed, failed, overdue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from restore.core.cloudevent import COUNT, MOMENT, SECONDS, TEXT, event, members_of, schema
from restore.core.state import FINAL

_RUN = {
    "restore": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    "due": MOMENT,
    "status": {"enum": sorted(phase.value for phase in FINAL)},
    "rtoSeconds": SECONDS,
    "recoveryPoint": MOMENT,
    "rpoSeconds": {"type": "number"},
    "bytes": COUNT,
    "error": members_of({"code": TEXT, "message": TEXT}),
}
_NOT_ALWAYS = ("recoveryPoint", "rpoSeconds", "bytes", "error")
_NAME = {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"}


def _of_run(*, passed: bool) -> dict[str, Any]:
    members = {"drill": _NAME, **_RUN, "passed": {"const": passed}}
    return members_of(members, optional=_NOT_ALWAYS)


TYPES: Mapping[str, Mapping[str, Any]] = {
    "drill.passed": _of_run(passed=True),
    "drill.failed": _of_run(passed=False),
    "drill.overdue": members_of(
        {
            "drill": _NAME,
            "lastPassed": {"type": ["string", "null"], "format": "date-time"},
            "overdueDays": {"type": "integer", "minimum": 1},
        }
    ),
}
"""What there is to tell, and its `data`, as JSON Schema."""


def drill_event(
    drill: str, type_: str, about: str, data: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The event in JSON format; the same id each time it is told of the same run, or day."""
    plain = json.loads(json.dumps({"drill": drill, **data}, default=datetime.isoformat))
    return event(f"{drill}-{type_}-{about}", f"/api/drills/{drill}", type_, drill, now, plain)


def event_schema(type_: str) -> dict[str, Any]:
    """The JSON Schema of the events of that type."""
    return schema(type_, {"type": "string", "minLength": 1}, _NAME, TYPES[type_])
