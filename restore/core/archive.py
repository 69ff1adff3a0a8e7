"""pg_dump's custom format: the header and table of contents (TOC) at the start of an archive.

Reads untrusted bytes: each count and length is held against what the blob can contain before it is
used, and whatever is wrong becomes an ArchiveError.
Source: ReadHead, ReadToc in pg_backup_archiver.c and _ReadExtraToc in pg_backup_custom.c,
PostgreSQL 12 to 18.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from restore.core.encoding import reader
from restore.core.sql import TokenKind
from restore.core.toc import (
    Columns,
    Compression,
    Entry,
    Head,
    OffsetFlag,
    Section,
    Toc,
    statement_tokens,
)
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

_INTEGERS = {4: struct.Struct("<BI"), 8: struct.Struct("<BQ")}
"""By the size of the value; in front of it stands one byte for the sign."""

_THREE_INTEGERS = {4: struct.Struct("<BIBIBI"), 8: struct.Struct("<BQBQBQ")}
_PLACES = {4: struct.Struct("<BI"), 8: struct.Struct("<BQ")}

T = TypeVar("T")

_COMPRESSIONS = dict(enumerate(Compression))
_SECTIONS = dict(enumerate(Section, start=1))
_FLAGS = {flag.value: flag for flag in OffsetFlag}


class UnknownArchiveError(ArchiveError):
    """The archive is of a version not known here; another program may well know it."""

    code = "archive-version"


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

    __slots__ = ("_unpack", "_width", "data", "position", "size_bytes")

    def __init__(self, data: bytes | bytearray, size_bytes: int) -> None:
        self.data = data
        self.size_bytes = size_bytes
        self.position = 0
        self.use_integers_of(4)

    def use_integers_of(self, size: int) -> None:
        self._unpack, self._width = _INTEGERS[size].unpack_from, 1 + size

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
        return bytes(self.data[start : start + count])

    def integer(self) -> int:
        sign: int
        value: int
        sign, value = self._unpack(self.data, self._advance(self._width))
        return -value if sign else value

    def text(self) -> bytes | None:
        """A string as it is in the file; None is not the empty string."""
        sign, length = self._unpack(self.data, self._advance(self._width))
        if sign and length:
            return None
        return self.raw(length) if length else b""


@dataclass(frozen=True, slots=True)
class _Form:
    """What the header says about how the rest is written."""

    version: tuple[int, int, int]
    integer_bytes: int
    offset_bytes: int


def read_head(prefix: bytes, size_bytes: int) -> Head | NeedMore:
    """The header and TOC of an archive of `size_bytes` that starts with `prefix`.

    With a prefix that ends too early the answer is how much to bring: at least twice as much, so
    that the whole costs two reads of the TOC. A head keeps its prefix.
    Raises UnknownArchiveError for a version not between 1.12 and 1.16, and ArchiveError for what is
    no custom-format archive or contradicts itself.
    """
    try:
        return _head(Cursor(prefix[:size_bytes], size_bytes), Columns())
    except _ShortError as short:
        wanted = max(_end_of(short, len(prefix)), 2 * len(prefix), FIRST_READ_BYTES)
        return NeedMore(min(wanted, size_bytes, MAX_HEAD_BYTES))


class HeadReader:
    """Reads the header and TOC of an archive of `size_bytes` from its bytes as they come.

    Each entry is read once and each byte held once, however long the TOC is. Pieces of a few
    megabytes are best.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._data = bytearray()
        self._columns = Columns()
        self._end = 0

    def feed(self, data: bytes) -> Head | None:
        """The head as soon as the TOC is whole, and it is the last to be fed; None before.

        Raises what read_head raises.
        """
        self._data += data
        del self._data[self._size_bytes :]
        if len(self._data) < self._end:
            return None
        try:
            head = _head(Cursor(self._data, self._size_bytes), self._columns)
        except _ShortError as short:
            self._end = _end_of(short, len(self._data))
            return None
        del self._data[head.toc_end :]
        return head


