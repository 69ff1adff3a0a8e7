"""What monitoring sends -> alerts. Anything else is refused with what was found.

The common alert schema of Azure Monitor (metric, log and activity log alerts, Azure Backup's own),
and deliveries of Event Grid in both its schemas, which carry such an alert or are taken as one.
Source: learn.microsoft.com, Common alert schema; Event Grid schema; CloudEvents 1.0.2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from restore.errors import MessageError

BODY_LIMIT_BYTES = 1024 * 1024  # Source: learn.microsoft.com, Event Grid quotas: 1 MB a request
_SCHEMA = "azureMonitorCommonAlertSchema"
_HANDSHAKE = "Microsoft.EventGrid.SubscriptionValidationEvent"
# Where the services say what was measured, searched, done or reported.
_CONDITIONS = (
    "metricName",
    "webTestName",
    "searchQuery",
    "SearchQuery",
    "operationName",
    "category",
    "incidentType",
    "currentHealthStatus",
)
_HINT = "choose the common alert schema in the action group; docs/alerts.md has what else is taken"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that somebody should know. `resources` are ARM ids, or what else it is about;

    `conditions` is what was measured, searched, done or reported.
    """

    id: str
    rule: str  # its name, or the type of an event
    severity: str  # Sev0 to Sev4; "" for an event
    service: str  # what watches: Platform, Azure Backup, …; "" for an event
    resources: tuple[str, ...]
    fired: datetime
    resolved: bool = False
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handshake:
    """Event Grid asks whether events may be sent here: `code` is the answer."""

    code: str


def alerts(body: bytes) -> tuple[Alert, ...] | Handshake:
    """The alerts in a request's body, in their order. Raises MessageError."""
    if len(body) > BODY_LIMIT_BYTES:
        raise _wrong(f"at most {BODY_LIMIT_BYTES} bytes", f"{len(body)} bytes")
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _wrong("JSON", f"{len(body)} bytes that are not") from exc
    several = found if isinstance(found, list) else [found]
    for event in several:
        if isinstance(event, dict) and event.get("eventType") == _HANDSHAKE:
            return Handshake(_text(_object(event.get("data"), "data"), "validationCode"))
    return tuple(_alert(_object(one, "alert")) for one in several)


def _alert(body: dict[str, Any]) -> Alert:
    if body.get("schemaId") == _SCHEMA:
        return _common(_object(body.get("data"), "data"))
    data = body.get("data")
    if body.get("specversion") == "1.0" or "eventType" in body:
        if isinstance(data, dict) and data.get("schemaId") == _SCHEMA:
            return _common(_object(data.get("data"), "data/data"))
        if isinstance(data, dict) and "essentials" in data:
            return _common(data)
        return _event(body)
    raise _wrong(f'"schemaId": "{_SCHEMA}", or an event of Event Grid', ", ".join(sorted(body)[:5]))


def _common(data: dict[str, Any]) -> Alert:
    essentials = _object(data.get("essentials"), "essentials")
    context = _object(data.get("alertContext") or {}, "alertContext")
    targets = essentials.get("alertTargetIDs") or []
    if not isinstance(targets, list):
        raise _wrong("alertTargetIDs: an array", type(targets).__name__)
    condition = _text(essentials, "monitorCondition")
    if condition not in ("Fired", "Resolved"):
        raise _wrong("monitorCondition: Fired or Resolved", repr(condition)[:60])
    return Alert(
        id=_text(essentials, "alertId"),
        rule=_text(essentials, "alertRule"),
        severity=_text(essentials, "severity"),
        service=str(essentials.get("monitoringService") or ""),
        resources=_once([*(str(name) for name in targets if name), *_resources(context)]),
        fired=_instant(_text(essentials, "firedDateTime")),
        resolved=condition == "Resolved",
        conditions=_once(_conditions(context)),
    )


def _sections(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of a context: its own fields, its properties, each criterion of its condition."""
    condition = context.get("condition")
    criteria = condition.get("allOf") if isinstance(condition, dict) else None
    several = (context, context.get("properties"), *_list(criteria))
    yield from (section for section in several if isinstance(section, dict))


def _conditions(context: dict[str, Any]) -> Iterator[str]:
    for section in _sections(context):
        values = (section.get(name) for name in _CONDITIONS)
        yield from (value for value in values if isinstance(value, str) and value)


def _resources(context: dict[str, Any]) -> Iterator[str]:
    """ARM ids in a context: an alert on logs is about the workspace, one of Azure Backup about the

    vault; what they are really about is a dimension, or what is protected.
    """
    for section in _sections(context):
        dimensions = _list(section.get("dimensions") or section.get("Dimensions"))
        values = [one.get("value") for one in dimensions if isinstance(one, dict)]
        for value in (*section.values(), *values):
            if isinstance(value, str) and value.lower().startswith("/subscriptions/"):
                yield value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _event(body: dict[str, Any]) -> Alert:
    """An event that is no alert by itself: a rule may take it as one, by its type."""
    is_cloud = "specversion" in body
    source = body.get("source" if is_cloud else "topic")
    about, data = (source, body.get("subject")), body.get("data")
    return Alert(
        id=f"{source or ''}#{_text(body, 'id')}",  # an id is its source's own
        rule=_text(body, "type" if is_cloud else "eventType"),
        severity="",
        service="",
        resources=tuple(str(name) for name in about if name),
        fired=_instant(_text(body, "time" if is_cloud else "eventTime")),
        conditions=_once(_conditions(data) if isinstance(data, dict) else ()),
    )


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"{name}: an object", type(value).__name__)
    return value


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise _wrong(f"{name}: a string of 1 to {_LONGEST} characters", type(value).__name__)
    return value


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
    except ValueError:
        pass
    raise _wrong("an ISO 8601 instant with an offset", repr(text)[:60])


def _wrong(expected: str, found: str) -> MessageError:
    return MessageError(f"alert: expected {expected}, found {found}", _HINT)


_LONGEST = 2048
