"""The login that scripts/grant-worker.sql makes: it can restore, and each grant is needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from restore import flows
from restore.core.state import Phase, UndoState
from tests.worker.bench import Bench

ROOT = Path(__file__).parents[2]
CRM = "crm_database_archive"
LOGIN, PASSWORD = "restore-worker", "a-password-of-its-own"
_DONE = (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)


class ByWorker(Bench):
    """A restore with the login that was made for it."""

    def _body(self, request):
        user = b'"user": "' + self.server.admin.encode() + b'"'
        return super()._body(request).replace(user, b'"user": "' + LOGIN.encode() + b'"')


@pytest.fixture(params=[16, 18])
def bench(request, servers, dump):
    server = servers[request.param]
    bench = ByWorker(server)
    bench.secrets.put("target", PASSWORD)
    roles = bench.roles()
    with psycopg.connect(server.admin_conninfo(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE \"{LOGIN}\" LOGIN PASSWORD '{PASSWORD}'")
        admin.execute("CREATE ROLE boss")
        admin.execute("GRANT boss TO CURRENT_USER")
        admin.execute(f"CREATE DATABASE {CRM} OWNER boss")
    granted(server)
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    yield bench
    bench.wipe(roles)


def granted(server):
    script = str(ROOT / "scripts/grant-worker.sql")
    argv = [server.binaries / "psql", "-X", "-q", "-v", f"worker={LOGIN}", "-f", script]
    for _ in range(2):  # safe to repeat
        done = subprocess.run(
            argv, env=server.admin_environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_it_replaces_a_database_and_undoes_that(bench):
    restore = bench.run(onExisting="swap", verify="content")
    assert restore.phase in _DONE, restore.failure
    assert restore.debts == ()
    assert bench.rows("SELECT count(*) > 10 FROM pg_tables WHERE schemaname = 'sales'", CRM)
    flows.undo(bench.control, restore.id)
    while bench.restore.undo.state is not UndoState.DONE:
        bench.step()
    assert bench.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'sales'", CRM) == []


@pytest.mark.parametrize(
    ("taken", "code"),
    [
        (f'ALTER ROLE "{LOGIN}" NOCREATEDB', "no-createdb"),
        (f'ALTER ROLE "{LOGIN}" NOCREATEROLE', "no-createrole"),
    ],
)
def test_without_one_of_them_the_plan_says_which(bench, taken, code):
    bench.rows(taken)
    restore = bench.run(onExisting="swap")
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, code)
    assert bench.databases() == [CRM]


def test_a_database_of_somebody_else_is_not_touched(bench):
    bench.rows(f"ALTER DATABASE {CRM} OWNER TO azuresu")
    restore = bench.run(onExisting="swap")
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "target-privilege")
    assert bench.databases() == [CRM]
