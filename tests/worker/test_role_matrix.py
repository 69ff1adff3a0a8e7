"""Awkward roles of PostgreSQL 15, 16 and 18, as the provider dumps them, onto 15, 16 and 18.

The login is the customer's admin, who is not a superuser. Whatever is not as it was is announced,
and whatever is announced could not be done by that login.
"""

from __future__ import annotations

import functools
import re
import subprocess

import psycopg
import pytest
from psycopg import sql

from restore.adapters.target_roles import read_role_target
from restore.core.options import ExistingRoles
from restore.core.request import RolePolicy
from restore.core.role_script import OtherStatement, parse, printed
from restore.core.roles import sanitise
from restore.worker.roles import make
from tests.core.role_scripts import CLOSE, OPEN
from tests.worker import nasty_roles
from tests.worker.nasty_roles import SPELL

MAJORS = (15, 16, 18)
SECRETS = re.compile(r"SCRAM-SHA-256\$|md5[0-9a-f]{32}|s3cret-setting")
SETTING = re.compile(r"setting (?P<parameter>\S+) of role '(?P<role>svc_rls)'")
LIMITS = re.compile("(SET|INHERIT).* of the ")


@pytest.fixture(scope="module")
def sources(servers):
    """The roles script of a major, and what was on its server; made when it is asked for."""

    @functools.cache
    def made(major):
        server = servers[major]
        nasty_roles.make(server)
        argv = [server.binaries / "pg_dumpall", "--roles-only"]
        environment = server.superuser_environment()
        script = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True).stdout
        found = nasty_roles.found_on(server)
        nasty_roles.drop(server)
        return script, found

    return made


@pytest.fixture(params=MAJORS, ids=lambda major: f"onto-{major}")
def target(request, servers):
    server = servers[request.param]
    yield server
    nasty_roles.drop(server)


def subjects(findings):
    found = {LIMITS.sub("", finding.subject) for finding in findings}
    return found - {"right of role 'group_c' on parameter log_statement"}


@pytest.mark.parametrize("major", MAJORS)
def test_a_script_reads_back_as_printed(sources, major):
    script = parse([sources(major)[0]])
    assert not [s for s in script if isinstance(s, OtherStatement)]
    again = "\n".join(map(printed, script)).encode()
    assert parse([OPEN + again + CLOSE]) == script


@pytest.mark.parametrize("major", MAJORS)
def test_what_differs_is_announced_and_what_is_announced_differs(sources, target, major):
    script, expected = sources(major)
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as connection:
        sanitised = sanitise(parse([script]), read_role_target(connection))
        assert make(connection, "roles", sanitised.statements) == ()
        assert_unavoidable(connection, sanitised.warnings)
    found = nasty_roles.found_on(target)
    differing = {what for what in expected if found.get(what) != expected[what]}
    disabled = [note for note in sanitised.notes if note.code == "login-disabled"]
    system = {what for what in expected if what.endswith(" in 'azure_pg_admin'")}
    assert differing == subjects((*sanitised.warnings, *disabled)) | system
    assert found.keys() <= expected.keys()
    assert not SECRETS.search(repr(sanitised))


def assert_unavoidable(connection, warnings):
    """What the hints say takes somebody else."""
    for warning in warnings:
        statement = "".join(warning.fix)
        if setting := SETTING.fullmatch(warning.subject):
            statement = f"ALTER ROLE {setting['role']} SET {setting['parameter']} TO 'all'"
        if statement.startswith(("ALTER ROLE", "GRANT")) and "FALSE" not in statement:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize("policy", ExistingRoles)
def test_a_role_that_exists_is_never_weakened(sources, target, policy):
    with psycopg.connect(target.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "CREATE ROLE {role} NOLOGIN NOINHERIT CREATEDB CONNECTION LIMIT 10"
                " PASSWORD 'before' VALID UNTIL '2040-01-01 00:00:00+00';"
                "ALTER ROLE {role} SET work_mem TO '64MB';"
                "COMMENT ON ROLE {role} IS 'of the target';"
                "GRANT {role} TO {admin} WITH ADMIN OPTION;"
                "CREATE ROLE group_b; GRANT group_b TO {role} WITH ADMIN OPTION;"
                "GRANT group_b TO {admin} WITH ADMIN OPTION"
            ).format(role=sql.Identifier(SPELL), admin=sql.Identifier(target.admin))
        )
    before = nasty_roles.found_on(target)
    script, source = sources(16)
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as connection:
        read = read_role_target(connection)
        make(connection, "roles", sanitise(parse([script]), read, RolePolicy(policy)).statements)
    found = nasty_roles.found_on(target)
    if policy is ExistingRoles.KEEP:
        assert {what: found[what] for what in before} == before
        return
    role = f"role {SPELL!r}"
    _, _, _, createdb, login, *_, limit, until, password, comment = found[role]
    assert (createdb, login, limit, until) == (True, True, 10, "2040-01-01 00:00:00+00")
    assert (password, comment) == (source[role][-2], "of the target")
    assert found[f"setting work_mem of {role}"] == "64MB"
    assert found[f"setting search_path of {role}"] == source[f"setting search_path of {role}"]
    assert found[f"membership of {SPELL!r} in 'group_b'"].admin


def test_a_second_run_changes_nothing(sources, target):
    script = parse([sources(16)[0]])
    with psycopg.connect(target.admin_conninfo(), autocommit=True) as connection:
        make(connection, "roles", sanitise(script, read_role_target(connection)).statements)
        once = nasty_roles.found_on(target)
        again = sanitise(script, read_role_target(connection))
        assert again.statements == ()
    assert nasty_roles.found_on(target) == once
