"""Whatever a dump is made of, the engine makes of it what stock pg_restore makes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest
from _pytest.mark import ParameterSet

from local.postgres import binaries, majors
from tests.engine.oracle import DATA, compare, ours, snapshot


@dataclass(frozen=True, slots=True)
class Dump:
    """An archive of the features database, and the major of the server it is restored to."""

    major: int
    target: int
    options: tuple[str, ...]
    pipe: bool
    connections: int = 2

    def __str__(self) -> str:
        words = (*self.options, "pipe" if self.pipe else "file", f"{self.major}-to-{self.target}")
        return " ".join(word.removeprefix("--") for word in words)


def compresses(major: int, how: str) -> bool:
    """Whether that major's pg_dump was built with it."""
    argv = [binaries(major) / "pg_dump", "--format=custom", f"--compress={how}", "--file=/dev/null"]
    nowhere = {"PGHOST": "127.0.0.1", "PGPORT": "1", "LC_ALL": "C"}
    said = subprocess.run(argv, env=nowhere, capture_output=True, text=True).stderr
    return "127.0.0.1" in said


def at_hand(dumps: list[Dump], every: int = 1) -> list[ParameterSet]:
    """Those that can be made here; of them every so-many-eth, and all in a soak."""
    found = [dump for dump in dumps if dump.major in majors()]
    return [
        pytest.param(dump, marks=pytest.mark.soak if number % every else ())
        for number, dump in enumerate(found)
    ]


def compressed(major: int, target: int, how: str, *, pipe: bool, connections: int = 2) -> Dump:
    return Dump(major, target, (f"--compress={how}",), pipe, connections)


# With those below: each major with each level, to a pipe as the vault does it and to a file.
COMPRESSED = [
    compressed(15, 16, "0", pipe=True),
    compressed(15, 18, "1", pipe=True),
    compressed(16, 16, "6", pipe=True),
    compressed(16, 18, "0", pipe=True, connections=1),
    compressed(18, 18, "0", pipe=True),
    compressed(18, 18, "0", pipe=False),
    compressed(18, 18, "6", pipe=True, connections=4),
] + [
    compressed(major, major, how, pipe=pipe)
    for major in (16, 18)
    for how in ("lz4", "zstd", "zstd:level=3,long")
    if compresses(major, how)
    for pipe in (True, False)
]
OTHERWISE = [
    Dump(18, 18, ("--load-via-partition-root",), pipe=True),
    Dump(16, 18, ("--load-via-partition-root",), pipe=False),
    Dump(18, 18, ("--quote-all-identifiers",), pipe=True),
    Dump(18, 18, ("--no-large-objects", "--exclude-table-data=app.part*"), pipe=True),
    Dump(18, 18, ("--schema-only",), pipe=True),
]
AS_IF_BIG = [
    Dump(15, 16, ("--compress=9",), pipe=False),
    Dump(16, 18, ("--compress=1",), pipe=False, connections=4),
    Dump(18, 18, ("--compress=9",), pipe=True),
    Dump(18, 18, ("--compress=1",), pipe=False, connections=4),
    Dump(18, 18, ("--load-via-partition-root",), pipe=True),
    Dump(18, 18, ("--exclude-table-data=app.parent",), pipe=False),
]
# What nobody can make here: by other majors, or compressed in ways the programs at hand cannot.
# Where stock pg_restore cannot read one, it reads another archive of the same database.
KEPT = {
    "engine/features-pg13.dump": "",
    "engine/features-pg14.dump": "",
    "engine/features-pg17.dump": "",
    "engine/features-pg17-lz4.dump": "engine/features-pg17.dump",
    "engine/features-pg17-zstd.dump": "engine/features-pg17.dump",
    "engine/features-pg17-long.dump": "engine/features-pg17.dump",
    "blocks/gzip-pg15.dump": "",
    "blocks/none-pg16.dump": "",
    "blocks/offsets-pg16.dump": "",
    "blocks/gzip-pg18.dump": "",
    "crm-pg18.dump": "",
    "latin-pg16.dump": "",
    "void-pg15.dump": "",
}


