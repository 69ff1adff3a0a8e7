"""pg_dump's custom format: the header and table of contents (TOC) at the start of an archive.

Reads untrusted bytes: each count and length is held against what the blob can contain before it is
used, and whatever is wrong becomes an ArchiveError.
Source: ReadHead, ReadToc in pg_backup_archiver.c and _ReadExtraToc in pg_backup_custom.c,
PostgreSQL 12 to 18.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from restore.core.encoding import reader
from restore.core.sql import TokenKind
from restore.core.toc import Compression, Entry, Head, OffsetFlag, Section, statement_tokens
from restore.errors import ArchiveError

FIRST_READ_BYTES = 256 * 1024
"""A good first prefix for `read_head`: the TOC of about a thousand entries."""

MAX_HEAD_BYTES = 512 * 1024 * 1024
"""The longest header and TOC taken; a million entries need about half of it."""

_OLDEST, _NEWEST = (1, 12), (1, 16)
_WITH_ACCESS_METHOD, _WITH_ALGORITHM, _WITH_RELKIND = (1, 14), (1, 15), (1, 16)
_CUSTOM_FORMAT = 1
_FORMATS = {1: "custom", 3: "tar", 5: "directory"}
_INTEGER_SIZES = (4, 8)
_LONGEST_NUMBER = 20

T = TypeVar("T")

_COMPRESSIONS = dict(enumerate(Compression))
_SECTIONS = dict(enumerate(Section, start=1))
_FLAGS = {flag.value: flag for flag in OffsetFlag}


@dataclass(frozen=True, slots=True)
class NeedMore:
    """The prefix ends inside the TOC: come back with this many bytes from the start."""

    bytes_wanted: int


class _ShortError(Exception):
    """The prefix ends before `end`, the archive does not."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self.end = end


class Cursor:
    """A place in the first bytes of an archive of `size_bytes`, moving as fields are read."""

    def __init__(self, data: bytes, size_bytes: int) -> None:
        self.data = data
        self.size_bytes = size_bytes
        self.position = 0
        self.use_integers_of(4)

    def use_integers_of(self, size: int) -> None:
        """Set the width of integers; in front of each stands one byte for the sign."""
        self._integer = struct.Struct("<BI" if size == 4 else "<BQ")

    def _advance(self, count: int) -> int:
        start, end = self.position, self.position + count
        if end > len(self.data):
            if end > self.size_bytes:
                raise ArchiveError(
                    f"archive: expected {count} bytes at {start}, found its end at"
                    f" {self.size_bytes}",
                    hint="the dump is truncated or damaged: restore it from the vault again",
                )
            raise _ShortError(end)
        self.position = end
        return start

    def byte(self) -> int:
        return self.data[self._advance(1)]

    def raw(self, count: int) -> bytes:
        start = self._advance(count)
        return self.data[start : start + count]

    def integer(self) -> int:
        start = self._advance(self._integer.size)
        sign: int
        value: int
        sign, value = self._integer.unpack_from(self.data, start)
        return -value if sign else value

    def text(self) -> bytes | None:
        """A string as it is in the file; None is not the empty string."""
        length = self.integer()
        return None if length < 0 else self.raw(length)


def read_head(prefix: bytes, size_bytes: int) -> Head | NeedMore:
    """The header and TOC of an archive of `size_bytes` that starts with `prefix`.

    With a prefix that ends too early the answer is how much to bring: at least twice as much, so
    that the whole costs two reads of the TOC.
    Raises ArchiveError for what is no custom-format archive, is of a version not between 1.12 and
    1.16, or contradicts itself.
    """
    try:
        return _head(Cursor(prefix[:size_bytes], size_bytes))
    except _ShortError as short:
        if max(short.end, len(prefix) + 1) > MAX_HEAD_BYTES:
            raise ArchiveError(
                f"TOC: expected {MAX_HEAD_BYTES} bytes at most, found more"
            ) from None
        wanted = max(short.end, 2 * len(prefix), FIRST_READ_BYTES)
        return NeedMore(min(wanted, size_bytes, MAX_HEAD_BYTES))


