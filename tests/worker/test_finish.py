from __future__ import annotations

import psycopg
import pytest

from restore.core.state import Phase
from restore.worker import finish

CRM = "crm_database_archive"


@pytest.fixture
def ready(bench, dump):
    """A restore over an existing database, proven and not published yet."""
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.rows(f"CREATE DATABASE {CRM} OWNER {bench.server.admin}")
    bench.rows("CREATE TABLE precious ()", CRM)
    bench.start(onExisting="swap", leaveSeconds=0)
    bench.until("finish")
    return bench


def test_the_old_database_is_kept_aside_and_its_sessions_end(ready):
    before = ready.restore.plan.databases[0].before
    with psycopg.connect(ready.server.admin_conninfo(CRM), autocommit=True) as idle:
        restore = ready.finish()
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert restore.phase in (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)
    assert ready.databases() == sorted([CRM, before])
    assert ready.rows("SELECT to_regclass('precious') IS NOT NULL", before) == [(True,)]
    assert ready.rows('SELECT count(*) FROM "Sch ema".parent', CRM) == [(120,)]
    assert any(before in note for note in restore.notes)


def test_a_membership_that_somebody_took_away_is_borrowed_again(ready):
    for role in ready.restore.plan.borrow:
        ready.rows(f'REVOKE "{role}" FROM CURRENT_USER')
    assert ready.finish().failure is None
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
    assert ready.rows(owner.replace("%s", f"'{CRM}'")) == [("shop_owner",)]


def test_a_staging_database_made_anew_by_a_straggler_is_not_published(ready):
    staging = ready.restore.plan.databases[0].staging
    ready.rows(f'DROP DATABASE "{staging}"')
    ready.rows(f'CREATE DATABASE "{staging}" OWNER {ready.server.admin}')
    restore = ready.finish()
    assert restore.failure.code == "not-proven"
    assert ready.databases() == [CRM]
    assert ready.rows("SELECT to_regclass('precious') IS NOT NULL", CRM) == [(True,)]


@pytest.mark.parametrize("stays_away", [False, True])
def test_a_session_lost_after_publishing_fails_nothing(ready, monkeypatch, stays_away):
    """What is published counts; only what stays borrowed is told."""
    settle, calls = finish.settle, []

    def lost(job, connection):
        calls.append(job.ticket)
        if len(calls) == 1 or stays_away:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return settle(job, connection)

    monkeypatch.setattr(finish, "settle", lost)
    restore = ready.finish()
    assert (restore.failure, len(calls)) == (None, 2)
    assert CRM in ready.databases()
    assert bool(restore.debts) is stays_away
    while restore.debts:
        ready.step()
        restore = ready.restore


def test_what_an_earlier_restore_published_can_be_set_aside(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    for _ in range(2):  # the first gives it an owner for whom the login may not act afterwards
        bench.start(onExisting="swap", leaveSeconds=0)
        assert bench.finish().failure is None
    assert len(bench.databases()) == 2
    assert "shop_owner" in bench.restore.plan.borrow


def test_a_side_schema_gets_its_place_and_the_database_around_it_stays(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.rows(f"CREATE DATABASE {CRM} OWNER {bench.server.admin}")
    bench.rows("CREATE TABLE precious ()", CRM)
    which = f"SELECT oid FROM pg_database WHERE datname = '{CRM}'"
    oid = bench.rows(which)
    objects = {"tables": {"include": ["Sch ema.parent"]}, "sideSchema": "recovered"}
    restore = bench.run(objects=objects, leaveSeconds=0)
    assert (restore.failure, restore.published, restore.undo) == (None, (0,), None)
    assert bench.databases() == [CRM]
    assert bench.rows(which) == oid
    assert bench.rows("SELECT count(*) FROM recovered.parent", CRM) == [(120,)]
    assert bench.rows("SELECT to_regclass('precious') IS NOT NULL", CRM) == [(True,)]