def check(oracle, dump, like, target, connections=2, *, statistics=False, as_if_big=False):
    """`dump` by us is `like` by stock: what is lost, too, and then we say so."""
    server, database = oracle.server(target), oracle.database(target)
    restored = ours(dump, server, database, connections, as_if_big=as_if_big)
    assert restored.code in (0, 3), restored.stderr
    expected = oracle.expected(like, target, statistics=statistics)
    found = snapshot(server, database, statistics=statistics)
    assert compare(expected.database, found) == []
    assert restored.report["rows"] == rows(expected.database)
    assert restored.code == (3 if expected.lost else 0)
    lost = restored.report["lost"]
    assert len(lost) == len(expected.lost) or (as_if_big and lost and expected.lost), lost


def rows(database):
    """How many rows the tables of a snapshot hold, materialized views aside."""
    tables = (name for name, relation in database["relations"].items() if relation[0] == "r")
    return sum(int(database["rows"][name][0]) for name in tables)


@pytest.mark.parametrize("dump", at_hand(COMPRESSED, every=3), ids=str)
def test_compressed(oracle, dump):
    """However it is packed, it is the same database: stock restores it once for each major."""
    path = oracle.dump(dump.major, *dump.options, pipe=dump.pipe)
    like = oracle.dump(dump.major, pipe=False)
    check(oracle, path, like, dump.target, dump.connections)


@pytest.mark.parametrize("dump", at_hand(OTHERWISE, every=2), ids=str)
def test_dumped_otherwise(oracle, dump):
    path = oracle.dump(dump.major, *dump.options, pipe=dump.pipe)
    check(oracle, path, path, dump.target, dump.connections)


@pytest.mark.parametrize("dump", at_hand(AS_IF_BIG, every=2), ids=str)
def test_as_if_every_table_was_big(oracle, dump):
    """Rows come in slices, on all sessions; keys in two steps, foreign keys are checked last."""
    path = oracle.dump(dump.major, *dump.options, pipe=dump.pipe)
    check(oracle, path, path, dump.target, dump.connections, as_if_big=True)


def test_with_statistics(oracle):
    """What the planner knows comes along, from 18 on, and what comes after does not change it."""
    path = oracle.dump(18, "--statistics")
    check(oracle, path, path, 18, statistics=True)


@pytest.mark.parametrize(
    ("options", "lost"),
    [
        # The owner of a materialized view may not read what it is made of.
        (["--no-owner", "--no-privileges"], 3),
        # Foreign keys to a table without rows, and what is said about one of them.
        (["--exclude-table-data=app.parent"], 4),
    ],
    ids=["no-privileges", "no-rows-to-point-at"],
)
def test_what_stock_loses_we_lose_and_say_so(oracle, options, lost):
    path = oracle.dump(18, *options)
    check(oracle, path, path, 18)
    assert len(oracle.expected(path, 18).lost) == lost


@pytest.fixture(scope="module")
def broken(oracle):
    """A database whose rows break their constraints."""
    database = oracle.database(18)
    oracle.load(18, database, DATA / "engine/broken.sql")
    return database


@pytest.mark.parametrize("as_if_big", [False, True], ids=["small", "big"])
def test_constraints_that_rows_break_are_lost(oracle, broken, as_if_big):
    """They are not left behind half made, not valid, or as an index without its constraint."""
    path = oracle.dump(18, "--exclude-table-data=refused", database=broken)
    check(oracle, path, path, 18, as_if_big=as_if_big)
    assert len(oracle.expected(path, 18).lost) == 11


@pytest.mark.parametrize("as_if_big", [False, True], ids=["small", "big"])
def test_rows_that_the_server_refuses_end_the_restore(oracle, broken, as_if_big):
    """Stock pg_restore leaves that table empty and goes on."""
    path = oracle.dump(18, database=broken)
    restored = ours(path, oracle.server(18), oracle.database(18), as_if_big=as_if_big)
    assert restored.code == 5
    assert restored.stderr.startswith("data-loss: public.refused: ")


@pytest.mark.parametrize("option", ["--inserts", "--rows-per-insert=50"])
def test_rows_by_insert_are_left_to_pg_restore(oracle, option):
    """Nothing is touched by then."""
    server, database = oracle.server(18), oracle.database(18)
    untouched = snapshot(server, database)
    restored = ours(oracle.dump(18, option), server, database)
    assert restored.code == 5
    assert restored.stderr.startswith("archive-unsuited: ")
    assert compare(untouched, snapshot(server, database)) == []


@pytest.mark.parametrize("name", KEPT)
def test_kept(oracle, name):
    check(oracle, DATA / name, DATA / (KEPT[name] or name), 18)
