"""The table of contents of a pg_dump archive, as values, and what it tells about the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

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

    `start` and `end` bound the entry in the head, `offset_position` is where its flag byte and
    offset lie: always as wide, set or not, so they can be patched in place.
    """

    dump_id: int
    table_oid: int
    oid: int
    tag: str
    description: str
    section: Section
    definition: str
    drop_statement: str
    copy_statement: str
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


@dataclass(frozen=True, slots=True)
class Head:
    """Header and TOC of an archive of `size_bytes`; the data blocks start at `toc_end`.

    `created` is the local time of the machine that made the dump, None where it is no date.
    `level` is None where the archive does not keep it (from version 1.15), -1 for the default.
    `count_position` is where the number of entries stands, for those who rewrite the TOC.
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
    count_position: int
    entries: tuple[Entry, ...]
    toc_end: int
    size_bytes: int

    @property
    def by_id(self) -> dict[int, Entry]:
        return {entry.dump_id: entry for entry in self.entries}

    @property
    def data_entries(self) -> tuple[Entry, ...]:
        """The entries with a data block, in the order of their blocks."""
        return tuple(entry for entry in self.entries if entry.has_data)

    @property
    def owners(self) -> frozenset[str]:
        """Every role that owns something."""
        return frozenset(entry.owner for entry in self.entries if entry.owner)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions the database needs, in the order they are created."""
        return tuple(entry.tag for entry in self.entries if entry.description == "EXTENSION")

    @property
    def has_large_objects(self) -> bool:
        kinds = ("BLOB", "BLOBS", "BLOB METADATA")
        return any(entry.description in kinds for entry in self.entries)

    @property
    def tables(self) -> tuple[TableData, ...]:
        """The tables with data, in the order of their blocks.

        Raises ArchiveError for a COPY statement of an unknown form.
        """
        found = (entry for entry in self.data_entries if entry.description == "TABLE DATA")
        return tuple(_table_data(entry) for entry in found)

    @property
    def database(self) -> Database | None:
        """The dumped database, None if the archive holds no CREATE DATABASE.

        Raises ArchiveError for a statement that is not one.
        """
        found = (entry for entry in self.entries if entry.description == "DATABASE")
        return next((_database(entry) for entry in found), None)


def statement_tokens(entry: Entry, statement: str) -> list[Token]:
    """The tokens of a statement of `entry`.

    Raises ArchiveError if it does not read as SQL.
    """
    try:
        return list(tokens(statement))
    except ScriptError as exc:
        raise ArchiveError(f"entry {entry.dump_id} ({entry.description}): {exc}") from exc


def _table_data(entry: Entry) -> TableData:
    if not entry.copy_statement:
        return TableData(entry.namespace, entry.tag, None, entry)
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
