"""A restore that cannot work ends failed with a reason, and leaves the target as it was."""

from __future__ import annotations

import psycopg
import pytest

from restore.adapters.tools import Client
from restore.core.state import Phase
from tests.fakes import MemorySecrets

CRM = "crm_database_archive"


@pytest.fixture
def untouched(bench):
    """The bench; after the test the target is as before."""
    before = bench.databases(), bench.roles(), bench.memberships()
    yield bench
    assert (bench.databases(), bench.roles(), bench.memberships()) == before


def failure(restore):
    assert restore.phase is Phase.FAILED
    return restore.failure


def test_a_truncated_archive_is_refused_before_anything_is_touched(untouched, dump):
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM)[:-40])
    found = failure(untouched.run())
    assert found.code == "dump-damaged"
    assert "fresh container" in found.hint
    assert untouched.restore.task("roles") is None


@pytest.mark.parametrize("scratch_bytes", [2**30, 1], ids=["file", "pipe"])
def test_an_archive_that_only_looks_whole_is_found_out_and_taken_back(
    untouched, dump, scratch_bytes
):
    untouched.limits = untouched.limits.__class__(scratch_bytes=scratch_bytes)
    untouched.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM)[:-400] + bytes(16))
    found = failure(untouched.run())
    assert found.code == "archive"
    assert CRM in found.message


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("stream", "public.t: expected the server to take what the dump holds, found: new row"),
        ("pg_restore", "public.t: expected 5 rows, found 0"),
    ],
)
def test_rows_that_the_server_refused_are_missed(untouched, source, dump, engine, message):
    """The check passes on servers up to 16 only; pg_restore goes on without the table's rows."""
    with psycopg.connect(source.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE picky")
    with psycopg.connect(source.superuser_conninfo("picky"), autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION old() RETURNS boolean LANGUAGE sql AS"
            " $$ SELECT current_setting('server_version_num')::integer < 170000 $$"
        )
        connection.execute("CREATE TABLE t AS SELECT g AS i FROM generate_series(1, 5) g")
        connection.execute("ALTER TABLE t ADD CHECK (old())")
    try:
        untouched.put("database_picky.sql", dump("pg_dump", "-Fc", "picky"))
        untouched.put("roles.sql", dump("pg_dumpall", "--roles-only"))
        found = failure(untouched.run(engine=engine))
    finally:
        with psycopg.connect(source.superuser_conninfo(), autocommit=True) as connection:
            connection.execute("DROP DATABASE picky")
    assert found.code == "data-loss"
    assert message in found.message
    assert "t_check" in found.message


def test_a_script_that_would_run_a_program_is_refused(untouched, dump, tmp_path):
    witness = tmp_path / "here"
    script = dump("pg_dump", CRM).replace(
        b"CREATE TABLE", rb"\! touch %b" % bytes(witness) + b"\nCREATE TABLE", 1
    )
    untouched.put(f"database_{CRM}.sql", script)
    found = failure(untouched.run())
    assert found.code == "script"
    assert "\\!" in found.message
    assert not witness.exists()


def test_a_script_without_its_end_is_refused(untouched, dump):
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", CRM)[:-200])
    found = failure(untouched.run())
    assert found.code == "script"
    assert f"database_{CRM}.sql" in found.message  # which of many


def test_a_script_that_fails_in_the_middle_leaves_nothing(untouched, dump):
    script = dump("pg_dump", CRM).replace(
        b"-- PostgreSQL database dump complete",
        b"SELECT 1/0;\n-- PostgreSQL database dump complete",
    )
    untouched.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    untouched.put(f"database_{CRM}.sql", script)
    found = failure(untouched.run())
    assert "division by zero" in found.message
    assert found.code == "tool"


def test_a_psql_without_restrict_is_not_used_for_scripts(untouched, dump, tmp_path):
    real = untouched.clients[18]
    (tmp_path / "pg_restore").symlink_to(real.program("pg_restore"))
    old = tmp_path / "psql"
    old.write_text(
        "#!/bin/sh\nread first\n"
        r"""printf '%s\n' 'psql:<stdin>:1: error: invalid command \restrict' >&2""" + "\nexit 3\n"
    )
    old.chmod(0o755)
    untouched.clients = {18: Client(18, tmp_path)}
    untouched.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", CRM))
    found = failure(untouched.run())
    assert "August 2025" in found.hint, found.message
    assert found.code == "tool"


def test_an_unreachable_target_is_tried_again_and_then_named(untouched, dump):
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    untouched.port = 1
    found = failure(untouched.run())
    assert found.code == "target-unreachable"
    assert "127.0.0.1:1" in found.message
    assert untouched.restore.task("prepare").attempt == 3


def test_a_wrong_password_is_said_and_not_shown(untouched, dump):
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    untouched.secrets = MemorySecrets({"target": "wrong secret"})
    found = failure(untouched.run())
    assert found.code == "target-login"
    assert "wrong secret" not in str(found)


def test_the_worker_itself_keeps_to_the_list_of_targets(untouched, dump):
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    untouched.start()
    untouched.allowed = ("elsewhere:5432",)
    found = failure(untouched.finish())
    assert found.code == "target-not-allowed"


def test_a_database_that_is_there_already_is_refused_by_default(bench, dump):
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.rows(f"CREATE DATABASE {CRM}")
    assert failure(bench.run()).code == "database-exists"
    assert bench.databases() == [CRM]


def test_a_database_to_set_aside_must_be_ours(bench, dump):
    """Known before anything is restored, not hours later."""
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.rows(f"CREATE DATABASE {CRM}")
    found = failure(bench.run(onExisting="swap"))
    assert (found.code, "azuresu" in found.message) == ("target-privilege", True)
    assert bench.databases() == [CRM]


def test_a_login_that_may_only_read_is_told_how_to_lose_that(untouched, dump):
    untouched.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    login = untouched.server.admin
    untouched.rows(f"ALTER ROLE {login} SET default_transaction_read_only = on")
    try:
        found = failure(untouched.run())
    finally:
        untouched.rows(f"ALTER ROLE {login} RESET default_transaction_read_only")
    assert found.code == "read-only"
    assert f'ALTER ROLE "{login}" RESET default_transaction_read_only;' in found.hint
    assert untouched.restore.task("roles") is None
