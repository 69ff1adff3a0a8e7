"""A damaged dump, or one that changes, or a source that fails: never a silent success."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from restore.adapters.postgres import connect_by_conninfo
from restore.adapters.ranges import FileRanges, HttpRanges
from restore.adapters.tools import find_clients
from restore.engine.reading import read_head
from restore.engine.run import Means, finish, restore
from restore.errors import RestoreError
from tests.engine.oracle import compare, snapshot, stock
from tests.range_server import Fault, range_server

TRUNCATED, FLIPPED, FLIPPED_IN_TOC = (30, 40, 8) if os.environ.get("SOAK") else (12, 16, 4)


def kind(number):
    """By turns: with offsets, without."""
    return ("pipe", "file")[number % 2]


def data_start(dump):
    with FileRanges(dump) as ranges:
        return read_head(ranges).toc_end


def flipped(content, start, end, seed):
    """`content` with one bit of it changed, between two places."""
    place = random.Random(seed)
    damaged = bytearray(content)
    damaged[place.randrange(start, end)] ^= 1 << place.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("number", range(TRUNCATED))
def test_a_truncated_dump_is_refused(little, empty, command, tmp_path, number):
    dump = little.dumps[kind(number)]
    content, start = dump.read_bytes(), data_start(dump)
    place = random.Random(f"truncated {number}")
    end = place.randrange(start) if number % 5 == 0 else place.randrange(start, len(content))
    damaged = tmp_path / "truncated.dump"
    damaged.write_bytes(content[:end])
    said = command(damaged, database=empty)
    assert said.code == 5
    assert said.err.startswith("archive: ")


@pytest.mark.parametrize("number", range(FLIPPED))
def test_a_flipped_bit_in_the_data_is_seen(little, empty, command, tmp_path, number):
    """Or it does not matter: some bits behind the end of packed data mean nothing."""
    dump = little.dumps[kind(number)]
    content = dump.read_bytes()
    damaged = tmp_path / "flipped.dump"
    damaged.write_bytes(flipped(content, data_start(dump), len(content), f"flipped {number}"))
    said = command(damaged, database=empty)
    if said.code:
        assert said.code == 5
        assert said.err.startswith(("archive: ", "data-loss: "))
        assert "damaged" in said.err
    else:
        assert little.differences(empty) == []


@pytest.mark.parametrize("number", range(FLIPPED_IN_TOC))
def test_a_flipped_bit_in_the_contents_is_seen_or_stock_makes_the_same_of_it(
    little, empty, command, tmp_path, number
):
    dump = little.dumps[kind(number)]
    content = dump.read_bytes()
    damaged = tmp_path / "flipped.dump"
    damaged.write_bytes(flipped(content, 0, data_start(dump), f"contents {number}"))
    said = command(damaged, database=empty)
    if said.code == 0:
        other = little.database()
        assert stock(damaged, little.server, other) == []
        found = [snapshot(little.server, name) for name in (other, empty)]
        little.drop(other)
        assert compare(*found) == []
    else:
        assert said.code in (3, 5)
        assert said.err or "not restored" in said.out


def test_rows_of_a_table_that_is_not_there_are_lost_and_named(little, empty, command, tmp_path):
    """Stock pg_restore is told so by the server."""
    content = little.dumps["pipe"].read_bytes()
    damaged = tmp_path / "renamed.dump"
    damaged.write_bytes(content.replace(b"COPY bulk.small_16 (", b"COPY bulk.small_99 ("))
    said = command(damaged, database=empty)
    assert said.code == 3
    assert "not restored: COPY bulk.small_99: no such table: 80 rows are left out\n" in said.out


# ---- what was loaded while the dump was damaged ------------------------------------------------


def parts(little, empty, ranges):
    """Restore in parts as small as can be; the error if there is one."""
    (client,) = find_clients([str(little.server.binaries)], debian=Path("/nowhere")).values()
    target = f"{little.target(empty)} password={little.server.admin_password}"
    means = Means(
        ranges=ranges,
        connect=lambda: connect_by_conninfo(target, "restore-engine"),
        client=client,
        connections=2,
        part_bytes=1,
    )
    try:
        assert finish(means, restore(means)) == ()
    except RestoreError as exc:
        return exc
    return None


@pytest.mark.parametrize("number", range(5))
def test_rows_of_a_damaged_dump_do_not_pass_for_those_of_the_good_one(
    little, empty, tmp_path, number
):
    """A part is committed before the end of its block, where the checksum stands."""
    dump = little.dumps["file"]
    content = dump.read_bytes()
    middle = range(len(content) // 4, len(content) * 3 // 4)  # of the biggest table
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(flipped(content, middle.start, middle.stop, f"parts {number}"))
    with FileRanges(damaged) as ranges:
        assert parts(little, empty, ranges) is not None
    with FileRanges(dump) as ranges:
        error = parts(little, empty, ranges)
    if error is None:
        assert little.differences(empty) == []
    else:
        assert str(error) == "bulk.event: expected what was loaded before, found something else"


def test_rows_that_no_checksum_covers_are_compared_all_the_same(bulk, database, tmp_path):
    """Without compression; the restore of the damaged dump was killed midway."""
    content = bulk.dumps["plain"].read_bytes()
    place = content.index(b"2024-01-01 00:10:00+00")
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(content[:place] + b"3" + content[place + 1 :])
    with bulk.running(database, str(damaged), held=["rows"], held_rows=50_000) as running:
        assert running.has_told(held="rows")
        running.kill()
    assert bulk.is_left_alone(database)
    assert bulk.restore(database, "plain")["error"] == "data-loss"


# ---- a source that changes, or fails -----------------------------------------------------------


def test_a_file_that_is_overwritten_midway_is_not_read_on(little, empty, tmp_path):
    dump = tmp_path / "x.dump"
    dump.write_bytes(little.dumps["pipe"].read_bytes())
    with little.running(empty, str(dump), held=["data"]) as running:
        assert running.has_told(held="data")
        dump.write_bytes(little.dumps["pipe"].read_bytes()[::-1])
        running.go_on()
        end = running.end()
    assert end["error"] == "conflict"
    assert end["message"] == "dump 'x.dump': expected it unchanged"
    assert end["hint"].startswith("start again")


@pytest.fixture
def server(little):
    with range_server(little.dumps["pipe"].read_bytes()) as server:
        yield server


def test_an_url_is_as_good_as_a_file(little, empty, command, server):
    assert command(server.url, database=empty).code == 0
    assert little.differences(empty) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_url_whose_file_is_replaced_midway_is_not_read_on(
    little, empty, command, server, number
):
    """At the first byte, the contents, or the rows."""

    def replace():
        if len(server.asked) == number + 1:
            server.content, server.etag = server.content[::-1], '"2"'

    server.before_answer = replace
    said = command(server.url, database=empty)
    assert (said.code, said.out) == (5, "")
    assert said.err.startswith(
        "conflict: dump 'file.dump': expected it unchanged\nhint: start again"
    )


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(after_bytes=100_000)],
        [Fault(after_bytes=n * 1000, resets=n % 2 == 0) for n in range(1, 20)],
        [Fault(status=503)],
        [Fault(status=500), Fault(after_bytes=0)],
    ],
    ids=["cut", "cuts", "503", "500"],
)
def test_what_an_url_fails_to_give_is_asked_for_again(little, empty, command, server, faults):
    def fail():
        """Not before the rows are asked for."""
        if len(server.asked) == 3:
            server.faults.extend(faults)

    server.before_answer = fail
    assert command(server.url, database=empty).code == 0
    assert not server.faults
    assert little.differences(empty) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(after_bytes=0, stalls=True), "source-unreachable"),
        (Fault(status=503), "source-unreachable"),
        (Fault(whole=True), "source-refused"),
        (Fault(status=404), "source-refused"),
        (Fault(shift_bytes=-5), "source-refused"),
    ],
    ids=str,
)
def test_a_source_that_fails_for_good_ends_it(little, empty, server, fault, code):
    with HttpRanges(server.url, tries=1, patience_seconds=0.2) as ranges:

        def fail():
            if len(server.asked) == 3:
                server.always = fault

        server.before_answer = fail
        error = parts(little, empty, ranges)
    assert error is not None
    assert error.code == code
