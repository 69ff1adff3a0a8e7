"""What a server takes of the roles of a backup, and what is said about the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore.core.dumps import SYSTEM_ROLES
from restore.core.membership import GrantRole
from restore.core.options import ExistingRoles, WithoutPassword
from restore.core.psql import Meta, Statement, pieces
from restore.core.request import RolePolicy
from restore.core.role_script import (
    FLAGS,
    AlterRole,
    CreateRole,
    OtherStatement,
    RoleStatement,
    SecurityLabel,
    SetParameter,
)
from restore.core.role_target import ExistingRole, RoleTarget
from restore.core.roles import Sanitised, sanitise
from restore.core.sql import text_of, tokens
from tests.core.role_scripts import ADMIN, read, real, scripts, steady, versions

OTHERS = frozenset({ADMIN, "azuresu", "azure_pg_admin", "replication"})
PLAIN = ExistingRole(frozenset({"INHERIT"}))
UPDATE = RolePolicy(ExistingRoles.UPDATE)
GENERATE = RolePolicy(without_password=WithoutPassword.GENERATE)
SKIP = RolePolicy(without_password=WithoutPassword.SKIP)
PREDEFINED = frozenset({"pg_monitor", "pg_read_all_data"})


def on(major, existing=OTHERS, **rights) -> RoleTarget:
    """A target with these roles: names alone, or as they are."""
    if not isinstance(existing, dict):
        existing = dict.fromkeys(existing, PLAIN)
    there = dict.fromkeys(PREDEFINED, PLAIN) | existing
    return RoleTarget(major, ADMIN, there, **rights)


def said(found: Sanitised, *codes: str) -> dict[str, str]:
    return {
        finding.subject: finding.message
        for finding in (*found.warnings, *found.notes)
        if not codes or finding.code in codes
    }


def losses(found: Sanitised) -> dict[str, str]:
    return {finding.subject: finding.message for finding in found.warnings}


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
    lacks = "left out: {!r}: the restoring login lacks ADMIN OPTION on it"
    assert losses(found) == {
        "role 'pgadmin'": "without BYPASSRLS: the restoring login may not give it",
        "role 'svc_rls'": "without BYPASSRLS: the restoring login may not give it",
        "setting log_statement of role 'svc_rls'": "left out: only a superuser may set this"
        " parameter, or the server lacks it",
        "membership of 'app_user' in 'pg_monitor'": lacks.format("pg_monitor"),
        "membership of 'pgadmin' in 'pg_monitor'": lacks.format("pg_monitor"),
        "membership of 'app_ro' in 'pg_read_all_data'": lacks.format("pg_read_all_data"),
    }
    notes = {note.subject: note.message for note in found.notes if note.code == "role-left-out"}
    assert notes == {
        "role 'azure_pg_admin'": "left out: a system role",
        "role 'azuresu'": "left out: a system role",
        "role 'replication'": "left out: a system role",
        "membership of 'app_owner' in 'azure_pg_admin'": "left out: 'azure_pg_admin': a system"
        " role",
        "membership of 'pgadmin' in 'azure_pg_admin'": "left out: 'azure_pg_admin': a system role",
        "GRANTED BY, 8 times": "left out: the restoring login grants; only a superuser may name"
        " another",
        **{
            f"{clause}, {times} times": "left out: the default, and the restoring login may not"
            " say it"
            for clause, times in (("NOBYPASSRLS", 7), ("NOREPLICATION", 8), ("NOSUPERUSER", 9))
        },
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


def test_a_loss_says_what_would_mend_it():
    found = sanitise(read(ATTRIBUTES), on(15))
    assert {finding.hint for finding in found.warnings} == {"as a superuser"}
    assert [finding.fix for finding in found.warnings] == [
        (f'ALTER ROLE "a" {flag};',) for flag in ("SUPERUSER", "REPLICATION", "BYPASSRLS")
    ]


def test_a_role_without_an_attribute_left_is_not_altered():
    found = sanitise(read("CREATE ROLE a; ALTER ROLE a WITH NOSUPERUSER;"), on(18))
    assert found.sql[1:] == ('CREATE ROLE "a";',)


def test_the_restoring_login_and_those_left_out_on_request_are_nobodys_business():
    script = read(
        "CREATE ROLE restoreadmin; CREATE ROLE old; CREATE ROLE a; GRANT a TO restoreadmin;"
        "GRANT restoreadmin TO a; GRANT old TO a; GRANT a TO old;"
        "GRANT a TO ghost; GRANT ghost TO a; GRANT pg_new TO a; ALTER ROLE ghost WITH LOGIN;"
    )
    found = sanitise(script, on(18, existing={}, left_out=frozenset({"old"})))
    assert found.sql[1:] == ('CREATE ROLE "a";',)
    assert said(found) == {
        what: f"left out: {why}"
        for what, why in {
            "role 'restoreadmin'": "the login that restores",
            "role 'old'": "left out on request",
            "role 'ghost'": "not created by the script",
            "membership of 'restoreadmin' in 'a'": "'restoreadmin': the login that restores",
            "membership of 'a' in 'restoreadmin'": "'restoreadmin': the login that restores",
            "membership of 'a' in 'old'": "'old': left out on request",
            "membership of 'old' in 'a'": "'old': left out on request",
            "membership of 'ghost' in 'a'": "'ghost': not created",
            "membership of 'a' in 'ghost'": "'ghost': not created",
            "membership of 'a' in 'pg_new'": "'pg_new': the server has no such role",
        }.items()
    }
    assert {subject for subject in losses(found) if "ghost" not in subject} == {
        "membership of 'a' in 'pg_new'"
    }


# ---- roles that exist --------------------------------------------------------------------------


def test_a_role_that_exists_stays_as_it_is():
    script = read(
        "CREATE ROLE a; ALTER ROLE a WITH NOLOGIN PASSWORD 'secret'; ALTER ROLE a SET x TO 'y';"
        "COMMENT ON ROLE a IS 'x'; CREATE ROLE b; GRANT a TO b;"
    )
    found = sanitise(script, on(18, existing=OTHERS | {"a", "b"}, grantable=frozenset({"a"})))
    assert (found.sql, found.created, found.warnings) == ((), (), ())
    stays = "left out: exists on the target and stays as it is"
    assert said(found) == {
        "role 'a'": stays,
        "role 'b'": stays,
        "membership of 'b' in 'a'": "left out: 'b': exists on the target and stays as it is",
    }
    assert "secret" not in repr(found)


@versions
@pytest.mark.parametrize("policy", [RolePolicy(), GENERATE])
def test_a_second_run_does_nothing(major, policy):
    first = sanitise(real(major), on(18), policy)
    there = OTHERS | set(first.created)
    mine = frozenset(first.created)
    again = sanitise(real(major), on(18, existing=there, grantable=mine), policy)
    assert (again.sql, again.created, again.generated) == ((), (), ())


def test_an_update_adds_what_a_role_lacks():
    script = read(
        "CREATE ROLE a; ALTER ROLE a WITH NOSUPERUSER INHERIT CREATEDB LOGIN BYPASSRLS"
        " CONNECTION LIMIT 9 VALID UNTIL '2031-01-01 01:00:00+01' PASSWORD 'md5x';"
        "ALTER ROLE a SET work_mem TO '8MB'; ALTER ROLE a SET log_statement TO 'all';"
        "COMMENT ON ROLE a IS 'x';"
    )
    there = ExistingRole(frozenset({"INHERIT"}), limit=5, until="2030-01-01 00:00:00.000000+00:00")
    target = on(18, existing={"a": there}, grantable=frozenset({"a"}))
    found = sanitise(script, target, UPDATE)
    assert found.sql[1:] == (
        'ALTER ROLE "a" WITH CREATEDB LOGIN CONNECTION LIMIT 9'
        " VALID UNTIL '2031-01-01 01:00:00+01' PASSWORD 'md5x';",
        'ALTER ROLE "a" SET "work_mem" TO \'8MB\';',
        "COMMENT ON ROLE \"a\" IS 'x';",
    )
    assert found.created == ()
    assert set(losses(found)) == {"role 'a'", "setting log_statement of role 'a'"}
    assert [note.message for note in found.notes if note.code == "role-changed"] == [
        "gets from the backup: CREATEDB, LOGIN, CONNECTION LIMIT, VALID UNTIL, PASSWORD",
        "gets from the backup: the setting work_mem",
        "gets from the backup: the comment",
    ]


def test_an_update_takes_nothing_away():
    script = read(
        "CREATE ROLE a; ALTER ROLE a WITH NOSUPERUSER NOINHERIT NOCREATEDB NOLOGIN"
        " CONNECTION LIMIT 5 VALID UNTIL '2030-01-01 00:00:00+00';"
        "ALTER ROLE a SET work_mem TO '8MB'; COMMENT ON ROLE a IS 'x';"
    )
    there = ExistingRole(
        frozenset({"INHERIT", "CREATEDB", "LOGIN"}),
        until="2031-01-01 00:00:00+00:00",
        settings=frozenset({"work_mem"}),
        is_commented=True,
    )
    target = on(18, existing={"a": there}, grantable=frozenset({"a"}))
    found = sanitise(script, target, UPDATE)
    assert (found.sql, found.warnings) == ((), ())
    assert {note.message for note in found.notes} == {
        *(
            f"{clause} is not taken over: it may more there"
            for clause in ("NOINHERIT", "NOCREATEDB", "NOLOGIN", "CONNECTION LIMIT", "VALID UNTIL")
        ),
        "keeps its own value of work_mem",
        "keeps its comment",
    }


def test_an_update_says_nothing_of_what_is_there_already():
    script = read(
        "CREATE ROLE a; ALTER ROLE a WITH LOGIN NOCREATEDB CONNECTION LIMIT 5 PASSWORD 'md5x'"
        " VALID UNTIL 'infinity';"
    )
    there = ExistingRole(frozenset({"LOGIN"}), limit=5, until="infinity")
    target = on(18, existing={"a": there}, grantable=frozenset({"a"}))
    found = sanitise(script, target, UPDATE)
    assert found.sql[1:] == ("ALTER ROLE \"a\" WITH PASSWORD 'md5x';",)
    assert found.warnings == ()
    assert [note.message for note in found.notes] == ["gets from the backup: PASSWORD"]


@pytest.mark.parametrize(
    ("major", "flags", "grantable", "why"),
    [
        (15, {"SUPERUSER"}, True, "it is a superuser there"),
        (15, {"REPLICATION"}, True, "it has REPLICATION there, which on 15 only a superuser may"),
        (15, set(), False, ""),
        (18, {"REPLICATION"}, True, ""),
        (18, set(), False, "the restoring login lacks ADMIN OPTION on it"),
    ],
)
def test_an_update_is_refused_where_the_login_may_not(major, flags, grantable, why):
    script = read("CREATE ROLE a; ALTER ROLE a WITH CREATEROLE;")
    mine = frozenset({"a"} if grantable else ())
    target = on(major, existing={"a": ExistingRole(frozenset(flags))}, grantable=mine)
    found = sanitise(script, target, UPDATE)
    assert bool(found.sql) is not bool(why)
    assert why in losses(found).get("role 'a'", "")
    nothing = sanitise(script, replace(target, createrole=False), UPDATE)
    assert nothing.sql == ()
    everything = sanitise(script, replace(target, superuser=True), UPDATE)
    assert everything.sql[1:] == ('ALTER ROLE "a" WITH CREATEROLE;',)


@pytest.mark.parametrize(
    ("there", "granted"),
    [
        ((), 'GRANT "a" TO "b" WITH ADMIN OPTION, INHERIT FALSE, SET TRUE;'),
        (
            (GrantRole("a", "b", inherit=True, settable=False),),
            'GRANT "a" TO "b" WITH ADMIN OPTION, INHERIT TRUE, SET TRUE;',
        ),
        ((GrantRole("a", "b", True, True, True),), ""),
    ],
)
def test_an_update_widens_memberships_and_never_narrows_them(there, granted):
    script = read(
        "CREATE ROLE a; CREATE ROLE b; GRANT a TO b WITH ADMIN OPTION, INHERIT FALSE, SET TRUE;"
    )
    both = frozenset({"a", "b"})
    target = on(16, existing=both, grantable=both, memberships=there)
    assert sanitise(script, target, UPDATE).sql[1:] == ((granted,) if granted else ())


# ---- logins without a password -----------------------------------------------------------------

LOGIN = "CREATE ROLE a; ALTER ROLE a WITH CREATEDB LOGIN; CREATE ROLE b; GRANT a TO b;"
OTHER_PASSWORD = "CREATE ROLE c; ALTER ROLE c WITH PASSWORD 'x';"


def test_a_login_without_a_password_waits_for_one():
    found = sanitise(read(LOGIN), on(18))
    assert found.sql[2] == 'ALTER ROLE "a" WITH CREATEDB;'
    (warning,) = found.warnings
    assert (warning.code, warning.subject) == ("login-disabled", "role 'a'")
    assert warning.fix == ("ALTER ROLE \"a\" LOGIN PASSWORD '<password>';",)


def test_one_that_alone_had_none_could_not_log_in_before():
    found = sanitise(read(LOGIN + OTHER_PASSWORD), on(18))
    assert found.warnings == ()
    assert [note.code for note in found.notes] == ["login-disabled"]


def test_a_login_without_a_password_may_get_a_new_one():
    found = sanitise(read(LOGIN), on(18), GENERATE)
    assert found.sql[2] == 'ALTER ROLE "a" WITH CREATEDB LOGIN;'
    assert found.generated == ("a",)
    assert found.warnings == ()


def test_a_login_without_a_password_may_be_left_out_with_all_it_is_in():
    found = sanitise(read(LOGIN), on(18), SKIP)
    assert found.sql[1:] == ('CREATE ROLE "b";',)
    assert found.warnings == ()
    assert said(found) == {
        "role 'a'": "left out: a login without a password, left out on request",
        "membership of 'b' in 'a'": "left out: 'a': a login without a password, left out on"
        " request",
    }


@pytest.mark.parametrize("policy", [UPDATE, replace(GENERATE, existing=ExistingRoles.UPDATE)])
def test_a_role_that_exists_gets_no_login_and_no_password_by_itself(policy):
    target = on(15, existing={"a": PLAIN, "b": PLAIN})
    found = sanitise(read(LOGIN), target, policy)
    assert found.sql[1] == 'ALTER ROLE "a" WITH CREATEDB;'
    assert found.generated == ()
    assert said(found, "login-disabled").keys() == {"role 'a'"}


@pytest.mark.parametrize("policy", [RolePolicy(), GENERATE, SKIP])
def test_a_microsoft_entra_principal_needs_no_password(policy):
    label = SecurityLabel("pgaadauth", "a", "aadauth,oid=11,type=user,admin")
    found = sanitise((*read(LOGIN), label), on(18), policy)
    assert found.sql[2] == 'ALTER ROLE "a" WITH CREATEDB LOGIN;'
    assert found.generated == ()
    (warning,) = found.warnings
    assert (warning.code, warning.subject) == ("entra-role", "role 'a'")
    assert warning.fix == (
        "SELECT * FROM pgaadauth_create_principal_with_oid('a', '11', 'user', true, false);",
        "SECURITY LABEL FOR pgaadauth ON ROLE \"a\" IS 'aadauth,oid=11,type=user,admin';",
    )


def test_other_labels_are_for_their_providers_administrators():
    labels = (
        SecurityLabel("selinux", "a", "s3cret"),
        SecurityLabel("pgaadauth", "a", "s3cret"),
        SecurityLabel("pgaadauth", "azuresu", "aadauth,oid=1,type=user"),
        SecurityLabel("pgaadauth", "ghost", "aadauth,oid=1,type=user"),
        SecurityLabel("pgaadauth", "known", "aadauth,oid=1,type=user"),
    )
    there = OTHERS | {"known"}
    target = on(18, existing=there, labelled=frozenset({"known"}))
    found = sanitise((CreateRole("a"), *labels, OtherStatement("DROP ROLE")), target)
    assert said(found) == {
        "label of role 'a' for 'selinux'": "left out: only its provider's administrator may set it",
        "label of role 'a' for 'pgaadauth'": "left out: only its provider's administrator may set"
        " it",
        "label of role 'azuresu'": "left out: a system role",
        "label of role 'ghost'": "left out: there is no such role",
        "statement DROP ROLE": "left out: not one of a roles script's",
    }
    assert "s3cret" not in repr(found)


# ---- memberships -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (on(15, existing={"b": PLAIN}), True),
        (on(15, existing={"b": ExistingRole(frozenset({"SUPERUSER"}))}), False),
        (on(15, existing={"b": PLAIN}, createrole=False), False),
        (on(15, existing={"b": PLAIN}, createrole=False, grantable=frozenset({"b"})), True),
        (on(16, existing={"b": PLAIN}), False),
        (on(16, existing={"b": PLAIN}, grantable=frozenset({"b"})), True),
        (on(16, existing={"b": PLAIN}, superuser=True), True),
    ],
)
def test_an_existing_role_is_granted_where_the_login_may(target, kept):
    found = sanitise(read("CREATE ROLE a; GRANT b TO a;"), target)
    assert ('GRANT "b" TO "a";' in found.sql) is kept
    assert [w.fix for w in found.warnings] == [('GRANT "b" TO "a";',) for _ in range(not kept)]


@pytest.mark.parametrize("major", [15, 18])
def test_a_predefined_role_is_granted_only_where_the_login_may(major):
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
        assert any("membership" in what for what in losses(found)) is narrowed


@pytest.mark.parametrize(("option", "differs"), [("TRUE", True), ("FALSE", False)])
def test_before_16_the_member_says_whether_it_inherits(option, differs):
    script = read(
        "CREATE ROLE a; CREATE ROLE b; ALTER ROLE b WITH NOINHERIT;"
        f"GRANT a TO b WITH INHERIT {option};"
    )
    found = sanitise(script, on(15))
    assert found.sql[-1] == 'GRANT "a" TO "b";'
    assert ("INHERIT TRUE of the membership of 'b' in 'a'" in losses(found)) is differs


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


# ---- settings ----------------------------------------------------------------------------------


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
@pytest.mark.parametrize("database", ["", "crm"])
def test_a_setting_is_kept_where_the_login_may_make_it(parameter, target, kept, database):
    script = (CreateRole("a"), SetParameter("a", parameter, ("x",), database))
    found = sanitise(script, target, databases=["crm"])
    assert any(" SET " in statement for statement in found.sql[1:]) is (kept and not database)
    assert bool(found.settings) is (kept and bool(database))
    assert bool(found.warnings) is not kept


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        ("a", ""),
        ("known", ""),
        ("other", "'other': the restoring login lacks ADMIN OPTION on it"),
        ("azuresu", "'azuresu': a system role"),
        (ADMIN, f"'{ADMIN}': the login that restores"),
        ("old", "'old': left out on request"),
        ("ghost", "'ghost': there is none"),
    ],
)
def test_a_setting_in_one_database_goes_with_it_for_every_role_there_is(role, reason):
    setting = SetParameter(role, "work_mem", ("1MB",), "crm")
    target = on(
        18,
        existing=OTHERS | {"known", "other"},
        grantable=frozenset({"known"}),
        left_out=frozenset({"old"}),
    )
    found = sanitise((CreateRole("a"), setting), target, databases=["crm"])
    assert found.settings == (() if reason else (setting,))
    what = f"setting work_mem of role {role!r} in database 'crm'"
    assert said(found) == ({what: f"left out: {reason}"} if reason else {})


def test_a_setting_in_a_database_that_is_not_restored_is_left_out():
    script = (CreateRole("a"), SetParameter("a", "work_mem", ("1MB",), "crm"))
    found = sanitise(script, on(18), databases=["shop"])
    assert (found.settings, found.warnings) == ((), ())
    assert said(found) == {
        "setting work_mem of role 'a' in database 'crm'": "left out: the database is not restored"
    }


def test_a_right_on_a_parameter_is_a_superusers_to_give():
    script = read("CREATE ROLE a; GRANT SET ON PARAMETER log_statement TO a;")
    found = sanitise(script, on(18))
    assert losses(found) == {
        "right of role 'a' on parameter log_statement": "left out: only a superuser may grant it"
    }
    assert sanitise(script, on(18, superuser=True)).sql[2:] == (
        'GRANT SET ON PARAMETER "log_statement" TO "a";',
    )


# ---- properties over generated scripts ---------------------------------------------------------

rights = st.fixed_dictionaries({"replication": st.booleans(), "bypassrls": st.booleans()})
policies = st.builds(RolePolicy, st.sampled_from(ExistingRoles), st.sampled_from(WithoutPassword))
states = st.builds(
    ExistingRole,
    st.frozensets(st.sampled_from([flag for flag in sorted(FLAGS) if not flag.startswith("NO")])),
    st.integers(-1, 99),
    st.sampled_from(["", "infinity", "2030-01-01 00:00:00+00:00"]),
    st.frozensets(st.sampled_from(["work_mem", "a.b"])),
    st.booleans(),
)
existing = st.dictionaries(st.sampled_from(["a", "b", "set", "SUPERUSER", '"']), states)


@st.composite
def cases(draw):
    script = draw(scripts)
    named = tuple(CreateRole(s.role) for s in script if isinstance(s, AlterRole | GrantRole))
    there = draw(existing)
    target = on(draw(st.sampled_from([15, 16, 18])), there, **draw(rights))
    mine = frozenset(there) if draw(st.booleans()) else frozenset()
    return named + script, replace(target, grantable=mine), draw(policies)


@steady
@given(cases())
def test_no_sanitised_script_touches_a_system_role_or_gives_a_superusers_power(case):
    found = sanitise(*case)
    text = "\n".join(found.sql).encode("utf-8", "surrogateescape")
    read_again = list(pieces([text]))
    assert not any(isinstance(piece, Meta) for piece in read_again)
    assert len(read_again) == len(found.sql)
    for piece in read_again:
        assert isinstance(piece, Statement)
        words = [token.text for token in tokens(text_of(piece.text)) if token.is_name]
        assert words[0] in ("set", "create", "alter", "grant", "comment")
    for statement in read("\n".join(found.sql)):
        assert subjects(statement).isdisjoint({*SYSTEM_ROLES, ADMIN})
        if isinstance(statement, AlterRole):
            assert "SUPERUSER" not in {a.keyword.removeprefix("NO") for a in statement.attributes}


def subjects(statement: RoleStatement) -> set[str]:
    assert not isinstance(statement, OtherStatement)
    member = {statement.member} if isinstance(statement, GrantRole) else set()
    return {statement.role} | member


@steady
@given(cases())
def test_no_role_that_exists_is_weakened(case):
    script, target, policy = case
    for statement in sanitise(script, target, policy).statements:
        there = target.existing.get(statement.role)
        if there is None or isinstance(statement, GrantRole):
            continue
        assert policy.existing is ExistingRoles.UPDATE
        if isinstance(statement, SetParameter):
            assert statement.parameter not in there.settings
        for attribute in statement.attributes if isinstance(statement, AlterRole) else ():
            assert attribute.keyword not in there.flags
            assert attribute.keyword not in FLAGS or not attribute.keyword.startswith("NO")
            if attribute.keyword == "CONNECTION LIMIT":
                assert 0 <= there.limit != int(attribute.value)
                assert not 0 <= int(attribute.value) < there.limit
            assert (attribute.keyword, there.until) not in (
                ("VALID UNTIL", ""),
                ("VALID UNTIL", "infinity"),
            )


@steady
@given(cases())
def test_a_reason_is_given_for_every_role_left_out(case):
    script, target, policy = case
    found = sanitise(script, target, policy)
    told = {s.role for s in script if isinstance(s, CreateRole)}
    left = {s.subject for s in (*found.warnings, *found.notes) if s.code == "role-left-out"}
    touched = {s.role for s in found.statements} | set(found.created)
    for role in told - set(target.existing):
        assert (role in found.created) is not (f"role {role!r}" in left)
    for role in told & touched:
        assert policy.existing is ExistingRoles.UPDATE or role in {*found.created, *PREDEFINED}
