"""`scripts/try`: a user's own dump files, made elsewhere, in any format; the exit code tells."""

import os
import subprocess
import sys

import psycopg
import pytest

from local.postgres import PostgresServer
from local.stack import ROOT

GUID = "0e1f6a52-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def elsewhere():
    """A server of the user's own, with two databases; in one is what a managed server refuses.

    Nobody can tell beforehand that it refuses the index.
    """
    with PostgresServer(18) as server:
        with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
            connection.execute("CREATE ROLE keeper LOGIN PASSWORD 'kept'")
            connection.execute('CREATE DATABASE "Plain & tar" OWNER keeper')
            connection.execute("CREATE DATABASE special OWNER keeper")
        for name in ("Plain & tar", "special"):
            with psycopg.connect(server.superuser_conninfo(name), autocommit=True) as connection:
                connection.execute("SET ROLE keeper")
                connection.execute("CREATE TABLE public.t AS SELECT g FROM generate_series(1,50) g")
                connection.execute("RESET ROLE")
        with psycopg.connect(server.superuser_conninfo("special"), autocommit=True) as connection:
            connection.execute(
                "CREATE FUNCTION public.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
            )
            connection.execute("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()")
            connection.execute(
                "CREATE FUNCTION public.picky(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
                " $$ BEGIN ASSERT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user);"
                " RETURN $1; END $$"
            )
            connection.execute("CREATE INDEX missed ON public.t (public.picky(g))")
        yield server


def dumped(server, folder, database, option):
    path = folder / f"{GUID}_database_{database}.sql"
    run(server, path, "pg_dump", option, "--dbname", database)
    return path


def run(server, path, program, *arguments):
    environment = {
        **os.environ,
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.superuser,
        "PGPASSWORD": server.superuser_password,
    }
    with path.open("wb") as output:
        command = [str(server.binaries / program), *arguments]
        subprocess.run(command, env=environment, stdout=output, check=True)


def tried(folder):
    """Exit code and output of a try."""
    command = [sys.executable, "-m", "local", "try", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("-Ft", 3),
        pytest.param("-Fp", 0, marks=pytest.mark.soak),
        pytest.param("-Fc", 0, marks=pytest.mark.soak),
    ],
)
def test_a_dump_of_any_format_is_restored(elsewhere, tmp_path, option, expected):
    """Only a tar archive's owners and settings cannot be read before it is restored."""
    dumped(elsewhere, tmp_path, "Plain & tar", option)
    run(elsewhere, tmp_path / f"{GUID}_roles.sql", "pg_dumpall", "--roles-only")
    code, output = tried(tmp_path)
    assert code == expected, output
    assert "│equal │" in output


@pytest.mark.soak
def test_a_lost_object_is_partial_and_named(elsewhere, tmp_path):
    dumped(elsewhere, tmp_path, "special", "-Fc")
    run(elsewhere, tmp_path / f"{GUID}_roles.sql", "pg_dumpall", "--roles-only")
    code, output = tried(tmp_path)
    assert code == 4, output
    assert "EVENT TRIGGER" in output
    assert "lost in special: " in output
    assert "missed" in output


@pytest.mark.soak
def test_owners_that_do_not_exist_are_a_warning(elsewhere, tmp_path):
    dumped(elsewhere, tmp_path, "Plain & tar", "-Fc")
    code, output = tried(tmp_path)
    assert code == 3, output
    assert "keeper" in output


@pytest.mark.soak
def test_a_truncated_dump_fails(elsewhere, tmp_path):
    path = dumped(elsewhere, tmp_path, "Plain & tar", "-Fc")
    path.write_bytes(path.read_bytes()[:-40])
    code, output = tried(tmp_path)
    assert code == 5, output
    assert "hint:" in output


@pytest.mark.parametrize("names", [[], ["crm.dump"], [f"{GUID}_roles.sql"]])
def test_a_folder_without_dumps_is_told_how_to_name_them(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("x")
    code, output = tried(tmp_path)
    assert code == 2
    assert "<guid>_database_<name>.sql" in output
