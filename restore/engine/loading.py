"""The rows and large objects of an archive, on several sessions at once.

Where the blocks' places are known, the biggest is begun first, and each big one is read by a thread
of its own. Where they are not (an archive that was written to a pipe, and cannot be searched), the
archive is read once from front to back. Either way a session that finds nothing left to begin joins
the block that has most left: its slices go to whoever is free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice

import psycopg

from restore.adapters.postgres import FullError, PrivilegeError, error_of
from restore.core.blocks import Block
from restore.core.data import DataReader
from restore.core.rowhash import ObjectHash, RowHash
from restore.core.rows import Piece
from restore.core.toc import Entry, Head
from restore.engine import ledger
from restore.engine.contents import Table
from restore.engine.copying import CopyError, copy_all
from restore.engine.crew import Crew
from restore.engine.ledger import Ledger, Part
from restore.engine.meter import Meter
from restore.engine.reading import WINDOW_BYTES, stream
from restore.engine.session import Session
from restore.engine.targets import (
    WORTH_FREEZING_BYTES,
    Item,
    Loaded,
    ObjectsTarget,
    TableTarget,
    Target,
    checksum,
)
from restore.errors import DataLossError, RestoreError, TransientError
from restore.ports import Ranges

PART_BYTES = 64 * 1024 * 1024
"""A transaction's worth of plain rows: at most so much is done again, on each session."""

_SMALL_BYTES = 256 * 1024  # packed: blocks that go several in one transaction
_BUNDLE_BYTES = 2 * 1024 * 1024
_BUNDLE_BLOCKS = 200
_TOGETHER_TABLES = 100
_TOGETHER_BYTES = 1024 * 1024  # plain
_WHOLE_BYTES = 16 * 1024 * 1024  # packed: the biggest block that one session loads alone
_JOIN_BYTES = 4 * 1024 * 1024  # packed: with less left than this, a block is not joined
_HELD_BYTES = 32 * 1024 * 1024  # plain: of blocks that are read before a session takes them
_QUEUE_ITEMS = 4
_AHEAD_BYTES = 32 * 1024 * 1024  # read ahead in all

Relations = dict[tuple[str, str], str]
"""Kind by schema and name, of every table there is."""


