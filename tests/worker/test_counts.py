from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest

from restore.adapters.postgres import Server, Tls
from restore.engine.meter import Meter
from restore.errors import DataLossError
from restore.ports import Login
from restore.worker.job import Job, Limits
from restore.worker.load import Loaded
from restore.worker.stop import Stop
from restore.worker.verify.counts import count


@pytest.fixture
def job(bench, target):
    """A job whose login is no superuser, and a database `counted` of its own."""
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE counted")
    with psycopg.connect(target.admin_conninfo("counted"), autocommit=True) as connection:
        connection.execute("CREATE TABLE parent (i integer)")
        connection.execute("CREATE TABLE child () INHERITS (parent)")
        connection.execute("INSERT INTO parent VALUES (1), (2)")
        connection.execute("INSERT INTO child VALUES (3)")
        connection.execute("CREATE TABLE part (i integer) PARTITION BY LIST (i)")
        connection.execute("CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)")
        connection.execute("INSERT INTO part VALUES (1)")
    login = Login("127.0.0.1", target.port, target.admin, target.admin_password, "postgres")
    with ExitStack() as held:
        yield Job(
            ticket=None,
            restore=None,
            server=Server(lambda: login, Tls("disable"), "restore/0/test"),
            landing=None,
            secrets=None,
            clients={},
            limits=Limits(jobs=3),
            stop=Stop(),
            meter=Meter(),
            held=held,
            decided=lambda: False,
        )


def test_each_table_counts_for_itself_and_a_partitioned_one_for_its_parts(job):
    rows = {("public", "parent"): 2, ("public", "child"): 1, ("public", "part"): 1}
    found = count(job, "counted", Loaded(rows))
    assert (found.tables, found.rows_expected, found.rows_found) == (3, 4, 4)
    assert (found.lost, found.warnings) == ((), ())


@pytest.mark.parametrize("expected", [1, 3])
def test_a_row_too_many_or_too_few_is_data_loss(job, expected):
    with pytest.raises(DataLossError, match=rf"public\.parent: expected {expected} rows, found 2"):
        count(job, "counted", Loaded({("public", "parent"): expected, ("public", "child"): 1}))


def test_a_table_that_is_not_there_is_lost_and_its_rows_are_missed(job):
    assert count(job, "counted", Loaded({("public", "none"): 0})).lost == (
        "table public.none: not on the server",
    )
    with pytest.raises(DataLossError, match=r"public\.none: expected 1 rows, found 0"):
        count(job, "counted", Loaded({("public", "none"): 1}))


def test_rows_behind_forced_row_security_are_counted_and_it_stays_forced(job, target):
    without = "ALTER ROLE {} NOBYPASSRLS"
    with psycopg.connect(target.superuser_conninfo("counted"), autocommit=True) as connection:
        connection.execute("ALTER TABLE parent ENABLE ROW LEVEL SECURITY")
        connection.execute("ALTER TABLE parent FORCE ROW LEVEL SECURITY")
        connection.execute(without.format(target.admin))
        try:
            found = count(job, "counted", Loaded({("public", "parent"): 2}))
            state = connection.execute(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'parent'"
            ).fetchone()
        finally:
            connection.execute(f"ALTER ROLE {target.admin} BYPASSRLS")
    assert (found.rows_found, found.warnings, state) == (2, (), (True, True))


def test_a_table_we_may_not_read_is_a_warning(job, target):
    with psycopg.connect(target.superuser_conninfo("counted"), autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (i integer)")
    found = count(job, "counted", Loaded({("public", "theirs"): 0}))
    assert found.warnings == (
        "table public.theirs: its rows could not be counted: permission denied",
    )
