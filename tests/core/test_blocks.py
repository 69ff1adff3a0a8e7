"""Data blocks followed as they stream by, and heads that stock pg_restore takes."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.postgres import binaries
from restore.core.archive import read_head
from restore.core.blocks import (
    Block,
    BlockKind,
    Layout,
    Scanner,
    mini_archive,
    patched,
    toc_only,
)
from restore.core.toc import Head, OffsetFlag
from restore.errors import ArchiveError

DATA = Path(__file__).parent.parent / "data"
WHOLE = {path.name: path.read_bytes() for path in sorted(DATA.glob("blocks/*.dump"))}
MAJORS = {name: int(name[-7:-5]) for name in WHOLE}
each = pytest.mark.parametrize("name", WHOLE)


def head_of(content: bytes) -> Head:
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


def blocks_of(content: bytes, piece_bytes: int = 1 << 20) -> tuple[Block, ...]:
    scanner = Scanner(head_of(content))
    found: list[Block] = []
    for start in range(scanner.position, len(content), piece_bytes):
        found += scanner.feed(content[start : start + piece_bytes])
    scanner.finish()
    return tuple(found)


@each
@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
def test_the_size_of_the_pieces_does_not_matter(name, piece_bytes):
    assert blocks_of(WHOLE[name], piece_bytes) == blocks_of(WHOLE[name])


@each
def test_blocks_follow_each_other_from_the_toc_to_the_end_in_the_order_of_the_toc(name):
    head = head_of(WHOLE[name])
    blocks = blocks_of(WHOLE[name])
    assert [block.dump_id for block in blocks] == [entry.dump_id for entry in head.data_entries]
    bounds = [head.toc_end, *(block.end for block in blocks)]
    assert bounds[:-1] == [block.offset for block in blocks]
    assert bounds[-1] == len(WHOLE[name])
    assert [block.kind for block in blocks if block.kind is not BlockKind.DATA] == [
        BlockKind.LARGE_OBJECTS
    ]


def test_a_block_is_open_until_its_end_and_proved_by_what_follows():
    content = WHOLE["gzip-pg18.dump"]
    first, second = blocks_of(content)[:2]
    scanner = Scanner(head_of(content))
    assert scanner.open_block is None
    assert scanner.feed(content[first.offset : first.offset + 11]) == ()
    assert scanner.open_block == replace(first, size_bytes=6 + 5 + 4096)
    assert scanner.feed(content[first.offset + 11 : first.end]) == ()
    assert scanner.open_block is None
    assert scanner.feed(content[second.offset : second.offset + 6]) == (first,)
    assert scanner.open_block == replace(second, size_bytes=6)


def test_a_scan_goes_on_from_blocks_that_are_known():
    content = WHOLE["gzip-pg18.dump"]
    blocks = blocks_of(content)
    scanner = Scanner(head_of(content), blocks[:2])
    assert scanner.feed(content[blocks[1].end :]) == blocks[2:]
    assert scanner.done


def test_an_archive_without_data_is_done_at_once():
    content = (DATA / "void-pg15.dump").read_bytes()
    Scanner(head_of(content)).finish()
    with pytest.raises(ArchiveError, match="expected the archive's end, found it at 855"):
        Scanner(head_of(content + b"more"))


def changed(at: int, value: bytes, name: str = "gzip-pg18.dump") -> bytes:
    content = WHOLE[name]
    at += len(content) if at < 0 else head_of(content).toc_end
    return content[:at] + value + content[at + len(value) :]


FIRST, *_, LAST = blocks_of(WHOLE["gzip-pg18.dump"])
OBJECT = LAST.offset - head_of(WHOLE["gzip-pg18.dump"]).toc_end + 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(0, b"\x03"), rf"block 1, 0, {FIRST.dump_id}, found 3, 0, {FIRST.dump_id}"),
        (changed(0, b"\x01\x01"), rf"found 1, 1, {FIRST.dump_id}"),
        (changed(2, b"\xff\xff\xff\x7f"), r"found 1, 0, 2147483647"),
        (changed(6, b"\x01"), "a chunk's length, found 1, 4096"),
        (changed(6, b"\0\xff\xff\xff\xff"), "a chunk's length, found 0, 4294967295"),
        (changed(6, bytes(5)), "expected block 1"),
        (changed(OBJECT, b"\x02"), "a large object's number, found 2, 1"),
        (changed(OBJECT, b"\x01" + bytes(4)), "a large object's number, found 1, 0"),
        (changed(OBJECT, bytes(5)), "expected the archive's end"),
        (changed(-5, b"\0\x01"), "expected a chunk's length|expected a header"),
        (WHOLE["gzip-pg18.dump"][:-1], "expected a header, found the archive's end"),
    ],
)
def test_damaged_data_is_refused_by_what_is_wrong(content, message):
    with pytest.raises(ArchiveError, match=message) as caught:
        blocks_of(content)
    assert "truncated or damaged" in caught.value.hint


def test_a_stream_that_stops_early_is_refused():
    content = WHOLE["gzip-pg18.dump"]
    scanner = Scanner(head_of(content))
    scanner.feed(content[scanner.position : -1])
    with pytest.raises(ArchiveError, match="found the end of what was read"):
        scanner.finish()


def test_a_stream_that_is_too_long_is_refused():
    content = WHOLE["gzip-pg18.dump"]
    scanner = Scanner(head_of(content))
    with pytest.raises(ArchiveError, match="found more data"):
        scanner.feed(content[scanner.position :] + b"x")


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=40), st.integers(0), st.integers(1, 99))
def test_no_bytes_raise_anything_but_an_archive_error(name, noise, where, piece_bytes):
    content = bytearray(WHOLE[name])
    start = head_of(WHOLE[name]).toc_end
    at = start + where % (len(content) - start)
    content[at : at + len(noise)] = noise
    try:
        blocks = blocks_of(bytes(content), piece_bytes * 100)
    except ArchiveError:
        return
    assert sum(block.size_bytes for block in blocks) == len(content) - start


def pg_restore(name: str, content: bytes, *options: str, ok: bool = True) -> str:
    """What stock pg_restore of the archive's version makes of it, without its version lines."""
    program = binaries(MAJORS[name]) / "pg_restore"
    done = subprocess.run(
        [program, *options], input=content, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode == 0) is ok, done.stderr
    text = re.sub(rb"\\(un)?restrict .*\n", b"", done.stdout)
    return text.decode() if ok else done.stderr.decode()


