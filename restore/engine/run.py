"""One archive into one database, from its first statement to its last.

    guard     one engine at a time in a database; what a dead one left behind is ended
    ledger    what is there already, if this goes on with what another one began
    schema    types, functions, tables: what rows need
    data      rows and large objects
    sequences
    indexes   and keys, beside each other
    rest      triggers, foreign keys (unchecked), … in pg_restore's order
    checks    of the foreign keys, beside each other
    access    policies, publications, grants
    views     materialized ones, refreshed
    guards    row security: before it, an owner sees all rows, also where it is forced

and, once the caller has seen that all is right, the ledger goes and event triggers come.

A connection that is lost, or a server that restarts, costs what was not committed: once the server
answers again, the same steps are gone through, and the ledger says what to leave out.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from restore.adapters.postgres import BusyError, Connection, UnreachableError
from restore.adapters.tools import Client
from restore.core.before import waves
from restore.core.blocks import Block
from restore.core.complaints import Complaint
from restore.core.index import index
from restore.core.post import CHAINS, Build, Step, post
from restore.core.rowhash import Content, Gathered, Hashed
from restore.core.rows import copy_parts
from restore.core.toc import Compression, Head, OffsetFlag
from restore.engine import guard, ledger
from restore.engine.beside import Beside, Budget
from restore.engine.contents import Contents, Table
from restore.engine.crew import Crew
from restore.engine.ledger import Ledger
from restore.engine.loading import PART_BYTES, Loading, Relations
from restore.engine.making import make, make_here
from restore.engine.meter import Meter
from restore.engine.reading import drive
from restore.engine.session import AbortedError, Sessions
from restore.ports import Ranges

_PATIENCE_SECONDS = 600.0  # with a server that does not come back
_FIRST_SECONDS = 30.0  # with one that was never there
_PAUSE_SECONDS = 1.0
_READERS = 16
_WORTH_SEARCHING_BYTES = 8 * 1024 * 1024
_SERVER_LOST = (UnreachableError, BusyError, AbortedError)

T = TypeVar("T")


def _unasked(end: Callable[[], None]) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Means:
    """What the engine works with.

    `connect` gives a new session in the database, all of one application name and no other's.
    `check` is called often and raises when the restore is to stop; what `ending` is given ends what
    runs, and may be called by any thread while its context is open. `connections` is how many
    sessions work side by side; one more holds the guard. `part_bytes` is how much of a big table
    goes into one transaction, in plain bytes: so much each session may have to do again. `hashed`:
    what is read is hashed on its way. `unwanted` says which entries of the archive are left out.
    """

    ranges: Ranges
    connect: Callable[[], Connection]
    client: Client
    connections: int
    meter: Meter = field(default_factory=Meter)
    check: Callable[[], None] = lambda: None
    ending: Callable[[Callable[[], None]], AbstractContextManager[None]] = _unasked
    keep_owners: bool = True
    notes: tuple[str, ...] = ()
    patience_seconds: float = _PATIENCE_SECONDS
    part_bytes: int = PART_BYTES
    hashed: bool = False
    unwanted: Callable[[Head], Collection[int]] = lambda head: ()


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it.

    `rows` are those of the archive, by schema and table as its COPY statements name them;
    `notes` what `Means.notes` said when the ledger was begun.
    """

    head: Head
    rows: dict[tuple[str, str], int]
    lost: tuple[Complaint, ...]
    notes: tuple[str, ...]
    seconds: dict[str, float]  # by phase, of this run
    last: tuple[Step, ...]  # what `finish` makes
    preamble: tuple[bytes, ...]
    hashed: Hashed | None = None  # what the archive holds, where it was hashed


def restore(means: Means) -> Restored:
    """Bring the archive into the database, which is empty or holds its ledger.

    Leaves the ledger there, for whoever has something to prove first: `finish` drops it. Safe to
    repeat, also after it was killed.
    Raises ArchiveError for a damaged archive, ConflictError for one that changed, TargetError where
    the server or the login cannot take it, UnreachableError for a server that stays away.
    """
    with (
        Contents(means.ranges, means.client, means.keep_owners, means.unwanted) as contents,
        ThreadPoolExecutor(_READERS, "reading") as pool,
    ):
        run = _Run(means, contents, pool)
        return _patiently(run.attempt, lambda: run.progress, means)


