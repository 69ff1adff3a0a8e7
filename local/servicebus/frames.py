"""AMQP frames: the performatives a client sends, read into values, and ours, written.

Source: OASIS AMQP 1.0 part 2, transport, 2.7.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from local.servicebus.decoder import DecodeError, decode, spans
from local.servicebus.encoder import described_list
from local.servicebus.primitives import Described, Raw, Symbol, Timestamp

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
HEARTBEAT = b"\x00\x00\x00\x08\x02\x00\x00\x00"
_HEAD = struct.Struct(">IBBH")
_LARGEST_UINT = 0xFFFFFFFF
_NO_NAME = Raw(b"\xa1\x00")


class Performative(IntEnum):
    """What a frame is, by the descriptor of its first value."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_OUTCOME = 0x44


class Outcome(IntEnum):
    """What became of a delivery."""

    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27


def write(
    channel: int,
    performative: Performative,
    fields: Sequence[Any],
    payload: bytes = b"",
    *,
    sasl: bool = False,
) -> bytes:
    """One frame."""
    body = described_list(performative, fields)
    size = _HEAD.size + len(body) + len(payload)
    return _HEAD.pack(size, 2, int(sasl), channel) + body + payload


def amqp_error(condition: str, description: str) -> Raw:
    """An error with all three fields: the SDK indexes the last one unguarded."""
    return described_list(0x1D, [Symbol(condition), description, {}])


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it came; `fields` are encoded, absent ones missing at the end."""

    channel: int
    is_sasl: bool
    code: int
    fields: tuple[Raw, ...]
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> Frame | None:
        """The frame in these bytes, its size included; None for a heartbeat."""
        _, offset_words, kind, channel = _HEAD.unpack_from(data)
        start = offset_words * 4
        if start < _HEAD.size or start > len(data):
            raise DecodeError(f"frame: data offset {start} of {len(data)} bytes")
        if start == len(data):
            return None
        value, end = decode(data, start)
        if not isinstance(value, Described) or type(value.descriptor) is not int:
            raise DecodeError("frame: expected a performative")
        list_start = decode(data, start + 1)[1]
        fields = tuple(Raw(data[a:b]) for a, b in spans(data, list_start))
        return cls(channel, kind == 1, value.descriptor, fields, data[end:])

    def raw(self, index: int) -> Raw | None:
        """The field as encoded; None if absent or null."""
        if index >= len(self.fields) or self.fields[index] == b"\x40":
            return None
        return self.fields[index]

    def value(self, index: int) -> Any:
        """The field; None if absent."""
        return decode(self.fields[index])[0] if index < len(self.fields) else None

    def number(self, index: int) -> int | None:
        """The field, an unsigned number or absent."""
        value = self.value(index)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= _LARGEST_UINT:
            raise DecodeError(f"field {index}: expected an unsigned number, found {value!r:.40}")
        return value

    def required(self, index: int) -> int:
        """The field, an unsigned number."""
        value = self.number(index)
        if value is None:
            raise DecodeError(f"field {index}: expected an unsigned number, found none")
        return value

    def flag(self, index: int) -> bool:
        """The field as a boolean, false if absent."""
        return self.value(index) is True


@dataclass(frozen=True, slots=True)
class Open:
    """The peer opens the connection."""

    hostname: Raw | None
    max_frame_bytes: int
    idle_seconds: float

    @classmethod
    def read(cls, frame: Frame) -> Open:
        """From its frame; a peer must take frames of 512 bytes at least."""
        largest = frame.number(2)
        size_bytes = max(512, _LARGEST_UINT if largest is None else largest)
        return cls(frame.raw(1), size_bytes, (frame.number(4) or 0) / 1000)


@dataclass(frozen=True, slots=True)
class Attach:
    """The peer wants a link."""

    name: Raw
    handle: int
    peer_receives: bool
    sender_settles: int
    receiver_settles: int
    source: tuple[Raw, ...]
    target: tuple[Raw, ...]
    source_raw: Raw | None
    target_raw: Raw | None
    properties: dict[Any, Any]

    @classmethod
    def read(cls, frame: Frame) -> Attach:
        """From its frame. Settle modes default to mixed (2) and first (0)."""
        sender_settles = frame.number(3)
        properties = frame.value(13)
        return cls(
            name=frame.raw(0) or _NO_NAME,
            handle=frame.required(1),
            peer_receives=frame.flag(2),
            sender_settles=2 if sender_settles is None else min(sender_settles, 2),
            receiver_settles=min(frame.number(4) or 0, 1),
            source=_terminus(frame.raw(5)),
            target=_terminus(frame.raw(6)),
            source_raw=frame.raw(5),
            target_raw=frame.raw(6),
            properties=properties if isinstance(properties, dict) else {},
        )

    @property
    def source_address(self) -> str:
        """Where the peer receives from."""
        return _address(self.source)

    @property
    def target_address(self) -> str:
        """Where the peer sends to."""
        return _address(self.target)

    @property
    def source_filters(self) -> dict[Any, Any]:
        """The filters of the source by name."""
        filters = decode(self.source[7])[0] if len(self.source) > 7 else None
        return filters if isinstance(filters, dict) else {}


@dataclass(frozen=True, slots=True)
class Flow:
    """The peer says what it can take, of a session or also of a link."""

    next_incoming_id: int | None
    incoming_window: int
    handle: int | None
    delivery_count: int
    credit: int | None
    drain: bool
    echo: bool

    @classmethod
    def read(cls, frame: Frame) -> Flow:
        """From its frame."""
        return cls(
            next_incoming_id=frame.number(0),
            incoming_window=frame.number(1) or 0,
            handle=frame.number(4),
            delivery_count=frame.number(5) or 0,
            credit=frame.number(6),
            drain=frame.flag(8),
            echo=frame.flag(9),
        )


@dataclass(frozen=True, slots=True)
class Transfer:
    """The peer sends a message or a piece of one."""

    handle: int
    delivery_id: int | None
    message_format: int
    settled: bool
    more: bool
    aborted: bool

    @classmethod
    def read(cls, frame: Frame) -> Transfer:
        """From its frame; the piece itself is the payload of the frame."""
        return cls(
            handle=frame.required(0),
            delivery_id=frame.number(1),
            message_format=frame.number(3) or 0,
            settled=frame.flag(4),
            more=frame.flag(5),
            aborted=frame.flag(9),
        )


@dataclass(frozen=True, slots=True)
class Disposition:
    """The peer says what became of deliveries `first` to `last`."""

    from_receiver: bool
    first: int
    last: int
    settled: bool
    state: Raw | None
    outcome: int | None
    arguments: list[Any]

    @classmethod
    def read(cls, frame: Frame) -> Disposition:
        """From its frame; without a state, outcome is None."""
        first, last, state = frame.required(1), frame.number(2), frame.value(4)
        described = isinstance(state, Described)
        return cls(
            from_receiver=frame.flag(0),
            first=first,
            last=first if last is None else last,
            settled=frame.flag(3),
            state=frame.raw(4),
            outcome=state.descriptor if described and type(state.descriptor) is int else None,
            arguments=state.value if described and isinstance(state.value, list) else [],
        )


def path_of(address: object) -> str:
    """The entity path in `amqps://host:port/queue`, `sb://host/queue` or plain `queue`."""
    text = str(address or "")
    if "://" in text:
        text = text.split("://", 1)[1].partition("/")[2]
    return text.strip("/")


def milliseconds(value: object) -> int | None:
    """A timeout in a property, whichever type of number a client sends it as."""
    return (
        int(value) if isinstance(value, int) and not isinstance(value, Timestamp | bool) else None
    )


def _terminus(raw: Raw | None) -> tuple[Raw, ...]:
    """The fields of a source or target."""
    if raw is None:
        return ()
    value, _ = decode(raw)
    if not isinstance(value, Described) or not isinstance(value.value, list):
        raise DecodeError("source or target: expected a described list")
    start = decode(raw, 1)[1]
    return tuple(Raw(raw[a:b]) for a, b in spans(raw, start))


def _address(terminus: tuple[Raw, ...]) -> str:
    return path_of(decode(terminus[0])[0] if terminus else None)
