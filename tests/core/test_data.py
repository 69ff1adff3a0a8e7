"""An archive's data read from front to back gives what lies in it, or an error."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.archive import read_head
from restore.core.blocks import Block, BlockKind, Scanner
from restore.core.data import DataReader
from restore.core.rows import slices
from restore.core.toc import Compression, Head
from restore.core.unpack import unpacked
from restore.errors import ArchiveError

DATA = Path(__file__).parent.parent / "data"
WHOLE = {
    str(path.relative_to(DATA)): path.read_bytes()
    for pattern in ("*.dump", "blocks/*.dump", "engine/*.dump")
    for path in sorted(DATA.glob(pattern))
}
each = pytest.mark.parametrize("name", WHOLE)
steady = settings(deadline=None, derandomize=True, max_examples=200)

Content = dict[int, bytes | dict[int, bytes]]
"""By the id of the entry: rows, or large objects by their numbers."""


def head_of(content: bytes) -> Head:
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


HEADS = {name: head_of(content) for name, content in WHOLE.items()}


def every(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def reader_of(content: bytes, head: Head, size: int = 1 << 30) -> DataReader:
    return DataReader(head, every(content[head.toc_end :], size), head.toc_end, len(content))


def packed_content(reader: DataReader, head: Head) -> tuple[list[Block], Content]:
    """All blocks and the packed bytes in them."""
    blocks, found = [], Content()
    for entry in head.data_entries:
        start = reader.position
        kind = reader.begin(entry)
        if kind is BlockKind.DATA:
            found[entry.dump_id] = b"".join(reader.packed())
        else:
            objects = found[entry.dump_id] = {}
            while number := reader.oid():
                objects[number] = b"".join(reader.packed())
        blocks.append(Block(entry.dump_id, start, reader.position - start, kind))
    reader.finish()
    return blocks, found


def plain_content(reader: DataReader, head: Head) -> Content:
    """The same unpacked, and rows up to their end, as the engine reads them."""
    found = Content()
    for entry in head.data_entries:
        if reader.begin(entry) is BlockKind.DATA:
            pieces = slices(unpacked(reader.packed(), head.compression))
            found[entry.dump_id] = b"".join(view for piece in pieces for view in piece.views)
        else:
            objects = found[entry.dump_id] = {}
            while number := reader.oid():
                objects[number] = b"".join(unpacked(reader.packed(), head.compression))
    reader.finish()
    return found


def read(content: bytes, head: Head, size: int = 1 << 30) -> Content:
    return plain_content(reader_of(content, head, size), head)


def followed(content: bytes, head: Head) -> Content:
    """The packed bytes, found in the plainest way."""
    found = Content()
    at = head.toc_end

    def number() -> int:
        nonlocal at
        sign, value = struct.unpack_from("<BI", content, at)
        at += 5
        return (1 << 32) - value if sign else value

    def chunks() -> bytes:
        nonlocal at
        whole = b""
        while length := number():
            whole += content[at : at + length]
            at += length
        return whole

    for entry in head.data_entries:
        at += 6
        if entry.description == "BLOBS":
            found[entry.dump_id] = {oid: chunks() for oid in iter(number, 0)}
        else:
            found[entry.dump_id] = chunks()
    return found


@each
@pytest.mark.parametrize("size", [1, 2, 5, 7, 61, 4096, 4101, 1 << 30])
def test_blocks_are_read_where_a_scan_finds_them(name, size):
    content, head = WHOLE[name], HEADS[name]
    blocks, found = packed_content(reader_of(content, head, size), head)
    scanner = Scanner(head)
    assert tuple(blocks) == scanner.feed(content[head.toc_end :])
    scanner.finish()
    assert found == followed(content, head)


@each
@pytest.mark.parametrize("size", [1, 4096, 1 << 30])
def test_blocks_hold_the_rows_that_python_unpacks(name, size):
    head = HEADS[name]
    found = read(WHOLE[name], head, size)
    if head.compression is Compression.GZIP:
        assert found == {
            dump_id: zlib.decompress(packed).removesuffix(b"\\.\n\n\n")
            if isinstance(packed, bytes)
            else {number: zlib.decompress(one) if one else b"" for number, one in packed.items()}
            for dump_id, packed in followed(WHOLE[name], head).items()
        }
    assert len(found) == len(head.data_entries)


@pytest.mark.parametrize("packing", ["lz4", "zstd", "long"])
def test_archives_of_one_database_hold_the_same_however_they_were_packed(packing):
    name = f"engine/features-pg17-{packing}.dump"
    assert read(WHOLE[name], HEADS[name]) == read(
        WHOLE["engine/features-pg17.dump"], HEADS["engine/features-pg17.dump"]
    )


@pytest.mark.parametrize("name", ["blocks/gzip-pg15.dump", "blocks/gzip-pg18.dump"])
def test_rows_and_large_objects_are_those_of_the_database(name):
    head = HEADS[name]
    found = read(WHOLE[name], head)
    rows = {
        table.table: found[table.entry.dump_id] for table in head.tables if table.entry.has_data
    }
    assert rows["nothing"] == b""
    assert rows["words"] == b"one\ntwo\nth\\\\ree\\n\n\\N\n"
    assert rows["hashes"].count(b"\n") == 390
    [objects] = (value for value in found.values() if isinstance(value, dict))
    assert {number: len(value) for number, value in objects.items()} == {
        1: 6,
        77: 0,
        3_000_000_000: 4800,
    }
    assert objects[1] == b"little"


@pytest.mark.parametrize("size", [1, 3, 1 << 30])
@pytest.mark.parametrize("integer_bytes", [4, 8])
def test_large_objects_have_numbers_up_to_the_highest(size, integer_bytes):
    """From 2^31 they are written as negative ones: minus 2^31 for 2^31, minus 1 for 2^32 - 1."""
    numbers = [1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]
    name = "blocks/none-pg16.dump"
    head = replace(HEADS[name], integer_bytes=integer_bytes, compression=Compression.NONE)
    [entry] = head.entries.described("BLOBS")
    integer = struct.Struct("<BI" if integer_bytes == 4 else "<BQ")
    data = [struct.pack("<B", 3), integer.pack(0, entry.dump_id)]
    for number in numbers:
        value = number if number < 2**31 else number - 2**32
        data += [integer.pack(value < 0, abs(value)), integer.pack(0, 3), b"abc"]
        data += [integer.pack(0, 0)]
    whole = b"".join([*data, integer.pack(0, 0)])
    reader = DataReader(head, every(whole, size), 0, len(whole))
    assert reader.begin(entry) is BlockKind.LARGE_OBJECTS
    found = {number: b"".join(reader.packed()) for number in iter(reader.oid, 0)}
    reader.finish()
    assert found == dict.fromkeys(numbers, b"abc")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocks/none-pg16.dump", "a large object's number above 1"),
        ("blocks/gzip-pg18.dump", "large object 77"),
    ],
)
@pytest.mark.parametrize(
    ("sign", "value", "shown"),
    [(0, 1, 1), (2, 77, -1), (1, 0, 2**32), (1, 2**31 + 1, -1)],
)
def test_a_number_that_cannot_follow_is_refused(name, expected, sign, value, shown):
    head = HEADS[name]
    [entry] = head.entries.described("BLOBS")
    integer = struct.Struct("<BI")
    data = b"\3" + integer.pack(0, entry.dump_id) + integer.pack(0, 1) + integer.pack(0, 0)
    data += integer.pack(sign, value)
    reader = DataReader(head, [data], 100, 100 + len(data))
    reader.begin(entry)
    assert (reader.oid(), list(reader.packed())) == (1, [])
    with pytest.raises(ArchiveError) as caught:
        reader.oid()
    assert caught.value.message == f"archive at 116: expected {expected}, found {shown}"


@pytest.mark.parametrize(
    ("listed", "expected"), [(b"1\n77\n", "0"), (b"1\n\xff\n", "\ufffd"), (b"", "0")]
)
def test_a_block_holds_the_large_objects_that_the_archive_lists(listed, expected):
    content = WHOLE["blocks/gzip-pg18.dump"]
    whole = b"1\n77\n3000000000\n"
    assert content.count(whole) == 1
    changed = content.replace(whole, listed.ljust(len(whole)))
    with pytest.raises(ArchiveError, match=f"expected large object {expected}, found"):
        read(changed, head_of(changed))


def test_numbers_start_anew_in_every_block_of_large_objects():
    name = "engine/features-pg17.dump"
    blocks = [v for v in read(WHOLE[name], HEADS[name]).values() if isinstance(v, dict)]
    numbers = [number for block in blocks for number in block]
    assert len(blocks) > 2
    assert numbers != sorted(numbers)
    assert all(list(block) == sorted(block) for block in blocks)


def test_reading_can_begin_at_any_block():
    name = "blocks/gzip-pg18.dump"
    content, head = WHOLE[name], HEADS[name]
    blocks, found = packed_content(reader_of(content, head), head)
    for block in blocks[:-1]:
        data = every(content[block.offset : block.end], 100)
        reader = DataReader(head, data, block.offset, block.end)
        reader.begin(head.entry(block.dump_id))
        assert b"".join(reader.packed()) == found[block.dump_id]
        reader.finish()
        assert reader.position == block.end


def test_a_chunk_is_given_out_as_it_comes():
    """However long it is, no more is held than what was read at once."""
    head = HEADS["blocks/none-pg16.dump"]
    entry = head.data_entries[0]
    integer = struct.Struct("<BI")
    start = b"\1" + integer.pack(0, entry.dump_id) + integer.pack(0, 1 << 30)
    size_bytes = len(start) + (1 << 30) + 5

    def chunks() -> Iterator[bytes]:
        yield start
        for _ in range(16):
            yield bytes(1 << 16)

    reader = DataReader(head, chunks(), 0, size_bytes)
    reader.begin(entry)
    packed = reader.packed()
    assert [len(next(packed)) for _ in range(16)] == [1 << 16] * 16
    with pytest.raises(ArchiveError, match=r"expected 1 bytes, found the end of what was read"):
        next(packed)


FIRST = HEADS["blocks/gzip-pg18.dump"].data_entries[0].dump_id


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"\3", f"at 2878: expected block 1, 0, {FIRST}, found 3, 0, {FIRST}"),
        (0, b"\1\1", f"at 2878: expected block 1, 0, {FIRST}, found 1, 1, {FIRST}"),
        (2, b"\xff\xff\xff\x7f", "found 1, 0, 2147483647"),
        (6, b"\1", "at 2884: expected a chunk's length, found 1, 4096"),
        (6, b"\0\xff\xff\xff\xff", "at 2884: expected a chunk's length, found 0, 4294967295"),
        (6, b"\0\x22\x34\0\0", "at 2884: expected a chunk's length, found 0, 13346"),
    ],
)
def test_damage_is_told_by_its_place(at, value, message):
    content, head = WHOLE["blocks/gzip-pg18.dump"], HEADS["blocks/gzip-pg18.dump"]
    at += head.toc_end
    with pytest.raises(ArchiveError, match=message) as caught:
        read(content[:at] + value + content[at + len(value) :], head)
    assert "truncated or damaged" in caught.value.hint


def test_bytes_behind_the_last_block_are_refused():
    content, head = WHOLE["blocks/gzip-pg18.dump"], HEADS["blocks/gzip-pg18.dump"]
    with pytest.raises(ArchiveError, match="at 16239: expected the end of the data, found it at"):
        read(content + b"\0", head)
    reader = DataReader(head, [content[head.toc_end :] + b"x"], head.toc_end, len(content))
    assert plain_content(reader, head) == read(content, head)


def test_blocks_that_reach_beyond_their_end_are_refused():
    content, head = WHOLE["blocks/gzip-pg18.dump"], HEADS["blocks/gzip-pg18.dump"]
    reader = DataReader(head, [content[head.toc_end :]], head.toc_end, len(content) - 2)
    with pytest.raises(ArchiveError, match="at 16239: expected the end of the data, found it at"):
        plain_content(reader, head)


@pytest.mark.parametrize("name", ["crm-pg15.dump", "crm-pg18.dump", "seekable-pg16.dump"])
@pytest.mark.parametrize("size", [7, 1 << 30])
def test_an_archive_cut_off_at_any_byte_is_refused(name, size):
    content, head = WHOLE[name], HEADS[name]
    for length in range(head.toc_end, len(content)):
        with pytest.raises(ArchiveError):
            read(content[:length], head, size)


@pytest.mark.parametrize("name", ["crm-pg15.dump", "crm-pg18.dump", "seekable-pg16.dump"])
def test_a_stream_that_stops_early_is_refused(name):
    content, head = WHOLE[name], HEADS[name]
    for length in range(head.toc_end, len(content)):
        chunks = every(content[head.toc_end : length], 100)
        with pytest.raises(ArchiveError):
            plain_content(DataReader(head, chunks, head.toc_end, len(content)), head)


def flipped(name: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    for at, bit in places:
        content = bytearray(WHOLE[name])
        content[at] ^= 1 << bit
        yield bytes(content)


def is_same_or_refused(content: bytes, name: str, expected: Content) -> bool:
    """Up to version 16, a large object that was never made is refused by the server only."""
    try:
        found = read(content, HEADS[name], 5000)
    except ArchiveError:
        return True
    return found == expected or not numbers_of(found) <= numbers_of(expected)


def numbers_of(content: Content) -> set[int]:
    return {n for value in content.values() if isinstance(value, dict) for n in value}


@pytest.mark.parametrize(
    "name",
    [
        "blocks/gzip-pg15.dump",
        "blocks/gzip-pg18.dump",
        "crm-pg16.dump",
        "engine/features-pg17.dump",
    ],
)
def test_a_flipped_bit_is_found_or_changes_nothing(name):
    """1,000 of them all over the data; and of each archive with many headers, 1,000 more."""
    head = HEADS[name]
    source = random.Random(name)
    expected = read(WHOLE[name], head)
    places = [
        (source.randrange(head.toc_end, len(WHOLE[name])), source.randrange(8)) for _ in range(1000)
    ]
    for content in flipped(name, places):
        assert is_same_or_refused(content, name, expected)


def numbers_in(reader: DataReader, head: Head) -> Iterator[int]:
    """Where the numbers of large objects lie, with the zeros that end their blocks."""
    for entry in head.data_entries:
        if reader.begin(entry) is BlockKind.DATA:
            list(reader.packed())
            continue
        yield reader.position
        while reader.oid():
            list(reader.packed())
            yield reader.position


@pytest.mark.parametrize("name", ["blocks/gzip-pg15.dump", "engine/features-pg17.dump"])
def test_every_flipped_bit_in_the_numbers_of_large_objects_is_found(name):
    """What lies under a number has a checksum; the number has none."""
    head = HEADS[name]
    expected = read(WHOLE[name], head)
    headers = list(numbers_in(reader_of(WHOLE[name], head), head))
    assert len(headers) > 3
    places = [(at + byte, bit) for at in headers for byte in range(5) for bit in range(8)]
    for content in flipped(name, places):
        assert is_same_or_refused(content, name, expected)


@steady
@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=40), st.integers(0), st.integers(1, 999))
def test_no_bytes_raise_anything_but_an_archive_error(name, noise, where, size):
    head = HEADS[name]
    content = bytearray(WHOLE[name])
    length = len(content) - head.toc_end
    at = head.toc_end + (where % length if length else 0)
    content[at : at + len(noise)] = noise
    try:
        read(bytes(content), head, size * 10)
    except ArchiveError:
        return


@each
def test_blocks_that_nobody_wants_are_passed_over(name):
    head = HEADS[name]
    reader = reader_of(WHOLE[name], head)
    for entry in head.data_entries:
        reader.pass_over(entry)
    reader.finish()
