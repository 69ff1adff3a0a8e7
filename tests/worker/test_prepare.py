"""The plan of a real archive on a real server."""

from __future__ import annotations

import psycopg

from restore.core.plan_view import as_text
from restore.core.state import Phase
from tests.worker.bench import DATA


def test_a_dry_run_tells_what_the_login_cannot_create_and_touches_nothing(bench):
    before = bench.databases(), bench.roles(), bench.memberships()
    bench.put("database_features.sql", (DATA / "engine" / "features-pg17.dump").read_bytes())
    restore = bench.run(dryRun=True)
    assert restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    (left,) = (f for f in restore.plan.warnings if f.message.startswith("EVENT TRIGGER"))
    assert (left.code, left.subject) == ("left-out", "database 'features'")
    assert left.message == "EVENT TRIGGER on ddl, on_drop: only a superuser can create it"
    assert left.message in as_text(restore.plan)
    assert (bench.databases(), bench.roles(), bench.memberships()) == before


def test_the_plan_borrows_the_owner_of_what_it_replaces(bench, dump, target):
    bench.put("database_crm_database_archive.sql", dump("pg_dump", "-Fc", "crm_database_archive"))
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as connection:
        connection.execute("CREATE ROLE boss")
        connection.execute("GRANT boss TO CURRENT_USER")
        connection.execute("CREATE DATABASE crm_database_archive OWNER boss")
        connection.execute("GRANT boss TO CURRENT_USER WITH INHERIT FALSE, SET FALSE")
    plan = bench.run(dryRun=True, onExisting="swap").plan
    assert "boss" in plan.borrow
    assert [(own.role, own.inherit, own.settable) for own in plan.held] == [("boss", False, False)]
    assert (
        plan.databases[0].replaces
        == bench.rows("SELECT oid FROM pg_database WHERE datname = 'crm_database_archive'")[0][0]
    )
