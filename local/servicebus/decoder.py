"""AMQP 1.0 values from bytes.

Decoding serves whatever a peer sends, so it raises `DecodeError` and nothing else, stops at a
nesting depth, and does work proportional to the bytes it was given.
Source: OASIS AMQP 1.0 part 1, types.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any

from local.servicebus.primitives import (
    Described,
    Symbol,
    Timestamp,
)

# The Python SDK stops at 64; nothing it sends comes near this.
MAX_DEPTH = 32

Decoder = Callable[[bytes, int, int], tuple[Any, int]]

_u32 = struct.Struct(">I")


class DecodeError(ValueError):
    """These bytes are not the AMQP value they should be."""


def decode(data: bytes, position: int = 0) -> tuple[Any, int]:
    """The value that starts at `position`, and the position after it.

    Raises DecodeError, whatever the bytes are.
    """
    try:
        return _value(data, position, 0)
    except (IndexError, struct.error) as error:
        raise DecodeError(f"value at {position}: truncated") from error
    except UnicodeDecodeError as error:
        raise DecodeError(f"value at {position}: not text: {error.reason}") from error
    except TypeError as error:  # a map whose key cannot be one
        raise DecodeError(f"value at {position}: {error}") from error


def spans(data: bytes, position: int) -> list[tuple[int, int]]:
    """Start and end of each element of the list or map at `position`."""
    decode(data, position)
    if data[position] == 0x45:
        return []
    if data[position] not in (0xC0, 0xD0, 0xC1, 0xD1):
        raise DecodeError(f"value at {position}: expected a list or map")
    count, start, _ = _compound_head(data, position + 1, 1 if data[position] < 0xD0 else 4)
    found = []
    for _ in range(count):
        end = decode(data, start)[1]
        found.append((start, end))
        start = end
    return found


def raw_map(data: bytes, position: int) -> dict[str, bytes]:
    """The map at `position`, its values left encoded so that their types survive."""
    parts = spans(data, position)
    if data[position] not in (0xC1, 0xD1):
        raise DecodeError(f"value at {position}: expected a map")
    entries = {}
    for (start, end), (value_start, value_end) in zip(parts[::2], parts[1::2], strict=True):
        key, _ = decode(data[start:end])
        if not isinstance(key, str):
            raise DecodeError(f"key at {start}: expected text, found {type(key).__name__}")
        entries[key] = data[value_start:value_end]
    return entries


def _value(data: bytes, position: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise DecodeError(f"value at {position}: nested deeper than {MAX_DEPTH}")
    decoder = _DECODERS.get(data[position])
    if decoder is None:
        raise DecodeError(f"value at {position}: unknown constructor 0x{data[position]:02x}")
    return decoder(data, position + 1, depth)


def _constant(value: Any) -> Decoder:
    return lambda data, position, depth: (value, position)


def _empty_list(data: bytes, position: int, depth: int) -> tuple[list[Any], int]:
    return [], position


def _fixed(layout: str, convert: Callable[[Any], Any] | None = None) -> Decoder:
    packed = struct.Struct(layout)

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        value = packed.unpack_from(data, position)[0]
        return (convert(value) if convert else value), position + packed.size

    return read


def _variable(width: int, convert: Callable[[bytes], Any]) -> Decoder:
    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        size, start = _number(data, position, width), position + width
        if start + size > len(data):
            raise DecodeError(f"value at {position}: truncated")
        return convert(data[start : start + size]), start + size

    return read


def _number(data: bytes, position: int, width: int) -> int:
    return data[position] if width == 1 else int(_u32.unpack_from(data, position)[0])


def _compound_head(data: bytes, position: int, width: int) -> tuple[int, int, int]:
    """Count, first element and end of the list, map or array whose size is at `position`."""
    end = position + width + _number(data, position, width)
    count, start = _number(data, position + width, width), position + 2 * width
    # Every element takes a byte, save those of an array of constants, which nobody sends.
    if end > len(data) or count > end - start:
        raise DecodeError(f"value at {position}: {count} elements do not fit")
    return count, start, end


def _elements(
    decoder: Decoder, count: int, data: bytes, start: int, end: int, depth: int
) -> list[Any]:
    position, items = start, []
    for _ in range(count):
        item, position = decoder(data, position, depth + 1)
        items.append(item)
    if position != end:
        raise DecodeError(f"elements at {start}: size and elements disagree")
    return items


def _list(width: int) -> Decoder:
    def read(data: bytes, position: int, depth: int) -> tuple[list[Any], int]:
        count, start, end = _compound_head(data, position, width)
        return _elements(_value, count, data, start, end, depth), end

    return read


def _map(width: int) -> Decoder:
    read_items = _list(width)

    def read(data: bytes, position: int, depth: int) -> tuple[dict[Any, Any], int]:
        items, end = read_items(data, position, depth)
        if len(items) % 2:
            raise DecodeError(f"map at {position}: a key without a value")
        return dict(zip(items[::2], items[1::2], strict=True)), end

    return read


def _array(width: int) -> Decoder:
    def read(data: bytes, position: int, depth: int) -> tuple[list[Any], int]:
        count, start, end = _compound_head(data, position, width)
        if data[start] == 0:  # a descriptor for all elements; what it says is not needed here
            _, start = _value(data, start + 1, depth + 1)
        decoder = _DECODERS.get(data[start])
        if decoder is None or depth >= MAX_DEPTH:
            raise DecodeError(f"array at {position}: unknown or too deep an element")
        return _elements(decoder, count, data, start + 1, end, depth), end

    return read


def _described(data: bytes, position: int, depth: int) -> tuple[Described, int]:
    descriptor, position = _value(data, position, depth + 1)
    value, position = _value(data, position, depth + 1)
    return Described(descriptor, value), position


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _symbol(data: bytes) -> Symbol:
    return Symbol(data.decode("ascii"))


def _uuid(data: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=data)


_DECODERS: dict[int, Decoder] = {
    0x00: _described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: _empty_list,
    0x50: _fixed(">B"),
    0x51: _fixed(">b"),
    0x52: _fixed(">B"),
    0x53: _fixed(">B"),
    0x54: _fixed(">b"),
    0x55: _fixed(">b"),
    0x56: _fixed(">B", bool),
    0x60: _fixed(">H"),
    0x61: _fixed(">h"),
    0x70: _fixed(">I"),
    0x71: _fixed(">i"),
    0x72: _fixed(">f"),
    0x73: _fixed(">I"),
    0x74: _fixed(">4s"),
    0x80: _fixed(">Q"),
    0x81: _fixed(">q"),
    0x82: _fixed(">d"),
    0x83: _fixed(">q", Timestamp),
    0x84: _fixed(">8s"),
    0x94: _fixed(">16s"),
    0x98: _fixed(">16s", _uuid),
    0xA0: _variable(1, bytes),
    0xB0: _variable(4, bytes),
    0xA1: _variable(1, _text),
    0xB1: _variable(4, _text),
    0xA3: _variable(1, _symbol),
    0xB3: _variable(4, _symbol),
    0xC0: _list(1),
    0xD0: _list(4),
    0xC1: _map(1),
    0xD1: _map(4),
    0xE0: _array(1),
    0xF0: _array(4),
}
