"""The caller's own SQL before publishing, and questions to what was restored, on a real server."""

from __future__ import annotations

import psycopg
import pytest

from restore.core.state import Phase
from restore.errors import TransientError
from restore.worker import hooks

CRM = "crm_database_archive"
_DONE = (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)
MASK = "CREATE TABLE public.masked AS SELECT 'x' AS name; UPDATE public.masked SET name = '***'"


@pytest.fixture
def loaded(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    return bench


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_sql_runs_once_and_is_asked_for_after_that(loaded, engine):
    restore = loaded.run(
        engine=engine,
        beforePublish=[{"database": "crm_*", "sql": MASK}],
        checks=[
            {"sql": "SELECT name FROM public.masked", "expect": [["***"]]},
            {"sql": "SELECT 1, true, NULL, 'é'", "expect": [[1, True, None, "é"]]},
            {"sql": "SELECT count(*) = 1 FROM public.masked"},
        ],
    )
    assert restore.phase in _DONE, restore.failure
    assert loaded.rows("SELECT name FROM public.masked", CRM) == [("***",)]
    assert restore.plan.databases[0].hooks == (MASK,)
    limit = "SELECT datconnlimit FROM pg_database WHERE datname = %s"
    assert loaded.rows(limit, parameters=(CRM,)) == [(-1,)]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"beforePublish": [{"sql": MASK}, {"sql": "SELECT 1/0"}]}, "before-publish", "22012"),
        ({"beforePublish": [{"sql": "DO 'BEGIN COMMIT; END'"}]}, "before-publish", "2D000"),
        ({"checks": [{"sql": "SELECT 2", "expect": [[1]]}]}, "check-failed", "found (2)"),
        ({"checks": [{"sql": "SELECT false"}]}, "check-failed", "expected true, found (f)"),
        ({"checks": [{"sql": "SELECT 1 WHERE false"}]}, "check-failed", "no rows"),
        ({"checks": [{"sql": "CREATE TABLE t()"}]}, "check-failed", "25006"),
        ({"checks": [{"sql": "SELECT generate_series(1, 9)"}]}, "check-failed", "4 more rows"),
        ({"checks": [{"sql": "SET search_path = ''", "expect": [["x"]]}]}, "check-failed", "no r"),
    ],
)
def test_what_fails_publishes_nothing(loaded, changes, code, words):
    before = loaded.databases(), loaded.roles()
    restore = loaded.run(**changes)
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, code)
    assert words in f"{restore.failure.message} {restore.failure.hint}"
    assert (loaded.databases(), loaded.roles()) == before


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_a_worker_that_is_lost_after_its_commit_has_not_run_it_twice(loaded, monkeypatch, engine):
    """Whoever comes next begins anew: the second CREATE TABLE would be refused."""
    run, calls = hooks.run, []

    def lost(job, fenced, step):
        run(job, fenced, step)
        calls.append(job.ticket.attempt)
        if len(calls) == 1:
            raise TransientError("the worker's machine: expected it, found it gone")

    monkeypatch.setattr(hooks, "run", lost)
    count = "UPDATE public.masked SET name = name || '!'"
    restore = loaded.run(engine=engine, beforePublish=[{"sql": MASK}, {"sql": count}])
    assert restore.phase in _DONE, restore.failure
    assert len(calls) == 2
    assert loaded.rows("SELECT name FROM public.masked", CRM) == [("***!",)]


def test_a_pattern_that_means_no_database_is_refused_before_anything_is_done(loaded):
    restore = loaded.run(beforePublish=[{"database": "nothing*", "sql": "SELECT 1"}])
    assert restore.failure.code == "unknown-database"
    assert "beforePublish" in restore.failure.message
    assert loaded.databases() == []


def test_nobody_else_is_in_it_while_it_changes(loaded, monkeypatch):
    """Who was there is thrown out, who comes is refused; afterwards it is open as before."""
    found, change = [], hooks._change

    def tried(connection, step):
        try:
            psycopg.connect(loaded.server.admin_conninfo(step.staging)).close()
        except psycopg.OperationalError as exc:
            found.append(str(exc))
        change(connection, step)

    alone, inside = hooks._alone, []

    def entered(job, fenced, step):
        inside.append(psycopg.connect(loaded.server.admin_conninfo(step.staging)))
        return alone(job, fenced, step)

    monkeypatch.setattr(hooks, "_change", tried)
    monkeypatch.setattr(hooks, "_alone", entered)
    assert loaded.run(beforePublish=[{"sql": MASK}]).phase in _DONE
    assert "too many connections" in found[0]
    with pytest.raises(psycopg.OperationalError):
        inside[0].execute("SELECT 1")
    inside[0].close()
    psycopg.connect(loaded.server.admin_conninfo(CRM)).close()


def test_a_drill_proves_it_and_leaves_nothing(loaded):
    before = loaded.databases(), loaded.roles(), loaded.memberships()
    restore = loaded.run(drop=True, verify="content", checks=[{"sql": "SELECT true"}])
    assert restore.phase in _DONE, restore.failure
    assert (restore.published, restore.debts) == ((), ())
    assert restore.task("database-0").result.database.rows_found > 0
    assert restore.task("finish") is None
    assert (loaded.databases(), loaded.roles(), loaded.memberships()) == before
