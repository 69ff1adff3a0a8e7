"""Plain scripts: whole or not, what may be run, and how many rows they bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.core.psql import Statement, pieces
from restore.core.script import (
    RowCounts,
    about_database,
    by_database,
    count_rows,
    databases,
    ends_cleanly,
    restricted,
    safe,
    whole,
)
from restore.errors import ScriptError

DATA = Path(__file__).parent.parent / "data"
SCRIPTS = {path.name: path.read_bytes() for path in sorted(DATA.glob("*-pg*.sql"))}
CRM = 'Cr\'m_database_€ "x".sql'
OPEN = b"--\n-- PostgreSQL database dump\n--\n"
CLOSE = b"--\n-- PostgreSQL database dump complete\n--\n"
CLUSTER_OPEN, CLUSTER_CLOSE = (p.replace(b"database", b"database cluster") for p in (OPEN, CLOSE))
each = pytest.mark.parametrize("name", SCRIPTS)


def dump(body: bytes) -> list[bytes]:
    return [OPEN + body + b"\n" + CLOSE]


@each
def test_a_whole_script_ends_with_its_trailer(name):
    script = SCRIPTS[name]
    assert ends_cleanly(script[:1000], script[-1000:])
    assert list(whole(pieces([script]))) == list(pieces([script]))


@each
def test_no_truncated_script_passes_for_a_whole_one(name):
    script = SCRIPTS[name]
    end = script.rindex(b" complete")
    for length in range(0, end, 97):
        assert not ends_cleanly(script[:1000], script[:length][-1000:])
        with pytest.raises(ScriptError):
            list(whole(pieces([script[:length]])))


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"SELECT 1;",
        OPEN + CLOSE + b"SELECT 1;",
        CLUSTER_OPEN + OPEN + CLOSE,
        OPEN + CLUSTER_CLOSE,
        b"SELECT '\n-- PostgreSQL database dump complete\n--\n';",
    ],
)
def test_a_trailer_counts_only_at_the_end_of_its_own_dump(script):
    with pytest.raises(ScriptError, match="dump complete"):
        list(whole(pieces([script])))


def test_a_script_without_a_head_may_end_with_either_trailer():
    assert list(whole(pieces([CLOSE])))
    assert list(whole(pieces([CLUSTER_CLOSE])))


def test_a_clusters_script_is_told_apart_by_database():
    script = SCRIPTS["schema-pg16.sql"]
    assert databases([script]) == ("template1", CRM, "latin", "postgres", "void")
    tables = [
        (database, piece.text.split(b"(")[0])
        for database, piece in by_database(pieces([script]))
        if isinstance(piece, Statement) and piece.text.startswith(b"CREATE TABLE public")
    ]
    assert tables == [
        (CRM, b"CREATE TABLE public.child "),
        ("latin", 'CREATE TABLE public."Straße" '.encode()),
    ]


@pytest.mark.parametrize(
    ("argument", "database"),
    [
        (b"crm", "crm"),
        (b'"Crm.x"', "Crm.x"),
        (b'-reuse-previous=on "dbname=\'a \\\'b\\\\ ""c""\'"', 'a \'b\\ "c"'),
    ],
)
def test_each_form_of_connect_names_its_database(argument, database):
    script = pieces([b"\\connect " + argument + b"\nSELECT 1;"])
    assert list(by_database(script)) == [(database, Statement(b"SELECT 1;"))]


def test_a_safe_script_is_the_same_script_without_what_psql_would_obey():
    script = dump(b"\\restrict k\nSET a = b;\n-- c\nCOPY t FROM stdin;\n1\n2\n\\.\n\\unrestrict k")
    assert b"".join(safe(script)) == b"SET a = b;\nCOPY t FROM stdin;\n1\n2\n\\.\n"


@pytest.mark.parametrize(
    "body",
    [
        b"\\connect other",
        b"\\restrict a\n\\connect other\n\\unrestrict a",
        b"\\restrict a\n\\unrestrict b",
        b"\\restrict a\n\\restrict b",
        b"\\unrestrict a",
        b"\\encoding UTF8",
        b"\\! id",
    ],
)
def test_a_script_with_a_will_of_its_own_is_refused(body):
    with pytest.raises(ScriptError, match="found"):
        list(safe(dump(body)))


def test_a_safe_script_runs_in_the_one_transaction_of_its_caller():
    script = b"".join(safe([SCRIPTS["crm-pg18.sql"]], CRM))
    assert b"lo_open" in script
    assert b"BEGIN;" not in script
    assert b"COMMIT;" not in script


@pytest.mark.parametrize(
    "statement", [b"ROLLBACK;", b"END;", b"COMMIT AND CHAIN;", b"start transaction;", b"ABORT;"]
)
def test_a_script_that_would_end_its_callers_transaction_is_refused(statement):
    with pytest.raises(ScriptError, match="transaction control"):
        list(safe(dump(statement)))


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        (b"ALTER TABLE a.t OWNER TO azuresu;", False),
        (b'ALTER FUNCTION a.f(text) OWNER TO "azure_pg_admin";', False),
        (b"ALTER TABLE a.t OWNER TO not_azuresu_user;", True),
        (b"ALTER SCHEMA public OWNER TO pg_database_owner;", True),
        (b"COMMENT ON TABLE a.t IS 'x OWNER TO azuresu';", True),
        (b'ALTER TABLE a." OWNER TO " RENAME TO azuresu2;', True),
    ],
    ids=["service", "quoted", "another", "of PostgreSQL", "in a text", "in a name"],
)
def test_nothing_is_given_to_the_services_own_roles(statement, kept):
    assert (statement in b"".join(safe(dump(statement)))) is kept


def test_a_truncated_script_is_refused_after_its_last_statement():
    """So nothing may be committed before the end was reached."""
    script = safe([OPEN + b"SELECT 1;"])
    assert next(script) == b"SELECT 1;\n"
    with pytest.raises(ScriptError, match="dump complete"):
        next(script)


def test_one_databases_part_says_nothing_about_the_database_itself():
    """It is restored under another name: ALTER DATABASE would hit the live one."""
    part = b"".join(safe([SCRIPTS["schema-pg16.sql"]], CRM))
    assert b"CREATE TABLE app.parent" in part
    assert b"Stra" not in part
    assert CRM.encode().replace(b'"', b'""') not in part
    assert b"ALTER ROLE" not in part


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        (b"CREATE DATABASE a;", False),
        (b"ALTER DATABASE a OWNER TO b;", False),
        (b"COMMENT ON DATABASE a IS 'x';", False),
        (b"SECURITY LABEL FOR p ON DATABASE a IS 'x';", False),
        (b"GRANT CREATE, CONNECT ON DATABASE a TO b;", False),
        (b"REVOKE ALL ON DATABASE a FROM PUBLIC;", False),
        (b'ALTER ROLE "my role" IN DATABASE a SET x TO 1;', False),
        (b"COMMENT ON TABLE database IS 'on database';", True),
        (b"GRANT SELECT ON TABLE a.database TO b;", True),
        (b"CREATE FUNCTION f() LANGUAGE sql AS 'ALTER DATABASE';", True),
    ],
)
def test_only_statements_about_a_database_are_left_out(statement, kept):
    part = b"".join(safe(dump(b"\\connect a\n" + statement), "a"))
    assert part == (statement + b"\n" if kept else b"")
    about = b"".join(about_database(dump(b"\\connect a\n" + statement), "a"))
    assert about == (b"" if kept else statement + b"\n")


def test_rows_are_counted_by_table():
    assert count_rows([SCRIPTS["crm-pg18.sql"]]) == RowCounts(
        {
            ('We ird.Sch"ema', "Tab\"le x'y; --"): 2,
            ("app", "empty"): 0,
            ("app", "nocol"): 3,
            ("app", "onecol"): 4,
            ("app", "parent"): 5,
            ("app", "part_1"): 7,
            ("public", "child"): 2,
        },
        inserts=0,
    )


def test_rows_of_partitions_loaded_through_their_root_add_up():
    script = dump(b"COPY a.t FROM stdin;\n1\n\\.\nCOPY a.t FROM stdin;\n2\n3\n\\.")
    assert count_rows(script) == RowCounts({("a", "t"): 3}, inserts=0)


def test_inserts_are_counted_apart():
    script = dump(b"INSERT INTO a.t VALUES (1), (2);\ninsert into a.t default values;")
    assert count_rows(script) == RowCounts({}, inserts=2)


def test_half_a_script_has_no_count():
    with pytest.raises(ScriptError):
        count_rows([OPEN + b"COPY a.t FROM stdin;\n1\n\\.\n"])


def test_restrict_may_be_taken_up_again_behind_a_connect():
    found = restricted(pieces([SCRIPTS["crm-pg18.sql"]]))
    assert sum(getattr(piece, "command", "") == "connect" for piece in found) == 2
