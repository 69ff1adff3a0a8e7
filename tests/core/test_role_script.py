"""Roles scripts of pg_dumpall 15, 16 and 18, read as values and printed."""

from __future__ import annotations

import pytest
from hypothesis import given

from restore.core.membership import GrantRole
from restore.core.role_script import (
    AlterRole,
    Attribute,
    CommentOnRole,
    CreateRole,
    GrantOnParameter,
    OtherStatement,
    SecurityLabel,
    SetParameter,
    database_settings,
    parse,
    printed,
)
from restore.errors import ScriptError
from tests.core.role_scripts import CLOSE, OPEN, read, real, scripts, steady, versions


@versions
def test_every_statement_of_a_real_script_is_known(major):
    found = real(major)
    assert not [s for s in found if isinstance(s, OtherStatement)]
    assert CreateRole('My-App "Role"') in found
    assert SetParameter("app_user", "search_path", ("app", "public")) in found
    assert SetParameter("app_user", "application_name", ('it\'s; \\connect "x"',)) in found
    assert CommentOnRole("app_user", "application\nlogin; \\! echo -- no comment") in found
    newer = None if major == 15 else True
    assert GrantRole("app_ro", "app_user", inherit=newer, grantor="azuresu") in found
    users = next(s for s in found if isinstance(s, AlterRole) and s.role == "app_user")
    assert Attribute("VALID UNTIL", "2030-01-01 00:00:00+00") in users.attributes


@versions
def test_a_real_script_reads_back_as_printed(major):
    found = real(major)
    assert read("\n".join(map(printed, found))) == found


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "ALTER ROLE a WITH CONNECTION LIMIT -1;",
            AlterRole("a", (Attribute("CONNECTION LIMIT", "-1"),)),
        ),
        ("ALTER ROLE a IN DATABASE d SET x.y = 1;", SetParameter("a", "x.y", ("1",), "d")),
        ("GRANT a TO b WITH ADMIN FALSE, SET TRUE;", GrantRole("a", "b", settable=True)),
        ("SECURITY LABEL FOR \"p\" ON ROLE a IS 'l';", SecurityLabel("p", "a", "l")),
        ("DROP ROLE a;", OtherStatement("DROP ROLE")),
        ("CREATE TABLE a ();", OtherStatement("CREATE TABLE")),
        ("CREATE ROLE a SUPERUSER;", OtherStatement("CREATE ROLE")),
        ("ALTER ROLE a WITH;", OtherStatement("ALTER ROLE")),
        ("ALTER ROLE a WITH PASSWORD NULL;", OtherStatement("ALTER ROLE")),
        ("ALTER ROLE a WITH SUPERPOWER;", OtherStatement("ALTER ROLE")),
        ("ALTER ROLE a IN DATABASE d WITH LOGIN;", OtherStatement("ALTER ROLE")),
        ("ALTER ROLE a RENAME TO b;", OtherStatement("ALTER ROLE")),
        ("ALTER ROLE a SET x FROM CURRENT;", OtherStatement("ALTER ROLE")),
        ("GRANT SELECT ON TABLE x TO a;", OtherStatement("GRANT SELECT")),
        ("GRANT a TO b WITH LUCK OPTION;", OtherStatement("GRANT A")),
        ("COMMENT ON TABLE a IS 'x';", OtherStatement("COMMENT ON")),
        ("COMMENT ON ROLE a IS NULL;", OtherStatement("COMMENT ON")),
        ("SET ROLE a;", OtherStatement("SET ROLE")),
        ("SELECT 1;", OtherStatement("SELECT")),
        (";", OtherStatement("")),
    ],
)
def test_a_statement_is_what_its_tokens_say(sql, expected):
    (found,) = read(sql)
    assert found == expected


def test_names_are_read_in_the_scripts_encoding():
    script = "SET client_encoding = 'LATIN1';\nCREATE ROLE \"rôle\";".encode("latin-1")
    assert parse([OPEN + script + CLOSE]) == (CreateRole("rôle"),)


@pytest.mark.parametrize("body", ["\\connect x", "COPY a FROM stdin;\n\\."])
def test_a_roles_script_with_anything_but_statements_is_refused(body):
    with pytest.raises(ScriptError, match="expected statements"):
        read(body)


def test_a_truncated_roles_script_is_refused():
    with pytest.raises(ScriptError, match="dump complete"):
        parse([OPEN + b"CREATE ROLE a;\n"])


def test_an_unknown_statement_cannot_be_printed():
    with pytest.raises(ScriptError, match="DROP ROLE"):
        printed(OtherStatement("DROP ROLE"))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SET ON PARAMETER work_mem TO a", GrantOnParameter(("SET",), "work_mem", "a")),
        (
            'SET, ALTER SYSTEM ON PARAMETER "my.own" TO a WITH GRANT OPTION',
            GrantOnParameter(("SET", "ALTER SYSTEM"), "my.own", "a", True),
        ),
        ("ALL ON PARAMETER my.own TO PUBLIC", GrantOnParameter(("ALL",), "my.own", "public")),
        ("SET TO a", GrantRole("set", "a")),
        ("LUCK ON PARAMETER x TO a", OtherStatement("GRANT LUCK")),
        ("SET ON PARAMETER x TO a WITH LUCK OPTION", OtherStatement("GRANT SET")),
    ],
)
def test_a_right_on_a_parameter_is_not_taken_for_a_membership(sql, expected):
    assert read(f"GRANT {sql};") == (expected,)


def test_the_settings_of_roles_are_found_among_a_databases_properties():
    sql = (
        "ALTER DATABASE d SET work_mem TO '1MB';\nALTER ROLE a IN DATABASE d SET x.y TO 'z';\n"
        "ALTER ROLE a IN DATABASE other SET x.y TO 'z';\nALTER ROLE a SET x.y TO 'z';\n"
    )
    assert database_settings(sql.encode(), "d") == (SetParameter("a", "x.y", ("z",), "d"),)


def test_what_a_script_tells_does_not_show_in_a_value():
    found = read(
        "ALTER ROLE a WITH LOGIN PASSWORD 's3cret'; ALTER ROLE a SET app.token TO 's3cret';"
        "COMMENT ON ROLE a IS 's3cret'; SECURITY LABEL FOR p ON ROLE a IS 's3cret';"
        "DO 's3cret'; ALTER ROLE a WITH CONNECTION LIMIT 5.5;"
    )
    assert "s3cret" not in repr(found)
    assert [s for s in found if isinstance(s, OtherStatement)] == [
        OtherStatement("DO"),
        OtherStatement("ALTER ROLE"),
    ]


@steady
@given(scripts)
def test_any_script_reads_back_as_printed(script):
    assert read("\n".join(map(printed, script))) == script
