"""AMQP 1.0 values to bytes.

Source: OASIS AMQP 1.0 part 1, types.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from local.servicebus.primitives import (
    Array,
    Described,
    Int,
    Kind,
    Raw,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

_u16 = struct.Struct(">H")
_u32 = struct.Struct(">I")
_i32 = struct.Struct(">i")
_u64 = struct.Struct(">Q")
_i64 = struct.Struct(">q")
_double = struct.Struct(">d")


def encode(value: Any) -> bytes:
    """The bytes of `value`, in the shortest form its type has.

    Raises TypeError for a type AMQP has no encoding of.
    """
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"AMQP value: expected a type it knows, found {type(value).__name__}")
    return encoder(value)


def described_list(descriptor: int, fields: Sequence[Any]) -> Raw:
    """A list such as a performative or an outcome, under its one-byte descriptor."""
    return Raw(b"\x00\x53" + bytes((descriptor,)) + encode(list(fields)))


def section(descriptor: int, value: Any) -> bytes:
    """One section of a message."""
    return b"\x00\x53" + bytes((descriptor,)) + encode(value)


def _encode_bytes(value: bytes, small: int) -> bytes:
    if len(value) < 256:
        return bytes((small, len(value))) + value
    return bytes((small + 0x10,)) + _u32.pack(len(value)) + value


def _encode_compound(small: int, parts: Iterable[Any], count: int) -> bytes:
    body = b"".join(encode(part) for part in parts)
    if len(body) < 255 and count < 256:
        return bytes((small, len(body) + 1, count)) + body
    return bytes((small + 0x10,)) + _u32.pack(len(body) + 4) + _u32.pack(count) + body


def _encode_list(items: Sequence[Any]) -> bytes:
    return _encode_compound(0xC0, items, len(items)) if items else b"\x45"


def _encode_map(entries: dict[Any, Any]) -> bytes:
    parts = [part for entry in entries.items() for part in entry]
    return _encode_compound(0xC1, parts, len(parts))


def _pack_symbol(text: str) -> bytes:
    return _u32.pack(len(text)) + text.encode("ascii")


def _encode_array(array: Array) -> bytes:
    constructor, pack = {
        Kind.LONG: (b"\x81", _i64.pack),
        Kind.TIMESTAMP: (b"\x83", _i64.pack),
        Kind.SYMBOL: (b"\xb3", _pack_symbol),
    }[array.kind]
    body = constructor + b"".join(pack(item) for item in array.items)
    return b"\xf0" + _u32.pack(len(body) + 4) + _u32.pack(len(array.items)) + body


def _encode_signed(value: int, small: int, large: bytes) -> bytes:
    return bytes((small, value & 0xFF)) if -128 <= value < 128 else large


def _encode_int(value: int) -> bytes:
    # A ulong is decoded to a plain int too, and must find its way back.
    large = b"\x80" + _u64.pack(value) if value >= 1 << 63 else b"\x81" + _i64.pack(value)
    return _encode_signed(value, 0x55, large)


def _encode_unsigned(value: int, zero: int, small: int, large: bytes) -> bytes:
    if value == 0:
        return bytes((zero,))
    return bytes((small, value)) if value < 256 else large


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    int: _encode_int,
    Int: lambda value: _encode_signed(value, 0x54, b"\x71" + _i32.pack(value)),
    UByte: lambda value: bytes((0x50, value)),
    UShort: lambda value: b"\x60" + _u16.pack(value),
    UInt: lambda value: _encode_unsigned(value, 0x43, 0x52, b"\x70" + _u32.pack(value)),
    ULong: lambda value: _encode_unsigned(value, 0x44, 0x53, b"\x80" + _u64.pack(value)),
    Timestamp: lambda value: b"\x83" + _i64.pack(value),
    float: lambda value: b"\x82" + _double.pack(value),
    str: lambda value: _encode_bytes(value.encode("utf-8"), 0xA1),
    Symbol: lambda value: _encode_bytes(value.encode("ascii"), 0xA3),
    bytes: lambda value: _encode_bytes(value, 0xA0),
    uuid.UUID: lambda value: b"\x98" + value.bytes,
    list: _encode_list,
    dict: _encode_map,
    Array: _encode_array,
    Raw: bytes,
    Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}
