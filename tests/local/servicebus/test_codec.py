"""AMQP values to bytes and back, and bytes that are no AMQP value."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local.servicebus.decoder import DecodeError, decode, raw_map, spans
from local.servicebus.encoder import encode
from local.servicebus.frames import Frame
from local.servicebus.message import Message
from local.servicebus.primitives import (
    Array,
    Described,
    Int,
    Kind,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

SMALL = settings(max_examples=200, deadline=None)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.uuids()
)
numbers = (
    st.integers(0, 0xFF).map(UByte)
    | st.integers(0, 0xFFFF).map(UShort)
    | st.integers(0, 0xFFFFFFFF).map(UInt)
    | st.integers(0, (1 << 64) - 1).map(ULong)
    | st.integers(-(1 << 31), (1 << 31) - 1).map(Int)
    | st.integers(-(1 << 63), (1 << 63) - 1).map(Timestamp)
    | st.text("abc:-", max_size=300).map(Symbol)
)
values = st.recursive(
    scalars | numbers,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text() | st.integers(0, 300), inner, max_size=5)
        | st.builds(Described, st.integers(0, 300).map(ULong), inner)
    ),
    max_leaves=20,
)


@SMALL
@given(values)
def test_a_value_comes_back_as_it_went(value):
    data = encode(value)
    assert decode(data) == (value, len(data))


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 70_000])
@pytest.mark.parametrize("make", [bytes, lambda n: "x" * n, lambda n: [None] * n])
def test_sizes_around_the_short_forms_come_back(make, size):
    data = encode(make(size))
    assert decode(data) == (make(size), len(data))


@pytest.mark.parametrize(
    ("kind", "items"),
    [(Kind.LONG, [1, -1, 1 << 40]), (Kind.TIMESTAMP, [0, 5]), (Kind.SYMBOL, ["PLAIN", "X"])],
)
def test_an_array_is_read_as_a_list(kind, items):
    assert decode(encode(Array(kind, items)))[0] == items


def test_a_type_amqp_does_not_have_is_refused():
    with pytest.raises(TypeError, match="found set"):
        encode({1})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x3f", id="unknown constructor"),
        pytest.param(b"\xa1\x05ab", id="text cut short"),
        pytest.param(b"\xa1\x02\xff\xff", id="not utf-8"),
        pytest.param(b"\xc1\x02\x01\x40", id="key without a value"),
        pytest.param(b"\xc1\x04\x02\x45\x40", id="sizes disagree"),
        pytest.param(b"\xc1\x03\x02\x45\x40", id="list as a key"),
        pytest.param(b"\x00" * 5000, id="endless descriptors"),
        pytest.param(b"\xc0\xff\x01" * 200, id="endless lists"),
        pytest.param(b"\xf0\xff\xff\xff\xff\xff\xff\xff\xff\x40", id="four billion nulls"),
        pytest.param(b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff", id="four billion elements"),
    ],
)
def test_bytes_that_are_no_value_are_refused(data):
    with pytest.raises(DecodeError):
        decode(data)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
@example(b"\x00\x53\x72\xc1\x01\x00")
def test_arbitrary_bytes_raise_only_the_decode_error(data):
    for read in (
        decode,
        Message.parse,
        Frame.parse,
        lambda d: spans(d, 0),
        lambda d: raw_map(d, 0),
    ):
        try:
            read(b"\x00\x00\x00\x08\x02\x00\x00\x00" + data if read == Frame.parse else data)
        except DecodeError:
            continue


@SMALL
@given(values, st.data())
def test_a_damaged_value_is_read_or_refused(value, data):
    damaged = bytearray(encode(value))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    try:
        _, end = decode(bytes(damaged))
    except DecodeError:
        return
    assert end <= len(damaged)


def test_a_map_keeps_the_types_of_its_values():
    entries = {"a": encode(UInt(7)), "b": encode(uuid.UUID(int=1))}
    data = encode({"a": UInt(7), "b": uuid.UUID(int=1)})
    assert raw_map(data, 0) == entries
