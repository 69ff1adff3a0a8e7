"""The table of contents of a pg_dump archive, as values, and what it tells about the database."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from functools import cached_property
from operator import eq
from typing import overload

from restore.core.encoding import reader
from restore.core.sql import Token, TokenKind, copy_target, tokens
from restore.errors import ArchiveError, ScriptError


class Compression(Enum):
    """How the data blocks are packed."""

    NONE = "none"
    GZIP = "gzip"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Section(Enum):
    """When pg_restore takes an entry."""

    NONE = "none"  # comments and grants: with the object they belong to
    PRE_DATA = "pre-data"
    DATA = "data"
    POST_DATA = "post-data"


class OffsetFlag(IntEnum):
    """What an entry knows about its data block; the byte in the file."""

    NOT_SET = 1  # the archive was written to a pipe
    SET = 2
    NO_DATA = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the TOC; text that the archive has not is empty.

    Statements are kept as they are in the archive, in its `encoding`, and read when asked for.
    `start` and `end` bound the entry in the head, `offset_position` is where its flag byte and
    offset lie: always as wide, set or not, so they can be patched in place.
    """

    dump_id: int
    table_oid: int
    oid: int
    tag: str
    description: str
    section: Section
    definition_bytes: bytes
    drop_bytes: bytes
    copy_bytes: bytes
    namespace: str
    tablespace: str
    access_method: str
    relkind: str
    owner: str
    dependencies: tuple[int, ...]
    flag: OffsetFlag
    offset: int
    start: int
    offset_position: int
    end: int
    encoding: str

    @property
    def definition(self) -> str:
        return reader(self.encoding)(self.definition_bytes)

    @property
    def drop_statement(self) -> str:
        return reader(self.encoding)(self.drop_bytes)

    @property
    def copy_statement(self) -> str:
        return reader(self.encoding)(self.copy_bytes)

    @property
    def has_data(self) -> bool:
        """Does a data block in the archive belong to it?"""
        return self.flag is not OffsetFlag.NO_DATA


@dataclass(frozen=True, slots=True)
class TableData:
    """The rows of one table as its COPY names it; by INSERTs, `columns` is None."""

    schema: str
    table: str
    columns: tuple[str, ...] | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class Database:
    """What CREATE DATABASE says in the archive; what it does not say is empty.

    `collate` and `ctype` are the libc names; `locale` is that of the ICU or builtin provider.
    """

    name: str
    owner: str
    encoding: str = ""
    provider: str = ""
    collate: str = ""
    ctype: str = ""
    locale: str = ""
    icu_rules: str = ""


@dataclass(slots=True)
class Columns:
    """What is kept of each entry: numbers in rows of the same length, in the order of the TOC.

    A number in `kinds` stands for a description; `descriptions` has it. `end` is where the next
    entry would start.
    """

    end: int = 0
    starts: array[int] = field(default_factory=lambda: array("Q"))
    dump_ids: array[int] = field(default_factory=lambda: array("Q"))
    kinds: array[int] = field(default_factory=lambda: array("I"))
    flags: bytearray = field(default_factory=bytearray)
    descriptions: dict[bytes, int] = field(default_factory=dict)
    owners: set[bytes] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.flags)

    def add(
        self, start: int, dump_id: int, description: bytes, flag: int, owner: bytes, end: int
    ) -> None:
        self.starts.append(start)
        self.dump_ids.append(dump_id)
        self.kinds.append(self.descriptions.setdefault(description, len(self.descriptions)))
        self.flags.append(flag)
        self.owners.add(owner)
        self.end = end


class Toc(Sequence[Entry]):
    """Entries of an archive, or some of them, each made anew whenever it is asked for.

    A quarter of a million of them are hundreds of megabytes; their `columns` are five.
    `places` are the rows of the entries in here; `make` makes the entry that starts somewhere.
    """

    def __init__(
        self, columns: Columns, make: Callable[[int], Entry], places: Sequence[int] | None = None
    ) -> None:
        self._columns, self._make = columns, make
        self._places = range(len(columns)) if places is None else places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Entry]:
        starts, make = self._columns.starts, self._make
        return (make(starts[place]) for place in self._places)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Toc: ...
    def __getitem__(self, index: int | slice) -> Entry | Toc:
        if isinstance(index, slice):
            return Toc(self._columns, self._make, self._places[index])
        return self._make(self._columns.starts[self._places[index]])

    def __eq__(self, other: object) -> bool:
        """Are they the same entries as those of another sequence of any type?"""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def dump_ids(self) -> Iterator[int]:
        """The ids of the entries in here, in order; no entry is made for them."""
        return map(self._columns.dump_ids.__getitem__, self._places)

    @property
    def with_data(self) -> Toc:
        """Those with a data block."""
        flags = self._columns.flags
        return self._those(place for place in self._places if flags[place] != OffsetFlag.NO_DATA)

    def described(self, *descriptions: str) -> Toc:
        """Those of these descriptions, as TABLE DATA or ACL; the others are not made."""
        known, kinds = self._columns.descriptions, self._columns.kinds
        wanted = {known.get(description.encode()) for description in descriptions}
        return self._those(place for place in self._places if kinds[place] in wanted)

    def entry(self, dump_id: int) -> Entry:
        """The entry of this id.

        Raises ArchiveError if there is none in here.
        """
        ids, order = self._columns.dump_ids, self._by_id
        at = bisect_left(order, dump_id, key=ids.__getitem__)
        if at == len(order) or ids[order[at]] != dump_id:
            raise ArchiveError(f"TOC: expected entry {dump_id}, found none of that id")
        return self._make(self._columns.starts[order[at]])

    @cached_property
    def _by_id(self) -> array[int]:
        return array("Q", sorted(self._places, key=self._columns.dump_ids.__getitem__))

    def _those(self, places: Iterable[int]) -> Toc:
        return Toc(self._columns, self._make, array("Q", places))


