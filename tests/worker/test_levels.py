"""Each level finds what it promises to find, on real servers, and the report says so."""

from __future__ import annotations

import json

import psycopg
import pytest

from restore import flows
from restore.adapters.tools import Client
from restore.core.options import Level
from restore.core.state import Phase
from restore.worker import database
from tests.worker.bench import Bench

CRM = "crm_database_archive"
CHILD = '"Sch ema"."Child ""x"""'


@pytest.fixture
def run(bench, dump):
    """A restore of the small sample, compared by a level; `content` of its dump."""

    def run(level, engine="stream", content=None):
        bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
        bench.put(f"database_{CRM}.sql", content or dump("pg_dump", "-Fc", CRM))
        return bench.run(engine=engine, verify=level)

    return run


@pytest.fixture
def spoilt(bench, monkeypatch):
    """Something goes wrong in the server, between the last row and the first look."""

    return lambda statement: spoil(monkeypatch, bench, statement)


LOAD = database.load


def spoil(monkeypatch, bench, statement):
    def load(job, step, notes=()):
        loaded = LOAD(job, step, notes)
        conninfo = bench.server.superuser_conninfo(step.staging)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(statement)
        return loaded

    monkeypatch.setattr(database, "load", load)


def report(bench):
    return flows.report_of(bench.control, bench.last)["report"]


def checks(bench):
    (found,) = report(bench)["databases"]
    return {check["level"]: check for check in found["checks"]}


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_a_good_restore_is_proven_at_every_level(bench, run, engine):
    restore = run("content", engine)
    assert (restore.failure, restore.task("database-0").result.database.lost) == (None, ())
    found = checks(bench)
    assert list(found) == [level.value for level in Level]
    assert all(check["done"] and not check["different"] for check in found.values())
    assert found["counts"]["rows"] == found["content"]["rows"] == 420
    assert found["catalog"]["unchecked"] == ["1 × COMMENT"]
    assert found["content"]["unchecked"] == []
    (file,) = [file for file in report(bench)["source"]["files"] if CRM in file["name"]]
    assert bool(file["sha256"]) is (engine == "pg_restore")


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
@pytest.mark.parametrize(
    "objects",
    [
        {"content": "schema"},
        {"content": "data", "owners": False},
        {"tables": {"include": ["public.part*"]}, "privileges": False},
    ],
    ids=str,
)
def test_what_was_not_asked_for_is_not_missed(bench, dump, engine, objects):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    restore = bench.run(engine=engine, verify="content", objects=objects)
    assert restore.failure is None
    assert restore.task("database-0").result.database.lost == ()
    assert [check["different"] for check in checks(bench).values()] == [[]] * 4


def test_two_ways_to_restore_give_the_same_hash(bench, run, dump):
    hashes = set()
    script = dump("pg_dump", "-Fp", CRM)
    for engine, content in (("stream", None), ("pg_restore", None), ("auto", script)):
        run("content", engine, content)
        hashes.add(checks(bench)["content"]["hash"])
        bench.rows(f"DROP DATABASE {CRM} WITH (FORCE)")
    assert len(hashes) == 1


def test_of_a_script_the_report_says_what_could_not_be_compared(bench, run, dump):
    assert run("content", "auto", dump("pg_dump", "-Fp", CRM)).failure is None
    found = checks(bench)
    assert found["content"]["done"]
    for level in ("catalog", "schema"):
        assert (found[level]["done"], found[level]["checked"]) == (False, 0)
        assert "no table of contents" in found[level]["unchecked"][0]


def test_without_a_pg_dump_the_report_says_that_schemas_were_not_compared(target, dump, tmp_path):
    for program in ("psql", "pg_restore"):
        (tmp_path / program).symlink_to(target.binaries / program)
    bench = Bench(target, clients={18: Client(18, tmp_path)})
    roles = bench.roles()
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    try:
        restore = bench.run(verify="schema")
    finally:
        bench.wipe(roles)
    check = checks(bench)["schema"]
    assert (check["done"], check["unchecked"]) == (
        False,
        [f"no pg_dump beside the worker for a server of {restore.plan.target_version}"],
    )
    assert any("no pg_dump" in warning for warning in restore.warnings)


# ---- what goes wrong ---------------------------------------------------------------------------


def test_a_missing_row_is_found_by_counts(bench, run, spoilt):
    spoilt(f"DELETE FROM {CHILD} WHERE id = 7")
    restore = run("counts")
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "data-loss")
    said = report(bench)
    assert said["error"]["code"] == "data-loss"
    assert "expected 200 rows, found 199" in said["databases"][0]["failures"][0]["message"]
    assert not said["databases"][0]["published"]


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {CHILD} SET amount = amount + 0.01 WHERE id = 7",
        'UPDATE "Sch ema".parent SET name = name || chr(32) WHERE id = 3',
        f"UPDATE {CHILD} AS a SET amount = b.amount FROM {CHILD} AS b"
        " WHERE (a.id, b.id) IN ((1, 2), (2, 1))",
        "SELECT lo_put(4242, 0, 'J')",
    ],
)
def test_a_changed_value_is_found_by_content(bench, run, spoilt, statement):
    spoilt(statement)
    restore = run("content")
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "data-loss")
    assert "content of 1 of " in report(bench)["error"]["message"]
    assert bench.databases() == []


def test_a_changed_value_is_found_by_nothing_less(run, spoilt):
    spoilt(f"UPDATE {CHILD} SET amount = amount + 0.01 WHERE id = 7")
    assert run("schema").failure is None


def test_rows_in_another_order_are_the_same(bench, run, spoilt):
    spoilt(f"UPDATE {CHILD} SET parent = parent WHERE id % 3 = 0")
    assert run("content").failure is None


