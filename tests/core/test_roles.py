"""Roles scripts of pg_dumpall 15, 16 and 18: read as values, and cut to what a server takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.psql import Meta, Statement, pieces
from restore.core.role_script import (
    FLAGS,
    AlterRole,
    Attribute,
    CommentOnRole,
    CreateRole,
    GrantRole,
    OtherStatement,
    RoleStatement,
    SecurityLabel,
    SetParameter,
    parse,
    printed,
)
from restore.core.roles import SYSTEM_ROLES, Dropped, RoleTarget, Sanitised, sanitise
from restore.core.sql import text_of, tokens
from restore.errors import ScriptError

DATA = Path(__file__).parent.parent / "data"
OPEN = b"--\n-- PostgreSQL database cluster dump\n--\n"
CLOSE = b"\n--\n-- PostgreSQL database cluster dump complete\n--\n"
ADMIN = "restoreadmin"
OTHERS = frozenset({ADMIN, "azuresu", "azure_pg_admin", "replication"})
steady = settings(deadline=None, derandomize=True)
versions = pytest.mark.parametrize("major", [15, 16, 18])


def read(sql: str) -> tuple[RoleStatement, ...]:
    return parse([OPEN + sql.encode("utf-8", "surrogateescape") + CLOSE])


def real(major: int) -> tuple[RoleStatement, ...]:
    return parse([(DATA / f"roles-pg{major}.sql").read_bytes()])


def on(major: int, existing: frozenset[str] = OTHERS, **rights: object) -> RoleTarget:
    return RoleTarget(major, ADMIN, existing, **rights)  # type: ignore[arg-type]


def reasons(found: Sanitised) -> dict[str, str]:
    return {dropped.what: dropped.reason for dropped in found.dropped}


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
        ("GRANT SET ON PARAMETER x TO a;", OtherStatement("GRANT SET")),
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


@versions
@pytest.mark.parametrize("target", [15, 16, 17, 18])
def test_a_real_script_keeps_every_role_of_the_customer(major, target):
    found = sanitise(real(major), on(target))
    assert found.created == (
        'My-App "Role"',
        "app_owner",
        "app_ro",
        "app_user",
        "made_by_admin",
        "not_azuresu_user",
        "pgadmin",
        "rôle 漢字",
        "svc_rls",
    )
    assert found.sql[0] == "SET client_encoding = 'UTF8';"
    assert "ALTER ROLE \"app_user\" SET \"search_path\" TO 'app', 'public';" in found.sql
    assert any("PASSWORD 'SCRAM-SHA-256$4096:" in statement for statement in found.sql)


def test_what_a_managed_server_refuses_is_left_out_with_its_reason():
    found = sanitise(real(15), on(18))
    assert reasons(found) == {
        "role 'azure_pg_admin'": "a system role",
        "role 'azuresu'": "a system role",
        "role 'replication'": "a system role",
        "REPLICATION of role 'pgadmin'": "the restoring login may not give it",
        "BYPASSRLS of role 'pgadmin'": "the restoring login may not give it",
        "BYPASSRLS of role 'svc_rls'": "the restoring login may not give it",
        "setting log_statement of role 'svc_rls'": "only a superuser may set this parameter, or the"
        " server lacks it",
        "membership of 'app_owner' in 'azure_pg_admin'": "'azure_pg_admin': a system role",
        "membership of 'pgadmin' in 'azure_pg_admin'": "'azure_pg_admin': a system role",
        **{
            f"membership of {member!r} in {role!r}": f"{role!r}: the restoring login holds it"
            " without ADMIN OPTION"
            for member, role in [
                ("app_user", "pg_monitor"),
                ("pgadmin", "pg_monitor"),
                ("app_ro", "pg_read_all_data"),
            ]
        },
        "GRANTED BY, 8 times": "the restoring login grants; only a superuser may name another",
        "NOBYPASSRLS, 7 times": "the default, and the restoring login may not say it",
        "NOREPLICATION, 8 times": "the default, and the restoring login may not say it",
        "NOSUPERUSER, 9 times": "the default, and the restoring login may not say it",
    }


ATTRIBUTES = (
    "CREATE ROLE a; ALTER ROLE a WITH SUPERUSER NOINHERIT CREATEROLE CREATEDB LOGIN"
    " REPLICATION BYPASSRLS PASSWORD 'md5x';"
)


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (on(15), "NOINHERIT CREATEROLE CREATEDB LOGIN"),
        (
            on(15, replication=True, bypassrls=True, createdb=False),
            "NOINHERIT CREATEROLE CREATEDB LOGIN",
        ),
        (on(16), "NOINHERIT CREATEROLE CREATEDB LOGIN"),
        (on(16, createdb=False), "NOINHERIT CREATEROLE LOGIN"),
        (on(18, replication=True), "NOINHERIT CREATEROLE CREATEDB LOGIN REPLICATION"),
        (on(18, bypassrls=True), "NOINHERIT CREATEROLE CREATEDB LOGIN BYPASSRLS"),
        (
            on(18, superuser=True),
            "SUPERUSER NOINHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS",
        ),
    ],
)
def test_attributes_are_kept_where_the_login_may_give_them(target, kept):
    assert sanitise(read(ATTRIBUTES), target).sql[2:] == (
        f"ALTER ROLE \"a\" WITH {kept} PASSWORD 'md5x';",
    )


def test_a_role_without_an_attribute_left_is_not_altered():
    found = sanitise(read("CREATE ROLE a; ALTER ROLE a WITH NOSUPERUSER;"), on(18))
    assert found.sql[1:] == ('CREATE ROLE "a";',)


def test_a_role_that_exists_stays_as_it_is():
    script = read(
        "CREATE ROLE a; ALTER ROLE a WITH NOLOGIN PASSWORD 'secret'; ALTER ROLE a SET x TO 'y';"
        "COMMENT ON ROLE a IS 'x'; ALTER ROLE unknown WITH LOGIN;"
    )
    found = sanitise(script, on(18, existing=OTHERS | {"a"}))
    assert (found.sql, found.created) == ((), ())
    assert reasons(found) == {
        "role 'a'": "exists on the target and stays as it is",
        "role 'unknown'": "not created",
    }
    assert "secret" not in repr(found)


@versions
def test_a_second_run_creates_nothing_and_only_repeats_memberships(major):
    first = sanitise(real(major), on(18))
    there = OTHERS | set(first.created)
    again = sanitise(real(major), on(18, existing=there, grantable=frozenset(first.created)))
    grants = [statement for statement in first.sql if statement.startswith("GRANT")]
    assert list(again.sql[1:]) == grants
    assert again.created == ()


def test_the_restoring_login_and_those_left_out_on_request_are_nobodys_business():
    script = read(
        "CREATE ROLE restoreadmin; CREATE ROLE old; CREATE ROLE a; GRANT a TO restoreadmin;"
        "GRANT restoreadmin TO a; GRANT old TO a; GRANT a TO old;"
        "GRANT a TO ghost; GRANT ghost TO a;"
    )
    found = sanitise(script, on(18, existing=frozenset(), left_out=frozenset({"old"})))
    assert found.sql[1:] == ('CREATE ROLE "a";',)
    assert reasons(found) == {
        "role 'restoreadmin'": "the login that restores",
        "role 'old'": "left out on request",
        "membership of 'restoreadmin' in 'a'": "'restoreadmin': the login that restores",
        "membership of 'a' in 'restoreadmin'": "'restoreadmin': the login that restores",
        "membership of 'a' in 'old'": "'old': left out on request",
        "membership of 'old' in 'a'": "'old': left out on request",
        "membership of 'ghost' in 'a'": "'ghost': not created",
        "membership of 'a' in 'ghost'": "'ghost': not created",
    }


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (on(15, existing=frozenset({"b"})), True),
        (on(16, existing=frozenset({"b"})), False),
        (on(16, existing=frozenset({"b"}), grantable=frozenset({"b"})), True),
        (on(16, existing=frozenset({"b"}), superuser=True), True),
    ],
)
def test_an_existing_role_is_granted_where_the_login_may(target, kept):
    found = sanitise(read("CREATE ROLE a; GRANT b TO a;"), target)
    assert ('GRANT "b" TO "a";' in found.sql) is kept


@pytest.mark.parametrize("major", [15, 18])
def test_a_predefined_role_is_granted_only_with_admin_option(major):
    script = read("CREATE ROLE a; GRANT pg_monitor TO a; GRANT pg_read_all_data TO a;")
    found = sanitise(script, on(major, grantable=frozenset({"pg_monitor"})))
    assert found.sql[2:] == ('GRANT "pg_monitor" TO "a";',)


NEITHER = "INHERIT FALSE, SET FALSE"


@pytest.mark.parametrize(
    ("options", "on_15", "on_16"),
    [
        ("", "", ""),
        (" WITH ADMIN OPTION GRANTED BY x", " WITH ADMIN OPTION", " WITH ADMIN OPTION"),
        (" WITH INHERIT TRUE", "", " WITH INHERIT TRUE"),
        (f" WITH ADMIN OPTION, {NEITHER}", None, f" WITH ADMIN OPTION, {NEITHER}"),
        (" WITH INHERIT FALSE", "", " WITH INHERIT FALSE"),
        (" WITH INHERIT TRUE, SET FALSE", "", " WITH INHERIT TRUE, SET FALSE"),
    ],
)
def test_options_of_a_membership_are_said_as_far_as_the_server_knows_them(options, on_15, on_16):
    script = read(f"CREATE ROLE a; CREATE ROLE b; GRANT a TO b{options};")
    for major, expected in ((15, on_15), (16, on_16)):
        found = sanitise(script, on(major))
        kept = () if expected is None else (f'GRANT "a" TO "b"{expected};',)
        assert found.sql[3:] == kept
        narrowed = major == 15 and "FALSE" in options
        assert any("membership" in what for what in reasons(found)) is narrowed


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ADMIN OPTION, INHERIT FALSE, SET FALSE", "INHERIT TRUE", "ADMIN OPTION, INHERIT TRUE"),
        ("INHERIT FALSE, SET FALSE", "INHERIT FALSE, SET FALSE", "INHERIT FALSE, SET FALSE"),
        ("INHERIT FALSE, SET TRUE", "SET FALSE", "SET TRUE"),
    ],
)
def test_memberships_of_several_grantors_become_one_with_the_rights_of_all(one, other, expected):
    script = read(
        f"CREATE ROLE a; CREATE ROLE b; GRANT a TO b WITH {one} GRANTED BY x;"
        f"GRANT a TO b WITH {other} GRANTED BY y;"
    )
    assert sanitise(script, on(16)).sql[3:] == (f'GRANT "a" TO "b" WITH {expected};',)


@pytest.mark.parametrize(
    ("parameter", "target", "kept"),
    [
        ("work_mem", on(18), True),
        ("log_statement", on(18), False),
        ("Log_Statement", on(18), False),
        ("my.own", on(18), False),
        ("my.own", on(18, parameters=frozenset({"my.own"})), True),
        ("work_mem", on(18, parameters=frozenset()), False),
        ("log_statement", on(18, superuser=True), True),
    ],
)
def test_a_setting_is_kept_where_the_login_may_make_it(parameter, target, kept):
    found = sanitise((CreateRole("a"), SetParameter("a", parameter, ("x",))), target)
    assert any(" SET " in statement for statement in found.sql[1:]) is kept
    assert (f"setting {parameter} of role 'a'" in reasons(found)) is not kept


def test_a_setting_for_one_database_waits_for_its_name():
    script = (CreateRole("a"), SetParameter("a", "work_mem", ("1MB",), "crm"))
    assert reasons(sanitise(script, on(18))) == {
        "setting work_mem of role 'a' in 'crm'": "the database has another name by now"
    }


def test_security_labels_are_set_apart():
    label = SecurityLabel("pgaadauth", "a", "aadauth,oid=1,type=user")
    found = sanitise((CreateRole("a"), label, OtherStatement("DROP ROLE")), on(18))
    assert found.labels == (label,)
    assert reasons(found) == {
        "label of 'a' for 'pgaadauth'": "needs its provider: set apart",
        "statement DROP ROLE": "not one of a roles script's",
    }


def test_no_password_shows_in_a_value():
    (found,) = read("ALTER ROLE a WITH LOGIN PASSWORD 'secret';")
    assert "secret" not in repr(found)
    assert "secret" not in repr(sanitise((CreateRole("a"), found), on(18)))


# Properties over generated scripts.

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
role_names = st.one_of(
    st.sampled_from([*sorted(SYSTEM_ROLES), ADMIN, "pg_monitor", "not_azuresu_user", "Azuresu"]),
    texts.filter(bool),
)
attributes = st.one_of(
    st.sampled_from(sorted(FLAGS)).map(Attribute),
    st.builds(Attribute, st.sampled_from(["PASSWORD", "VALID UNTIL"]), texts),
    st.builds(Attribute, st.just("CONNECTION LIMIT"), st.integers(-1, 99).map(str)),
)
options = st.sampled_from([None, True, False])
statements = st.one_of(
    st.builds(CreateRole, role_names),
    st.builds(AlterRole, role_names, st.lists(attributes, min_size=1).map(tuple)),
    st.builds(
        SetParameter,
        role_names,
        st.sampled_from(["work_mem", "log_statement", "a.b"]),
        st.lists(texts, min_size=1).map(tuple),
        st.one_of(st.just(""), role_names),
    ),
    st.builds(
        GrantRole,
        role_names,
        role_names,
        st.booleans(),
        options,
        options,
        st.one_of(st.just(""), role_names),
    ),
    st.builds(CommentOnRole, role_names, texts),
    st.builds(SecurityLabel, role_names, role_names, texts),
)
scripts = st.lists(statements, max_size=8).map(tuple)


@steady
@given(scripts)
def test_any_script_reads_back_as_printed(script):
    assert read("\n".join(map(printed, script))) == script


@steady
@given(scripts, st.sampled_from([15, 18]), st.booleans())
def test_no_sanitised_script_touches_a_system_role_or_gives_a_superusers_power(script, major, rich):
    created = tuple(CreateRole(s.role) for s in script if isinstance(s, AlterRole | GrantRole))
    found = sanitise(created + script, on(major, replication=rich, bypassrls=rich))
    text = "\n".join(found.sql).encode("utf-8", "surrogateescape")
    read_again = list(pieces([text]))
    assert not any(isinstance(piece, Meta) for piece in read_again)
    assert len(read_again) == len(found.sql)
    for piece in read_again:
        assert isinstance(piece, Statement)
        words = [token.text for token in tokens(text_of(piece.text)) if token.is_name]
        assert words[0] in ("set", "create", "alter", "grant", "comment")
    for statement in read("\n".join(found.sql)):
        assert statement_roles(statement).isdisjoint({*SYSTEM_ROLES, ADMIN})
        if isinstance(statement, AlterRole):
            assert "SUPERUSER" not in {a.keyword.removeprefix("NO") for a in statement.attributes}


def statement_roles(statement: RoleStatement) -> set[str]:
    assert not isinstance(statement, OtherStatement)
    member = {statement.member} if isinstance(statement, GrantRole) else set()
    return {statement.role} | member


@steady
@given(scripts)
def test_a_reason_is_given_for_every_role_left_out(script):
    found = sanitise(script, on(18))
    for role in {s.role for s in script if isinstance(s, CreateRole)}:
        dropped = {d.what for d in found.dropped if isinstance(d, Dropped)}
        assert (role in found.created) is not (f"role {role!r}" in dropped)
