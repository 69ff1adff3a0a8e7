"""A worker that dies in the middle of a streamed database: the next attempt carries on with it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import psycopg
import pytest

from local.postgres import PostgresServer
from restore.core import state
from restore.core.plan import Engine
from tests.engine.bulk import BULK, LEDGER
from tests.waiting import eventually
from tests.worker.bench import Bench

TASK = "database-0"
ROWS, OTHERS = 191_050, 81_050  # in all; in all but the biggest table

INSERTED = """
SELECT sum(n_tup_ins) FROM pg_stat_user_tables
WHERE relname NOT IN ('event', 'busy', 'busiest')"""


@pytest.fixture
def bench(bulk):
    """Before its only database, on a server of its own."""
    roles = [bulk.server.binaries / "pg_dumpall", "--roles-only"]
    said = subprocess.run(
        roles, env=bulk.server.superuser_environment(), stdout=subprocess.PIPE, check=True
    )
    with PostgresServer(18) as server:
        bench = Bench(server)
        bench.put("roles.sql", said.stdout)
        bench.put(f"database_{BULK}.sql", bulk.dumps["file"].read_bytes())
        bench.start()
        bench.until(TASK)
        yield bench


@contextmanager
def stalled_worker(bench, tmp_path):
    """In a process of its own, in the middle of the biggest table; the others are there."""
    (step,) = bench.restore.plan.databases
    state_file, dump_file = tmp_path / "state.json", tmp_path / "dump"
    state_file.write_bytes(state.encode(bench.restore))
    dump_file.write_bytes(bench.landing.read(bench.container, step.blob, 0, step.blob.size_bytes))
    argv = [sys.executable, "-m", "tests.worker.once"]
    argv += [str(state_file), str(dump_file), str(bench.port), TASK]
    files = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(argv, text=True, **files) as process:
        try:
            process.stdin.write(bench.server.admin_password + "\n")
            process.stdin.flush()
            assert eventually(lambda: loaded(bench, step.staging) == OTHERS)
            yield process
        finally:
            process.kill()


def loaded(bench, staging):
    try:
        return bench.rows(f"SELECT coalesce(sum(rows), 0) FROM {LEDGER}.part", staging)[0][0]
    except psycopg.Error:
        return 0


def oid(bench, name):
    return bench.rows("SELECT oid FROM pg_database WHERE datname = %s", parameters=(name,))


def test_the_next_worker_goes_on_where_a_killed_one_stopped(bulk, bench, tmp_path):
    (step,) = bench.restore.plan.databases
    assert step.engine is Engine.STREAM
    with stalled_worker(bench, tmp_path) as process:
        process.kill()
        process.wait()
    assert eventually(lambda: not bench.sessions())
    begun = oid(bench, step.staging)
    restore = bench.finish()
    assert restore.failure is None
    assert bench.databases() == [BULK]
    assert oid(bench, BULK) == begun
    result = restore.task(TASK).result.database
    assert (result.rows_expected, result.rows_found, result.lost) == (ROWS, ROWS, ())
    assert bulk.unlike(bench.server, BULK) == []
    assert bench.rows(INSERTED, BULK) == [(OTHERS,)]  # none of them twice
