"""The sample is what it says, and can be restored by an admin who is no superuser."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local import sample
from local.postgres import PostgresServer
from local.sample import DATABASES, SMALL_DATABASES, differences, fingerprint, fingerprint_roles

ROLES = Path(sample.__file__).parent / "roles.sql"
TINY = 0.02


@pytest.fixture(scope="module")
def source() -> Iterator[PostgresServer]:
    with PostgresServer(16) as server:
        sample.fill(server, TINY)
        yield server


@pytest.fixture(scope="module")
def target() -> Iterator[PostgresServer]:
    with PostgresServer(18) as server:
        with psycopg.connect(server.admin_conninfo(), autocommit=True) as connection:
            connection.execute(ROLES.read_bytes())
        yield server


def run(server: PostgresServer, user: str, program: str, *options: str, **pipes) -> None:
    """`user` is "superuser" or "admin"."""
    admin = user == "admin"
    environment = server.admin_environment() if admin else server.superuser_environment()
    subprocess.run([server.binaries / program, *options], env=environment, check=True, **pipes)


def count(found: dict, kind: str) -> int:
    return sum(relation[0] == kind for relation in found["relations"].values())


def test_there_are_over_a_hundred_tables_in_oddly_named_databases(source):
    found = [fingerprint(source.superuser_conninfo(), name) for name in DATABASES]
    assert len(found) >= 4
    assert sum(count(one, "r") for one in found) >= 100
    assert any("_database_" in name for name in DATABASES)
    assert any(name.endswith(".sql") for name in DATABASES)


def test_no_database_and_few_tables_belong_to_the_admin(source):
    for name in DATABASES:
        found = fingerprint(source.superuser_conninfo(), name)
        owners = [relation[1] for relation in found["relations"].values()]
        assert found["database"]["database"][0] == "shop_owner"
        assert owners.count(source.admin) <= 2
        assert "azuresu" not in owners


def test_the_scale_multiplies_the_rows():
    with PostgresServer(16) as server:
        sample.fill(server, TINY * 2)
        found = fingerprint(server.superuser_conninfo(), "shop")["rows"]
    assert found["app.orders"][0] == "1600"


@pytest.mark.parametrize("database", ["shop", "Tenants & Größe", "legacy.sql"])
def test_an_admin_restores_it_without_one_error_and_nothing_differs(
    source, target, database, tmp_path
):
    """From 16 to 18: the fingerprint does not depend on the major."""
    archive = tmp_path / "dump"
    run(source, "superuser", "pg_dump", "-Fc", "-f", str(archive), database)
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} OWNER shop_owner TEMPLATE template0")
        connection.execute(create.format(sql.Identifier(database)))
    run(
        target, "admin", "pg_restore", "--exit-on-error", "-d", f"dbname='{database}'", str(archive)
    )
    expected, found = (
        fingerprint(server.superuser_conninfo(), database) for server in (source, target)
    )
    expected.pop("database")
    found.pop("database")
    assert differences(expected, found) == []


def test_the_roles_have_all_that_can_get_lost(source):
    found = fingerprint_roles(source.superuser_conninfo())
    web = found["shop_web"]
    assert "2031-06-30 12:00:00+00" in web
    assert 25 in web
    assert ["search_path=app, public", "statement_timeout=30s"] in web
    assert "the shop's own login" in web
    assert "app_readonly*" in found["Reporting Team"][-1]
    assert str(found["shop_owner"][8]).startswith("SCRAM-SHA-256$")


@pytest.fixture(scope="module")
def small() -> Iterator[PostgresServer]:
    with PostgresServer(18) as server:
        sample.fill_small(server)
        yield server


def test_the_small_sample_has_three_databases(small):
    for name in SMALL_DATABASES:
        found = fingerprint(small.superuser_conninfo(), name)
        assert sum(int(rows) for rows, _ in found["rows"].values()) > 300


@pytest.mark.parametrize(
    ("change", "section"),
    [
        ("UPDATE part_low SET v = 'other' WHERE k = 7", "rows"),
        ("DELETE FROM part_low WHERE k = 7", "rows"),
        ("SELECT nextval('\"Sch ema\".parent_id_seq')", "sequences"),
        ("GRANT SELECT ON part TO app_readonly", "relations"),
        ("ALTER TABLE part OWNER TO azuresu", "relations"),
        ("ALTER TABLE part ALTER v SET NOT NULL", "columns"),
        ("ALTER TABLE empty ADD CHECK (id > 1) NOT VALID", "constraints"),
        ("CREATE INDEX ON part (v)", "indexes"),
        ("ALTER FUNCTION refuse() SECURITY DEFINER", "functions"),
        ("ALTER TABLE empty DISABLE TRIGGER ALL", "triggers"),
        ('DROP POLICY readers ON "Sch ema".parent', "policies"),
        ("SELECT lo_put(4242, 0, 'A')", "large objects"),
        ("COMMENT ON SCHEMA public IS 'x'", "schemas"),
        ("ALTER TYPE \"Sch ema\".mood ADD VALUE 'new'", "types"),
        ('CREATE OR REPLACE VIEW long_names AS SELECT id, name FROM "Sch ema".parent', "views"),
    ],
)
def test_a_change_shows_in_the_fingerprint(small, change, section):
    database = next(iter(SMALL_DATABASES))
    before = fingerprint(small.superuser_conninfo(), database)
    with psycopg.connect(small.superuser_conninfo(database), autocommit=True) as connection:
        connection.execute(change)
    lines = differences(before, fingerprint(small.superuser_conninfo(), database))
    assert [line for line in lines if line.startswith(section)], lines
