"""Several COPY in one message, with a real server."""

import psycopg
import pytest

from restore.engine.copying import CopyError, copy_all

NAMES = ["a", "b", "c"]


@pytest.fixture
def connection(little, empty):
    with psycopg.connect(little.server.admin_conninfo(empty), autocommit=True) as connection:
        for name in NAMES:
            connection.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, note text)")
        yield connection


def copies(*rows):
    return [
        (f"COPY {name} FROM stdin".encode(), [memoryview(part) for part in parts])
        for name, parts in zip(NAMES, rows, strict=True)
    ]


def counts(connection):
    return [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in NAMES]


def test_each_table_gets_its_rows(connection):
    with connection.transaction():
        copy_all(connection, copies([b"1\tone\n", b"2\ttwo\n"], [], [b"3\t\\N\n"]))
    assert counts(connection) == [2, 0, 1]
    assert connection.execute("SELECT note FROM c").fetchone() == (None,)


def test_more_than_fits_between_the_two_is_taken(connection):
    long = [b"%d\t%s\n" % (number, b"x" * 1_000_000) for number in range(20)]
    with connection.transaction():
        copy_all(connection, copies(long, long, []))
    assert counts(connection) == [20, 20, 0]


def test_the_one_that_is_refused_is_named_and_none_stays(connection):
    rows = copies([b"1\tone\n"], [b"1\tone\n", b"1\tagain\n"], [b"1\tone\n"])
    with pytest.raises(CopyError) as caught, connection.transaction():
        copy_all(connection, rows)
    assert caught.value.copy == 1
    assert isinstance(caught.value.reason, psycopg.errors.UniqueViolation)
    assert counts(connection) == [0, 0, 0]


def test_a_table_that_is_not_there_is_named(connection):
    connection.execute("DROP TABLE c")
    with pytest.raises(CopyError) as caught, connection.transaction():
        copy_all(connection, copies([b"1\tone\n"], [], [b"1\tone\n"]))
    assert caught.value.copy == 2
    assert isinstance(caught.value.reason, psycopg.errors.UndefinedTable)


def test_a_server_that_goes_away_is_an_error_of_the_connection(connection, little, empty):
    pid = connection.info.backend_pid
    with psycopg.connect(little.server.admin_conninfo(empty), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(CopyError) as caught:
        copy_all(connection, copies([b"1\tone\n"], [], []))
    assert isinstance(caught.value.reason, psycopg.OperationalError)
    assert connection.broken
