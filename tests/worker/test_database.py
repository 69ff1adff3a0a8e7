from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from local.sample.fingerprint import differences, fingerprint
from restore import flows
from restore.core import state
from restore.core.messages import Result, TaskResult
from restore.core.state import Phase
from restore.worker.fence import key_of
from restore.worker.worker import work
from tests.fakes import MemoryHold, MemoryRecords
from tests.waiting import eventually

CRM = "crm_database_archive"


@pytest.fixture
def ready(bench, dump):
    """A restore whose next task is its only database, which pg_restore will restore."""
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start(engine="pg_restore")
    bench.until("database-0")
    return bench


def staging(bench):
    return bench.restore.plan.databases[0].staging


def phase(bench, ticket):
    progress = bench.records.progress(ticket.restore).get(ticket.task)
    return progress and progress.phase


@contextmanager
def stalled_worker(bench, tmp_path):
    """A worker in a process of its own, in the middle of its dump: some rows are committed."""
    state_file, dump_file = tmp_path / "state.json", tmp_path / "dump"
    state_file.write_bytes(state.encode(bench.restore))
    dump = bench.restore.plan.databases[0].blob
    dump_file.write_bytes(bench.landing.read(bench.container, dump, 0, dump.size_bytes))
    argv = [sys.executable, "-m", "tests.worker.once"]
    argv += [str(state_file), str(dump_file), str(bench.port), "database-0"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            process.stdin.write(bench.server.admin_password + "\n")
            process.stdin.flush()
            assert eventually(lambda: rows_so_far(bench) == 120)
            yield process
        finally:
            process.kill()


def rows_so_far(bench):
    try:
        return bench.rows('SELECT count(*) FROM "Sch ema".parent', staging(bench))[0][0]
    except psycopg.Error:
        return 0


def assert_restored(bench, source):
    restore = bench.finish()
    assert restore.failure is None
    expected = fingerprint(source.superuser_conninfo(), CRM)
    assert differences(expected, fingerprint(bench.server.superuser_conninfo(), CRM)) == []
    assert bench.databases() == [CRM]


def test_a_killed_worker_leaves_no_child_and_no_lock_and_the_next_one_doubles_no_row(
    ready, source, tmp_path
):
    with stalled_worker(ready, tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert eventually(lambda: not ready.sessions())
    assert ready.databases() == [staging(ready)]
    assert_restored(ready, source)


def test_a_worker_told_to_end_hands_its_task_back(ready, source, tmp_path):
    with stalled_worker(ready, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate()
    assert process.returncode == 0
    assert '"state": "handed back"' in said
    assert ready.server.admin_password not in said
    assert eventually(lambda: not ready.sessions())
    assert_restored(ready, source)


def test_a_ticket_that_comes_twice_is_done_once(ready):
    ticket = ready.bus.tickets[0]
    for _ in range(2):
        assert ready.deliver(ticket) == [True]
    assert len(ready.bus.reports()) == 2
    oid = ready.records.result(ticket.restore, "database-0", 1).database.oid
    assert ready.rows(
        "SELECT oid FROM pg_database WHERE datname = %s", "postgres", (staging(ready),)
    ) == [(oid,)]


def test_a_ticket_for_a_task_that_is_over_is_dropped(ready):
    ticket = ready.bus.tickets[0]
    ready.finish()
    before = ready.databases()
    ready.records = MemoryRecords()
    ready.bus.reports()
    assert ready.deliver(ticket) == [True]
    assert (ready.bus.reports(), ready.databases()) == ([], before)


def test_a_cancel_stops_a_running_database_and_nothing_stays(ready, monkeypatch):
    roles = ready.roles() - {
        "app_readonly",
        "app_writer",
        "shop_owner",
        "shop_web",
        "Reporting Team",
    }

    def cancelled_midway(url, blob):
        content = ready.landing.read(url, blob, 0, blob.size_bytes)
        yield content[:-64]
        flows.cancel(ready.control, ready.last)
        while True:
            time.sleep(0.01)
            yield b""

    monkeypatch.setattr(ready.landing, "stream", cancelled_midway)
    restore = ready.finish()
    assert restore.phase is Phase.CANCELLED
    assert restore.task("database-0").result.result is Result.CANCELLED
    assert ready.databases() == []
    assert ready.roles() < roles


def test_two_workers_on_one_database_wait_for_each_other_and_the_later_one_finds_the_result(ready):
    ticket = ready.bus.tickets[0]
    settled = []
    with psycopg.connect(ready.server.admin_conninfo(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (key_of(staging(ready)),))
        late = threading.Thread(target=lambda: settled.extend(ready.deliver(ticket)))
        late.start()
        assert eventually(lambda: phase(ready, ticket) == "waiting for another worker")
        done = TaskResult("database-0", 1, Result.DONE)
        ready.records.put_result(ticket.restore, done)
    late.join()
    assert settled == [True]
    assert ready.records.result(ticket.restore, "database-0", 1) == done
    assert ready.databases() == []


def test_a_worker_that_gets_the_fence_after_the_end_touches_nothing(ready):
    """Its own looks at the state may come too late: the cleanup is over."""
    ticket = ready.bus.tickets[0]
    settled = []
    blind = replace(ready.worker, round_seconds=3600)
    with psycopg.connect(ready.server.admin_conninfo(), autocommit=True) as cleanup:
        cleanup.execute("SELECT pg_advisory_lock(%s)", (key_of(staging(ready)),))
        late = threading.Thread(target=work, args=(blind, MemoryHold(ticket, settled.append)))
        late.start()
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert eventually(lambda: ready.rows(waiting))
        stored = ready.states.load(ticket.restore)
        ready.states.save(replace(stored.restore, phase=Phase.CANCELLED), stored.etag)
    late.join()
    assert settled == [True]
    assert ready.records.result(ticket.restore, "database-0", 1) is None
    assert ready.databases() == []


def test_what_a_dead_worker_left_is_replaced_once_its_fence_falls(ready, source):
    ready.rows(f'CREATE DATABASE "{staging(ready)}" OWNER {ready.server.admin}')
    ready.rows("CREATE TABLE left_over ()", staging(ready))
    assert_restored(ready, source)


def test_a_dump_that_changed_since_it_was_listed_is_not_restored(ready):
    dump = ready.restore.plan.databases[0].blob
    content = ready.landing.read(ready.container, dump, 0, dump.size_bytes)
    ready.landing.put(ready.container, dump.name, content + b"\0")
    restore = ready.finish()
    assert restore.failure.code == "conflict"
    assert ready.databases() == []