def test_a_patched_toc_is_what_pg_dump_writes_to_a_file():
    content = WHOLE["offsets-pg16.dump"]
    head, blocks = head_of(content), blocks_of(content)
    without = patched(head, content, ())
    assert {e.flag for e in head_of(without + content[head.toc_end :]).data_entries} == {
        OffsetFlag.NOT_SET
    }
    assert patched(head, without, blocks) == content[: head.toc_end]


@each
def test_pg_restore_finds_data_by_patched_offsets(name, tmp_path):
    content = WHOLE[name]
    head, blocks = head_of(content), blocks_of(content)
    file = tmp_path / "patched.dump"
    file.write_bytes(patched(head, content, blocks) + content[head.toc_end :])
    assert pg_restore(name, b"", "-f", "-", str(file)) == pg_restore(name, content, "-f", "-")
    assert (
        pg_restore(name, b"", "-l", str(file)).splitlines()[12:]
        == (pg_restore(name, content, "-l").splitlines()[12:])
    )


@each
def test_pg_restore_takes_all_but_data_from_the_toc_alone(name):
    content = WHOLE[name]
    alone = toc_only(head_of(content), content)
    assert len(alone) == head_of(content).toc_end
    for section in ("pre-data", "post-data"):
        options = ("-f", "-", f"--section={section}")
        assert pg_restore(name, alone, *options) == pg_restore(name, content, *options)
    assert "hashes" in pg_restore(name, alone, "-l")
    failure = pg_restore(name, alone, "-f", "-", "--section=data", ok=False)
    assert "could not find block" in failure or "end of file" in failure


@each
def test_pg_restore_takes_one_entry_from_a_mini_archive(name, tmp_path):
    content = WHOLE[name]
    head = head_of(content)
    file = tmp_path / "list"
    for block in blocks_of(content):
        mini = mini_archive(head, content, {block.dump_id})
        mini += content[block.offset : block.end]
        file.write_text(f"{block.dump_id};\n")
        oracle = pg_restore(name, content, "-f", "-", "-L", str(file))
        assert pg_restore(name, mini, "-f", "-") == oracle
        assert oracle.count("COPY public.") + oracle.count("BEGIN;") == 1


@each
def test_a_mini_archive_is_an_archive_with_entries_in_the_order_of_the_toc(name):
    content = WHOLE[name]
    head, blocks = head_of(content), blocks_of(content)
    chosen = (blocks[-1], blocks[0])
    view = next(entry for entry in head.entries if entry.description == "VIEW")
    mini = mini_archive(head, content, [view.dump_id, *(block.dump_id for block in chosen)])
    mini += b"".join(content[block.offset : block.end] for block in sorted(chosen, key=at))
    assert [block.dump_id for block in blocks_of(mini)] == [blocks[0].dump_id, blocks[-1].dump_id]
    assert [entry.description for entry in head_of(mini).entries] == [
        "ENCODING",
        "STDSTRINGS",
        "SEARCHPATH",
        "VIEW",
        "TABLE DATA",
        "BLOBS",
    ]
    assert "CREATE VIEW" in pg_restore(name, mini, "-f", "-")


def at(block: Block) -> int:
    return block.offset


def test_an_entry_that_is_not_there_is_refused():
    content = WHOLE["gzip-pg18.dump"]
    with pytest.raises(ArchiveError, match="expected entry 99999, found none"):
        mini_archive(head_of(content), content, [99999])


def test_a_prefix_that_ends_in_the_toc_is_refused():
    content = WHOLE["gzip-pg18.dump"]
    head = head_of(content)
    with pytest.raises(ArchiveError, match=f"expected {head.toc_end} bytes, found 99"):
        toc_only(head, content[:99])


def test_an_offset_beyond_the_archives_offsets_is_refused():
    content = WHOLE["gzip-pg18.dump"]
    head = replace(head_of(content), offset_bytes=4)
    with pytest.raises(ArchiveError, match="expected offsets of 4 bytes, found 4294967296"):
        patched(head, content, [replace(FIRST, offset=1 << 32)])


def test_wider_integers_are_followed_too():
    content = WHOLE["gzip-pg18.dump"]
    head = head_of(content)
    start = struct.pack("<BBQ", 1, 0, head.data_entries[0].dump_id)
    body = start + struct.pack("<BQ", 0, 3) + b"row" + struct.pack("<BQ", 0, 0)
    entries = head.data_entries[:1]
    size_bytes = head.toc_end + len(body)
    head = replace(head, entries=entries, integer_bytes=8, size_bytes=size_bytes)
    assert Layout.of(head).integer.size == 9
    assert [block.size_bytes for block in Scanner(head).feed(body)] == [len(body)]
