"""The login that scripts/grant-worker.sql makes: it can restore, and each grant is needed."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from restore import flows
from restore.adapters.target import read_facts
from restore.core.state import Phase, UndoState
from restore.worker.job import Limits
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
        admin.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor'")
    granted(server, f"replace={CRM}")
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    yield bench
    bench.wipe(roles)


def granted(server, *variables):
    script = str(ROOT / "scripts/grant-worker.sql")
    argv = [server.binaries / "psql", "-X", "-q", "-f", script]
    for variable in (f"worker={LOGIN}", *variables):
        argv += ["-v", variable]
    for _ in range(2):  # safe to repeat
        done = subprocess.run(
            argv, env=server.admin_environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def take(bench, role):
    """What was given by the script, by who ran it."""
    with psycopg.connect(bench.server.admin_conninfo(), autocommit=True) as admin:
        admin.execute(f'REVOKE {role} FROM "{LOGIN}"')


def visitor(bench):
    """A session of somebody whom the login is no member of."""
    conninfo = psycopg.conninfo.make_conninfo(
        bench.server.superuser_conninfo(CRM), user="visitor", password="visitor"
    )
    return closing(psycopg.connect(conninfo, autocommit=True))


def test_it_replaces_a_database_and_undoes_that(bench):
    with visitor(bench):
        restore = bench.run(onExisting="swap", leaveSeconds=0, verify="content")
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


def test_without_pg_signal_backend_sessions_of_others_hold_up_what_is_replaced(bench):
    take(bench, "pg_signal_backend")
    bench.limits = Limits(publish_tries=1)
    with visitor(bench):
        restore = bench.run(onExisting="swap", leaveSeconds=0)
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "target-busy")
    assert bench.databases() == [CRM]
    assert bench.run(onExisting="swap", leaveSeconds=0).phase in _DONE


def test_without_pg_monitor_the_plan_knows_less(bench):
    assert preloaded(bench) is not None
    take(bench, "pg_monitor")
    assert preloaded(bench) is None
    assert bench.run(onExisting="swap").phase in _DONE


def preloaded(bench):
    conninfo = psycopg.conninfo.make_conninfo(
        bench.server.admin_conninfo(), user=LOGIN, password=PASSWORD
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return read_facts(connection, (18,)).preloaded


def test_subscriptions_are_a_choice(bench):
    bench.rows(f"GRANT pg_create_subscription TO {bench.server.admin} WITH ADMIN OPTION")
    form = f"SELECT pg_has_role('{LOGIN}', 'pg_create_subscription', 'MEMBER')"
    assert bench.rows(form) == [(False,)]
    granted(bench.server, "subscriptions=on")
    assert bench.rows(form) == [(True,)]
    bench.rows(f"REVOKE pg_create_subscription FROM {bench.server.admin} CASCADE")


def test_without_the_name_of_a_database_the_script_gives_no_right_to_one(bench):
    take(bench, "boss")
    granted(bench.server)
    restore = bench.run(onExisting="swap")
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "target-privilege")
    assert bench.run(databases={"suffix": "_copy"}).phase in _DONE
    assert bench.databases() == [CRM, f"{CRM}_copy"]
