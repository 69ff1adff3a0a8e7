"""Trigger values as the host hands them to the Python side, and metadata beside them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Json:
    """The text of a JSON document."""

    value: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request; header names are lower case, `url` is absolute."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What an HTTP function returned."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Value = Text | Binary | Json
Payload = Value | HttpRequest
Answer = HttpResponse | Value | None


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of one function."""

    payload: Payload
    metadata: Mapping[str, Value] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def value(of: object) -> Value:
    """`of` as the host types it: str as text, bytes as bytes, everything else as JSON."""
    if isinstance(of, str):
        return Text(of)
    if isinstance(of, bytes):
        return Binary(of)
    return Json(json.dumps(of, ensure_ascii=False, default=str))


def timer(past_due: bool) -> Invocation:
    """A timer that is due. `past_due`: it runs later than it should have."""
    schedule = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": past_due}
    return Invocation(value(schedule))


def event_grid(event: Mapping[str, Any], data_type: str) -> Invocation:
    """One event of either schema, as JSON; as text when the trigger says `data_type=STRING`."""
    document = json.dumps(event, ensure_ascii=False)
    return Invocation(Text(document) if data_type == "STRING" else Json(document))


def service_bus(message: ServiceBusReceivedMessage, data_type: str) -> Invocation:
    """A received message with the metadata of the Functions host.

    Without `data_type=BINARY` the body becomes text (what is not UTF-8 is mangled), and the
    top-level keys of a JSON body overwrite the metadata of the same name, whatever its case:
    {"messageId": "x"} changes the message's id.
    Source: azure-functions-host 4.1037, Utility.ApplyBindingData; issue azure-functions-host#7119
    (open).
    """
    body = b"".join(message.body)
    metadata = _service_bus_metadata(message)
    if data_type == "BINARY":
        payload: Value = Binary(body)
    else:
        payload = Text(body.decode("utf-8", "replace"))
        _overwrite(metadata, payload.value)
    return Invocation(payload, {name: value(of) for name, of in metadata.items() if of is not None})


def _service_bus_metadata(message: ServiceBusReceivedMessage) -> dict[str, object]:
    properties = {
        _text(key): _text(of) for key, of in (message.application_properties or {}).items()
    }
    return {
        "MessageId": message.message_id,
        # The SDK counts earlier deliveries, Functions counts this one too.
        "DeliveryCount": (message.delivery_count or 0) + 1,
        "SequenceNumber": message.sequence_number,
        "EnqueuedSequenceNumber": message.enqueued_sequence_number,
        "LockToken": message.lock_token and str(message.lock_token),
        "LockedUntil": _instant(message.locked_until_utc),
        "ContentType": message.content_type,
        "CorrelationId": message.correlation_id,
        "Subject": message.subject,
        "Label": message.subject,
        "To": message.to,
        "ReplyTo": message.reply_to,
        "PartitionKey": message.partition_key,
        "EnqueuedTimeUtc": _instant(message.enqueued_time_utc),
        "ExpiresAtUtc": _instant(message.expires_at_utc),
        "DeadLetterSource": message.dead_letter_source,
        "UserProperties": properties,
        "ApplicationProperties": properties,
    }


def _overwrite(metadata: dict[str, object], body: str) -> None:
    try:
        document = json.loads(body)
    except ValueError:
        return
    if not isinstance(document, dict):
        return
    present = {name.lower(): name for name in metadata}
    for key, of in document.items():
        if of is not None and not isinstance(of, list):
            name = present.get(str(key).lower(), str(key))
            metadata[name] = of if isinstance(of, dict) else str(of)


def _text(of: object) -> object:
    return of.decode("utf-8", "replace") if isinstance(of, bytes) else of


def _instant(of: datetime | None) -> str | None:
    return None if of is None else of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