def _end_of(short: _ShortError, have_bytes: int) -> int:
    """Up to where bytes are missed at least. Raises ArchiveError for a head that is too long."""
    if max(short.end, have_bytes + 1) > MAX_HEAD_BYTES:
        raise ArchiveError(f"TOC: expected {MAX_HEAD_BYTES} bytes at most, found more") from None
    return short.end


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


def _head(cursor: Cursor, columns: Columns) -> Head:
    """The head; `columns` are the entries known already, and get the others."""
    form = _preamble(cursor)
    compression, level = _compression(cursor, form.version)
    created = _created([cursor.integer() for _ in range(7)])
    names = [cursor.text() or b"" for _ in range(3)]
    count_position = cursor.position
    count = _count(cursor, form)
    _read_entries(cursor, form, columns, count)
    encoding = _encoding(_toc(cursor, form, columns, ""))
    decode = reader(encoding)
    return Head(
        version=form.version,
        integer_bytes=form.integer_bytes,
        offset_bytes=form.offset_bytes,
        compression=compression,
        level=level,
        created=created,
        dbname=decode(names[0]),
        server_version=decode(names[1]),
        dump_version=decode(names[2]),
        encoding=encoding,
        owners=frozenset(decode(owner) for owner in columns.owners if owner),
        count_position=count_position,
        entries=_toc(cursor, form, columns, encoding),
        toc_end=cursor.position,
        size_bytes=cursor.size_bytes,
        raw=cursor.data,
    )