def finish(means: Means, restored: Restored) -> tuple[Complaint, ...]:
    """Take the ledger away and make the event triggers; what of them the server refused.

    One transaction, and on disk when this returns: nothing of the engine is left in the database.
    They come last, for they would fire at what a restore does, and log it, or forbid it. Another
    engine that waited for the end of this one may have come first: then there is nothing to do.
    """
    return _patiently(lambda: _finish(means, restored), lambda: 1, means)


def _finish(means: Means, restored: Restored) -> tuple[Complaint, ...]:
    with guard.hold(means.connect, means.check) as connection, ExitStack() as held:
        sessions = Sessions(means.connect, partial(guard.stands, connection), restored.preamble)
        session = held.enter_context(sessions.session())
        if not ledger.exists(session.connection):
            return ()
        session.connection.execute("SET synchronous_commit = on")
        with session.connection.transaction():
            ledger.drop(session.connection)
            return tuple(make_here(session, restored.last))


def _patiently(work: Callable[[], T], progress: Callable[[], int], means: Means) -> T:
    """Begin again as often as the server is lost, as long as that gets us anywhere."""
    seen, give_up = -1, 0.0
    pause = threading.Event()
    while True:
        try:
            return work()
        except _SERVER_LOST:
            now, reached = time.monotonic(), progress()
            if reached > seen:
                seen = reached
                give_up = now + (means.patience_seconds if reached else _FIRST_SECONDS)
            elif now > give_up:
                raise
        means.meter.enter("waiting for the server")
        means.check()
        pause.wait(_PAUSE_SECONDS)


class _Run:
    """One restore, in as many attempts as it takes. `progress` grows with what is committed."""

    def __init__(self, means: Means, contents: Contents, pool: Executor) -> None:
        self._means, self._contents, self._pool = means, contents, pool
        self._blocks: Sequence[Block] | None = None
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._known: Ledger | None = None

    @property
    def progress(self) -> int:
        return 0 if self._known is None else 1 + self._known.size + self._means.meter.rows

    def attempt(self) -> Restored:
        """All that the ledger does not hold yet."""
        contents, means = self._contents, self._means
        with guard.hold(means.connect, means.check) as connection, ExitStack() as held:
            sessions = Sessions(means.connect, partial(guard.stands, connection))
            held.enter_context(means.ending(sessions.abort))
            known = guard.open_ledger(connection, contents.identity, means.notes)
            self._known = known
            budget = Budget.of(connection, means.connections)
            with self._phase("schema"):
                sessions.preamble = self._before(sessions, known, budget)
            with self._phase("index"):
                blocks = self._find_blocks()
            with self._phase("data"):
                relations = guard.relations(connection)
                self._load(sessions, known, blocks, relations)
            known = self._known = ledger.read(connection)
            last = self._after(sessions, known, budget)
            ledger.settle(connection)
            known = ledger.read(connection)
        rows = _rows(contents.tables, known)
        return Restored(
            contents.head,
            rows=rows,
            lost=tuple(dict.fromkeys([*known.lost, *_left_out(rows, relations)])),
            notes=known.notes,
            seconds=dict(self._seconds),
            last=last,
            preamble=tuple(sessions.preamble),
            hashed=_hashed(contents, known) if means.hashed else None,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._means.meter.enter(name)
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] += time.monotonic() - began

    # ---- before the data -----------------------------------------------------------------------

    def _before(self, sessions: Sessions, known: Ledger, budget: Budget) -> tuple[bytes, ...]:
        """What rows need; returns how pg_restore sets up a session for this archive."""
        outline, made = self._contents.early, known.made
        script = self._contents.script(outline, self._means.check)
        preamble = next(script).statements
        sessions.preamble = preamble
        with sessions.session() as session:
            for wave in waves(script, outline):
                if len(wave) == 1:
                    for _ in make(session, wave[0].steps, made):
                        self._means.check()
                else:
                    Beside(wave, made, sessions, budget, self._means.check).run()
        return preamble

    def _make(self, sessions: Sessions, steps: Iterable[Step], made: dict[int, int]) -> None:
        with sessions.session() as session:
            for _ in make(session, steps, made):
                self._means.check()

    # ---- data ----------------------------------------------------------------------------------

    def _find_blocks(self) -> Sequence[Block]:
        """Where each block lies; nothing if finding that out would mean reading everything."""
        if self._blocks is None:
            head = self._contents.head
            cheap = _has_offsets(head) or _can_be_searched(head)
            self._blocks = drive(index(head), self._means.ranges, self._pool) if cheap else ()
        return self._blocks

    def _load(
        self, sessions: Sessions, known: Ledger, blocks: Sequence[Block], relations: Relations
    ) -> None:
        contents, head, means = self._contents, self._contents.head, self._means
        there = known.loaded.values()
        means.meter.enter("data", self._size_bytes(blocks))
        means.meter.add(sum(p.size_bytes for p in there), sum(p.rows for p in there))
        loading = Loading(
            head,
            contents.tables,
            means.ranges,
            blocks,
            known,
            relations,
            Crew(sessions, means.check),
            means.connections,
            self._pool,
            means.meter,
            means.part_bytes,
            means.hashed,
            contents.left_out,
        )
        loading.run()

    def _size_bytes(self, blocks: Sequence[Block]) -> int:
        """Of what has to be read: all of it where nobody knows what lies where."""
        head, left_out = self._contents.head, self._contents.left_out
        if left_out and blocks:
            return sum(block.size_bytes for block in blocks if block.dump_id not in left_out)
        return head.size_bytes - head.toc_end

    # ---- after the data ------------------------------------------------------------------------

    def _after(self, sessions: Sessions, known: Ledger, budget: Budget) -> tuple[Step, ...]:
        """All but what has to come last, which is returned."""
        late, made = self._contents.late, known.made
        todo = [i for i in late if i not in made or late[i].description in CHAINS]
        script = self._contents.script(todo, self._means.check)
        next(script)
        plan = post(list(script), late, self._table_sizes(known))

        def in_turn(phase: str, steps: Iterable[Step]) -> None:
            with self._phase(phase):
                self._make(sessions, steps, made)

        def beside(phase: str, builds: Sequence[Build]) -> None:
            with self._phase(phase):
                Beside(builds, made, sessions, budget, self._means.check).run()

        in_turn("sequences", plan.between)
        beside("indexes", plan.build)
        in_turn("rest", plan.middle)
        beside("checks", plan.validate)
        in_turn("access", plan.tail)
        beside("views", plan.refresh)
        in_turn("guards", plan.guard)
        return plan.last

    def _table_sizes(self, known: Ledger) -> dict[int, int]:
        """Bytes of packed rows by the id of the table's entry."""
        return {
            table.dump_id: known.loaded[entry].size_bytes
            for entry, table in self._contents.tables.items()
            if table.dump_id is not None
        }


