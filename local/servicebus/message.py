"""One message: read once when it arrives, written again for each delivery.

The sender's bytes are kept. Only the header and the message annotations are rewritten, so that
properties, application properties and body reach the receiver byte for byte.
Source: OASIS AMQP 1.0 part 3, messaging, 3.2.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from local.servicebus.decoder import DecodeError, decode, raw_map
from local.servicebus.encoder import described_list, section
from local.servicebus.primitives import Described, Int, Raw, Symbol, Timestamp, UByte, UInt

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION = range(0x70, 0x75)
DATA, SEQUENCE, VALUE, FOOTER = range(0x75, 0x79)
REASON = "DeadLetterReason"
DESCRIPTION = "DeadLetterErrorDescription"

_DUE = "x-opt-scheduled-enqueue-time"
# What the broker says of a message is not the sender's to say.
_BROKERS_OWN = {
    "x-opt-enqueued-time",
    "x-opt-sequence-number",
    "x-opt-enqueue-sequence-number",
    "x-opt-locked-until",
    "x-opt-lock-token",
    "x-opt-message-state",
}


class State(Enum):
    """Where in its life a stored message is; the value is what the database holds."""

    READY = "ready"
    LOCKED = "locked"
    DEFERRED = "deferred"
    SCHEDULED = "scheduled"


@dataclass(slots=True, eq=False)
class Message:
    """A message and its fate in one queue. Times are seconds since the epoch."""

    payload: bytes
    durable: bool | None = None
    priority: int | None = None
    ttl_ms: int | None = None
    annotations: dict[str, bytes] = field(default_factory=dict)
    properties: bytes = b""
    application: bytes = b""
    body: bytes = b""
    message_id: Any = None
    subject: str | None = None
    session_id: str | None = None
    sequence: int = 0
    state: State = State.READY
    enqueued_at: float = 0.0
    expires_at: float | None = None
    due_at: float | None = None
    delivery_count: int = 0
    was_deferred: bool = False
    token: uuid.UUID | None = None
    locked_until: float = 0.0

    @classmethod
    def parse(cls, payload: bytes) -> Message:
        """The message these bytes are. Raises DecodeError for what a receiver could not read."""
        message = cls(payload)
        position = 0
        while position < len(payload):
            start = position
            part, position = decode(payload, start)
            if not isinstance(part, Described):
                raise DecodeError(f"message at {start}: expected a section")
            _read_section(message, part, start, position)
        message._take_annotations()
        return message

    def is_expired(self, now: float) -> bool:
        """Whether its time to live is over."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def application_properties(self) -> dict[Any, Any]:
        """The sender's own properties, and why the message was dead-lettered if it was."""
        return dict(decode(self.application)[0].value) if self.application else {}

    @property
    def content(self) -> bytes:
        """The body as its sender gave it: its data sections, or its text."""
        parts, position = [], 0
        while position < len(self.body):
            part, position = decode(self.body, position)
            if part.descriptor in (DATA, VALUE):
                parts.append(part.value)
        return b"".join(p if isinstance(p, bytes) else str(p).encode() for p in parts)

    def annotate(self, values: Mapping[str, Any]) -> None:
        """Add to the application properties, as a settlement may."""
        if not values:
            return
        entries: dict[str, Any] = {}
        if self.application:
            entries = {key: Raw(value) for key, value in raw_map(self.application, 3).items()}
        self.application = section(APPLICATION, entries | dict(values))
        self.payload = self._join(self._kept_annotations())

    def encode(self) -> bytes:
        """The message as a receiver gets it now."""
        entries = self._kept_annotations()
        entries[Symbol("x-opt-enqueued-time")] = _timestamp(self.enqueued_at)
        entries[Symbol("x-opt-sequence-number")] = self.sequence
        entries[Symbol("x-opt-enqueue-sequence-number")] = self.sequence
        if self.due_at is not None:
            entries[Symbol(_DUE)] = _timestamp(self.due_at)
        if self.state is State.DEFERRED:
            entries[Symbol("x-opt-message-state")] = Int(1)
        if self.state is State.SCHEDULED:
            entries[Symbol("x-opt-message-state")] = Int(2)
        if self.state is State.LOCKED:
            entries[Symbol("x-opt-locked-until")] = _timestamp(self.locked_until)
        return self._join(entries)

    def _kept_annotations(self) -> dict[Symbol, Any]:
        return {Symbol(key): Raw(value) for key, value in self.annotations.items()}

    def _join(self, annotations: Mapping[Symbol, Any]) -> bytes:
        header = described_list(
            HEADER,
            [
                self.durable,
                None if self.priority is None else UByte(self.priority),
                None if self.ttl_ms is None else UInt(min(self.ttl_ms, 0xFFFFFFFF)),
                None,
                UInt(self.delivery_count),
            ],
        )
        notes = section(ANNOTATIONS, dict(annotations))
        return b"".join((header, notes, self.properties, self.application, self.body))

    def _take_annotations(self) -> None:
        due = self.annotations.pop(_DUE, None)
        if due is not None:
            due_ms = decode(due)[0]
            self.due_at = due_ms / 1000 if isinstance(due_ms, Timestamp) else None
        for name in _BROKERS_OWN & self.annotations.keys():
            del self.annotations[name]


def _timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds * 1000)


def _read_section(message: Message, part: Described, start: int, end: int) -> None:
    match part.descriptor:
        case 0x70:
            _read_header(message, part.value)
        case 0x71:
            pass  # said to the next hop only, which is this broker
        case 0x72:
            # The three bytes before the value are the descriptor.
            message.annotations = raw_map(message.payload, _value_start(message.payload, start))
            if not all(key.isascii() for key in message.annotations):
                raise DecodeError("message annotations: expected symbols")
        case 0x73:
            _read_properties(message, part.value)
            message.properties = message.payload[start:end]
        case 0x74:
            if not isinstance(part.value, dict):
                raise DecodeError("application properties: expected a map")
            if not all(isinstance(key, str) for key in part.value):
                raise DecodeError("application properties: expected text keys")
            value = message.payload[_value_start(message.payload, start) : end]
            message.application = b"\x00\x53\x74" + value
        case 0x75 | 0x76 | 0x77 | 0x78:
            if part.descriptor == DATA and not isinstance(part.value, bytes):
                raise DecodeError("data section: expected binary")
            message.body += message.payload[start:end]
        case _:
            raise DecodeError(f"message section: expected 0x70 to 0x78, found {part.descriptor!r}")


def _value_start(payload: bytes, start: int) -> int:
    """Where the value of the described one at `start` begins."""
    return decode(payload, start + 1)[1]


def _read_header(message: Message, value: Any) -> None:
    fields = _fields("message header", value, 5)
    durable, priority, ttl_ms = fields[:3]
    if not isinstance(durable, bool | None) or not _is_number(priority, 0xFF):
        raise DecodeError("message header: durable or priority of the wrong type")
    if not _is_number(ttl_ms, 0xFFFFFFFF):
        raise DecodeError("message header: time to live of the wrong type")
    message.durable, message.priority, message.ttl_ms = durable, priority, ttl_ms


def _read_properties(message: Message, value: Any) -> None:
    fields = _fields("message properties", value, 13)
    message.message_id = fields[0]
    message.subject = None if fields[3] is None else str(fields[3])
    message.session_id = None if fields[10] is None else str(fields[10])


def _fields(what: str, value: Any, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > count:
        raise DecodeError(f"{what}: expected a list of at most {count}")
    return value + [None] * (count - len(value))


def _is_number(value: Any, largest: int) -> bool:
    return value is None or (type(value) is int and 0 <= value <= largest)