def _preamble(cursor: Cursor) -> _Form:
    if (magic := cursor.raw(5)) != b"PGDMP":
        raise ArchiveError(f"archive: expected PGDMP at its start, found {magic!r}")
    major, minor, revision, integer_bytes, offset_bytes, form = cursor.raw(6)
    if not _OLDEST <= (major, minor) <= _NEWEST:
        raise UnknownArchiveError(
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
    return _Form((major, minor, revision), integer_bytes, offset_bytes)


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


def _count(cursor: Cursor, form: _Form) -> int:
    count = cursor.integer()
    smallest_entry = 15 * (1 + form.integer_bytes) + 1 + form.offset_bytes
    most = (cursor.size_bytes - cursor.position) // smallest_entry
    if not 0 <= count <= most:
        raise ArchiveError(f"TOC: expected 0 to {most} entries in this archive, found {count}")
    return count


def _read_entries(cursor: Cursor, form: _Form, columns: Columns, count: int) -> None:
    """Put entries into `columns` until there are `count`; the first is where the cursor is."""
    columns.end = columns.end or cursor.position
    while len(columns) < count:
        _read_plain_entries(cursor, form, columns, count)
        if len(columns) < count:
            cursor.position = columns.end
            odd = _entry(cursor, form, reader(""), "")
            description, owner = _bytes_of(odd.description), _bytes_of(odd.owner)
            columns.add(odd.start, odd.dump_id, description, odd.flag, owner, odd.end)
    cursor.position = columns.end
    seen: set[int] = set()
    for dump_id in columns.dump_ids:
        if dump_id in seen:
            raise ArchiveError(f"TOC: expected each entry once, found {dump_id} twice")
        seen.add(dump_id)


def _read_plain_entries(cursor: Cursor, form: _Form, columns: Columns, count: int) -> None:
    """The same, up to an entry that is not all there or in any way odd: left to `_entry`.

    What a TOC of hundreds of thousands of entries costs is what this loop costs.
    """
    data, size_bytes, at = cursor.data, cursor.size_bytes, columns.end
    integer, place = _INTEGERS[form.integer_bytes], _PLACES[form.offset_bytes]
    unpack, unpack_three, unpack_place = (
        integer.unpack_from,
        _THREE_INTEGERS[form.integer_bytes].unpack_from,
        place.unpack_from,
    )
    width, place_bytes = integer.size, place.size
    texts = range(6 if form.version >= _WITH_ACCESS_METHOD else 5)
    relkind_bytes = width if form.version >= _WITH_RELKIND else 0
    is_set, longest, add = OffsetFlag.SET.value, _LONGEST_NUMBER, columns.add
    try:
        for _ in range(count - len(columns)):
            start = at
            sign, dump_id, _, _, bare, length = unpack_three(data, at)
            at += 3 * width
            end = at + length  # of the oid of its catalog
            if sign or not dump_id or bare or length > longest or not data[at:end].isdigit():
                return
            bare, length = unpack(data, end)
            at = end + width
            end = at + length  # of its oid
            if bare or length > longest or not data[at:end].isdigit():
                return
            bare, length = unpack(data, end)
            at = end + width if bare else end + width + length  # behind its tag
            bare, length = unpack(data, at)
            at += width
            end = at + length  # of its description
            sign, section = unpack(data, end)
            if bare or sign or section not in _SECTIONS:
                return
            description = bytes(data[at:end])
            at = end + width
            for _ in texts:
                bare, length = unpack(data, at)
                at += width if bare else width + length
            at += relkind_bytes
            bare, length = unpack(data, at)
            at += width
            end = at if bare else at + length  # of its owner
            bare, length = unpack(data, end)  # WITH OIDS
            owner = bytes(data[at:end])
            at = end + width if bare else end + width + length
            bare, length = unpack(data, at)
            at += width
            while not bare:
                end = at + length  # of the id of what it depends on
                if length > longest or not data[at:end].isdigit():
                    return
                bare, length = unpack(data, end)
                at = end + width
            flag, offset = unpack_place(data, at)
            if not length or flag not in _FLAGS or (flag == is_set and offset >= size_bytes):
                return
            at += place_bytes
            add(start, dump_id, description, flag, owner, at)
    except (struct.error, OverflowError):
        return


def _toc(cursor: Cursor, form: _Form, columns: Columns, encoding: str) -> Toc:
    """The entries in `columns`, to be made from the cursor's bytes."""
    data, size_bytes = cursor.data, cursor.size_bytes
    decode = lru_cache(1024)(reader(encoding))

    def make(start: int) -> Entry:
        cursor = Cursor(data, size_bytes)
        cursor.use_integers_of(form.integer_bytes)
        cursor.position = start
        return _entry(cursor, form, decode, encoding)

    return Toc(columns, make)


def _entry(
    cursor: Cursor, form: _Form, decode: Callable[[bytes | None], str], encoding: str
) -> Entry:
    start = cursor.position
    dump_id = cursor.integer()
    if dump_id <= 0:
        raise ArchiveError(f"TOC entry at {start}: expected a positive id, found {dump_id}")
    cursor.integer()  # whether pg_dump had a function for its data; the offset flag says it better
    table_oid, oid = (_number(cursor, cursor.text() or b"0") for _ in range(2))
    tag, description = decode(cursor.text()), decode(cursor.text())
    section = _known(_SECTIONS, cursor.integer(), dump_id, "section")
    definition, drop, copy = (cursor.text() or b"" for _ in range(3))
    namespace, tablespace = decode(cursor.text()), decode(cursor.text())
    access_method = decode(cursor.text()) if form.version >= _WITH_ACCESS_METHOD else ""
    relkind = cursor.integer() if form.version >= _WITH_RELKIND else 0
    owner = decode(cursor.text())
    cursor.text()  # WITH OIDS, gone since PostgreSQL 12
    dependencies = tuple(_dependencies(cursor))
    offset_position = cursor.position
    flag = _known(_FLAGS, cursor.byte(), dump_id, "offset flag")
    offset = int.from_bytes(cursor.raw(form.offset_bytes), "little")
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
        definition_bytes=definition,
        drop_bytes=drop,
        copy_bytes=copy,
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
        encoding=encoding,
    )


def _known(table: dict[int, T], value: int, dump_id: int, what: str) -> T:
    if value not in table:
        raise ArchiveError(
            f"entry {dump_id}: {what}: expected one of {sorted(table)}, found {value}"
        )
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


def _bytes_of(text: str) -> bytes:
    """What `reader("")` read `text` from."""
    return text.encode("utf-8", "surrogateescape")


def _encoding(entries: Toc) -> str:
    """The encoding of the archive's text by PostgreSQL's name, empty where it says none."""
    found = next(iter(entries.described("ENCODING")), None)
    if found is None:
        return ""
    words = statement_tokens(found, found.definition)
    return next((token.text for token in words if token.kind is TokenKind.STRING), "")