def ends_cleanly(tail: bytes, head: Head) -> bool:
    """Is the archive that ends with `tail` (16 bytes are enough) whole, as far as its end tells?

    A data block ends with a chunk of no length; without data, the TOC is the end. A cheap check:
    only reading every block proves an archive.
    """
    if not head.data_entries:
        return head.toc_end == head.size_bytes
    terminator = bytes(1 + head.integer_bytes)
    smallest_block = 1 + 2 * len(terminator)
    return head.size_bytes - head.toc_end >= smallest_block and tail.endswith(terminator)


def _head(cursor: Cursor) -> Head:
    version, integer_bytes, offset_bytes = _preamble(cursor)
    compression, level = _compression(cursor, version)
    created = _created([cursor.integer() for _ in range(7)])
    names = [cursor.text() or b"" for _ in range(3)]
    count_position = cursor.position
    count = _count(cursor, integer_bytes, offset_bytes)
    entries = tuple(_entries(cursor, count, version, offset_bytes))
    decode = reader(_encoding(entries))
    return Head(
        version=version,
        integer_bytes=integer_bytes,
        offset_bytes=offset_bytes,
        compression=compression,
        level=level,
        created=created,
        dbname=decode(names[0]),
        server_version=decode(names[1]),
        dump_version=decode(names[2]),
        count_position=count_position,
        entries=entries,
        toc_end=cursor.position,
        size_bytes=cursor.size_bytes,
    )


def _preamble(cursor: Cursor) -> tuple[tuple[int, int, int], int, int]:
    if (magic := cursor.raw(5)) != b"PGDMP":
        raise ArchiveError(f"archive: expected PGDMP at its start, found {magic!r}")
    major, minor, revision, integer_bytes, offset_bytes, form = cursor.raw(6)
    if not _OLDEST <= (major, minor) <= _NEWEST:
        raise ArchiveError(
            f"archive: expected version 1.12 to 1.16, found {major}.{minor}",
            hint="newer ones need a newer release of this project; older ones, a dump made again",
        )
    if form != _CUSTOM_FORMAT:
        name = _FORMATS.get(form, str(form))
        raise ArchiveError(f"archive: expected the custom format, found {name}")
    for what, size in (("integers", integer_bytes), ("offsets", offset_bytes)):
        if size not in _INTEGER_SIZES:
            raise ArchiveError(f"archive: expected {what} of 4 or 8 bytes, found {size}")
    cursor.use_integers_of(integer_bytes)
    return (major, minor, revision), integer_bytes, offset_bytes


def _compression(cursor: Cursor, version: tuple[int, int, int]) -> tuple[Compression, int | None]:
    if version < _WITH_ALGORITHM:
        level = cursor.integer()
        return (Compression.GZIP if level else Compression.NONE), level
    if (algorithm := cursor.byte()) not in _COMPRESSIONS:
        raise ArchiveError(f"archive: expected compression 0 to 3, found {algorithm}")
    return _COMPRESSIONS[algorithm], None


def _created(fields: list[int]) -> datetime | None:
    """The seven numbers of a struct tm: seconds first, months from 0, years from 1900."""
    second, minute, hour, day, month, year, _daylight_saving = fields
    try:
        return datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))
    except (ValueError, OverflowError):
        return None


def _count(cursor: Cursor, integer_bytes: int, offset_bytes: int) -> int:
    count = cursor.integer()
    smallest_entry = 15 * (1 + integer_bytes) + 1 + offset_bytes
    most = (cursor.size_bytes - cursor.position) // smallest_entry
    if not 0 <= count <= most:
        raise ArchiveError(f"TOC: expected 0 to {most} entries in this archive, found {count}")
    return count