@dataclass(slots=True)
class _Feed:
    """A block whose slices are handed out one by one, by a thread that reads it."""

    target: Target
    left_bytes: int
    block: Block | None = None  # None: it is read with all the others
    items: deque[Item] = field(default_factory=deque)
    holder: object = None  # who has begun a slice that has more pieces
    sessions: int = 0
    total: int | None = None  # slices, once its end was read
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Blocks that one session loads in one transaction; `parts` reads them, one after the other."""

    size_bytes: int
    parts: Callable[[], Iterator[_Counted]]


class _Counted:
    """The items of one block, without those that are there already, and how many there were.

    Raises DataLossError where those are not what was loaded before.
    """

    def __init__(self, target: Target, items: Iterator[Item]) -> None:
        self.target = target
        self._items = items
        self._held: Sequence[Item] | None = None
        self.total = 0
        self.size_bytes = 0

    def hold(self, items: Sequence[Item]) -> None:
        """All of them were read: they come from here when they are asked for again."""
        self._held = items

    def __iter__(self) -> Iterator[Item]:
        return iter(self._held) if self._held is not None else self._checked()

    def _checked(self) -> Iterator[Item]:
        target, so_far = self.target, 0
        for item in self._items:
            self.total = item.slice + 1
            so_far = checksum(item, so_far)
            known = target.done.get(item.slice)
            if item.ends and known is None:
                target.sums[item.slice] = so_far
            elif item.ends and known != so_far:
                raise DataLossError(
                    f"{target.label}: expected what was loaded before, found something else",
                    "the dump was damaged then, or is now: begin in a new database",
                )
            if known is None:
                yield item
            so_far = 0 if item.ends else so_far


@dataclass(slots=True)
class Loading:
    """One run over the data of an archive. `run` once."""

    head: Head
    tables: Mapping[int, Table]
    ranges: Ranges
    blocks: Sequence[Block]  # empty: their places are not known
    known: Ledger
    relations: Relations
    crew: Crew
    connections: int
    pool: Executor
    meter: Meter
    part_bytes: int = PART_BYTES
    hashed: bool = False  # what is read is hashed on its way, to be compared later
    left_out: Collection[int] = frozenset()  # entries whose data nobody wants
    _waiting: deque[_Bundle | _Feed] = field(default_factory=deque)
    _feeds: list[_Feed] = field(default_factory=list)
    _feeding: bool = False  # more may come to _waiting

    def run(self) -> None:
        """Load what is not there yet. Raises the first error of any thread, and ends all others."""
        works = [self._work] * self.connections
        if self.blocks:
            self._waiting.extend(self._units())
        else:
            self._feeding = True
            works.append(self._read_all)
        self.crew.run(works)

    # ---- what there is to load -----------------------------------------------------------------

    def _target(self, entry: Entry) -> Target:
        known = self.known.loaded.get(entry.dump_id)
        done = known.slices if known else {}
        if entry.description == "BLOBS":
            return ObjectsTarget(entry, done, hash=ObjectHash() if self.hashed else None)
        table = self.tables[entry.dump_id]
        kind = self.relations.get((table.schema, table.name))
        return TableTarget(
            entry,
            label=f"{table.schema}.{table.name}",
            copy=entry.copy_bytes,
            done=done,
            is_ours=kind == "r" and table.dump_id is not None and not done,
            is_there=kind is not None,
            hash=RowHash() if self.hashed else None,
        )

    def _units(self) -> list[_Bundle | _Feed]:
        """All that is not there yet, the biggest first; small neighbours go together."""
        known = self.known.loaded
        wanted = [block for block in self.blocks if block.dump_id not in self.left_out]
        todo = [block for block in wanted if not known[block.dump_id].is_whole]
        share = sum(block.size_bytes for block in todo) // (4 * self.connections)
        units: list[_Bundle | _Feed] = []
        small: list[Block] = []
        for block in todo:
            if block.size_bytes > min(_WHOLE_BYTES, max(share, _SMALL_BYTES)):
                target = self._target(self.head.entry(block.dump_id))
                units.append(_Feed(target, block.size_bytes, block))
            elif block.size_bytes > _SMALL_BYTES:
                units.append(self._bundle([block]))
            else:
                if small and self._breaks(small, block):
                    units.append(self._bundle(small))
                    small = []
                small.append(block)
        if small:
            units.append(self._bundle(small))
        return sorted(units, key=_size_bytes, reverse=True)

    @staticmethod
    def _breaks(small: Sequence[Block], block: Block) -> bool:
        near = block.end - small[0].offset <= _BUNDLE_BYTES and block.offset == small[-1].end
        return not near or len(small) == _BUNDLE_BLOCKS

    def _bundle(self, blocks: Sequence[Block]) -> _Bundle:
        blocks = tuple(blocks)

        def parts() -> Iterator[_Counted]:
            reader = self._reader(blocks[0].offset, blocks[-1].end)
            for block in blocks:
                counted = self._begin(reader, self._target(self.head.entry(block.dump_id)))
                counted.size_bytes = block.size_bytes
                yield counted
            reader.finish()

        return _Bundle(sum(block.size_bytes for block in blocks), parts)

    def _reader(self, start: int, end: int) -> DataReader:
        ahead = max(1, _AHEAD_BYTES // (WINDOW_BYTES * self.connections) - 1)
        chunks = stream(self.ranges, start, end, self.pool, min(ahead, 4), self.crew.go_on)
        return DataReader(self.head, self._metered(chunks), start, end)

    def _metered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.meter.add(size_bytes=len(chunk))

    def _begin(self, reader: DataReader, target: Target) -> _Counted:
        reader.begin(target.entry)
        return _Counted(target, target.read(reader, self.head.compression))

    # ---- threads that read ---------------------------------------------------------------------

    def _read_one(self, feed: _Feed) -> None:
        block = feed.block
        assert block is not None, "its place is known"
        reader = self._reader(block.offset, block.end)
        counted = self._begin(reader, feed.target)
        self._hand_out(feed, iter(counted), reader, block.end)
        reader.finish()
        self._close(feed, counted.total, block.size_bytes)

    def _read_all(self) -> None:
        """The whole archive, but for blocks whose extent the ledger knows, and which are there."""
        reader, position = None, self.head.toc_end
        small: list[_Counted] = []
        size_bytes, held_bytes = 0, _HELD_BYTES // (2 * self.connections + 1)
        for entry in self.head.data_entries:
            loaded = self.known.loaded.get(entry.dump_id)
            if loaded is not None and loaded.is_whole:
                reader, position = None, position + loaded.size_bytes
                continue
            reader = reader or self._reader(position, self.head.size_bytes)
            if entry.dump_id in self.left_out:
                reader.pass_over(entry)
                position = reader.position
                continue
            counted = self._begin(reader, self._target(entry))
            items = iter(counted)
            begun, begun_bytes = list[Item](), 0
            for item in items:
                begun.append(item)
                begun_bytes += item.size_bytes
                if begun_bytes > held_bytes:
                    break
            else:
                counted.size_bytes = reader.position - position
                counted.hold(begun)
                small.append(counted)
                size_bytes += begun_bytes
                position = reader.position
                if size_bytes >= _BUNDLE_BYTES or len(small) == _BUNDLE_BLOCKS:
                    self._offer(_of(small, size_bytes))
                    small, size_bytes = [], 0
                continue
            feed = _Feed(counted.target, self.head.size_bytes - position)
            self._offer(feed)
            self._hand_out(feed, chain(begun, items), reader, self.head.size_bytes)
            self._close(feed, counted.total, reader.position - position)
            position = reader.position
        if small:
            self._offer(_of(small, size_bytes))
        if position != self.head.size_bytes or reader is not None:
            (reader or self._reader(position, self.head.size_bytes)).finish()
        with self.crew.changed:
            self._feeding = False
            self.crew.changed.notify_all()

    def _offer(self, unit: _Bundle | _Feed) -> None:
        with self.crew.changed:
            while len(self._waiting) >= self.connections:
                self.crew.wait()
            self._waiting.append(unit)
            self.crew.changed.notify_all()

    def _hand_out(self, feed: _Feed, items: Iterator[Item], reader: DataReader, end: int) -> None:
        for item in items:
            with self.crew.changed:
                while len(feed.items) >= _QUEUE_ITEMS:
                    self.crew.wait()
                feed.items.append(item)
                left_bytes = end - reader.position
                self.meter.add_to(feed.target.label, size_bytes=feed.left_bytes - left_bytes)
                feed.left_bytes = left_bytes
                self.crew.changed.notify_all()

    def _close(self, feed: _Feed, total: int, size_bytes: int) -> None:
        with self.crew.changed:
            feed.total, feed.size_bytes, feed.left_bytes = total, size_bytes, 0
            self.crew.changed.notify_all()

    # ---- sessions that load --------------------------------------------------------------------

    def _work(self) -> None:
        with self.crew.sessions.session() as session:
            while (unit := self._next()) is not None:
                if isinstance(unit, _Bundle):
                    self._load_bundle(session, unit)
                else:
                    self._load_feed(session, unit)

    def _next(self) -> _Bundle | _Feed | None:
        """Something to begin, else something to join; None when there is nothing more to do."""
        with self.crew.changed:
            while True:
                self.crew.go_on()
                if self._waiting:
                    unit = self._waiting.popleft()
                    self.crew.changed.notify_all()
                    if isinstance(unit, _Feed):
                        unit.sessions = 1
                        self._feeds.append(unit)
                        if unit.block is not None:
                            self.crew.start(partial(self._read_one, unit))
                    return unit
                worth = [f for f in self._feeds if f.total is None and f.left_bytes > _JOIN_BYTES]
                if worth:
                    feed = max(worth, key=lambda f: f.left_bytes / f.sessions)
                    feed.sessions += 1
                    return feed
                if not self._feeding:
                    return None
                self.crew.wait()

    def _load_bundle(self, session: Session, bundle: _Bundle) -> None:
        parts: list[Part] = []
        with session.connection.transaction():
            together = _Together(session, parts)
            for counted in bundle.parts():
                target, items = counted.target, iter(counted)
                if together.takes(counted, first := list(islice(items, 2))):
                    continue
                with self.meter.table(target.label, counted.size_bytes), _taken(target, session):
                    loaded = target.load(session.connection, chain(first, items), whole=True)
                parts.append(_part_of(counted, loaded))
            together.load()
            ledger.note_parts(session.connection, parts)
        self.meter.add(rows=sum(part.rows for part in parts))

    def _load_feed(self, session: Session, feed: _Feed) -> None:
        target, number = feed.target, feed.target.entry.dump_id
        with self.meter.table(target.label, feed.left_bytes):
            while (first := self._take(feed, session)) is not None:
                with session.connection.transaction():
                    items = chain((first,), self._part(feed, session, first))
                    with _taken(target, session):
                        loaded = target.load(session.connection, items, whole=False)
                    slices = _noted(target, loaded)
                    ledger.note_parts(session.connection, [Part(number, slices, loaded.rows)])
                self.meter.add(rows=loaded.rows)
                self.meter.add_to(target.label, rows=loaded.rows)
        with self.crew.changed:
            feed.sessions -= 1
            if feed.sessions:
                return
            self._feeds.remove(feed)
        part = Part(number, {}, 0, feed.total, feed.size_bytes, target.content)
        ledger.note_parts(session.connection, [part])

    def _part(self, feed: _Feed, session: Session, first: Item) -> Iterator[Item]:
        """What else goes into the same transaction as `first`."""
        size_bytes, item = first.size_bytes, first
        while size_bytes < self.part_bytes or not item.ends:
            following = self._take(feed, session)
            if following is None:
                return
            item = following
            size_bytes += item.size_bytes
            yield item

    def _take(self, feed: _Feed, session: Session) -> Item | None:
        """The next item; None behind the last. Who has begun a slice gets all of it."""
        with self.crew.changed:
            while True:
                self.crew.go_on()
                if feed.items and feed.holder in (None, session):
                    item = feed.items.popleft()
                    feed.holder = None if item.ends else session
                    self.crew.changed.notify_all()
                    return item
                if not feed.items and feed.total is not None:
                    return None
                self.crew.wait()


@dataclass(slots=True)
class _Together:
    """Tables of a few rows, whose COPY go in one message. What was loaded is noted in `parts`."""

    session: Session
    parts: list[Part]
    _held: list[tuple[_Counted, TableTarget, Piece]] = field(default_factory=list)
    _bytes: int = 0

    def takes(self, counted: _Counted, first: Sequence[Item]) -> bool:
        """Is it one of these? `first` are its first two items, or all there are."""
        target = counted.target
        if len(first) != 1 or not isinstance(target, TableTarget) or not target.is_there:
            return False
        (piece,) = first
        assert isinstance(piece, Piece), "a table's block holds rows"
        if piece.size_bytes >= WORTH_FREEZING_BYTES:
            return False
        self._held.append((counted, target, piece))
        self._bytes += piece.size_bytes
        if len(self._held) == _TOGETHER_TABLES or self._bytes > _TOGETHER_BYTES:
            self.load()
        return True

    def load(self) -> None:
        """All that it holds. Raises DataLossError where the server does not take the rows."""
        held, self._held, self._bytes = self._held, [], 0
        if not held:
            return
        try:
            copies = [(target.statement, piece.views) for _, target, piece in held]
            copy_all(self.session.connection, copies)
        except CopyError as exc:
            raise _refused(held[exc.copy][1], exc.reason, self.session) from exc.reason
        for counted, _, piece in held:
            loaded = Loaded()
            loaded.add(piece)
            self.parts.append(_part_of(counted, loaded))


@contextmanager
def _taken(target: Target, session: Session) -> Iterator[None]:
    """Raises DataLossError where the server does not take the rows."""
    try:
        yield
    except psycopg.Error as exc:
        raise _refused(target, exc, session) from exc


def _refused(target: Target, error: psycopg.Error, session: Session) -> RestoreError:
    found = error_of(error, session.connection)
    if isinstance(found, TransientError | FullError | PrivilegeError):
        return found
    return DataLossError(
        f"{target.label}: expected the server to take what the dump holds, found:"
        f" {error.diag.message_primary or type(error).__name__}",
        "is the dump damaged? If not, see what the server refused, then restore again",
    )


def _part_of(counted: _Counted, loaded: Loaded) -> Part:
    """All of a block's data."""
    target = counted.target
    slices = _noted(target, loaded)
    dump_id, content = target.entry.dump_id, target.content
    return Part(dump_id, slices, loaded.rows, counted.total, counted.size_bytes, content)


def _noted(target: Target, loaded: Loaded) -> dict[int, int]:
    """The slices that were loaded, by their checksums."""
    return {number: target.sums.pop(number) for number in loaded.slices}


def _size_bytes(unit: _Bundle | _Feed) -> int:
    return unit.size_bytes if isinstance(unit, _Bundle) else unit.left_bytes


def _of(parts: Sequence[_Counted], size_bytes: int) -> _Bundle:
    held = tuple(parts)
    return _Bundle(size_bytes, lambda: iter(held))
