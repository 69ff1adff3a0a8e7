"""COPY text is cut into the same slices however it comes, and no row is held whole."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restore.core.rows import LONG_BYTES, SLICE_BYTES, Piece, copy_parts, slices
from restore.errors import ArchiveError

END = b"\\.\n\n\n"
MEGABYTE = 1024 * 1024
ESCAPES = {
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
steady = settings(deadline=None, derandomize=True, max_examples=300)


def copy_text(rows: Iterable[Iterable[str | None]]) -> bytes:
    """As the server writes it. Source: CopyAttributeOutText in copyto.c, PostgreSQL 18."""
    table = str.maketrans(ESCAPES)
    lines = ("\t".join("\\N" if v is None else v.translate(table) for v in row) for row in rows)
    return "".join(line + "\n" for line in lines).encode()


def chunked(text: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`text` cut at these places, taken modulo its length; twice at one gives an empty chunk."""
    places = sorted(cut % (len(text) + 1) for cut in cuts)
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


def every(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


def whole(pieces: Iterable[Piece]) -> list[bytes]:
    """The slices of the pieces: numbered without a gap, each with one end, which is its last."""
    found = []
    for number, group in groupby(pieces, key=lambda piece: piece.slice):
        parts = list(group)
        assert number == len(found)
        assert [piece.ends for piece in parts] == [False] * (len(parts) - 1) + [True]
        found.append(b"".join(view for piece in parts for view in piece.views))
    return found


characters = st.one_of(
    st.sampled_from([*ESCAPES, "N", ".", "ü", "漢", "🐘"]),
    st.characters(codec="utf-8", exclude_characters="\0"),
)
values = st.one_of(
    st.none(), st.just(""), st.just("\\."), st.just("\\N"), st.text(characters, max_size=30)
)
tables = st.integers(0, 4).flatmap(
    lambda width: st.lists(st.lists(values, min_size=width, max_size=width), max_size=30)
)


@steady
@given(tables, st.lists(st.integers(0), max_size=40), st.integers(1, 300))
@example([], [], 1)
@example([[]] * 9, [3], 4)
@example([["\\."], [""], [""]], [2, 3, 4, 5], 1)
def test_slices_are_whole_rows_whatever_the_chunks(rows, cuts, slice_bytes):
    text = copy_text(rows)
    found = whole(slices(chunked(text + END, cuts), slice_bytes))
    assert b"".join(found) == text
    assert all(piece.endswith(b"\n") for piece in found)
    assert all(len(piece) >= slice_bytes for piece in found[:-1])
    assert all(b"\n" not in piece[slice_bytes - 1 : -1] for piece in found)
    assert found == whole(slices([text + END], slice_bytes))


@steady
@given(tables, st.integers(0), st.lists(st.integers(0), max_size=5), st.integers(1, 300))
@example([["\\."], [""], [""], ["x"]], 6, [], 9)
def test_text_that_was_cut_off_is_refused(rows, length, cuts, slice_bytes):
    text = copy_text(rows) + END
    cut = text[: length % len(text)]
    with pytest.raises(ArchiveError, match=r"expected a line \\\. at its end") as caught:
        whole(slices(chunked(cut, cuts), slice_bytes))
    assert "truncated or damaged" in caught.value.hint


@pytest.mark.parametrize("slice_bytes", [1, SLICE_BYTES, 9 * MEGABYTE])
@pytest.mark.parametrize("size", [99_991, MEGABYTE, 64 * MEGABYTE])
def test_rows_about_as_long_as_what_is_held_are_cut_the_same(slice_bytes, size):
    lengths = [5, LONG_BYTES - 7, LONG_BYTES, 1, LONG_BYTES + 1, 0, 2 * LONG_BYTES + 3, 9]
    text = b"".join(b"%d" % (n % 10) * length + b"\n" for n, length in enumerate(lengths))
    found = list(slices(every(text + END, size), slice_bytes))
    assert whole(found) == whole(slices([text + END], slice_bytes))
    assert b"".join(whole(found)) == text
    assert max(piece.size_bytes for piece in found) <= max(LONG_BYTES, slice_bytes) + size


@pytest.mark.parametrize("extra", range(8))
def test_a_long_row_ends_its_slice_wherever_the_last_chunk_begins(extra):
    row = b"x" * (LONG_BYTES + 2) + b"\n"
    text = row + END
    at = LONG_BYTES + extra
    assert whole(slices([text[:at], text[at:]])) == [row]
    with pytest.raises(ArchiveError):
        whole(slices([text[:at], text[at:-1]]))


def test_a_long_row_that_was_cut_off_behind_what_looks_like_the_end_is_refused():
    r"""The first of two backslashes is in a piece that was given out; `\.` and line ends follow."""
    text = copy_text([["x" * (LONG_BYTES - 1) + "\\."], [""], [""], ["y"]])
    cut = slices([text[:LONG_BYTES], text[LONG_BYTES : LONG_BYTES + 5]])
    piece = next(cut)
    assert (piece.size_bytes, piece.ends, b"".join(piece.views)[-2:]) == (LONG_BYTES, False, b"x\\")
    with pytest.raises(ArchiveError):
        next(cut)
    assert b"".join(whole(slices([text + END]))) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ([], "b''"),
        ([b"1\n"], r"b'1\n'"),
        ([b"12345\n\\.\n"], r"b'2345\n\\.\n'"),
        ([b"12345678\\.", b"\n\n\n"], r"b'678\\.\n\n\n'"),
        ([b"12345\n" + END, b"x"], r"b'5\n\\.\n\n\nx'"),
    ],
)
def test_what_stands_in_the_place_of_the_end_is_shown(text, found):
    with pytest.raises(ArchiveError) as caught:
        whole(slices(text))
    assert caught.value.message == rf"COPY text: expected a line \. at its end, found {found}"