def _entries(
    cursor: Cursor, count: int, version: tuple[int, int, int], offset_bytes: int
) -> Iterator[Entry]:
    """The entries in order; from the ENCODING entry on, names are read in that encoding."""
    decode = reader("")
    seen: set[int] = set()
    for _ in range(count):
        entry = _entry(cursor, version, offset_bytes, decode)
        if entry.dump_id in seen:
            raise ArchiveError(f"TOC: expected each entry once, found {entry.dump_id} twice")
        seen.add(entry.dump_id)
        if entry.description == "ENCODING":
            decode = reader(_encoding([entry]))
        yield entry


def _entry(
    cursor: Cursor,
    version: tuple[int, int, int],
    offset_bytes: int,
    decode: Callable[[bytes | None], str],
) -> Entry:
    start = cursor.position
    dump_id = cursor.integer()
    if dump_id <= 0:
        raise ArchiveError(f"TOC entry at {start}: expected a positive id, found {dump_id}")
    cursor.integer()  # whether pg_dump had a function for its data; the offset flag says it better
    table_oid, oid = (_number(cursor, cursor.text() or b"0") for _ in range(2))
    tag, description = decode(cursor.text()), decode(cursor.text())
    section = _known(_SECTIONS, cursor.integer(), f"entry {dump_id}: section")
    definition, drop, copy = (decode(cursor.text()) for _ in range(3))
    namespace, tablespace = decode(cursor.text()), decode(cursor.text())
    access_method = decode(cursor.text()) if version >= _WITH_ACCESS_METHOD else ""
    relkind = cursor.integer() if version >= _WITH_RELKIND else 0
    owner = decode(cursor.text())
    cursor.text()  # WITH OIDS, gone since PostgreSQL 12
    dependencies = tuple(_dependencies(cursor))
    offset_position = cursor.position
    flag = _known(_FLAGS, cursor.byte(), f"entry {dump_id}: offset flag")
    offset = int.from_bytes(cursor.raw(offset_bytes), "little")
    if flag is OffsetFlag.SET and offset >= cursor.size_bytes:
        raise ArchiveError(
            f"entry {dump_id}: expected its data before {cursor.size_bytes}, found at {offset}",
            hint="the dump is truncated or damaged: restore it from the vault again",
        )
    return Entry(
        dump_id=dump_id,
        table_oid=table_oid,
        oid=oid,
        tag=tag,
        description=description,
        section=section,
        definition=definition,
        drop_statement=drop,
        copy_statement=copy,
        namespace=namespace,
        tablespace=tablespace,
        access_method=access_method,
        relkind=chr(relkind) if 0 < relkind < 128 else "",
        owner=owner,
        dependencies=dependencies,
        flag=flag,
        offset=offset,
        start=start,
        offset_position=offset_position,
        end=cursor.position,
    )


def _known(table: dict[int, T], value: int, what: str) -> T:
    if value not in table:
        raise ArchiveError(f"{what}: expected one of {sorted(table)}, found {value}")
    return table[value]


def _number(cursor: Cursor, digits: bytes) -> int:
    """A number written in decimal, as wide as an oid can be."""
    if len(digits) > _LONGEST_NUMBER or not digits.isdigit():
        raise ArchiveError(
            f"TOC at {cursor.position}: expected decimal digits, found {digits[:20]!r}"
        )
    return int(digits)


def _dependencies(cursor: Cursor) -> Iterator[int]:
    while (digits := cursor.text()) is not None:
        yield _number(cursor, digits)


def _encoding(entries: Iterable[Entry]) -> str:
    """The encoding of the archive's text by PostgreSQL's name, empty where it says none."""
    found = next((entry for entry in entries if entry.description == "ENCODING"), None)
    if found is None:
        return ""
    words = statement_tokens(found, found.definition)
    return next((token.text for token in words if token.kind is TokenKind.STRING), "")
