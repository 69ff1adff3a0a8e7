"""What a dump holds, as numbers that do not depend on the order of its rows.

Each row's COPY text is hashed to 128 bits, and the hashes are added up modulo 2^128: a row that is
missing, doubled or changed gives another sum, rows in another order the same. It finds what went
wrong by itself; it is no defence against somebody who makes up rows with the same sum.
Source: xxhash.com, XXH3 128 bits; postgresql.org/docs/18/sql-copy.html, text format: a line break
in a value is escaped, so that each line is a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import xxhash

from restore.core.psql import Copy, Rows, RowsEnd, Statement, pieces
from restore.core.rows import copy_parts
from restore.core.script import restricted, whole

METHOD = "XXH3-128 of each row's COPY text, added modulo 2^128"

_MODULUS = 1 << 128
_ENCODING = re.compile(rb"SET client_encoding = '(\w+)';")
_OBJECT = re.compile(
    rb"SELECT pg_catalog\.(?:lo_open\('(?P<oid>\d+)', \d+\)"
    rb"|lowrite\(0, '(?:\\\\|\\)x(?P<data>[0-9a-f]*)'\))(?P<end>);"
)


@dataclass(frozen=True, slots=True)
class Content:
    """Some rows (or large objects), and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: Content) -> Content:
        return Content(self.rows + other.rows, (self.total + other.total) % _MODULUS)

    @property
    def hex(self) -> str:
        return f"{self.total:032x}"


class RowHash:
    """Adds up rows as they come; a row may be cut anywhere, and is never held whole if it is."""

    def __init__(self) -> None:
        self._rows, self._total = 0, 0
        self._begun: xxhash.xxh3_128 | None = None

    def update(self, text: bytes) -> None:
        first, *lines = text.split(b"\n")
        if not lines:
            self._begin(first)
            return
        if self._begun is not None:
            self._begun.update(first)
            self._total += self._begun.intdigest()
            self._begun = None
        else:
            self._total += xxhash.xxh3_128_intdigest(first)
        self._rows += len(lines)
        last = lines.pop()
        self._total = (self._total + sum(map(xxhash.xxh3_128_intdigest, lines))) % _MODULUS
        if last:
            self._begin(last)

    def _begin(self, text: bytes) -> None:
        if self._begun is None:
            self._begun = xxhash.xxh3_128()
        self._begun.update(text)

    @property
    def content(self) -> Content:
        """Of the rows that have ended."""
        return Content(self._rows, self._total)


class ObjectHash:
    """The same of large objects: each is hashed with its number in front."""

    def __init__(self) -> None:
        self._done = Content()
        self._begun: xxhash.xxh3_128 | None = None

    def begin(self, oid: int) -> None:
        """What is updated from here on belongs to this one."""
        self.end()
        self._begun = xxhash.xxh3_128(b"%d " % oid)

    def update(self, data: bytes) -> None:
        assert self._begun is not None, "an object was begun"
        self._begun.update(data)

    def end(self) -> None:
        if self._begun is not None:
            self._done += Content(1, self._begun.intdigest())
            self._begun = None

    @property
    def content(self) -> Content:
        """Of the objects that have ended."""
        return self._done


@dataclass(frozen=True, slots=True)
class TableContent:
    """The rows a dump brings to one table; `copy` is `COPY table (columns)` as it has it.

    Without a `content`, `unknown` says why there is none.
    """

    copy: bytes
    content: Content | None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Hashed:
    """A whole dump: its tables by schema and name, its large objects, in the dump's encoding."""

    tables: Mapping[tuple[str, str], TableContent]
    objects: Content
    encoding: str = "UTF8"
    unknown: tuple[str, ...] = ()  # what of it could not be hashed


@dataclass(slots=True)
class Gathered:
    """Hashes as they come: several parts of a dump may bring rows to one table."""

    tables: dict[tuple[str, str], TableContent] = field(default_factory=dict)

    def add(self, table: tuple[str, str], copy: bytes, content: Content | None) -> None:
        """`content` is None where the rows were loaded without being hashed."""
        known = self.tables.get(table)
        unknown = "" if content is not None else "its rows were not hashed when they were loaded"
        if known is not None and known.copy != copy:
            unknown = "its rows come with their columns in different orders"
        elif known is not None:
            unknown = known.unknown or unknown
        if unknown:
            self.tables[table] = TableContent(copy, None, unknown)
        else:
            before = known.content if known and known.content else Content()
            self.tables[table] = TableContent(copy, before + (content or Content()))


def hash_script(chunks: Iterable[bytes]) -> Hashed:
    """All that a script of pg_dump, or of pg_restore, brings.

    Raises ScriptError for one that is not whole, or not to be understood.
    """
    gathered, objects = Gathered(), ObjectHash()
    rows, copy, table = RowHash(), b"", ("", "")
    inserts, encoding = 0, "UTF8"
    for piece in restricted(whole(pieces(chunks))):
        match piece:
            case Rows(data):
                rows.update(data)
            case Copy(text, target):
                rows, copy, table = RowHash(), _start(text), (target.schema, target.table)
            case RowsEnd():
                gathered.add(table, copy, rows.content)
            case Statement(text):
                inserts += text[:6].upper() == b"INSERT"
                if found := _ENCODING.match(text):
                    encoding = found[1].decode()
                _write(objects, text)
    objects.end()
    unknown = f"{inserts} INSERT statements: the rows they bring" if inserts else ""
    return Hashed(gathered.tables, objects.content, encoding, (unknown,) if unknown else ())


def _start(copy: bytes) -> bytes:
    """Without `FROM stdin`. Raises ArchiveError for a COPY with options, which pg_dump has not."""
    text = copy if copy.endswith(b";") else copy + b";"
    return copy_parts(text)[0]


def _write(objects: ObjectHash, statement: bytes) -> None:
    """The large object that the statement opens, or the bytes that it writes.

    Source: StartRestoreLO and dump_lo_buf in pg_backup_archiver.c, PostgreSQL 18.
    """
    if not statement.startswith(b"SELECT pg_catalog.lo"):
        return
    found = _OBJECT.fullmatch(statement)
    if found is None:
        return
    if found["oid"]:
        objects.begin(int(found["oid"]))
    else:
        objects.update(bytes.fromhex(found["data"].decode()))
