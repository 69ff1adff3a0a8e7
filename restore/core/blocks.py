"""The data blocks of a custom-format archive, and heads rewritten to point to them or leave them.

A block is a type byte, the id of its entry, and chunks: a length, then as many bytes; a length of
zero ends it. In a block of large objects each has its number and chunks of its own, and a number
of zero ends the block. Blocks lie in the order of the TOC; the last ends where the archive does.
Source: _StartData, _StartLO and _CustomWriteFunc in pg_backup_custom.c, PostgreSQL 12 to 18.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from restore.core.toc import Entry, Head, OffsetFlag
from restore.errors import ArchiveError

_SESSION_ENTRIES = ("ENCODING", "STDSTRINGS", "SEARCHPATH")


class BlockKind(Enum):
    """What a block holds; the byte in the file."""

    DATA = 1
    LARGE_OBJECTS = 3


@dataclass(frozen=True, slots=True)
class Block:
    """The data of one entry, from its type byte to the end of its last chunk."""

    dump_id: int
    offset: int
    size_bytes: int
    kind: BlockKind

    @property
    def end(self) -> int:
        return self.offset + self.size_bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Chunks being followed: the first header, the length of the last chunk, the next header."""

    chain_offset: int
    chunk_bytes: int
    position: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How the numbers in an archive are written: a byte for the sign, then the value."""

    integer: struct.Struct
    block_start: struct.Struct

    @classmethod
    def of(cls, head: Head) -> Layout:
        width = "I" if head.integer_bytes == 4 else "Q"
        return cls(struct.Struct("<B" + width), struct.Struct("<BB" + width))


class _Next(Enum):
    """What the next header is."""

    BLOCK = auto()
    OBJECT = auto()
    CHUNK = auto()
    NOTHING = auto()


def kind_of(entry: Entry) -> BlockKind:
    return BlockKind.LARGE_OBJECTS if entry.description == "BLOBS" else BlockKind.DATA


class Scanner:
    """Follows the headers of an archive's data and tells the blocks as they become known.

    Feed it the bytes from `head.toc_end` (or from the end of the last `known` block) to the
    archive's end. `position` is where the next header lies: all before it has been understood.
    Keeps no more than the bytes of one feed, and the part of a header before them.
    """

    def __init__(self, head: Head, known: Sequence[Block] = ()) -> None:
        self.position = known[-1].end if known else head.toc_end
        self._size_bytes = head.size_bytes
        self._entries = iter(head.data_entries[len(known) :])
        self._layout = Layout.of(head)
        self._data, self._data_offset = b"", self.position
        self._found: list[Block] = []
        self._ended: Block | None = None
        self._begun = Block(0, self.position, 0, BlockKind.DATA)
        self._chain_offset = self._chunk_bytes = 0
        self._expect_block()

    @property
    def done(self) -> bool:
        """Has every block been found, and does the last end where the archive does?"""
        return self._next is _Next.NOTHING

    @property
    def open_block(self) -> Block | None:
        """The block that began and has not ended, as long as is known of it."""
        if self._next in (_Next.BLOCK, _Next.NOTHING):
            return None
        return replace(self._begun, size_bytes=self.position - self._begun.offset)

    @property
    def run(self) -> Run | None:
        """The chunks being followed, None where there is none yet."""
        if self._next is not _Next.CHUNK or not self._chunk_bytes:
            return None
        return Run(self._chain_offset, self._chunk_bytes, self.position)

    def move_to(self, offset: int) -> None:
        """Be fed from `offset` next: `position`, or a later header of the same chunks."""
        self.position = self._data_offset = offset
        self._data = b""

    def feed(self, data: bytes) -> tuple[Block, ...]:
        """The blocks that these bytes prove, by the header that follows each.

        Raises ArchiveError for what is no header, or not the one expected there.
        """
        fed_to = self._data_offset + len(self._data)
        if fed_to + len(data) > self._size_bytes:
            raise _damage(fed_to, f"the archive's end at {self._size_bytes}", "more data")
        rest = self._data[self.position - self._data_offset :]
        self._data, self._data_offset = rest + data, fed_to - len(rest)
        while self._has_header():
            self._follow()
        found, self._found = tuple(self._found), []
        return found

    def finish(self) -> None:
        """To be called when there are no more bytes; raises ArchiveError if blocks are missing."""
        if not self.done:
            raise _damage(self.position, "more data", "the end of what was read")

    def _has_header(self) -> bool:
        if self.done:
            return False
        begins = self._next is _Next.BLOCK
        header = self._layout.block_start if begins else self._layout.integer
        end = self.position + header.size
        if end > self._size_bytes:
            raise _damage(self.position, "a header", f"the archive's end at {self._size_bytes}")
        return end <= self._data_offset + len(self._data)

    def _follow(self) -> None:
        if self._next is _Next.CHUNK:
            self._follow_chunks()
        elif self._next is _Next.OBJECT:
            self._begin_object()
        else:
            self._begin_block()

    def _expect_block(self) -> None:
        self._entry = next(self._entries, None)
        self._next = _Next.BLOCK if self._entry else _Next.NOTHING
        if self.done and self.position != self._size_bytes:
            raise _damage(self.position, "the archive's end", f"it at {self._size_bytes}")

    def _begin_block(self) -> None:
        assert self._entry is not None
        kind, dump_id = kind_of(self._entry), self._entry.dump_id
        start = self._layout.block_start
        found = start.unpack_from(self._data, self.position - self._data_offset)
        if found != (kind.value, 0, dump_id):
            raise _damage(self.position, f"block {kind.value}, 0, {dump_id}", _listed(found))
        if self._ended:
            self._found.append(self._ended)
        self._begun = Block(dump_id, self.position, 0, kind)
        self.position += start.size
        self._next = _Next.OBJECT
        if kind is BlockKind.DATA:
            self._begin_chain()

    def _begin_chain(self) -> None:
        self._next, self._chain_offset, self._chunk_bytes = _Next.CHUNK, self.position, 0

    def _begin_object(self) -> None:
        """Numbers from 2^31 are written as negative ones: they pass through a signed integer."""
        integer = self._layout.integer
        sign, number = integer.unpack_from(self._data, self.position - self._data_offset)
        if sign > 1 or sign > number:
            raise _damage(self.position, "a large object's number", f"{sign}, {number}")
        self.position += integer.size
        if number:
            self._begin_chain()
        else:
            self._end_block()

    def _follow_chunks(self) -> None:
        """From header to header as far as they are there: the loop that the time goes into."""
        integer, data = self._layout.integer, self._data
        unpack, width = integer.unpack_from, integer.size
        at, most = self.position - self._data_offset, self._size_bytes - self._data_offset - width
        last_header, length = len(data) - width, -1
        while length and at <= last_header:
            sign, length = unpack(data, at)
            if sign or at + length > most:
                raise _damage(self._data_offset + at, "a chunk's length", f"{sign}, {length}")
            at += width + length
            self._chunk_bytes = length
        self.position = self._data_offset + at
        if length:
            return
        self._next = _Next.OBJECT
        if self._begun.kind is BlockKind.DATA:
            self._end_block()

    def _end_block(self) -> None:
        self._ended = replace(self._begun, size_bytes=self.position - self._begun.offset)
        self._expect_block()
        if self.done:
            self._found.append(self._ended)


def patched(head: Head, prefix: bytes, blocks: Iterable[Block]) -> bytes:
    """Header and TOC with the offsets of `blocks` and no others, in place: as long as before.

    `prefix` is the start of the archive, up to `head.toc_end` at least.
    Raises ArchiveError for a shorter one, or an offset too big for the archive's offsets.
    """
    offsets = {block.dump_id: block.offset for block in blocks}
    _check_length(head, prefix)
    toc = bytearray(prefix[: head.toc_end])
    for entry in head.data_entries:
        place = _place(head, offsets.get(entry.dump_id))
        toc[entry.offset_position : entry.offset_position + len(place)] = place
    return bytes(toc)


def toc_only(head: Head, prefix: bytes) -> bytes:
    """Header and TOC without offsets: an archive of its own, with no data in it.

    pg_restore takes the sections before and after the data from it, also in parallel, and fails
    if it is asked for data.
    """
    return patched(head, prefix, ())


def mini_archive(head: Head, prefix: bytes, dump_ids: Collection[int]) -> bytes:
    """The start of an archive that holds only these entries; their blocks are to follow it.

    Blocks follow in the order of the TOC, as they are in the whole archive; pg_restore reads
    the outcome from a pipe. What sets up the session goes with them; what they depend on does not:
    from version 17 on large objects are made by BLOB METADATA entries of the data section.
    Raises ArchiveError for an entry that the archive has not.
    """
    found = {dump_id: head.entry(dump_id) for dump_id in sorted(dump_ids)}
    found |= {entry.dump_id: entry for entry in head.entries.described(*_SESSION_ENTRIES)}
    chosen = sorted(found.values(), key=lambda entry: entry.start)
    count = Layout.of(head).integer.pack(0, len(chosen))
    return prefix[: head.count_position] + count + _entries(head, prefix, chosen, {})


def _entries(
    head: Head, prefix: bytes, entries: Iterable[Entry], offsets: Mapping[int, int]
) -> bytes:
    """The bytes of `entries`, with new flags and offsets where they have data."""
    _check_length(head, prefix)
    parts = []
    for entry in entries:
        parts.append(prefix[entry.start : entry.offset_position])
        place = prefix[entry.offset_position : entry.end]
        parts.append(_place(head, offsets.get(entry.dump_id)) if entry.has_data else place)
    return b"".join(parts)


def _check_length(head: Head, prefix: bytes) -> None:
    if len(prefix) < head.toc_end:
        raise ArchiveError(f"TOC: expected {head.toc_end} bytes, found {len(prefix)}")


def _place(head: Head, offset: int | None) -> bytes:
    if offset is None:
        return bytes([OffsetFlag.NOT_SET]) + bytes(head.offset_bytes)
    if offset >> 8 * head.offset_bytes:
        raise ArchiveError(f"TOC: expected offsets of {head.offset_bytes} bytes, found {offset}")
    return bytes([OffsetFlag.SET]) + offset.to_bytes(head.offset_bytes, "little")


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def _damage(offset: int, expected: str, found: str) -> ArchiveError:
    return ArchiveError(
        f"archive at {offset}: expected {expected}, found {found}",
        hint="the dump is truncated or damaged: restore it from the vault again",
    )
