"""Membership is borrowed and given back: what the login had before, it has again."""

from __future__ import annotations

import psycopg
import pytest

from restore.adapters.target import settable_roles
from restore.adapters.target_roles import own_memberships, read_role_target
from restore.core.plan import Plan
from restore.worker.borrowed import borrow, give_back

ROLES = ("bare", "band", "plain", "admin_only", "no_inherit", "no_set", "by_other", "ours")
grantors_apart = pytest.mark.parametrize("server", [16, 18], indirect=True)
BORROWED = tuple(role for role in ROLES if role not in ("band", "plain"))


@pytest.fixture(scope="module", params=[15, 16, 18])
def server(request, servers):
    server = servers[request.param]
    with psycopg.connect(server.admin_conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE mine")
        yield server
        connection.execute("DROP DATABASE mine")


@pytest.fixture
def provider(server):
    """A superuser's session. The login holds each of the roles in another way."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        login = server.admin
        for role in (*ROLES, "other"):
            connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"GRANT plain TO {login}")
        if server.major >= 16:
            for role in ROLES:
                if role not in ("plain", "band"):
                    nothing = "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
                    connection.execute(f"GRANT {role} TO {login} {nothing}")
            connection.execute(f"SET ROLE {login}")
            connection.execute(f"GRANT no_inherit TO {login} WITH INHERIT FALSE, SET TRUE")
            connection.execute(f"GRANT no_set TO {login} WITH INHERIT TRUE, SET FALSE")
            connection.execute(f"GRANT ours TO {login} WITH INHERIT FALSE, SET FALSE")
            connection.execute("RESET ROLE")
            connection.execute("GRANT by_other TO other WITH ADMIN OPTION")
            connection.execute(f"GRANT by_other TO {login} WITH SET FALSE GRANTED BY other")
        yield connection
        for role in (*ROLES, "other"):
            connection.execute(f"DROP OWNED BY {role} CASCADE")
            connection.execute(f"DROP ROLE {role}")


@pytest.fixture
def login(server):
    with psycopg.connect(server.admin_conninfo(), autocommit=True) as connection:
        yield connection


def rows(provider):
    """All there is of memberships, but for the oid that a row has since 16."""
    return provider.execute(
        "SELECT to_jsonb(m) - 'oid' FROM pg_auth_members AS m ORDER BY roleid, member, grantor"
    ).fetchall()


def planned(login):
    held = tuple(own for own in own_memberships(login) if own.role in BORROWED)
    return Plan((), borrow=BORROWED, held=held)


def test_what_is_borrowed_can_be_used_and_is_given_back(server, provider, login):
    before = rows(provider)
    plan = planned(login)
    assert borrow(login, plan) == ()
    assert set(BORROWED) < set(settable_roles(login))
    with psycopg.connect(server.admin_conninfo("mine"), autocommit=True) as inside:
        for role in BORROWED:
            inside.execute(f"CREATE SCHEMA {role} AUTHORIZATION {role}")
            inside.execute(f"CREATE TABLE {role}.t ()")
            inside.execute(f"ALTER TABLE {role}.t OWNER TO {role}")
            inside.execute(f"ALTER TABLE {role}.t ADD x int")
            inside.execute(f"DROP SCHEMA {role} CASCADE")
    assert give_back(login, plan) == ()
    assert rows(provider) == before


def test_to_look_what_may_be_granted_changes_nothing(provider, login):
    before = rows(provider)
    assert "pg_monitor" in read_role_target(login).grantable
    assert rows(provider) == before


def test_whoever_comes_after_a_crash_gives_back_the_same(server, provider, login):
    before = rows(provider)
    plan = planned(login)
    for _ in range(2):
        borrow(login, plan)
    login.execute("REVOKE bare FROM CURRENT_USER")  # half of it was given back
    with psycopg.connect(server.admin_conninfo(), autocommit=True) as another:
        borrow(another, plan)
        for _ in range(2):
            assert give_back(another, plan) == ()
    assert rows(provider) == before


@grantors_apart
def test_what_somebody_else_gave_meanwhile_stays(server, provider, login):
    plan = planned(login)
    borrow(login, plan)
    provider.execute(f"GRANT bare TO {server.admin} WITH INHERIT TRUE, SET TRUE")
    give_back(login, plan)
    assert "bare" in settable_roles(login)
    assert ("bare", server.admin) not in {(own.role, own.grantor) for own in own_memberships(login)}


@grantors_apart
@pytest.mark.parametrize("options", ["set", "inherit", "set, inherit"])
def test_what_the_server_gives_to_a_roles_creator_stays(server, provider, options):
    with psycopg.connect(server.admin_conninfo(), autocommit=True) as login:
        login.execute(f"SET createrole_self_grant TO '{options}'")
        login.execute("CREATE ROLE made")
        try:
            before = rows(provider)
            plan = Plan((), borrow=("made",), creates=("made",))
            assert borrow(login, plan) == ()
            assert "made" in settable_roles(login)
            assert give_back(login, plan) == ()
            assert rows(provider) == before
        finally:
            login.execute("DROP ROLE made")


def test_an_owner_that_cannot_be_borrowed_is_named(server, provider, login):
    provider.execute(f"GRANT {server.admin} TO band")
    provider.execute("CREATE ROLE boss SUPERUSER")
    try:
        plan = Plan((), borrow=("boss", "ghost", "band"))
        refused = borrow(login, plan)
        assert [line.partition(":")[0] for line in refused] == [
            "owner 'band'",
            "owner 'boss'",
            "owner 'ghost'",
        ]
        assert give_back(login, plan) == ()
    finally:
        provider.execute("DROP ROLE boss")