def test_a_missing_index_is_found_by_catalog(bench, run, spoilt):
    spoilt('DROP INDEX "Sch ema"."Child ""x""_parent_idx"')
    restore = run("catalog")
    assert restore.phase is Phase.PARTIAL
    said = 'INDEX Sch ema.Child "x"_parent_idx: not on the server'
    assert restore.task("database-0").result.database.lost == (said,)
    assert checks(bench)["catalog"]["different"] == [said]


VIEW = (
    "CREATE OR REPLACE VIEW long_names AS"
    ' SELECT id, name FROM "Sch ema".parent WHERE length(name) > 6'
)


def test_a_changed_definition_is_found_by_schema(bench, run, spoilt):
    """Two releases wrote the two dumps: it is a warning that they could not be compared."""
    spoilt(VIEW)
    restore = run("schema")
    assert not checks(bench)["catalog"]["different"]
    assert restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    assert any("VIEW public.long_names" in warning for warning in restore.warnings)
    assert any("VIEW public.long_names" in said for said in checks(bench)["schema"]["unchecked"])


@pytest.mark.parametrize("statement", ["SELECT 1", VIEW])
def test_where_one_release_wrote_both_dumps_a_changed_definition_is_a_loss(
    source, dump, monkeypatch, statement
):
    bench = Bench(source)
    spoil(monkeypatch, bench, statement)
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    try:
        restore = bench.run(verify="schema", databases={"rename": {CRM: "again"}})
    finally:
        bench.rows("DROP DATABASE IF EXISTS again WITH (FORCE)")
    check = checks(bench)["schema"]
    assert check["unchecked"] == []
    if statement is VIEW:
        assert restore.phase is Phase.PARTIAL
        (said,) = check["different"]
        assert said.startswith("VIEW public.long_names: expected … ")
        assert said.endswith("(length(name) > 6);")
    else:
        assert (restore.failure, check["different"]) == (None, [])


ODD = """
ALTER DATABASE odd SET timezone = 'Asia/Tokyo';
ALTER DATABASE odd SET bytea_output = 'escape';
CREATE TABLE moment (at timestamptz, raw bytea, took interval, share float8);
INSERT INTO moment SELECT '2026-01-01 12:00+00'::timestamptz + g * interval '1 hour',
    decode(md5(g::text), 'hex'), g * interval '1 day 3 hours', g / 7.0
FROM generate_series(1, 50) g;
CREATE TABLE part (v text, k integer) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 (k integer, v text);
ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES IN (2);
INSERT INTO part SELECT 'v' || g, 1 + g % 2 FROM generate_series(1, 30) g;
CREATE TABLE even (k integer) PARTITION BY LIST (k);
CREATE TABLE even_1 PARTITION OF even DEFAULT;
INSERT INTO even SELECT generate_series(1, 9);
CREATE TABLE hidden (i integer);
INSERT INTO hidden VALUES (1), (2), (2);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
CREATE TABLE bare ();
INSERT INTO bare SELECT FROM generate_series(1, 3);
ALTER DATABASE odd OWNER TO shop_owner;
SELECT lo_from_bytea(7, decode(repeat('00ff', 70000), 'hex')), lo_from_bytea(8, '');
ALTER LARGE OBJECT 8 OWNER TO shop_owner;
REVOKE ALL ON LARGE OBJECT 8 FROM shop_owner;
"""


@pytest.fixture(scope="module")
def odd(source):
    """A database whose text depends on its settings, with rows in every odd place."""
    with psycopg.connect(source.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE odd TEMPLATE template0")
    with psycopg.connect(source.superuser_conninfo("odd"), autocommit=True) as connection:
        connection.execute(ODD)
    yield "odd"
    with psycopg.connect(source.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("DROP DATABASE odd WITH (FORCE)")


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
@pytest.mark.parametrize("options", [[], ["--load-via-partition-root"]], ids=["plain", "root"])
def test_content_is_compared_whatever_form_its_text_has(bench, dump, odd, engine, options):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put("database_odd.sql", dump("pg_dump", "-Fc", *options, odd))
    bench.rows(f"ALTER ROLE {bench.server.admin} NOBYPASSRLS")
    try:
        restore = bench.run(engine=engine, verify="content")
    finally:
        bench.rows(f"ALTER ROLE {bench.server.admin} BYPASSRLS")
    assert restore.failure is None
    check = checks(bench)["content"]
    different_order = ["table public.part: its rows come with their columns in different orders"]
    assert check["unchecked"] == (different_order if options else [])
    assert check["rows"] == 50 + 9 + 3 + 3 + (0 if options else 30)
    assert bench.rows("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'hidden'", odd) == [
        (True,)
    ]


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_a_flipped_bit_in_the_archive_is_found_by_reading_it(bench, run, dump, engine):
    content = bytearray(dump("pg_dump", "-Fc", CRM))
    place = content.index(b"\x78\x9c", len(content) // 2) + 40  # in the middle of packed rows
    content[place] ^= 4
    restore = run("counts", engine, bytes(content))
    assert restore.phase is Phase.FAILED
    assert report(bench)["error"]["code"] in ("archive", "data-loss")
    assert bench.databases() == []


def test_a_truncated_archive_is_found_before_anything_is_touched(bench, run, dump):
    restore = run("counts", content=dump("pg_dump", "-Fc", CRM)[:-600])
    assert restore.phase is Phase.FAILED
    said = report(bench)
    assert "found its data cut off" in said["error"]["message"]
    assert json.dumps(said)
    assert bench.databases() == []
