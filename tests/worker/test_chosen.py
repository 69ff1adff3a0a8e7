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
