"""Bytes of an archive on their way: read ahead, in order, by a few requests at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import TypeVar

from restore.core import archive
from restore.core.index import Ask, Range, Steps
from restore.core.toc import Head
from restore.ports import Ranges

WINDOW_BYTES = 2 * 1024 * 1024
"""One request: long enough that a round trip costs little, short enough to hold several."""

_LONGEST_PIECE_BYTES = 4 * 1024 * 1024
_COMPARED_BYTES = 128  # the first entries of a TOC, which have no data: the same in both

T = TypeVar("T")


def read_head(ranges: Ranges) -> Head:
    """The header and TOC of an archive, in reads that grow until all is there.

    pg_dump from 16 on, its output sent to a file by the shell, appends the TOC with its offsets
    where it means to write it over the first one. Then that one counts, and the archive ends before
    it: `size_bytes` of the head is where the data ends.
    Raises ArchiveError if it cannot be read.
    Source: SetOutput in pg_backup_archiver.c, PostgreSQL 16 to 18: the file is opened to append.
    """
    reader, offset, piece_bytes = archive.HeadReader(ranges.size_bytes), 0, archive.FIRST_READ_BYTES
    while True:
        data = ranges.read(offset, min(piece_bytes, ranges.size_bytes - offset))
        if (head := reader.feed(data)) is not None:
            return _appended(ranges, head) or head
        offset, piece_bytes = offset + len(data), min(2 * piece_bytes, _LONGEST_PIECE_BYTES)


def _appended(ranges: Ranges, head: Head) -> Head | None:
    """The head with the TOC at the archive's end, if there is one."""
    first, toc_bytes = head.count_position, head.toc_end - head.count_position
    end = head.size_bytes - toc_bytes
    compared = min(toc_bytes, _COMPARED_BYTES)
    if end < head.toc_end or not head.data_entries:
        return None
    if ranges.read(end, compared) != head.raw[first : first + compared]:
        return None
    reader = archive.HeadReader(end)
    found = reader.feed(bytes(head.raw[:first]) + ranges.read(end, toc_bytes))
    same = found is not None and list(found.entries.dump_ids) == list(head.entries.dump_ids)
    return found if same else None


def drive(steps: Steps[T], ranges: Ranges, pool: Executor) -> T:
    """What `steps` come to: each time, all the ranges that they ask for, read side by side."""

    def read(wanted: Range) -> bytes:
        return ranges.read(wanted.offset, wanted.size_bytes)

    def answers(ask: Ask) -> Sequence[bytes]:
        if len(ask.ranges) == 1:
            return [read(ask.ranges[0])]
        return list(pool.map(read, ask.ranges))

    try:
        ask = next(steps)
        while True:
            ask = steps.send(answers(ask))
    except StopIteration as stop:
        result: T = stop.value
        return result


def stream(
    ranges: Ranges, start: int, end: int, pool: Executor, ahead: int, check: Callable[[], None]
) -> Iterator[bytes]:
    """The bytes from `start` to `end` in windows, up to `ahead` of them before they are wanted."""
    offsets = iter(range(start, end, WINDOW_BYTES))
    coming: deque[Future[bytes]] = deque()

    def ask() -> None:
        offset = next(offsets, None)
        if offset is not None:
            coming.append(pool.submit(ranges.read, offset, min(WINDOW_BYTES, end - offset)))

    try:
        for _ in range(1 + ahead):
            ask()
        while coming:
            check()
            data = coming.popleft().result()
            ask()
            yield data
    finally:
        for future in coming:
            future.cancel()
