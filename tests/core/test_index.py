"""Blocks found in archives by few reads: those pg_dump wrote, big ones made here, damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.archive import read_head
from restore.core.blocks import Block, BlockKind, Layout, patched
from restore.core.index import MAX_WINDOW_BYTES, Ask, Pace, Range, Steps, index, suitable_pace
from restore.core.toc import Compression, Head, OffsetFlag
from restore.errors import ArchiveError

DATA = Path(__file__).parent.parent / "data"
WHOLE = {path.name: path.read_bytes() for path in sorted(DATA.glob("blocks/*.dump"))}
each = pytest.mark.parametrize("name", WHOLE)
PACES = [Pace(16, 1), Pace(16, 3), Pace(4200, 2), Pace(9000), None]
MEGABYTE = 1024 * 1024


def head_of(content: bytes) -> Head:
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


@dataclass
class Source:
    """Answers a search, and counts what it costs."""

    read: Callable[[Range], bytes]
    asks: list[Ask] = field(default_factory=list)

    def drive(self, steps: Steps[tuple[Block, ...]]) -> tuple[Block, ...]:
        try:
            ask = next(steps)
            while True:
                self.asks.append(ask)
                ask = steps.send([self.read(wanted) for wanted in ask.ranges])
        except StopIteration as stop:
            blocks: tuple[Block, ...] = stop.value
            return blocks

    @property
    def ranges(self) -> list[Range]:
        return [wanted for ask in self.asks for wanted in ask.ranges]

    @property
    def bytes_read(self) -> int:
        return sum(wanted.size_bytes for wanted in self.ranges)


def source_of(content: bytes) -> Source:
    return Source(lambda wanted: content[wanted.offset : wanted.end])


def indexed(content: bytes, pace: Pace | None = None, head: Head | None = None):
    return source_of(content).drive(index(head or head_of(content), pace))


def followed(content: bytes) -> tuple[list[Block], list[int]]:
    """The blocks of a sound archive and the bytes of its headers, found in the plainest way."""
    blocks, places = [], []
    at = head_of(content).toc_end

    def number() -> int:
        nonlocal at
        places.extend(range(at, at + 5))
        at += 5
        return int.from_bytes(content[at - 4 : at], "little")

    def chunks() -> None:
        nonlocal at
        while length := number():
            at += length

    while (start := at) < len(content):
        kind = BlockKind(content[at])
        places.append(at)
        at += 1
        dump_id = number()
        if kind is BlockKind.DATA:
            chunks()
        while kind is BlockKind.LARGE_OBJECTS and number():
            chunks()
        blocks.append(Block(dump_id, start, at - start, kind))
    return blocks, places


BLOCKS = {name: tuple(followed(content)[0]) for name, content in WHOLE.items()}
HEADERS = {name: followed(content)[1] for name, content in WHOLE.items()}


def unset(content: bytes) -> bytes:
    """The same archive as if it had been written to a pipe."""
    head = head_of(content)
    return patched(head, content, ()) + content[head.toc_end :]


def archive(blocks: list[list[int]], template: str = "gzip-pg15.dump") -> tuple[Head, bytes]:
    """An archive of one block for each list of chunk lengths."""
    content = WHOLE[template]
    head = head_of(content)
    entry = head.data_entries[0]
    layout = Layout.of(head)
    entries, data = [], [b""]
    for dump_id, chunks in enumerate(blocks, start=1):
        entries.append(replace(entry, dump_id=dump_id, flag=OffsetFlag.NOT_SET, offset=0))
        data.append(layout.block_start.pack(BlockKind.DATA.value, 0, dump_id))
        data += [layout.integer.pack(0, length) + b"x" * length for length in chunks]
        data.append(layout.integer.pack(0, 0))
    body = b"".join(data)
    whole = content[: head.toc_end] + body
    return replace(head, entries=tuple(entries), size_bytes=len(whole)), whole


def packed(size_bytes: int) -> list[int]:
    """Chunks as gzip's come: full ones and a rest."""
    return [4096] * (size_bytes // 4096) + [size_bytes % 4096 or 17]


@each
@pytest.mark.parametrize("pace", PACES)
def test_a_search_finds_what_reading_everything_finds(name, pace):
    content = WHOLE[name]
    assert indexed(content, pace) == BLOCKS[name]
    assert indexed(unset(content), pace) == BLOCKS[name]


@pytest.mark.parametrize("name", ["gzip-pg15.dump", "gzip-pg18.dump"])
def test_chunks_of_one_length_are_left_out(name):
    content = WHOLE[name]
    source = source_of(content)
    source.drive(index(head_of(content), Pace(16, 2)))
    assert source.bytes_read / len(content) < 0.05


def test_the_offsets_that_pg_dump_wrote_are_those_found_without_them():
    content = WHOLE["offsets-pg16.dump"]
    entries = head_of(content).data_entries
    blocks = indexed(unset(content))
    assert [(block.dump_id, block.offset) for block in blocks] == [
        (entry.dump_id, entry.offset) for entry in entries
    ]
    assert blocks[-1].kind is BlockKind.LARGE_OBJECTS


def test_big_blocks_are_found_by_reading_little():
    head, content = archive([packed(n * MEGABYTE + 99) for n in (20, 3, 1, 40)])
    source = source_of(content)
    blocks = source.drive(index(head))
    assert [block.size_bytes for block in blocks] == [
        6 + sum(5 + length for length in packed(n * MEGABYTE + 99)) + 5 for n in (20, 3, 1, 40)
    ]
    assert blocks[-1].end == len(content)
    assert source.bytes_read / len(content) < 0.01
    assert len(source.asks) < 30


def test_small_blocks_are_read_once_in_long_windows():
    head, content = archive([packed(100_000 + n) for n in range(120)])
    source = source_of(content)
    assert len(source.drive(index(head))) == 120
    assert source.bytes_read / len(content) < 1.02
    assert len(source.asks) <= len(content) // MAX_WINDOW_BYTES + 1


def test_windows_grow_over_small_blocks_between_big_ones():
    sizes = [30 * MEGABYTE, *[50_000] * 60, 30 * MEGABYTE]
    head, content = archive([packed(size) for size in sizes])
    source = source_of(content)
    assert len(source.drive(index(head))) == 62
    assert source.bytes_read / len(content) < 0.2
    assert len(source.asks) < 30


def test_blocks_are_told_while_the_search_goes_on():
    head, content = archive([packed(200_000)] * 6)
    source = source_of(content)
    blocks = source.drive(index(head, Pace(16384)))
    told = [block for ask in source.asks for block in ask.found]
    assert told == list(blocks[: len(told)])
    assert any(ask.found for ask in source.asks[: len(source.asks) // 2])


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.LZ4, Compression.ZSTD])
def test_other_compressions_are_followed_from_header_to_header(compression):
    head, content = archive([packed(3 * MEGABYTE), packed(500_000)])
    head = replace(head, compression=compression)
    source = source_of(content)
    assert source.drive(index(head)) == indexed(content, head=head)
    assert 0.99 < source.bytes_read / (len(content) - head.toc_end) < 1.01


def test_a_chunk_longer_than_a_window_is_not_read():
    head, content = archive([[20 * MEGABYTE], [5, 8 * MEGABYTE]], "none-pg16.dump")
    source = source_of(content)
    assert len(source.drive(index(head))) == 2
    assert source.bytes_read / len(content) < 0.5


def test_a_block_that_lines_up_with_the_next_is_walked_through():
    """The probes beyond the first block hit headers of the second."""
    aligned = 4096 - 5 - 6
    head, content = archive([[4096] * 200 + [aligned], [4096] * 900 + [9], packed(300_000)])
    source = source_of(content)
    blocks = source.drive(index(head, Pace(16384, 4)))
    assert [block.dump_id for block in blocks] == [1, 2, 3]
    assert blocks[0].size_bytes == 6 + 200 * 4101 + aligned + 5 + 5
    first = [wanted for wanted in source.ranges if wanted.offset < blocks[0].end]
    assert sum(wanted.size_bytes for wanted in first) > blocks[0].size_bytes
    assert source.bytes_read / len(content) < 0.5


def test_gzip_in_chunks_of_many_lengths_is_walked_through():
    blocks = [[4096] * 50 + [4000 + n] * 50 + [7] for n in range(5)]
    head, content = archive(blocks)
    found = indexed(content, Pace(16384, 4), head)
    assert [b.size_bytes - 11 for b in found] == [sum(n + 5 for n in chunks) for chunks in blocks]


def test_chunks_longer_than_a_window_are_left_out_too():
    head, content = archive([[131072] * 100 + [5]])
    source = source_of(content)
    assert source.drive(index(head, Pace(16384)))[0].end == len(content)
    assert source.bytes_read / len(content) < 0.01
    assert len(source.asks) < 10


def test_a_search_that_is_often_wrong_stops_guessing():
    blocks = [[4096] * 9 + [4000] * 9 + [7]] * 200
    head, content = archive(blocks)
    source = source_of(content)
    assert len(source.drive(index(head, Pace(16384, 4)))) == 200
    again = [ask for ask in source.asks if len(ask.ranges) > 1]
    assert 0 < len(again) < 400


def test_many_small_large_objects_are_read_in_growing_windows():
    """One of them is big, and left out."""
    content = WHOLE["gzip-pg15.dump"]
    head = head_of(content)
    integer = Layout.of(head).integer
    objects = [[150], packed(30 * MEGABYTE), *([150] for _ in range(20_000))]
    data = [Layout.of(head).block_start.pack(3, 0, head.data_entries[-1].dump_id)]
    for number, chunks in enumerate(objects, start=1):
        data.append(integer.pack(0, number))
        data += [integer.pack(0, length) + b"x" * length for length in [*chunks]]
        data.append(integer.pack(0, 0))
    whole = content[: head.toc_end] + b"".join([*data, integer.pack(0, 0)])
    head = replace(head, entries=head.data_entries[-1:], size_bytes=len(whole))
    source = source_of(whole)
    [block] = source.drive(index(head, Pace(16384)))
    assert block.end == len(whole)
    assert source.bytes_read / len(whole) < 0.12
    assert len(source.asks) < 20


def test_an_archive_with_offsets_cut_after_any_large_object_is_refused():
    content = WHOLE["offsets-pg16.dump"]
    last = BLOCKS["offsets-pg16.dump"][-1]
    cuts = [at for at in range(last.offset, len(content)) if content[:at].endswith(bytes(5))]
    assert len(cuts) > 3
    for at in cuts:
        with pytest.raises(ArchiveError):
            indexed(content[:at])


@pytest.mark.parametrize("shift", [-1, 1, 4101])
@pytest.mark.parametrize("which", [0, 1, 3])
def test_wrong_offsets_in_the_toc_are_not_believed(shift, which):
    content = WHOLE["offsets-pg16.dump"]
    sound = BLOCKS["offsets-pg16.dump"]
    blocks = list(sound)
    blocks[which] = replace(blocks[which], offset=blocks[which].offset + shift)
    head = head_of(content)
    wrong = patched(head, content, blocks) + content[head.toc_end :]
    assert indexed(wrong) == sound


def test_many_offsets_are_proved_by_few_reads():
    head, content = archive([packed(3000)] * 2000)
    blocks = indexed(content, head=head)
    entries = tuple(
        replace(entry, flag=OffsetFlag.SET, offset=block.offset)
        for entry, block in zip(head.entries, blocks, strict=True)
    )
    source = source_of(content)
    assert source.drive(index(replace(head, entries=entries))) == blocks
    assert len(source.ranges) <= len(content) // MEGABYTE + 2


def test_offsets_of_big_blocks_are_proved_without_reading_them():
    head, content = archive([packed(MEGABYTE)] * 20)
    blocks = indexed(content, head=head)
    entries = tuple(
        replace(entry, flag=OffsetFlag.SET, offset=block.offset)
        for entry, block in zip(head.entries, blocks, strict=True)
    )
    source = source_of(content)
    assert source.drive(index(replace(head, entries=entries))) == blocks
    assert source.bytes_read < 20 * 20
    assert [len(ask.ranges) for ask in source.asks] == [16, 5]


def test_a_short_answer_is_refused():
    content = WHOLE["gzip-pg15.dump"]
    source = Source(lambda wanted: content[wanted.offset : wanted.end - 1])
    with pytest.raises(ArchiveError, match=r"expected \d+ bytes, found \d+"):
        source.drive(index(head_of(content)))


@pytest.mark.parametrize(("window_bytes", "probes"), [(15, 1), (16, 0)])
def test_a_pace_that_gets_nowhere_is_refused(window_bytes, probes):
    with pytest.raises(ValueError, match="pace"):
        Pace(window_bytes, probes)


@pytest.mark.parametrize(
    ("mean_bytes", "window_bytes"),
    [
        (MEGABYTE - 1, MAX_WINDOW_BYTES),
        (MEGABYTE, 16384),
        (8 * MEGABYTE, 65536),
        (10**12, MEGABYTE),
    ],
)
def test_windows_are_short_where_blocks_are_big(mean_bytes, window_bytes):
    head, _ = archive([[1], [1]])
    head = replace(head, size_bytes=head.toc_end + 2 * mean_bytes)
    assert suitable_pace(head).window_bytes == window_bytes


steady = settings(deadline=None, derandomize=True, max_examples=200)
names = st.sampled_from(sorted(WHOLE))
paces = st.sampled_from(PACES)


@steady
@given(names, paces, st.integers(0))
def test_a_truncated_archive_is_refused(name, pace, length):
    content = WHOLE[name]
    start = head_of(content).toc_end
    cut = content[: start + length % (len(content) - start)]
    with pytest.raises(ArchiveError):
        indexed(cut, pace)


@steady
@given(names, paces, st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_in_a_header_changes_no_block(name, pace, which, flip):
    """Either it is refused, or it is one of the headers that are left out."""
    damaged = bytearray(WHOLE[name])
    damaged[HEADERS[name][which % len(HEADERS[name])]] ^= flip
    try:
        blocks = indexed(bytes(damaged), pace)
    except ArchiveError:
        return
    assert blocks == BLOCKS[name]


@steady
@given(
    st.lists(st.lists(st.integers(1, 40), max_size=12), min_size=1, max_size=5),
    st.integers(16, 99),
    st.integers(1, 4),
)
def test_any_chunks_in_any_blocks_are_found(blocks, window_bytes, probes):
    head, content = archive(blocks)
    found = indexed(content, Pace(window_bytes, probes), head)
    assert [b.size_bytes for b in found] == [11 + sum(n + 5 for n in chunks) for chunks in blocks]
    assert found[-1].end == len(content)


@steady
@given(st.lists(st.integers(0, 30), min_size=2, max_size=6), st.integers(0, 39))
def test_runs_of_one_length_are_found_however_they_line_up(counts, rest):
    blocks = [[40] * count + [rest] * (rest > 0) for count in counts]
    head, content = archive(blocks)
    found = indexed(content, Pace(16, 2), head)
    assert [b.size_bytes for b in found] == [11 + sum(n + 5 for n in chunks) for chunks in blocks]
