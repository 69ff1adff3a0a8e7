"""The rows of a table as COPY text, cut at row ends into slices that are the same on every run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from restore.errors import ArchiveError

SLICE_BYTES = 1024 * 1024
"""About how long a slice is. Part of the ledger's meaning: another length cuts other slices."""

LONG_BYTES = 4 * SLICE_BYTES
"""A row longer than this is given out in several pieces, so that it is never held whole."""

_NAME = rb'(?:"(?:[^"]|"")+"|[^" .]+)'
_COPY = re.compile(
    rb"(?P<start>COPY (?P<table>" + _NAME + rb"\." + _NAME + rb") .*) FROM stdin;\n*", re.DOTALL
)
_END = b"\\.\n\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one slice; mostly all of it. `ends`: the slice ends with them, at a row's end.

    `parts` are places in longer texts, so that no byte is copied to be cut.
    """

    slice: int
    parts: tuple[tuple[bytes, int, int], ...]
    ends: bool

    @property
    def size_bytes(self) -> int:
        return sum(end - start for _, start, end in self.parts)

    @property
    def rows(self) -> int:
        """How many rows end in it."""
        return sum(text.count(b"\n", start, end) for text, start, end in self.parts)

    @property
    def views(self) -> Iterator[memoryview]:
        return (memoryview(text)[start:end] for text, start, end in self.parts)


def slices(text: Iterable[bytes], slice_bytes: int = SLICE_BYTES) -> Iterator[Piece]:
    r"""The rows in `text`, which are COPY text as pg_dump writes it, without the `\.` at their end.

    A slice ends with the first row that ends at or behind `slice_bytes`: line breaks in COPY text
    are row ends, those inside of values are escaped. Where `text` is cut does not matter.
    Raises ArchiveError for text that does not end as it should: it was cut off.
    Source: dumpTableData_copy in pg_dump.c, PostgreSQL 13 to 18.
    """
    number, given, size_bytes = 0, 0, 0  # of the slice: what it has in pieces given out, in parts
    parts: list[tuple[bytes, int, int]] = []
    for chunk in _without_end(text):
        at = 0
        while end := chunk.find(b"\n", at + max(slice_bytes - given - size_bytes - 1, 0)) + 1:
            yield Piece(number, (*parts, (chunk, at, end)), ends=True)
            number, given, size_bytes, parts, at = number + 1, 0, 0, [], end
        if at < len(chunk):
            parts.append((chunk, at, len(chunk)))
            size_bytes += len(chunk) - at
        if size_bytes >= LONG_BYTES:
            yield Piece(number, tuple(parts), ends=False)
            given, size_bytes, parts = given + size_bytes, 0, []
    if parts or given:
        yield Piece(number, tuple(parts), ends=True)


def _without_end(text: Iterable[bytes]) -> Iterator[bytes]:
    """The same without the end marker; raises ArchiveError where there is none behind a row."""
    held, last = b"", b"\n"
    for chunk in text:
        if len(chunk) < len(_END):
            held += chunk
        else:
            if held:
                yield held
            held, last = chunk, held[-1:] or last
    rows = held.removesuffix(_END)
    if len(rows) == len(held) or (rows or last)[-1:] != b"\n":
        raise ArchiveError(
            rf"COPY text: expected a line \. at its end, found {held[-8:]!r}",
            "the dump is truncated or damaged: restore it from the vault again",
        )
    if rows:
        yield rows


def copy_parts(statement: bytes) -> tuple[bytes, bytes]:
    """`COPY table (columns)` and the table, of a COPY as pg_dump writes it.

    Raises ArchiveError for another one.
    """
    found = _COPY.fullmatch(statement)
    if found is None:
        raise ArchiveError(f"rows: expected COPY … FROM stdin, found {statement[:60]!r}")
    return found["start"], found["table"]
