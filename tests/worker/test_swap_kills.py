"""SIGKILL at every exchange with the server: one database has the name, and the rerun completes.

Every third exchange, unless in a soak.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count

import psycopg
import pytest

from restore.core import state
from restore.core.messages import Result
from tests.fakes import MemoryRecords
from tests.waiting import eventually
from tests.worker.stage import ID, Stage

BEFORE, RESTORING = f"crm__before_{ID[:8]}", f"crm__restoring_{ID[:8]}"
STEP = 1 if os.environ.get("SOAK") else 3
PLACES = {"finish": {"crm": "new", BEFORE: "old"}, "undo": {"crm": "old", RESTORING: "new"}}


@pytest.fixture(
    scope="module", params=[18, *(pytest.param(m, marks=pytest.mark.soak) for m in (15, 16))]
)
def target(request, servers):
    return servers[request.param]


@pytest.fixture
def stage(bench):
    return Stage(bench, "crm", old=("crm",))


@pytest.fixture
def dying(bench, tmp_path):
    """A function that runs a task of the restore in a child; how many exchanges it had."""
    argv = [sys.executable, "-m", "tests.worker.dying", str(bench.port), str(tmp_path)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        process.stdin.write(bench.server.admin_password + "\n")

        def run(task, last, moment):
            (tmp_path / "state.json").write_bytes(state.encode(bench.restore))
            process.stdin.write(f"{task} {last} {moment}\n")
            return int(process.stdout.readline())

        yield run
        process.stdin.close()
        process.wait(60)


class Watched:
    """The server as one session sees it: who has which name, which is closed, who is a member."""

    def __init__(self, stage, connection):
        step = stage.restore.plan.databases[0]
        new = stage.restore.task("database-0").result.database.oid
        self._marks = {step.replaces: "old", new: "new"}
        self._connection = connection

    def rows(self, statement):
        cursor = self._connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    @property
    def places(self):
        """Which of the two has which name."""
        rows = dict(self.rows("SELECT oid, datname FROM pg_database"))
        return {rows[oid]: mark for oid, mark in self._marks.items() if oid in rows}

    @property
    def closed(self):
        form = "SELECT datname FROM pg_database WHERE datname <> 'template0' AND NOT datallowconn"
        return self.rows(form)

    @property
    def members(self):
        return self.rows("SELECT roleid, member, grantor FROM pg_auth_members ORDER BY 1, 2, 3")

    @property
    def is_quiet(self):
        form = "SELECT 1 FROM pg_stat_activity WHERE application_name ~ '^restore/'"
        return not self.rows(form)

    def put(self, places):
        """Rename both, so that they are where they were."""
        names = {mark: name for name, mark in self.places.items()}
        for mark, name in names.items():
            self.rows(f'ALTER DATABASE "{name}" RENAME TO "moved {mark}"')
        for name, mark in places.items():
            self.rows(f'ALTER DATABASE "moved {mark}" RENAME TO "{name}"')


@pytest.mark.parametrize("task", ["finish", "undo"])
def test_killed_at_any_moment_one_database_has_the_name_and_the_next_worker_completes(
    stage, dying, task
):
    """Killed when the message is sent and its answer still to come: so before the next one, too."""
    if task == "undo":
        stage.settle()
        stage.ask_undo()
    stage.until(task)
    conninfo = stage.bench.server.superuser_conninfo()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        server = Watched(stage, connection)
        places, members = server.places, server.members
        for last in count(1, STEP):
            is_done = dying(task, last, "amid")
            assert is_done >= 0, f"failed instead of being killed at {last}"
            assert eventually(lambda: server.is_quiet)
            assert server.places.keys() > {"crm"}, f"killed at {last}: {server.places}"
            stage.bench.records = MemoryRecords()
            assert stage.work(task).result is Result.DONE, f"killed at {last}"
            assert (server.places, server.closed) == (PLACES[task], []), f"killed at {last}"
            assert server.members == members, f"killed at {last}"
            if is_done:
                break
            server.put(places)
    assert last > 20, "a swap takes more exchanges than that"
    assert stage.marks() == PLACES[task]


@pytest.mark.parametrize("task", ["finish", "undo"])
def test_what_a_dead_worker_closed_is_opened_though_nobody_tries_again(stage, dying, task):
    """By the cleanup of a restore that failed, or by the next who collects debts."""
    if task == "undo":
        stage.settle()
        stage.ask_undo()
    stage.until(task)
    for last in count(10):
        dying(task, last, "before")
        assert eventually(lambda: not stage.bench.sessions())
        if stage.closed():
            break
    stage.bench.allowed = ("nowhere:1",)  # so that every worker after it gives up
    after = {"finish": "cleanup", "undo": "debts"}[task]
    while stage.restore.task(after) is None:
        stage.bench.step()
    assert stage.closed() != set()
    stage.bench.allowed = ()
    stage.settle()
    assert stage.closed() == set()
    assert stage.mark("crm") == {"finish": "old", "undo": "new"}[task]
    assert stage.restore.debts == ()
