"""The index of an archive's data: where each block lies, without reading all of the data.

Nothing is read here: the search yields the ranges it wants and is sent their bytes, so that any
source of ranges can drive it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, TypeVar

from restore.core.blocks import Block, BlockKind, Layout, Run, Scanner, kind_of
from restore.core.toc import Compression, Head, OffsetFlag
from restore.errors import ArchiveError

MAX_WINDOW_BYTES = 4 * 1024 * 1024
"""The longest single read; from some such size on, a round trip costs less than its bytes."""

_BIG_BLOCK_BYTES = 1024 * 1024
_SHORT_WINDOW_BYTES = 16 * 1024
_WORTH_A_LEAP_BYTES = 256 * 1024
_NEIGHBOUR_BYTES = 16 * 1024
_MERGED_BYTES = 1024 * 1024
_MOST_WRONG_LEAPS = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of the archive."""

    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.offset + self.size_bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """The ranges wanted next, all at once, and the blocks found since the last time.

    A found block can be loaded at once. Where it lies in a range of the last answer, its bytes
    need not be read again.
    """

    ranges: tuple[Range, ...]
    found: tuple[Block, ...] = ()


Steps: TypeAlias = Generator[Ask, Sequence[bytes], T]
"""Yields what it asks for; is sent one answer for each range, just as long; returns T."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a search reads: `window_bytes` from the start of a block, then `probes` small reads.

    Windows grow where no reads can be left out, up to MAX_WINDOW_BYTES.
    Raises ValueError for a window that may not hold a header, or no probes.
    """

    window_bytes: int
    probes: int = 16

    def __post_init__(self) -> None:
        if self.window_bytes < 16 or self.probes < 1:
            raise ValueError(f"pace: expected 16 bytes and 1 probe at least, found {self}")