def test_text_without_rows_has_no_slices():
    assert list(slices([END])) == list(slices([b"", b"\\.\n", b"", b"\n\n"])) == []


def test_slices_are_cut_where_the_ledger_remembers_them():
    """Another length would take the rows of another release's ledger for loaded."""
    text = (b"x" * 999 + b"\n") * 3000
    found = [(p.slice, p.size_bytes, p.ends) for p in slices(every(text + END, 65536))]
    assert found == [(0, 1_049_000, True), (1, 1_049_000, True), (2, 902_000, True)]


def test_a_row_of_100_megabytes_is_never_held_whole():
    chunk = b"x" * MEGABYTE

    def text() -> Iterator[bytes]:
        yield b"short\n"
        for _ in range(100):
            yield chunk
        yield b"\nlast\n" + END

    size_bytes, checksum, longest, numbers = 0, 0, 0, set()
    tracemalloc.start()
    try:
        for piece in slices(text()):
            size_bytes += piece.size_bytes
            checksum = zlib.crc32(b"".join(piece.views), checksum)
            longest = max(longest, piece.size_bytes)
            numbers.add(piece.slice)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    expected = 0
    for part in text():
        expected = zlib.crc32(part.removesuffix(END), expected)
    assert (size_bytes, checksum, numbers) == (100 * MEGABYTE + 12, expected, {0, 1})
    assert longest <= LONG_BYTES + MEGABYTE
    assert peak < 20 * MEGABYTE


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n\n"])
@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (b"app.t", b"(a, b)"),
        (b"app.nocol", b""),
        (b'"We ird.Sch""ema"."Tab""le x\'y; --"', b'("Co l", "\xfcn\n) FROM stdin;")'),
    ],
)
def test_a_copy_statement_falls_into_its_start_and_its_table(table, columns, end):
    start = b"COPY " + table + b" " + columns
    assert copy_parts(start + b" FROM stdin;" + end) == (start, table)


@pytest.mark.parametrize(
    "statement", [b"", b"COPY t (a) FROM stdin;", b"COPY app.t (a) TO stdout;", b"INSERT INTO a.b"]
)
def test_another_statement_is_refused(statement):
    with pytest.raises(ArchiveError, match="expected COPY … FROM stdin, found b"):
        copy_parts(statement)


def test_rows_are_counted_in_the_pieces_that_they_end_in():
    text = b"one\ntwo\n" + b"x" * LONG_BYTES + b"\nfour\n"
    pieces = list(slices(every(text + END, 4096)))
    assert pieces[0].rows == 2
    assert sum(piece.rows for piece in pieces) == 4
