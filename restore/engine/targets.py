"""Where the data of an entry goes: the rows of a table by COPY, large objects by lo_put."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol, TypeAlias

from isal import isal_zlib

from restore.adapters.postgres import Connection
from restore.core.data import DataReader
from restore.core.rowhash import Content, ObjectHash, RowHash
from restore.core.rows import SLICE_BYTES, Piece, copy_parts, slices
from restore.core.toc import Compression, Entry
from restore.core.unpack import unpacked

_BATCH_OBJECTS = 1000
WORTH_FREEZING_BYTES = SLICE_BYTES // 2
_PUT = (
    b"SELECT count(pg_catalog.lo_put(oid, start, data))"
    b" FROM unnest(%b::int8[]::oid[], %b::int8[], %b::bytea[]) AS put (oid, start, data)"
)


@dataclass(frozen=True, slots=True)
class Objects:
    """Some large objects, or parts of some: number, place in the object, bytes."""

    slice: int
    puts: tuple[tuple[int, int, bytes], ...]
    ends: bool = True

    @property
    def size_bytes(self) -> int:
        return sum(len(data) for _, _, data in self.puts)

    @property
    def rows(self) -> int:
        return 0

    @property
    def views(self) -> Iterator[memoryview]:
        for oid, start, data in self.puts:
            yield memoryview(b"%d %d " % (oid, start))
            yield memoryview(data)


Item: TypeAlias = Piece | Objects


class Target(Protocol):
    """The data of one entry on its way. `done` are the slices that are there already, by their
    checksums; `sums` the checksums of the others, as they are read. `content` is what was read of
    it so far, None where nobody wants to know.
    """

    entry: Entry
    done: Mapping[int, int]
    sums: dict[int, int]

    @property
    def label(self) -> str: ...

    @property
    def content(self) -> Content | None: ...

    def read(self, reader: DataReader, compression: Compression) -> Iterator[Item]:
        """What the block behind its start holds, in slices that are the same on every run."""

    def load(self, connection: Connection, items: Iterator[Item], whole: bool) -> Loaded:
        """Put `items` into the server, in the transaction that is open.

        `whole`: they are all there is, and nothing of it is in the server yet.
        """


def checksum(item: Item, before: int) -> int:
    """Of a slice, with what came `before`: whether it is what was loaded of it earlier."""
    return reduce(lambda so_far, view: isal_zlib.crc32(view, so_far), item.views, before)


@dataclass(slots=True)
class Loaded:
    """What went into the server."""

    slices: list[int] = field(default_factory=list)
    rows: int = 0

    def add(self, item: Item) -> None:
        self.rows += item.rows
        if item.ends:
            self.slices.append(item.slice)


@dataclass(slots=True)
class TableTarget:
    """`copy` as the archive has it, in its own encoding.

    `is_ours`: the table was made by this restore, so that emptying it loses nothing. `is_there`:
    False where it could not be made; its rows are then counted only.
    """

    entry: Entry
    label: str
    copy: bytes
    done: Mapping[int, int] = field(default_factory=dict)
    sums: dict[int, int] = field(default_factory=dict)
    is_ours: bool = False
    is_there: bool = True
    hash: RowHash | None = None

    @property
    def content(self) -> Content | None:
        return self.hash.content if self.hash else None

    @property
    def statement(self) -> bytes:
        return copy_parts(self.copy)[0] + b" FROM stdin"

    def read(self, reader: DataReader, compression: Compression) -> Iterator[Item]:
        for piece in slices(unpacked(reader.packed(), compression)):
            if self.hash is not None:
                for text, start, end in piece.parts:
                    self.hash.update(text[start:end])
            yield piece

    def load(self, connection: Connection, items: Iterator[Item], whole: bool) -> Loaded:
        """Rows that come frozen need no second visit: neither by the next reader nor by VACUUM.

        That takes a table emptied in the same transaction, which costs too much for few rows.
        Source: postgresql.org/docs/18/sql-copy.html, FREEZE.
        """
        loaded = Loaded()
        first = next(items, None)
        if first is None:
            return loaded
        assert isinstance(first, Piece), "a table's block holds rows"
        if not self.is_there:
            for piece in _again(first, items):
                loaded.add(piece)
            return loaded
        frozen = whole and self.is_ours and first.size_bytes >= WORTH_FREEZING_BYTES
        if frozen:
            connection.execute(b"TRUNCATE TABLE ONLY " + copy_parts(self.copy)[1])
        options = b" WITH (FREEZE)" if frozen else b""
        with connection.cursor().copy(self.statement + options) as copy:
            for piece in _again(first, items):
                for view in piece.views:
                    copy.write(view)
                loaded.add(piece)
        return loaded


@dataclass(slots=True)
class ObjectsTarget:
    """A block of large objects, which are there already, empty."""

    entry: Entry
    done: Mapping[int, int] = field(default_factory=dict)
    sums: dict[int, int] = field(default_factory=dict)
    label: str = "large objects"
    hash: ObjectHash | None = None

    @property
    def content(self) -> Content | None:
        return self.hash.content if self.hash else None

    def read(self, reader: DataReader, compression: Compression) -> Iterator[Item]:
        number, puts, size_bytes = 0, list[tuple[int, int, bytes]](), 0
        while oid := reader.oid():
            start = 0
            if self.hash is not None:
                self.hash.begin(oid)
            for data in unpacked(reader.packed(), compression):
                if self.hash is not None:
                    self.hash.update(data)
                puts.append((oid, start, data))
                start, size_bytes = start + len(data), size_bytes + len(data)
                if size_bytes >= SLICE_BYTES or len(puts) == _BATCH_OBJECTS:
                    yield Objects(number, tuple(puts))
                    number, puts, size_bytes = number + 1, [], 0
        if self.hash is not None:
            self.hash.end()
        if puts:
            yield Objects(number, tuple(puts))

    def load(self, connection: Connection, items: Iterator[Item], whole: bool) -> Loaded:
        loaded = Loaded()
        for item in items:
            assert isinstance(item, Objects), "a block of large objects holds nothing else"
            columns = list(map(list, zip(*item.puts, strict=True)))
            connection.execute(_PUT, columns)
            loaded.add(item)
        return loaded


def _again(first: Piece, rest: Iterable[Item]) -> Iterator[Piece]:
    yield first
    for item in rest:
        assert isinstance(item, Piece), "a table's block holds rows"
        yield item