@dataclass(frozen=True, slots=True)
class Head:
    """Header and TOC of an archive of `size_bytes`; the data blocks start at `toc_end`.

    `created` is the local time of the machine that made the dump, None where it is no date.
    `level` is None where the archive does not keep it (from version 1.15), -1 for the default.
    `encoding` is PostgreSQL's name of that of all text in the archive, empty where it says none.
    `owners` is every role that owns something.
    `count_position` is where the number of entries stands, for those who rewrite the TOC.
    `raw` is what it was read from: the archive's first bytes, up to `toc_end` at least.
    """

    version: tuple[int, int, int]
    integer_bytes: int
    offset_bytes: int
    compression: Compression
    level: int | None
    created: datetime | None
    dbname: str
    server_version: str
    dump_version: str
    encoding: str
    owners: frozenset[str]
    count_position: int
    entries: Toc
    toc_end: int
    size_bytes: int
    raw: bytes | bytearray = field(repr=False, compare=False)

    def entry(self, dump_id: int) -> Entry:
        """The entry of this id.

        Raises ArchiveError for an id that the archive has not.
        """
        return self.entries.entry(dump_id)

    @property
    def data_entries(self) -> Sequence[Entry]:
        """The entries with a data block, in the order of their blocks."""
        return _with_data(self.entries)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions the database needs, in the order they are created."""
        return tuple(entry.tag for entry in self.entries.described("EXTENSION"))

    @property
    def has_large_objects(self) -> bool:
        return len(self.entries.described("BLOB", "BLOBS", "BLOB METADATA")) > 0

    @property
    def tables(self) -> tuple[TableData, ...]:
        """The tables with data, in the order of their blocks.

        Raises ArchiveError for a COPY statement of an unknown form.
        """
        return tuple(self.each_table())

    def each_table(self) -> Iterator[TableData]:
        """The same one by one, where they are too many to hold."""
        return map(table_data, self.entries.described("TABLE DATA").with_data)

    @property
    def database(self) -> Database | None:
        """The dumped database, None if the archive holds no CREATE DATABASE.

        Raises ArchiveError for a statement that is not one.
        """
        return next(map(_database, self.entries.described("DATABASE")), None)


def _with_data(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Any entries will do, so that a head can be one of changed entries; a Toc makes none."""
    if isinstance(entries, Toc):
        return entries.with_data
    return tuple(entry for entry in entries if entry.has_data)


def statement_tokens(entry: Entry, statement: str) -> list[Token]:
    """The tokens of a statement of `entry`.

    Raises ArchiveError if it does not read as SQL.
    """
    try:
        return list(tokens(statement))
    except ScriptError as exc:
        raise ArchiveError(f"entry {entry.dump_id} ({entry.description}): {exc}") from exc


# Names without quotes, as most are: there is nothing in them to look twice at.
_PLAIN_NAME = rb"[a-z_][a-z0-9_]*+"
_PLAIN_COPY = re.compile(
    rb"COPY (%(name)s)\.(%(name)s) (?: |\((%(name)s(?:, %(name)s)*+)\) )FROM stdin;\n*"
    % {b"name": _PLAIN_NAME}
)


def table_data(entry: Entry) -> TableData:
    """The table whose rows the entry brings.

    Raises ArchiveError for a COPY statement of an unknown form.
    """
    if not entry.copy_bytes:
        return TableData(entry.namespace, entry.tag, None, entry)
    if plain := _PLAIN_COPY.fullmatch(entry.copy_bytes):
        schema, table, columns = (part.decode() for part in plain.groups(b""))
        return TableData(schema, table, tuple(columns.split(", ")) if columns else (), entry)
    target = copy_target(statement_tokens(entry, entry.copy_statement))
    if target is None:
        raise ArchiveError(
            f"entry {entry.dump_id}: expected COPY … FROM stdin,"
            f" found {entry.copy_statement[:60]!r}"
        )
    return TableData(target.schema or entry.namespace, target.table, target.columns, entry)


def _database(entry: Entry) -> Database:
    found = statement_tokens(entry, entry.definition)
    if len(found) < 3 or not (found[0].is_word("create") and found[1].is_word("database")):
        raise ArchiveError(
            f"entry {entry.dump_id}: expected CREATE DATABASE, found {entry.definition[:60]!r}"
        )
    options = {
        name.text: value.text
        for name, equals, value in zip(found[3:], found[4:], found[5:], strict=False)
        if name.kind is TokenKind.WORD and equals.is_symbol("=")
    }
    libc = options.get("locale", "")
    return Database(
        name=found[2].text,
        owner=entry.owner,
        encoding=options.get("encoding", ""),
        provider=options.get("locale_provider", ""),
        collate=options.get("lc_collate", libc),
        ctype=options.get("lc_ctype", libc),
        locale=options.get("icu_locale", "") or options.get("builtin_locale", ""),
        icu_rules=options.get("icu_rules", ""),
    )