def _has_offsets(head: Head) -> bool:
    return all(entry.flag is OffsetFlag.SET for entry in head.data_entries)


def _can_be_searched(head: Head) -> bool:
    """Only gzip's chunks are of one length. A search takes some round trips for each block: for
    blocks of a few megabytes, reading all from front to back is sooner done.
    """
    mean_bytes = (head.size_bytes - head.toc_end) // max(len(head.data_entries), 1)
    return head.compression is Compression.GZIP and mean_bytes >= _WORTH_SEARCHING_BYTES


def _left_out(rows: Mapping[tuple[str, str], int], relations: Relations) -> Iterator[Complaint]:
    """Rows of tables that are not there: as COPY would have been refused."""
    for (schema, name), count in rows.items():
        if count and (schema, name) not in relations:
            yield Complaint(f"COPY {schema}.{name}", f"no such table: {count} rows are left out")


def _rows(tables: Mapping[int, Table], known: Ledger) -> dict[tuple[str, str], int]:
    """Rows by table; several entries may bring rows to one, through a partitioned table."""
    rows: Counter[tuple[str, str]] = Counter()
    for entry, table in tables.items():
        rows[table.schema, table.name] += known.loaded[entry].rows
    return dict(rows)


def _hashed(contents: Contents, known: Ledger) -> Hashed:
    """What all runs have read of the archive, by table."""
    gathered, objects, unknown = Gathered(), Content(), tuple[str, ...]()
    for entry in contents.head.data_entries:
        if entry.dump_id in contents.left_out:
            continue
        loaded = known.loaded[entry.dump_id]
        content = None if loaded.hash is None else Content(loaded.rows, loaded.hash)
        if entry.dump_id in contents.tables:
            table = contents.tables[entry.dump_id]
            gathered.add((table.schema, table.name), copy_parts(entry.copy_bytes)[0], content)
        elif entry.description == "BLOBS" and content is not None:
            objects += content
        elif entry.description == "BLOBS":
            unknown = ("large objects were not hashed when they were loaded",)
    return Hashed(gathered.tables, objects, contents.head.encoding or "UTF8", unknown)