def suitable_pace(head: Head) -> Pace:
    """Short windows where blocks are big, so that little is read twice.

    Blocks below a megabyte on average come in long windows, that is, all of their bytes are read:
    probes would take more round trips than that. Keep the last answer, and load from it.
    """
    mean_bytes = (head.size_bytes - head.toc_end) // max(len(head.data_entries), 1)
    if mean_bytes < _BIG_BLOCK_BYTES:
        return Pace(MAX_WINDOW_BYTES)
    return Pace(min(max(mean_bytes // 128, _SHORT_WINDOW_BYTES), _BIG_BLOCK_BYTES))


def index(head: Head, pace: Pace | None = None) -> Steps[tuple[Block, ...]]:
    """Every data block in order: nothing lies between them, and nothing after the last.

    Offsets in the TOC are held against what lies there. Where they are missing or wrong, the end
    of a block packed with gzip is found by few small reads; of others, from header to header.
    Raises ArchiveError for data that is not the TOC's blocks up to the archive's end.
    """
    pace = pace or suitable_pace(head)
    blocks = _by_offsets(head)
    if blocks and (yield from _lie_there(head, blocks, pace.probes)):
        return blocks
    return (yield from _Search(head, pace).steps())


def _read(ranges: Sequence[Range], found: tuple[Block, ...] = ()) -> Steps[Sequence[bytes]]:
    answers = yield Ask(tuple(ranges), found)
    for wanted, answer in zip(ranges, answers, strict=True):
        if len(answer) != wanted.size_bytes:
            raise ArchiveError(
                f"archive at {wanted.offset}: expected {wanted.size_bytes} bytes,"
                f" found {len(answer)}",
                hint="the blob changed while it was read, or the read was cut",
            )
    return answers


def _by_offsets(head: Head) -> tuple[Block, ...]:
    """The blocks as the TOC has them; none unless it has all, in order."""
    known = [(e.dump_id, e.flag, e.offset, kind_of(e)) for e in head.data_entries]
    if any(flag is not OffsetFlag.SET for _, flag, _, _ in known):
        return ()
    bounds = [*(offset for _, _, offset, _ in known), head.size_bytes]
    layout = Layout.of(head)
    smallest = layout.block_start.size + layout.integer.size
    if bounds[0] != head.toc_end or any(b - a < smallest for a, b in pairwise(bounds)):
        return ()
    return tuple(
        Block(dump_id, start, end - start, kind)
        for (dump_id, _, _, kind), (start, end) in zip(known, pairwise(bounds), strict=True)
    )


def _lie_there(head: Head, blocks: Sequence[Block], probes: int) -> Steps[bool]:
    """Does each block start where it should, right after the end of the one before?"""
    expected = tuple(_seams(head, blocks))
    ranges = tuple(_merged([Range(offset, len(seam)) for offset, seam in expected]))
    seams = iter(expected)
    offset, seam = next(seams)
    for first in range(0, len(ranges), probes):
        asked = ranges[first : first + probes]
        for place, data in zip(asked, (yield from _read(asked)), strict=True):
            while offset < place.end:
                if not data.startswith(seam, offset - place.offset):
                    return False
                offset, seam = next(seams, (head.size_bytes, b""))
    return True


def _seams(head: Head, blocks: Sequence[Block]) -> Iterator[tuple[int, bytes]]:
    """What must lie between each two blocks, before the first and after the last."""
    layout = Layout.of(head)
    terminator = b""
    for block in blocks:
        start = layout.block_start.pack(block.kind.value, 0, block.dump_id)
        yield block.offset - len(terminator), terminator + start
        ends = 2 if block.kind is BlockKind.LARGE_OBJECTS else 1  # of its last object, and its own
        terminator = bytes(ends * layout.integer.size)
    yield head.size_bytes - len(terminator), terminator


def _merged(ranges: Sequence[Range]) -> Iterator[Range]:
    """The same bytes in fewer reads, those between neighbours included."""
    held = ranges[0]
    for following in ranges[1:]:
        near = following.offset - held.end < _NEIGHBOUR_BYTES
        if near and following.end - held.offset <= _MERGED_BYTES:
            held = Range(held.offset, following.end - held.offset)
        else:
            yield held
            held = following
    yield held


class _Search:
    """The way through data that no offsets describe.

    gzip's chunks are of one length but for the last before the end, so where such a run ends is
    searched by a few of its headers. That is a guess, as chunks of a later block can lie at the
    same distances; the header after the block proves it. If not, this block is walked through.
    Source: DeflateCompressorCommon in compress_gzip.c, PostgreSQL 16: full buffers but the last.
    """

    def __init__(self, head: Head, pace: Pace) -> None:
        self._head, self._pace = head, pace
        self._scanner = Scanner(head)
        self._blocks: list[Block] = []
        self._news: tuple[Block, ...] = ()
        self._window_bytes = pace.window_bytes
        self._leaps_left = _MOST_WRONG_LEAPS if head.compression is Compression.GZIP else 0
        self._may_leap = self._leaps_left > 0
        self._leapt_chain: int | None = None

    def steps(self) -> Steps[tuple[Block, ...]]:
        while not self._scanner.done:
            has_landed = yield from self._walk()
            run = self._scanner.run
            if run and self._worth_a_leap(run):
                yield from self._leap(run)
            elif not has_landed:
                self._widen()
        return tuple(self._blocks)

    def _ask(self, ranges: Sequence[Range]) -> Steps[Sequence[bytes]]:
        news, self._news = self._news, ()
        return (yield from _read(ranges, news))

    def _walk(self) -> Steps[bool]:
        """Follow the headers of one window: does it prove the last leap?"""
        at = self._scanner.position
        self._scanner.move_to(at)
        size_bytes = min(self._window_bytes, self._head.size_bytes - at)
        [data] = yield from self._ask([Range(at, size_bytes)])
        try:
            self._news = self._scanner.feed(data)
        except ArchiveError:
            if self._leapt_chain is None:
                raise
            self._go_back()
        if not self._news:
            return False
        has_landed = self._leapt_chain is not None
        self._blocks += self._news
        self._leapt_chain, self._may_leap = None, self._leaps_left > 0
        return has_landed

    def _go_back(self) -> None:
        """Begin again where the last proved block ends, and leave nothing out in the next."""
        self._scanner = Scanner(self._head, self._blocks)
        self._leapt_chain, self._may_leap = None, False
        self._leaps_left -= 1

    def _widen(self) -> None:
        self._window_bytes = min(2 * self._window_bytes, MAX_WINDOW_BYTES)

    def _worth_a_leap(self, run: Run) -> bool:
        """Has it gone on for half a window at least, and is its end not known yet?"""
        outlives = run.position - run.chain_offset >= self._window_bytes // 2
        return self._may_leap and outlives and run.chain_offset != self._leapt_chain

    def _leap(self, run: Run) -> Steps[None]:
        """Go on at the last chunk of the run's length."""
        integer = Layout.of(self._head).integer
        header, step = integer.pack(0, run.chunk_bytes), integer.size + run.chunk_bytes
        low, high = -1, (self._head.size_bytes - integer.size - run.position) // step + 1
        seen = max((run.position - run.chain_offset) // step, 1)
        points = [low + (seen << power) for power in range(self._pace.probes)]
        while high - low > 1:
            inside = [point for point in points if low < point < high]
            inside = inside or _spread(low, high, self._pace.probes)
            places = [Range(run.position + point * step, integer.size) for point in inside]
            answers = yield from self._ask(places)
            matching = [answer == header for answer in answers] + [False]
            misses = matching.index(False)
            low, high = ([low, *inside][misses], [*inside, high][misses])
            points = []
        self._leapt_chain = run.chain_offset
        self._scanner.move_to(run.position + max(low, 0) * step)
        if low * step < _WORTH_A_LEAP_BYTES:
            self._widen()
        else:
            self._window_bytes = self._pace.window_bytes


def _spread(low: int, high: int, count: int) -> list[int]:
    """Up to `count` whole numbers between `low` and `high`, evenly spread."""
    width = high - low
    return sorted({low + width * part // (count + 1) for part in range(1, count + 1)} - {low})
