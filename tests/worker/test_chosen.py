"""Some tables of a database, by name or pattern, and beside what is there already."""

from __future__ import annotations

import pytest

from restore.core.state import Phase
from tests.worker.bench import DATA

NAME = 'Cr\'m_database_€ "x".sql'


@pytest.fixture
def filled(bench):
    bench.put(f"database_{NAME}.sql", (DATA / "crm-pg16.dump").read_bytes())
    bench.put("roles.sql", (DATA / "roles-pg16.sql").read_bytes())
    return bench


def tables(bench, database=NAME):
    return bench.rows(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_'"
        " AND nspname <> 'information_schema' ORDER BY 1",
        database,
    )


def ordinary(found):
    """One whose name needs no quotes, and that has rows."""
    return next(name for (name,) in found if name == "app.parent")


@pytest.mark.parametrize("engine", ["auto", "pg_restore"])
def test_only_what_is_chosen_is_there(filled, engine):
    whole = filled.run(databases={"rename": {NAME: "whole"}})
    assert whole.failure is None, whole.failure
    every = tables(filled, "whole")
    first = ordinary(every)
    restore = filled.run(objects={"tables": {"include": [first]}}, engine=engine)
    assert restore.failure is None, restore.failure
    assert tables(filled) == [(first,)]
    count = f"SELECT count(*) FROM {first}"
    assert filled.rows(count, NAME) == filled.rows(count, "whole")


RELATIONS = """
SELECT relkind::text || ' ' || n.nspname || '.' || relname FROM pg_class c
JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname IN ('app', 'audit', 'ref') AND relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S')"""
KEYS = "SELECT conname FROM pg_constraint WHERE contype = 'f'"
OWNERS = """
SELECT DISTINCT rolname FROM pg_class JOIN pg_roles r ON r.oid = relowner
WHERE relnamespace = 'app'::regnamespace"""

CHOICES = {
    "a table without what it refers to": (
        {"tables": {"include": ["app.orders"]}},
        {"r app.orders", "S app.orders_id_seq", "i app.orders_pkey", "i app.orders_amount"},
        [],
    ),
    "both sides of a key, and views": (
        {"tables": {"include": ["app.orders", "app.customers", "app.big*", "app.grouped"]}},
        {
            "r app.orders",
            "S app.orders_id_seq",
            "i app.orders_pkey",
            "i app.orders_amount",
            "r app.customers",
            "S app.customers_id_seq",
            "i app.customers_pkey",
            "v app.big",
            "v app.bigger",
            "v app.grouped",
        },
        [("orders_customer_fkey",)],
    ),
    "a partitioned table without one partition": (
        {"tables": {"include": ["app.events"], "exclude": ["audit.*"]}},
        {"p app.events", "r app.events_2025", "I app.events_at", "i app.events_2025_at_idx"},
        [],
    ),
    "all but a table others refer to": (
        {"schemas": {"exclude": ["audit"]}, "tables": {"exclude": ["app.customers", "app.d*"]}},
        {
            "r app.orders",
            "S app.orders_id_seq",
            "i app.orders_pkey",
            "i app.orders_amount",
            "p app.events",
            "r app.events_2025",
            "I app.events_at",
            "i app.events_2025_at_idx",
            "r app.base",
            "v app.big",
            "v app.bigger",
            "m app.totals",
            "i app.totals_customer",
            "S ref.numbers",
            "r app.numbered",
        },
        [],
    ),
    "rows, and nothing that follows them": (
        {"content": "data", "tables": {"include": ["app.derived", "app.orders"]}},
        {"r app.derived", "r app.base", "r app.orders", "S app.orders_id_seq"},
        [],
    ),
}


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_what_was_chosen_is_there_and_nothing_else(bench, engine):
    bench.put("database_scope.sql", (DATA / "scope-pg16.dump").read_bytes())
    for number, (objects, relations, keys) in enumerate(CHOICES.values()):
        name = f"scope{number}"
        asked = {"owners": False, "privileges": False, **objects}
        restore = bench.run(objects=asked, engine=engine, databases={"rename": {"scope": name}})
        assert restore.failure is None, restore.failure
        (result,) = [t.result.database for t in restore.tasks if t.result and t.result.database]
        assert (result.lost, result.different) == ((), ())
        assert {found for (found,) in bench.rows(RELATIONS, name)} == relations
        assert bench.rows(KEYS, name) == keys
        assert bench.rows(OWNERS, name) == [(bench.server.admin,)]
        planned = set(map(str, restore.plan.warnings))
        assert set(restore.warnings) <= planned, set(restore.warnings) - planned


def test_without_rows(filled):
    restore = filled.run(objects={"content": "schema"})
    assert restore.failure is None, restore.failure
    assert len(tables(filled)) > 1
    first = ordinary(tables(filled))
    assert filled.rows(f"SELECT count(*) FROM {first}", NAME) == [(0,)]


def test_a_side_schema_leaves_the_rest_alone(filled):
    assert filled.run().failure is None
    before = tables(filled)
    first = ordinary(before)
    objects = {"tables": {"include": [first]}, "sideSchema": "yesterday"}
    restore = filled.run(objects=objects)
    assert restore.failure is None, restore.failure
    assert restore.phase in (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)
    name = first.partition(".")[2]
    assert sorted(tables(filled)) == sorted([*before, (f"yesterday.{name}",)])
    form = "SELECT count(*), sum(hashtext(t::text)) FROM {} AS t"
    assert filled.rows(form.format(first), NAME) == filled.rows(
        form.format(f"yesterday.{name}"), NAME
    )
    assert not [d for d in filled.databases() if "__" in d]


def test_a_pattern_that_fits_nothing_is_refused(filled):
    restore = filled.run(objects={"tables": {"include": ["app.no_such_*"]}})
    assert restore.failure.code == "scope-unmatched"
    assert filled.databases() == []
