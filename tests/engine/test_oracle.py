"""The oracle's own tests: it finds nothing where nothing is, and something wherever there is."""

from __future__ import annotations

import psycopg
import pytest

from tests.engine.oracle import compare, difference, snapshot, stock

MAJOR = 18

# What is done to a copy, and how the line begins that has to tell of it.
DAMAGE = [
    (
        "TRUNCATE app.infinite",
        "rows app.infinite: expected 3, found 0",
    ),
    (
        "TRUNCATE app.stored; INSERT INTO app.stored VALUES ('t', NULL)",
        "rows app.stored: expected ",
    ),
    (
        "INSERT INTO app.blank VALUES ('')",
        "rows app.blank: expected 1000, found 1001",
    ),
    (
        "INSERT INTO app.nocol DEFAULT VALUES",
        "rows app.nocol: expected 100, found 101",
    ),
    (
        'DROP INDEX app."parent u"',
        'indexes app."parent u": expected [',
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.keys_brin'::regclass",
        "pg_index app.keys_brin: expected {'indisvalid': True}",
    ),
    (
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'app.keys_hash'::regclass",
        "pg_index app.keys_hash: expected {'indisready': True}",
    ),
    (
        "DELETE FROM pg_depend WHERE objid = 'app.\"keys u\"'::regclass",
        'pg_depend index app."keys u": expected [',
    ),
    (
        "UPDATE pg_constraint SET convalidated = false WHERE conname = 'to_u'",
        "pg_constraint app.pointing - to_u: expected {'convalidated': True}",
    ),
    (
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'broken'",
        "pg_constraint app.stray - broken: expected {'convalidated': False}",
    ),
    (
        "ALTER TABLE app.circle_a DROP CONSTRAINT circle_a_b_fkey",
        "constraints app.circle_a circle_a_b_fkey: expected [",
    ),
    (
        "ALTER TABLE app.child DISABLE TRIGGER ALL",
        "pg_trigger app.child RI_ConstraintTrigger_c_N: expected [",
    ),
    (
        "SELECT nextval('app.manual')",
        "sequence values app.manual: expected 12345",
    ),
    (
        "SELECT setval('app.set_not_called', 77)",
        "sequence values app.set_not_called: expected False",
    ),
    (
        "SELECT lo_unlink(40003)",
        "large objects 40003: expected [",
    ),
    (
        "SELECT lo_put(3000000000, 1000, '\\x01')",
        "large objects 3000000000: expected ",
    ),
    (
        "ALTER LARGE OBJECT 40005 OWNER TO app_ro",
        "large objects 40005: expected app_owner",
    ),
    (
        "REVOKE ALL ON LARGE OBJECT 40008 FROM app_ro",
        "large objects 40008: expected ['app_ro: ",
    ),
    (
        "COMMENT ON LARGE OBJECT 40001 IS NULL",
        "large objects 40001: expected lo's, found None",
    ),
    (
        "REVOKE SELECT ON app.child FROM app_ro CASCADE",
        "relations app.child: expected ['",
    ),
    (
        "ALTER TABLE app.empty OWNER TO app_ro",
        "relations app.empty: expected azuresu",
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM app_ro",
        "schema -ALTER DEFAULT PRIVILEGES FOR ROLE azuresu IN SCHEMA app GRANT SELECT",
    ),
    (
        "COMMENT ON INDEX app.parent_pk IS 'changed'",
        "indexes app.parent_pk: expected the index of",
    ),
    (
        "COMMENT ON TRIGGER t1 ON app.child IS NULL",
        "schema -COMMENT ON TRIGGER t1 ON app.child",
    ),
    (
        "REFRESH MATERIALIZED VIEW app.mv_by_key WITH NO DATA",
        "relations app.mv_by_key: expected True, found False",
    ),
    (
        "ALTER TABLE app.circle_a NO FORCE ROW LEVEL SECURITY",
        "relations app.circle_a: expected True",
    ),
    (
        "ALTER EVENT TRIGGER on_drop DISABLE",
        "pg_event_trigger on_drop: expected O",
    ),
    (
        "ALTER INDEX app.parent_expr ALTER COLUMN 2 SET STATISTICS 9",
        "pg_attribute app.parent_expr.expr: expected {'attstattarget': 400}",
    ),
    (
        "ALTER TABLE app.keys REPLICA IDENTITY DEFAULT",
        "relations app.keys: expected i, found d",
    ),
    (
        "ALTER TABLE app.keys SET WITHOUT CLUSTER",
        'indexes app."keys u": expected True',
    ),
    (
        'ALTER PUBLICATION "pub;" DROP TABLE app.child',
        "pg_publication_tables pub; child: expected",
    ),
    (
        "CREATE TABLE public.left_behind (a int)",
        "relations public.left_behind: expected None",
    ),
    (
        "CREATE SCHEMA left_behind",
        "schemas left_behind: expected None",
    ),
]


@pytest.fixture(scope="module")
def restored(oracle):
    database = oracle.database(MAJOR)
    assert stock(oracle.dump(MAJOR, pipe=False), oracle.server(MAJOR), database) == []
    return database


@pytest.fixture(scope="module")
def expected(oracle):
    return oracle.expected(oracle.dump(MAJOR), MAJOR).database


def test_two_restores_of_one_database_are_alike(oracle, restored, expected):
    assert compare(expected, snapshot(oracle.server(MAJOR), restored)) == []
    assert difference(oracle.server(MAJOR), restored, restored) == []


def test_all_damage_is_seen(oracle, restored, expected):
    server = oracle.server(MAJOR)
    damaged = oracle.database(MAJOR, template=restored)
    with psycopg.connect(server.superuser_conninfo(damaged), autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on; SET event_triggers = off")
        for statement, _ in DAMAGE:
            connection.execute(statement)
    lines = compare(expected, snapshot(server, damaged))
    unseen = [start for _, start in DAMAGE if not any(x.startswith(start) for x in lines)]
    assert unseen == [], "\n".join(lines)
