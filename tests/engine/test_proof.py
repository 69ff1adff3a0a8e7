"""The level catalog finds every kind of object again, and misses by its name what is gone."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from restore.adapters.postgres import connect_by_conninfo
from restore.core import archive, catalog
from restore.worker.verify.catalog import read
from tests.engine.oracle import stock


def restored(oracle, source, target):
    """The database that stock pg_restore makes of the features."""
    database = oracle.database(target)
    assert stock(oracle.dump(source, pipe=False), oracle.server(target), database) == []
    return database


def look(oracle, source, target, database):
    """What the archive promises, and what of it is not so in `database`."""
    data = oracle.dump(source, pipe=False).read_bytes()
    expected = catalog.expected(archive.read_head(data, len(data)).entries)
    conninfo = oracle.server(target).superuser_conninfo(database)
    with connect_by_conninfo(conninfo, "test") as connection:
        return expected, catalog.compare(expected, read(connection, expected))


@pytest.mark.parametrize(("source", "target"), [(15, 18)])
def test_all_of_a_nasty_database_is_found_again(oracle, source, target):
    expected, found = look(oracle, source, target, restored(oracle, source, target))
    kinds = Counter(promise.thing.kind for promise in expected.promises)
    assert len(kinds) > 30
    assert set(expected.unchecked) == {"COMMENT"}
    assert (found.lost, found.owners) == ((), ())


@pytest.fixture(scope="module")
def whole(oracle):
    database = restored(oracle, 18, 18)
    _, found = look(oracle, 18, 18, database)
    assert (found.lost, found.owners) == ((), ())
    return database


@pytest.mark.parametrize(
    ("spoiling", "said"),
    [
        ("DROP INDEX app.mv1_u", "INDEX app.mv1_u: not on the server"),
        ("ALTER TABLE app.child DROP COLUMN t CASCADE", "COLUMN app.child.t: not on the server"),
        ("ALTER TABLE app.empty RENAME a TO c", "COLUMN app.empty.a: not on the server"),
        ("DROP TRIGGER t1 ON app.child", "TRIGGER app.child t1: not on the server"),
        ('DROP POLICY "po licy" ON app.child', "POLICY app.child po licy: not on the server"),
        ("ALTER TABLE app.child DISABLE ROW LEVEL SECURITY", "ROW SECURITY app.child: not on the"),
        ("DROP VIEW app.moods CASCADE", "VIEW app.moods: not on the server"),
        ("SELECT setval('app.manual', 7)", "SEQUENCE SET app.manual: expected 12345, found 7"),
        ("SELECT setval('app.manual', 12345, false)", "expected 12345, found 12345 as the next"),
        ("REVOKE USAGE ON SCHEMA app FROM app_ro", "ACL SCHEMA app: USAGE of app_ro is not there"),
        (
            "REVOKE UPDATE (name) ON app.parent FROM app_ro",
            "ACL COLUMN app.parent name: UPDATE of app_ro is not there",
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
            "DEFAULT ACL app_owner FUNCTIONS: not on the server",
        ),
        ("DROP EVENT TRIGGER on_drop", "EVENT TRIGGER on_drop: not on the server"),
        ("SELECT lo_unlink(40001)", "BLOB 40001: not on the server"),
        ("DROP STATISTICS app.st", "STATISTICS app.st: not on the server"),
        ("DROP FUNCTION app.trg() CASCADE", "FUNCTION app.trg(): not on the server"),
        ("ALTER SCHEMA app OWNER TO CURRENT_USER", "SCHEMA app: expected owner app_owner, found"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.mv1_u'::regclass",
            "INDEX app.mv1_u: is not valid",
        ),
        (
            "UPDATE pg_constraint SET convalidated = false WHERE conname = 'child_self_fkey'",
            "FK CONSTRAINT app.child child_self_fkey: is not validated",
        ),
    ],
)
def test_what_is_spoilt_is_named(oracle, whole, spoiling, said):
    database = oracle.database(18, template=whole)
    conninfo = oracle.server(18).superuser_conninfo(database)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(spoiling)
    _, found = look(oracle, 18, 18, database)
    assert said in "\n".join((*found.lost, *found.owners))
