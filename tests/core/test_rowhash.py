"""Hashes of rows do not depend on their order, on how they are cut, or on who writes them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.rowhash import (
    Content,
    Gathered,
    Hashed,
    ObjectHash,
    RowHash,
    TableContent,
    hash_script,
)
from restore.errors import ArchiveError, ScriptError
from tests.core.test_rows import chunked

DATA = Path(__file__).parent.parent / "data"
TABLE = ("public", "t")
END = b"\\.\n\n\n--\n-- PostgreSQL database dump complete\n--\n"
lines = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=20)
steady = settings(deadline=None, derandomize=True, max_examples=200)


def hashed(chunks):
    rows = RowHash()
    for chunk in chunks:
        rows.update(chunk)
    return rows.content


def text(rows):
    return b"".join(row + b"\n" for row in rows)


@steady
@given(rows=lines, cuts=st.lists(st.integers(0, 500), max_size=8), seed=st.integers())
def test_neither_order_nor_cuts_matter(rows, cuts, seed):
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert hashed(chunked(text(rows), cuts)) == hashed([text(shuffled)])
    assert hashed([text(rows)]).rows == len(rows)


@pytest.mark.parametrize(
    "other", [[b"1\ta"], [b"1\ta", b"2\tb", b"2\tb"], [b"1\tb", b"2\ta"], [b"1\ta", b"2\tb "]]
)
def test_a_row_missing_doubled_or_changed_matters(other):
    assert hashed([text(other)]) != hashed([text([b"1\ta", b"2\tb"])])


def test_two_equal_rows_do_not_cancel_each_other():
    assert hashed([text([b"x", b"x"])]) != hashed([text([b"y", b"y"])])


def test_contents_add_up():
    parts = [hashed([text([row])]) for row in (b"a", b"b", b"c")]
    assert sum(parts, Content()) == hashed([b"a\nb\nc\n"])
    assert hashed([]) == Content()
    assert len(hashed([b"a\n"]).hex) == 32


def test_a_row_without_its_end_does_not_count_yet():
    assert hashed([b"a\nb", b"c"]) == hashed([b"a\n"])


def objects(*given):
    found = ObjectHash()
    for oid, *parts in given:
        found.begin(oid)
        for part in parts:
            found.update(part)
    found.end()
    return found.content


def test_large_objects_are_told_apart_by_number_and_bytes_not_by_order_or_cuts():
    known = objects((1, b"abc"), (2,))
    assert known == objects((2, b""), (1, b"a", b"bc"))
    assert known.rows == 2
    for other in [(1, b"abc")], [(1, b"abd"), (2,)], [(2, b"abc"), (1,)]:
        assert objects(*other) != known


# ---- whole dumps -------------------------------------------------------------------------------


def test_a_script_of_pg_dump_is_hashed_table_by_table():
    content = (DATA / "crm-pg18.sql").read_bytes()
    found = hash_script([content])
    assert found == hash_script(content[at : at + 1000] for at in range(0, len(content), 1000))
    assert (found.encoding, found.unknown) == ("UTF8", ())
    assert found.objects == objects((4242, b"hello"))
    assert sum(table.content.rows for table in found.tables.values()) > 0
    assert all(table.copy.startswith(b"COPY ") for table in found.tables.values())


def script(body):
    return [b"--\n-- PostgreSQL database dump\n--\n\n" + body + END]


def test_rows_that_come_by_insert_are_not_hashed_and_the_script_says_so():
    body = b"INSERT INTO public.t VALUES (1);\nCOPY public.u (a) FROM stdin;\n1\n"
    found = hash_script(script(body))
    assert list(found.tables) == [("public", "u")]
    assert found.unknown == ("1 INSERT statements: the rows they bring",)


def test_a_script_that_is_cut_has_no_hash():
    with pytest.raises(ScriptError):
        hash_script([b"COPY public.t (a) FROM stdin;\n1\n"])


def test_a_copy_that_pg_dump_would_not_write_has_none_either():
    with pytest.raises(ArchiveError, match="COPY"):
        hash_script(script(b"COPY t (a) FROM stdin;\n1\n"))


def test_statements_that_only_look_like_large_objects_are_passed_over():
    found = hash_script(script(b"SELECT pg_catalog.lo_create('1');\nCOPY p.u (a) FROM stdin;\n"))
    assert found.objects == Content()


def test_several_parts_of_a_table_are_one():
    gathered = Gathered()
    for rows in (b"1\n", b"2\n"):
        gathered.add(TABLE, b"COPY public.t (a)", hashed([rows]))
    assert gathered.tables[TABLE] == TableContent(b"COPY public.t (a)", hashed([b"1\n2\n"]))
    assert Hashed(gathered.tables, Content()).tables == gathered.tables


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([(b"COPY t (a, b)", Content()), (b"COPY t (b, a)", Content())], "in different orders"),
        ([(b"COPY t (a)", None)], "not hashed when they were loaded"),
        ([(b"COPY t (a)", None), (b"COPY t (a)", Content())], "not hashed when they were loaded"),
        ([(b"COPY t (a)", Content()), (b"COPY t (a)", None)], "not hashed when they were loaded"),
    ],
)
def test_what_cannot_be_added_up_is_unknown(parts, reason):
    gathered = Gathered()
    for copy, content in parts:
        gathered.add(TABLE, copy, content)
    assert gathered.tables[TABLE].content is None
    assert reason in gathered.tables[TABLE].unknown
