"""AMQP types that plain Python has no word for.

A plain `int` is encoded as a long, `str` as a string, `bytes` as binary, `dict` as a map, `list`
as a list; the classes here choose another encoding of the same value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Symbol(str):
    """A name of the protocol or of an application: ASCII only."""

    __slots__ = ()


class UByte(int):
    """0 to 2**8 - 1."""

    __slots__ = ()


class UShort(int):
    """0 to 2**16 - 1."""

    __slots__ = ()


class UInt(int):
    """0 to 2**32 - 1."""

    __slots__ = ()


class ULong(int):
    """0 to 2**64 - 1."""

    __slots__ = ()


class Int(int):
    """A signed 32-bit number."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since the Unix epoch."""

    __slots__ = ()


class Raw(bytes):
    """A value that is encoded already and passes through byte for byte."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor that says what it stands for."""

    descriptor: Any
    value: Any


class Kind(Enum):
    """What the elements of an `Array` are; the value is AMQP's name of the type."""

    LONG = "long"
    TIMESTAMP = "timestamp"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Array:
    """Elements of one type, which a list would not promise."""

    kind: Kind
    items: Sequence[Any]
