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
    """Bytes of one slice; mostly all of it. `ends`: the slice ends with them, at a row's end."""

    slice: int
    data: bytes
    ends: bool

    @property
    def size_bytes(self) -> int:
        return len(self.data)


def slices(text: Iterable[bytes], slice_bytes: int = SLICE_BYTES) -> Iterator[Piece]:
    r"""The rows in `text`, which are COPY text as pg_dump writes it, without the `\.` at their end.

    A slice ends with the first row that ends at or behind `slice_bytes`: line breaks in COPY text
    are row ends, those inside of values are escaped. Where `text` is cut does not matter.
    Raises ArchiveError for text that does not end as it should: it was cut off.
    Source: dumpTableData_copy in pg_dump.c, PostgreSQL 13 to 18.
    """
    number, given, held, last = 0, 0, b"", b"\n"
    for chunk in text:
        held = held + chunk if held else chunk
        while True:
            spare = len(held) - len(_END)
            end = held.find(b"\n", max(slice_bytes - given - 1, 0), max(spare, 0)) + 1
            if end:
                yield Piece(number, held[:end], ends=True)
                number, given, held, last = number + 1, 0, held[end:], b"\n"
                continue
            if spare >= LONG_BYTES:
                yield Piece(number, held[:spare], ends=False)
                given, held, last = given + spare, held[spare:], held[spare - 1 : spare]
            break
    rows = held.removesuffix(_END)
    if len(rows) == len(held) or (rows or last)[-1:] != b"\n":
        raise ArchiveError(
            rf"COPY text: expected a line \. at its end, found {held[-8:]!r}",
            "the dump is truncated or damaged: restore it from the vault again",
        )
    if rows or given:
        yield Piece(number, rows, ends=True)


def copy_parts(statement: bytes) -> tuple[bytes, bytes]:
    """`COPY table (columns)` and the table, of a COPY as pg_dump writes it.

    Raises ArchiveError for another one.
    """
    found = _COPY.fullmatch(statement)
    if found is None:
        raise ArchiveError(f"rows: expected COPY … FROM stdin, found {statement[:60]!r}")
    return found["start"], found["table"]
