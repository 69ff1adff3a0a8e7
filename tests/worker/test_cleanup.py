from __future__ import annotations

import threading

import psycopg
import pytest

from restore import flows
from restore.core.state import Phase
from restore.worker.fence import key_of

CRM = "crm_database_archive"


@pytest.fixture
def proven(bench, dump):
    """A restore whose databases are proven; `before` is what was on the target at its start."""
    bench.before = bench.databases(), bench.roles(), bench.memberships()
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    bench.until("finish")
    return bench


def test_a_role_that_owns_something_by_now_is_kept_and_named(proven, target):
    with psycopg.connect(target.superuser_conninfo("azure_sys"), autocommit=True) as connection:
        connection.execute("CREATE TABLE elsewhere ()")
        connection.execute("ALTER TABLE elsewhere OWNER TO shop_owner")
        staging = proven.restore.plan.databases[0].staging
        proven.rows(f'DROP DATABASE "{staging}" WITH (FORCE)')
        restore = proven.finish()
        connection.execute("DROP TABLE elsewhere")
    assert restore.phase is Phase.FAILED
    assert proven.roles() - proven.before[1] == {"shop_owner"}
    assert any("shop_owner" in note and "kept" in note for note in restore.notes)


def test_a_cancel_takes_back_databases_roles_and_memberships(bench, dump):
    before = bench.databases(), bench.roles(), bench.memberships()
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    bench.until("database-0")
    flows.cancel(bench.control, bench.last)
    restore = bench.finish()
    assert (restore.phase, restore.task("cleanup").attempt) == (Phase.CANCELLED, 1)
    assert (bench.databases(), bench.roles(), bench.memberships()) == before


def test_a_superuser_who_looks_in_for_a_moment_keeps_no_database(proven, target):
    """The provider's monitoring does, and whoever is no superuser may not end its sessions."""
    proven.rows(f"CREATE DATABASE {CRM}")  # so finish fails
    proven.until("cleanup")
    visitor = psycopg.connect(target.superuser_conninfo(proven.restore.plan.databases[0].staging))
    threading.Timer(1.0, visitor.close).start()
    restore = proven.finish()
    proven.rows(f"DROP DATABASE {CRM}")
    assert (restore.phase, restore.debts) == (Phase.FAILED, ())
    assert (proven.databases(), proven.roles(), proven.memberships()) == proven.before


def test_a_membership_that_somebody_took_away_does_not_keep_a_database(proven):
    proven.rows(f"CREATE DATABASE {CRM}")  # so finish fails, with the owner set
    proven.until("cleanup")
    for role in proven.restore.plan.borrow:
        proven.rows(f'REVOKE "{role}" FROM CURRENT_USER')
    restore = proven.finish()
    proven.rows(f"DROP DATABASE {CRM}")
    assert (restore.phase, restore.task("cleanup").attempt) == (Phase.FAILED, 1)
    assert (proven.databases(), proven.roles(), proven.memberships()) == proven.before


def test_a_role_that_was_there_before_is_never_dropped(bench, dump):
    bench.rows("CREATE ROLE app_readonly NOLOGIN")
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    bench.until("database-0")
    flows.cancel(bench.control, bench.last)
    bench.finish()
    assert "app_readonly" in bench.roles()
    assert "shop_owner" not in bench.roles()


def test_a_worker_that_does_not_stop_is_shut_out(bench, dump, target):
    """Its session ends, so it can neither create, drop nor rename any more."""
    bench.limits = bench.limits.__class__(fence_seconds=0.1)
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    bench.until("database-0")
    staging = bench.restore.plan.databases[0].staging
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as hung:
        hung.execute("SELECT pg_advisory_lock(%s)", (key_of(staging),))
        flows.cancel(bench.control, bench.last)
        restore = bench.finish()
        with pytest.raises(psycopg.OperationalError):
            hung.execute("SELECT 1")
    assert restore.phase is Phase.CANCELLED
    assert bench.databases() == []
