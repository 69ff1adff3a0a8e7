"""An archive as the engine uses it: its head, and what stock pg_restore makes of its entries."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, NamedTuple, Self

from restore.adapters.tools import Child, Client, script_argv
from restore.core.entries import EntrySql, entries
from restore.core.post import Outline, Stage, outlines
from restore.core.rows import SLICE_BYTES
from restore.core.suited import odd, odd_rows
from restore.core.toc import Entry, Head, table_data
from restore.engine.reading import read_head
from restore.errors import ArchiveError, ToolError
from restore.ports import Ranges

_OFFLINE = {"LC_ALL": "C", "PATH": ""}


class UnsuitedError(ArchiveError):
    """An archive that only stock pg_restore can restore."""

    code = "archive-unsuited"


class Table(NamedTuple):
    """Whose rows an entry brings; `dump_id` of the entry that makes the table, if there is one."""

    schema: str
    name: str
    dump_id: int | None


@dataclass(slots=True)
class Contents:
    """The head of the archive in `ranges`, and its TOC as a file for pg_restore, without a name.

    A context manager: the file goes with it. `early` are the entries made before the data; the
    others that are made by statements are in `late`. `tables` by the entry that brings their rows.
    `left_out` are in none of these: the ids that `unwanted` says.
    """

    ranges: Ranges
    client: Client
    keep_owners: bool = True
    unwanted: Callable[[Head], Collection[int]] = lambda head: ()
    left_out: frozenset[int] = field(init=False)
    head: Head = field(init=False)
    identity: str = field(init=False)
    early: dict[int, Outline] = field(init=False)
    late: dict[int, Outline] = field(init=False)
    tables: dict[int, Table] = field(init=False)
    _toc: IO[bytes] = field(init=False)
    _held: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.head = read_head(self.ranges)
        self._refuse(odd(self.head))
        toc = memoryview(self.head.raw)[: self.head.toc_end]
        digest = hashlib.sha256(toc).hexdigest()[:32]
        self.identity = f"{digest} {self.ranges.size_bytes} bytes, slices of {SLICE_BYTES}"
        self.left_out = frozenset(self.unwanted(self.head))
        if self.left_out:
            ids = ",".join(map(str, sorted(self.left_out)))
            self.identity += f", without {hashlib.sha256(ids.encode()).hexdigest()[:32]}"
        self.early, self.late, self.tables = {}, {}, {}
        for outline in outlines(self._noted(self.head.entries)):
            if outline.stage is Stage.BEFORE:
                self.early[outline.dump_id] = outline
            elif outline.stage is not Stage.DATA:
                self.late[outline.dump_id] = outline
        with ExitStack() as held:
            self._toc = held.enter_context(tempfile.TemporaryFile())
            self._toc.write(toc)
            self._toc.flush()
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _noted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; what is to be known of tables is noted in passing.

        Each entry is made anew whenever it is asked for, and there may be very many.
        """
        made = frozenset(self.head.entries.described("TABLE").dump_ids)
        for entry in entries:
            if entry.dump_id in self.left_out:
                continue
            if entry.has_data and entry.description == "TABLE DATA":
                self._refuse(odd_rows(entry))
                data = table_data(entry)
                own = next(iter(made.intersection(entry.dependencies)), None)
                self.tables[entry.dump_id] = Table(data.schema, data.table, own)
            yield entry

    def _refuse(self, reason: str) -> None:
        if reason:
            raise UnsuitedError(
                f"dump {self.ranges.name!r}: expected an archive that can be streamed, found that"
                f" {reason}",
                "use pg_restore for this one",
            )

    def script(self, dump_ids: Collection[int], ended: Callable[[], None]) -> Iterator[EntrySql]:
        """The statements of these entries, as pg_restore writes them, in its order.

        The first is the preamble. It connects to nothing. `ended` is called now and then, to raise
        if nobody wants to go on.
        Raises ToolError if pg_restore fails, ScriptError for what must not be run.
        """
        with tempfile.TemporaryFile() as listed:
            listed.writelines(b"%d;\n" % dump_id for dump_id in dump_ids)
            listed.flush()
            kept = (self._toc.fileno(), listed.fileno())
            self._toc.seek(0)
            listed.seek(0)
            toc, ids = (f"/proc/self/fd/{number}" for number in kept)
            argv = script_argv(self.client, toc, ids, self.keep_owners)
            with Child(argv, _OFFLINE, files=kept, read=True) as child:
                for entry in entries(child.output()):
                    ended()
                    yield entry
                if code := child.wait():
                    said = " ".join(child.said[-1:]) or "nothing"
                    raise ToolError(
                        f"pg_restore: expected the script of the schema, found exit {code}: {said}"
                    )
