"""The data of an archive read from front to back: blocks, and the packed bytes in their chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from restore.core.blocks import BlockKind, Layout, kind_of
from restore.core.toc import Entry, Head
from restore.errors import ArchiveError

_HIGHEST_OID = 2**32 - 1


class DataReader:
    """Reads the blocks of `entries`, which lie one behind the other, from `chunks`.

    `chunks` are the bytes of the archive from `offset` on, cut anywhere, and end at `end`.
    For each entry: `begin`, then all of `packed` (or, for large objects, `oid` and `packed` by
    turns until there is no other oid). Holds little more than one chunk.
    Raises ArchiveError for what is not the block expected, and where the bytes end too early.
    """

    def __init__(self, head: Head, chunks: Iterable[bytes], offset: int, end: int) -> None:
        self._head, self._layout = head, Layout.of(head)
        self._chunks = iter(chunks)
        self._data, self._at, self._offset = b"", 0, offset
        self._end = end
        self._last_oid = 0
        self._listed: Iterator[bytes] | None = None

    @property
    def position(self) -> int:
        """Where in the archive the next unread byte lies."""
        return self._offset + self._at

    def begin(self, entry: Entry) -> BlockKind:
        """Pass over the start of the block of `entry`."""
        start, kind = self._layout.block_start, kind_of(entry)
        position = self.position
        if kind is BlockKind.LARGE_OBJECTS:
            self._listed = self._numbers(entry)
        found = start.unpack(self._take(start.size))
        if found != (kind.value, 0, entry.dump_id):
            listed = ", ".join(map(str, found))
            raise self._damage(position, f"block {kind.value}, 0, {entry.dump_id}", listed)
        return kind

    def oid(self) -> int:
        """The number of the next large object in the block; 0 at the block's end.

        It must not pass for another object's when it is damaged: from version 17 on the archive
        lists a block's numbers, before that there is one block, in which they grow.
        Source: getLOs and dumpLOs in pg_dump.c, PostgreSQL 13 to 18.
        """
        position = self.position
        number = self._integer()
        if self._listed is not None:
            expected = next(self._listed, b"0")
            if b"%d" % number != expected:
                shown = expected[:10].decode("ascii", "replace")
                raise self._damage(position, f"large object {shown}", str(number))
        elif number and not self._last_oid < number <= _HIGHEST_OID:
            expected_above = f"a large object's number above {self._last_oid}"
            raise self._damage(position, expected_above, str(number))
        self._last_oid = number
        return number

    def _numbers(self, entry: Entry) -> Iterator[bytes] | None:
        """The numbers of the large objects in its block; None where the archive does not say."""
        listings = self._listings.intersection(entry.dependencies)
        texts = [self._head.entry(dump_id).definition_bytes for dump_id in listings]
        return iter(b"".join(texts).split()) if texts else None

    @cached_property
    def _listings(self) -> frozenset[int]:
        return frozenset(self._head.entries.described("BLOB METADATA").dump_ids)

    def packed(self) -> Iterator[bytes]:
        """The bytes in the chunks up to the chunk without any, which ends them."""
        integer = self._layout.integer
        unpack, width = integer.unpack_from, integer.size
        while True:
            if len(self._data) - self._at < width:
                self._need(width)
            # Whole chunks as far as they are there: the loop that the time goes into.
            data, at, last, parts = self._data, self._at, len(self._data) - width, []
            view, length = memoryview(data), -1
            while at <= last:
                sign, length = unpack(data, at)
                end = at + width + length
                if sign or self._offset + end > self._end - width * bool(length):
                    raise self._damage(self._offset + at, "a chunk's length", f"{sign}, {length}")
                if end > len(data):
                    break
                at = end
                if not length:
                    break
                parts.append(view[at - length : at])
            self._at = at
            if parts:
                yield b"".join(parts)
            if not length:
                return
            if at <= last:
                yield from self._begun_chunk(length)

    def _begun_chunk(self, length: int) -> Iterator[bytes]:
        """A chunk whose end is not there yet, as it comes."""
        self._at += self._layout.integer.size
        while length:
            if self._at == len(self._data):
                self._need(1)
            part = self._data[self._at : self._at + length]
            self._at += len(part)
            length -= len(part)
            yield part

    def pass_over(self, entry: Entry) -> None:
        """Read all of the block of `entry`, and make nothing of it."""
        more = self.begin(entry) is BlockKind.DATA or self.oid()
        while more:
            for _ in self.packed():
                pass
            more = kind_of(entry) is BlockKind.LARGE_OBJECTS and self.oid()

    def finish(self) -> None:
        """To be called behind the last block. Raises ArchiveError if something is left."""
        if self.position != self._end:
            raise self._damage(self.position, "the end of the data", f"it at {self._end}")

    def _integer(self) -> int:
        integer = self._layout.integer
        sign, value = integer.unpack(self._take(integer.size))
        # Object numbers from 2^31 pass through a signed integer on their way into the archive.
        return int((2**32 - value) if sign == 1 and value <= 2**31 else value if not sign else -1)

    def _take(self, count: int) -> bytes:
        self._need(count)
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def _need(self, count: int) -> None:
        """Have `count` bytes at hand."""
        while len(self._data) - self._at < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise self._damage(self.position, f"{count} bytes", "the end of what was read")
            self._offset += self._at
            self._data, self._at = self._data[self._at :] + chunk, 0

    @staticmethod
    def _damage(offset: int, expected: str, found: str) -> ArchiveError:
        return ArchiveError(
            f"archive at {offset}: expected {expected}, found {found}",
            "the dump is truncated or damaged: restore it from the vault again",
        )
