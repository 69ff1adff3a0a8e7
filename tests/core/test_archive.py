"""Heads of archives that pg_dump 15, 16 and 18 wrote, whole, cut, and damaged."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.archive import (
    FIRST_READ_BYTES,
    MAX_HEAD_BYTES,
    HeadReader,
    NeedMore,
    UnknownArchiveError,
    ends_cleanly,
    read_head,
)
from restore.core.toc import Compression, Database, Head, OffsetFlag, Section
from restore.errors import ArchiveError

DATA = Path(__file__).parent.parent / "data"
CRM = 'Cr\'m_database_€ "x".sql'
WHOLE = {path.name: path.read_bytes() for path in sorted(DATA.glob("*.dump"))}
crm = pytest.mark.parametrize("name", ["crm-pg15.dump", "crm-pg16.dump", "crm-pg18.dump"])
each = pytest.mark.parametrize("name", WHOLE)


def head_of(content: bytes) -> Head:
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


@pytest.mark.parametrize(
    ("name", "version", "compression", "level", "server_version", "entries"),
    [
        ("crm-pg15.dump", (1, 14, 0), Compression.GZIP, -1, "15.", 40),
        ("crm-pg16.dump", (1, 15, 0), Compression.GZIP, None, "16.", 40),
        ("crm-pg18.dump", (1, 16, 0), Compression.GZIP, None, "18.", 40),
        ("void-pg15.dump", (1, 14, 0), Compression.NONE, 0, "15.", 4),
        ("seekable-pg16.dump", (1, 15, 0), Compression.NONE, None, "16.", 7),
    ],
)
def test_the_header_says_who_wrote_it_and_how(
    name, version, compression, level, server_version, entries
):
    head = head_of(WHOLE[name])
    assert (head.version, head.compression, head.level) == (version, compression, level)
    assert head.dbname == ("void" if name.startswith("void") else CRM)
    assert head.server_version.startswith(server_version)
    assert head.dump_version.startswith(server_version)
    assert isinstance(head.created, datetime)
    assert len(head.entries) == entries


@crm
def test_the_toc_tells_what_the_database_needs(name):
    head = head_of(WHOLE[name])
    assert head.database == Database(
        CRM, "app_owner", encoding="UTF8", provider="libc", collate="C.UTF-8", ctype="C.UTF-8"
    )
    assert head.owners == {"app_owner", "azuresu"}
    assert head.extensions == ()
    assert head.has_large_objects


@crm
def test_tables_with_data_come_with_their_columns_in_the_order_of_their_blocks(name):
    tables = head_of(WHOLE[name]).tables
    assert [(table.schema, table.table, table.columns) for table in tables] == [
        ('We ird.Sch"ema', "Tab\"le x'y; --", ("Co l", "select", "ünï")),
        ("app", "empty", ("a", "b")),
        ("app", "nocol", ()),
        ("app", "onecol", ("t",)),
        ("app", "parent", ("id", "name", "m", "n")),
        ("app", "part_1", ("k", "d")),
        ("public", "child", ("id", "pid")),
    ]
    assert all(table.entry.section is Section.DATA for table in tables)


@crm
def test_an_entry_keeps_its_statements_and_what_it_depends_on(name):
    head = head_of(WHOLE[name])
    key = next(e for e in head.entries if e.tag == "parent parent_pkey")
    table = next(e for e in head.entries if (e.tag, e.description) == ("parent", "TABLE"))
    assert (key.description, key.section) == ("CONSTRAINT", Section.POST_DATA)
    assert key.definition.endswith("ADD CONSTRAINT parent_pkey PRIMARY KEY (id);\n")
    assert key.drop_statement == "ALTER TABLE ONLY app.parent DROP CONSTRAINT parent_pkey;\n"
    assert key.dependencies == (table.dump_id,)
    assert head.entry(table.dump_id) == table
    assert (table.namespace, table.owner, table.access_method) == ("app", "app_owner", "heap")
    assert table.relkind == ("r" if name == "crm-pg18.dump" else "")


@each
def test_offsets_lie_where_the_entry_says(name):
    """The engine will patch them there."""
    content = WHOLE[name]
    head = head_of(content)
    ends = [head.entries[0].start] + [entry.end for entry in head.entries]
    for entry, end_before in zip(head.entries, ends, strict=False):
        flag, offset = struct.unpack_from("<BQ", content, entry.offset_position)
        assert (flag, offset) == (entry.flag, entry.offset)
        assert (entry.start, entry.end) == (end_before, entry.offset_position + 9)
    assert head.toc_end == ends[-1]


def test_an_archive_written_to_a_file_knows_its_offsets():
    head = head_of(WHOLE["seekable-pg16.dump"])
    assert [(e.flag, e.offset) for e in head.data_entries] == [(OffsetFlag.SET, head.toc_end)]


def test_an_empty_database_has_no_data():
    head = head_of(WHOLE["void-pg15.dump"])
    assert (head.tables, head.data_entries, head.has_large_objects) == ((), (), False)


def test_names_are_read_in_the_archives_encoding():
    head = head_of(WHOLE["latin-pg16.dump"])
    assert [(t.table, t.columns) for t in head.tables] == [("Straße", ("é",))]


def test_statements_are_there_as_they_are_in_the_archive_too():
    """They go to the server as they are, after SET client_encoding."""
    head = head_of(WHOLE["latin-pg16.dump"])
    [rows] = head.data_entries
    assert (head.encoding, rows.encoding) == ("LATIN1", "LATIN1")
    assert rows.copy_bytes == b'COPY public."Stra\xdfe" ("\xe9") FROM stdin;\n'
    assert rows.copy_statement == 'COPY public."Straße" ("é") FROM stdin;\n'
    assert (rows.definition_bytes, rows.definition, rows.drop_bytes) == (b"", "", b"")
    [table] = head.entries.described("TABLE")
    assert b'"Stra\xdfe" (\n    "\xe9" ' in table.definition_bytes
    assert table.definition == table.definition_bytes.decode("latin-1")
    assert table.drop_bytes == b'DROP TABLE public."Stra\xdfe";\n'


def test_an_encoding_that_the_archive_does_not_name_is_empty():
    content = WHOLE["crm-pg16.dump"]
    assert head_of(content).encoding == "UTF8"
    without = head_of(content.replace(b"ENCODING\0", b"ENCODIMG\0"))
    assert (without.encoding, without.dbname) == ("", CRM)
    assert head_of(content.replace(b"'UTF8'", b" UTF8 ", 1)).encoding == ""


def test_an_archive_of_nothing_at_all_has_no_encoding_either():
    whole = WHOLE["void-pg15.dump"]
    empty = whole[: head_of(whole).count_position] + bytes(5)
    head = head_of(empty)
    assert (head.entries, head.toc_end, head.dbname) == ((), len(empty), "void")
    assert (head.encoding, head.owners, head.extensions, head.tables) == ("", set(), (), ())


def rewritten(content: bytes, version: tuple[int, int], integer: str, offset: str) -> bytes:
    """Header and TOC as they would be with this version, these integers and these offsets."""
    widths = {"I": 4, "Q": 8}

    def number(value: int) -> bytes:
        return struct.pack("<B" + integer, value < 0, abs(value))

    def text(value: str | bytes | None) -> bytes:
        raw = value.encode(codec) if isinstance(value, str) else value
        return number(-1) if raw is None else number(len(raw)) + raw

    head = head_of(content)
    codec = "latin-1" if head.encoding == "LATIN1" else "utf-8"
    parts = [b"PGDMP", bytes([*version, 0, widths[integer], widths[offset], 1])]
    parts.append(b"\1" if version >= (1, 15) else number(-1))
    parts += [number(n) for n in (1, 2, 3, 4, 5, 124, 0)]
    parts += map(text, [head.dbname, head.server_version, head.dump_version])
    parts.append(number(len(head.entries)))
    for entry in head.entries:
        parts += [number(entry.dump_id), number(entry.has_data)]
        parts += map(text, [str(entry.table_oid), str(entry.oid), entry.tag, entry.description])
        parts.append(number(list(Section).index(entry.section) + 1))
        parts += map(text, [entry.definition_bytes, entry.drop_bytes, entry.copy_bytes])
        parts += map(text, [entry.namespace, entry.tablespace or None])
        parts += [text(entry.access_method)] if version >= (1, 14) else []
        parts += [number(ord(entry.relkind or "\0"))] if version >= (1, 16) else []
        parts += map(text, [entry.owner or None, "false", *map(str, entry.dependencies), None])
        parts.append(struct.pack("<B" + offset, entry.flag, entry.offset))
    return b"".join(parts) + content


@pytest.mark.parametrize("name", ["crm-pg18.dump", "latin-pg16.dump", "seekable-pg16.dump"])
@pytest.mark.parametrize("version", [(1, 12), (1, 13), (1, 14), (1, 15), (1, 16)])
@pytest.mark.parametrize("integer", "IQ")
@pytest.mark.parametrize("offset", "IQ")
def test_entries_are_the_same_in_any_version_and_width(name, version, integer, offset):
    def plain(head):
        return [
            replace(entry, access_method="", relkind="", start=0, offset_position=0, end=0)
            for entry in head.entries
        ]

    whole = head_of(WHOLE[name])
    other = head_of(rewritten(WHOLE[name], version, integer, offset))
    assert plain(other) == plain(whole)
    assert list(other.entries.dump_ids) == list(whole.entries.dump_ids)
    assert [e.access_method for e in other.entries] == [
        e.access_method if version >= (1, 14) else "" for e in whole.entries
    ]
    assert (other.owners, other.encoding) == (whole.owners, whole.encoding)
    assert other.toc_end == other.entries[-1].end


def test_an_entry_may_lack_what_pg_dump_always_writes():
    content = WHOLE["crm-pg16.dump"]
    head = head_of(content)
    [function] = head.entries.described("FUNCTION")
    none, at = b"\1\1\0\0\0", function.start + 10
    fields = content[at : function.end]
    for old in (b"1255", str(function.oid).encode(), function.tag.encode(), b"FUNCTION"):
        fields = fields.replace(b"\0" + struct.pack("<I", len(old)) + old, none, 1)
    lacking = head_of(content[:at] + fields + content[function.end :])
    entry = lacking.entry(function.dump_id)
    assert (entry.table_oid, entry.oid, entry.tag, entry.description) == (0, 0, "", "")
    assert entry.definition == function.definition
    assert list(lacking.entries.described("")) == [entry]
    assert len(lacking.entries) == len(head.entries)
    assert lacking.entries[-1].tag == head.entries[-1].tag
    assert lacking.owners == head.owners


@crm
def test_entries_are_a_sequence_and_made_when_asked_for(name):
    entries = head_of(WHOLE[name]).entries
    made = tuple(entries)
    assert (entries[0], entries[-1], entries[5:9]) == (made[0], made[-1], made[5:9])
    assert entries[3] is not entries[3]
    assert made[7] in entries
    assert entries == made
    assert entries != made[1:]
    assert entries != made[:0:-1] + made[:1]
    assert entries != 40
    with pytest.raises(IndexError):
        entries[40]


@crm
def test_entries_are_found_by_what_they_are(name):
    head = head_of(WHOLE[name])
    made = list(head.entries)
    kinds = ("ACL", "TABLE", "NO SUCH")
    assert list(head.entries.described(*kinds)) == [e for e in made if e.description in kinds]
    assert list(head.data_entries) == [e for e in made if e.has_data]
    assert list(head.data_entries.dump_ids) == [e.dump_id for e in made if e.has_data]
    assert list(head.data_entries.described("BLOBS")[:1]) == [
        e for e in made if e.description == "BLOBS"
    ]


@crm
def test_entries_are_found_by_their_ids(name):
    head = head_of(WHOLE[name])
    assert [head.entry(entry.dump_id) for entry in head.entries] == list(head.entries)
    for dump_id in (0, -1, 10**20, max(head.entries.dump_ids) + 1):
        with pytest.raises(ArchiveError, match=f"expected entry {dump_id}, found none of that id"):
            head.entry(dump_id)
    with pytest.raises(ArchiveError, match="found none"):
        head.entries[1:].entry(head.entries[0].dump_id)


def test_a_head_can_be_one_of_changed_entries():
    head = head_of(WHOLE["crm-pg16.dump"])
    [first, *_] = head.data_entries
    changed = (replace(first, dump_id=9999), head.entries[0])
    assert replace(head, entries=changed).data_entries == changed[:1]


def test_a_long_toc_is_kept_without_its_entries():
    """The worker has to read those of 50,000 tables in little memory."""
    content = WHOLE["crm-pg18.dump"]
    head, count = head_of(content), 20_000
    entry = content[head.entries[0].start : head.entries[0].end]
    ids = (struct.pack("<BI", 0, dump_id) for dump_id in range(count, 0, -1))
    start = content[: head.count_position] + struct.pack("<BI", 0, count)
    long = start + b"".join(dump_id + entry[5:] for dump_id in ids)
    tracemalloc.start()
    try:
        whole = head_of(long)
        assert tracemalloc.get_traced_memory()[0] < 40 * count
    finally:
        tracemalloc.stop()
    assert (len(whole.entries), whole.entry(1).start) == (count, len(long) - len(entry))


def test_bytes_of_no_known_encoding_survive():
    content = WHOLE["latin-pg16.dump"].replace(b"'LATIN1'", b"'LATIN9'", 1)
    content = content.replace(b"LATIN9", b"EUC_TW", 1)
    table = head_of(content).tables[0].table
    assert table.encode("utf-8", "surrogateescape") == b"Stra\xdfe"


@each
def test_a_growing_prefix_is_asked_for_until_the_toc_is_whole(name):
    content = WHOLE[name]
    whole = head_of(content)
    for length in range(0, whole.toc_end, 43):
        answer = read_head(content[:length], len(content))
        assert answer == NeedMore(min(len(content), FIRST_READ_BYTES))
    assert read_head(content[: whole.toc_end], len(content)) == whole


def test_a_prefix_grows_at_least_twofold():
    content = WHOLE["crm-pg18.dump"]
    count = head_of(content).count_position
    endless = content[:count] + b"\0" + struct.pack("<I", 10**6) + content[count + 5 :]
    assert read_head(endless[:9000], 10**12) == NeedMore(FIRST_READ_BYTES)
    toc = endless[: head_of(content).toc_end]
    entry = content[head_of(content).entries[-1].start : head_of(content).toc_end]
    long = toc + b"".join(
        b"\0" + struct.pack("<I", n) + entry[5:] for n in range(10**5, 10**5 + 5000)
    )
    assert read_head(long, 10**12) == NeedMore(2 * len(long))


def test_a_head_beyond_the_limit_is_refused():
    content = WHOLE["void-pg15.dump"]
    position = head_of(content).entries[0].start + 10
    text = b"\0" + struct.pack("<I", MAX_HEAD_BYTES)
    with pytest.raises(ArchiveError, match="at most"):
        read_head(content[:position] + text, 10**12)
    with pytest.raises(ArchiveError, match="at most"):
        HeadReader(10**12).feed(content[:position] + text)


@each
@pytest.mark.parametrize("piece_bytes", [1, 77, 4096])
def test_a_head_read_piece_by_piece_is_the_same(name, piece_bytes):
    content = WHOLE[name]
    whole = head_of(content)
    reader, fed_bytes, head = HeadReader(len(content)), 0, None
    while head is None:
        head = reader.feed(content[fed_bytes : fed_bytes + piece_bytes])
        fed_bytes += piece_bytes
    assert fed_bytes - piece_bytes < whole.toc_end <= fed_bytes
    assert head == whole
    assert head.raw == content[: whole.toc_end]


@crm
def test_a_head_read_piece_by_piece_is_refused_where_the_archive_ends(name):
    content = WHOLE[name]
    cut = content[: head_of(content).toc_end - 1]
    reader = HeadReader(len(cut))
    assert reader.feed(cut[:-9]) is None
    with pytest.raises(ArchiveError, match=f"found its end at {len(cut)}"):
        reader.feed(cut[-9:] + b"more than there is")


@each
def test_a_truncated_archive_does_not_end_cleanly(name):
    content = WHOLE[name]
    assert ends_cleanly(content[-16:], head_of(content))
    toc_end = head_of(content).toc_end
    for length in range(toc_end, len(content), 3):
        cut = content[:length]
        if not cut.endswith(bytes(5)):
            assert not ends_cleanly(cut[-16:], head_of(cut))


def test_an_archive_with_data_that_stops_at_its_toc_does_not_end_cleanly():
    content = WHOLE["crm-pg18.dump"]
    cut = content[: head_of(content).toc_end] + bytes(6)
    assert not ends_cleanly(cut[-16:], head_of(cut))


def damaged(position: int, value: bytes, name: str = "void-pg15.dump") -> bytes:
    content = WHOLE[name]
    return content[:position] + value + content[position + len(value) :]


VOID = head_of(WHOLE["void-pg15.dump"])
FIRST = VOID.entries[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected 5 bytes at 0, found its end at 0"),
        (b"-- PostgreSQL database dump", "expected PGDMP at its start, found b'-- Po'"),
        (damaged(5, b"\x01\x11"), "expected version 1.12 to 1.16, found 1.17"),
        (damaged(5, b"\x01\x0b"), "expected version 1.12 to 1.16, found 1.11"),
        (damaged(5, b"\x02\x00"), "expected version 1.12 to 1.16, found 2.0"),
        (damaged(8, b"\x05"), "expected integers of 4 or 8 bytes, found 5"),
        (damaged(9, b"\x00"), "expected offsets of 4 or 8 bytes, found 0"),
        (damaged(10, b"\x03"), "expected the custom format, found tar"),
        (damaged(10, b"\x09"), "expected the custom format, found 9"),
        (damaged(11, b"\x04", "crm-pg16.dump"), "expected compression 0 to 3, found 4"),
        (
            damaged(VOID.count_position, b"\0\xff\xff\xff\x7f"),
            "entries in this archive, found 2147",
        ),
        (damaged(VOID.count_position, b"\x01"), "entries in this archive, found -4"),
        (damaged(FIRST.start + 1, bytes(4)), "expected a positive id, found 0"),
        (damaged(FIRST.start + 15, b"x"), "expected decimal digits, found b'x'"),
        (damaged(FIRST.offset_position, b"\x04"), "offset flag: expected one of"),
        (damaged(FIRST.offset_position, b"\x02" + b"\xff" * 8), "expected its data before 851"),
        (
            damaged(VOID.entries[1].start + 1, struct.pack("<I", FIRST.dump_id)),
            f"expected each entry once, found {FIRST.dump_id} twice",
        ),
    ],
)
def test_a_damaged_head_is_refused_by_what_is_wrong(content, message):
    with pytest.raises(ArchiveError) as caught:
        read_head(content, len(content))
    assert message in caught.value.message


@pytest.mark.parametrize("version", [b"\x01\x11", b"\x01\x0b", b"\x02\x00", b"\x00\x0e"])
def test_an_archive_of_an_unknown_version_is_told_from_a_damaged_one(version):
    """Another pg_restore may be able to read it."""
    with pytest.raises(UnknownArchiveError) as caught:
        read_head(damaged(5, version), 851)
    assert (caught.value.code, "\n" in caught.value.message) == ("archive-version", False)


def test_a_date_that_is_none_is_left_out():
    month = 12 + 5 + 4 * 5
    assert head_of(damaged(month, b"\0\x63")).created is None


@pytest.mark.parametrize(
    ("old", "new", "question"),
    [
        (b"CREATE DATABASE", b"CREATE DATABAZE", "database"),
        (b"'C.UTF-8';", b"'C.UTF-8;;", "database"),
        (b"COPY app.empty (a, b) FROM stdin;", b"COPY app.empty (a, b) FROM stdim;", "tables"),
        (b"COPY app.empty (a, b) FROM stdin;", b"COPY 'pp'empty (a, b) FROM stdin;", "tables"),
    ],
)
def test_a_statement_of_an_unknown_form_is_refused(old, new, question):
    content = WHOLE["crm-pg18.dump"].replace(old, new)
    with pytest.raises(ArchiveError, match="entry"):
        getattr(head_of(content), question)


def test_rows_dumped_as_inserts_have_no_columns():
    old = b"COPY app.empty (a, b) FROM stdin;\n"
    content = WHOLE["crm-pg18.dump"].replace(
        b"\0" + struct.pack("<I", len(old)) + old, b"\0" + bytes(4)
    )
    tables = {table.table: table.columns for table in head_of(content).tables}
    assert tables["empty"] is None


def test_an_archive_without_create_database_says_so():
    content = WHOLE["void-pg15.dump"].replace(b"DATABASE\0", b"DATABAZE\0")
    assert head_of(content).database is None


def asked(content: bytes, size_bytes: int) -> None:
    """Ask everything: an answer or an ArchiveError, never another exception."""
    try:
        head = read_head(content, size_bytes)
        if isinstance(head, NeedMore):
            assert len(content) < head.bytes_wanted <= size_bytes
            return
        ends_cleanly(content[-16:], head)
        entries = list(head.entries)
        assert list(head.entries.dump_ids) == [entry.dump_id for entry in entries]
        assert [entry.start for entry in entries[1:]] == [entry.end for entry in entries[:-1]]
        assert [entry.end for entry in entries[-1:]] in ([], [head.toc_end])
        assert head.data_entries == [entry for entry in entries if entry.has_data]
        assert head.owners == {entry.owner for entry in entries} - {""}
        assert head.extensions is not None
        assert head.database is not head.tables
    except ArchiveError:
        return


names = st.sampled_from(sorted(WHOLE))
steady = settings(deadline=None, derandomize=True, max_examples=300)


@steady
@given(
    names, st.lists(st.tuples(st.integers(0, 9999), st.binary(max_size=6)), max_size=4), st.data()
)
def test_no_mutation_raises_anything_else(name, changes, data):
    content = bytearray(WHOLE[name])
    for position, value in changes:
        at = position % len(content)
        content[at : at + len(value)] = value
    cut = data.draw(st.integers(0, len(content)))
    asked(bytes(content), len(content))
    asked(bytes(content[:cut]), len(content))
    asked(bytes(content[:cut]), cut)


@steady
@given(st.binary(max_size=200))
def test_no_bytes_after_a_good_start_raise_anything_else(rest):
    content = b"PGDMP\x01\x10\x00\x04\x08\x01" + rest
    asked(content, len(content))
