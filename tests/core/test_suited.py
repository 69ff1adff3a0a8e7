"""Archives that the engine takes, and why it leaves others to pg_restore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from restore.core.archive import read_head
from restore.core.suited import LEDGER_SCHEMA, unsuited
from restore.core.toc import Head

DATA = Path(__file__).parents[1] / "data"
ALL = sorted({*DATA.rglob("*.dump")})


def head_of(content: bytes) -> Head:
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_what_pg_dump_writes_is_taken(path):
    assert unsuited(head_of(path.read_bytes())) == ""


def changed(old: bytes, new: bytes) -> Head:
    """The archive with other text of the same length in its TOC."""
    assert len(old) == len(new)
    content = (DATA / "blocks" / "gzip-pg15.dump").read_bytes()
    assert old in content
    return head_of(content.replace(old, new))


def test_text_in_an_encoding_that_hides_quotes_is_left_to_pg_restore():
    assert "its text is in SJIS" in unsuited(replace(changed(b"", b""), encoding="SJIS"))


def test_data_of_an_unknown_kind_is_left_to_pg_restore():
    assert "1 of its entries" in unsuited(changed(b"\0BLOBS", b"\0BLOBX"))


def respelled(old: bytes, new: bytes) -> Head:
    """The archive with other text, of any length, for a field of its TOC."""
    content = bytes(head_of((DATA / "engine" / "features-pg17.dump").read_bytes()).raw)
    field, other = (len(text).to_bytes(4, "little") + text for text in (old, new))
    assert field in content
    return head_of(content.replace(field, other) + bytes(64))


def test_a_schema_that_is_called_like_the_ledger_is_left_to_pg_restore():
    assert LEDGER_SCHEMA in unsuited(respelled(b'We ird.Sch"ema', LEDGER_SCHEMA.encode()))


def test_rows_that_come_by_insert_are_left_to_pg_restore():
    head = respelled(b"COPY app.base (a, b) FROM stdin;\n", b"")
    assert unsuited(head) == "its rows come by INSERT"


def test_a_copy_of_another_form_is_left_to_pg_restore():
    head = respelled(b"COPY app.base (a, b) FROM stdin;\n", b"COPY app.base FROM '/a/file';\n")
    assert "expected COPY … FROM stdin" in unsuited(head)
