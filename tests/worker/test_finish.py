from __future__ import annotations

import psycopg
import pytest

from restore.core.messages import Result
from restore.core.state import Phase
from restore.errors import TransientError
from restore.worker import finish

CRM = "crm_database_archive"


@pytest.fixture
def ready(bench, dump):
    """A restore over an existing database, proven and not published yet."""
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.rows(f"CREATE DATABASE {CRM} OWNER {bench.server.admin}")
    bench.rows("CREATE TABLE precious ()", CRM)
    bench.start(onExisting="swap")
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


def test_a_finish_that_died_before_its_result_was_stored_is_recognised(ready, monkeypatch):
    ticket = ready.bus.tickets[0]
    put_result = ready.records.put_result

    def broken(restore_id, result):
        raise TransientError("storage: expected it to answer, found silence")

    monkeypatch.setattr(ready.records, "put_result", broken)
    with pytest.raises(TransientError):
        ready.deliver(ticket)
    published = ready.databases()
    monkeypatch.setattr(ready.records, "put_result", put_result)
    restore = ready.finish()
    assert restore.failure is None
    assert ready.databases() == published


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


def test_a_session_we_may_not_end_is_named_and_the_attempt_may_pass_later(ready):
    ready.limits = ready.limits.__class__(publish_tries=1)
    ticket = ready.bus.tickets[0]
    with psycopg.connect(ready.server.superuser_conninfo(CRM)):
        ready.deliver(ticket)
    result = ready.records.result(ticket.restore, "finish", 1)
    assert (result.result, result.failure.code, result.failure.transient) == (
        Result.FAILED,
        "target-busy",
        True,
    )
    assert "1 other session" in result.failure.message
    restore = ready.finish()
    assert (restore.failure, restore.task("finish").attempt) == (None, 2)


def test_a_database_that_appeared_after_the_plan_is_not_overwritten(bench, dump):
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    bench.until("finish")
    bench.rows(f"CREATE DATABASE {CRM}")
    restore = bench.finish()
    assert (restore.failure.code, "after the plan" in restore.failure.message) == ("target", True)
    assert bench.databases() == [CRM]


@pytest.mark.parametrize("stays_away", [False, True])
def test_a_session_lost_after_publishing_fails_nothing(ready, monkeypatch, stays_away):
    """What is published counts; only what stays borrowed is told."""
    give_back, calls = finish.give_back, []

    def lost(connection, plan):
        calls.append(plan.borrow)
        if len(calls) == 1 or stays_away:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return give_back(connection, plan)

    monkeypatch.setattr(finish, "give_back", lost)
    restore = ready.finish()
    assert (restore.failure, len(calls)) == (None, 2)
    assert CRM in ready.databases()
    warned = [text for text in restore.warnings if text.startswith("membership in ")]
    assert bool(warned) is stays_away


def test_what_an_earlier_restore_published_can_be_set_aside(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    for _ in range(2):  # the first gives it an owner for whom the login may not act afterwards
        bench.start(onExisting="swap")
        assert bench.finish().failure is None
    assert len(bench.databases()) == 2
    assert "shop_owner" in bench.restore.plan.borrow
