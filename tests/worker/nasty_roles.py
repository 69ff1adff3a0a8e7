"""Roles as awkward as PostgreSQL allows, and what a server has of them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from local.postgres import PostgresServer
from restore.core.membership import GrantRole, either

SPELL = "Ω \"q\" 'n' \\b $$"
LINES = "two\nlines; \\connect x"
ROLES = {
    SPELL: "LOGIN PASSWORD 'p''w\\x' VALID UNTIL '2031-06-30 12:00:00+02' CONNECTION LIMIT 3",
    LINES: "LOGIN PASSWORD 'two' CREATEDB CONNECTION LIMIT 0",
    "PG_upper": "NOLOGIN NOINHERIT",
    "not_azuresu_user": "LOGIN PASSWORD 'not' CREATEROLE VALID UNTIL 'infinity'",
    "expired": "LOGIN PASSWORD 'old' VALID UNTIL '1999-12-31 23:59:59.25+00'",
    "dba": "SUPERUSER LOGIN PASSWORD 'dba'",
    "svc_rls": "LOGIN PASSWORD 'rls' BYPASSRLS",
    "svc_repl": "LOGIN PASSWORD 'repl' REPLICATION",
    "group_a": "NOLOGIN",
    "group_b": "NOLOGIN",
    "group_c": "NOLOGIN CREATEROLE CREATEDB",
    "open": "LOGIN",
}
_STATEMENTS = r"""
ALTER ROLE {spell} SET search_path TO app, "B c", public;
ALTER ROLE {spell} SET work_mem TO '8MB';
ALTER ROLE {spell} SET role TO 'group_a';
ALTER ROLE {lines} SET application_name TO E'it''s\n\\connect "x"';
ALTER ROLE {lines} SET "DateStyle" TO 'German, DMY';
ALTER ROLE svc_rls SET log_statement TO 'all';
ALTER ROLE svc_rls SET app.token TO 's3cret-setting';
COMMENT ON ROLE {spell} IS E'two\n\\! lines; "quoted" ''and'' \\more';
COMMENT ON ROLE group_a IS 'plain';
GRANT group_a TO group_b WITH ADMIN OPTION;
GRANT group_b TO {spell};
GRANT group_b TO "PG_upper";
GRANT group_c TO {lines} WITH ADMIN OPTION;
GRANT "PG_upper" TO group_c;
GRANT pg_monitor TO group_a;
GRANT pg_read_all_data TO {spell};
GRANT azure_pg_admin TO group_c;
GRANT not_azuresu_user TO {admin};
GRANT SET ON PARAMETER log_statement TO group_c;
SET ROLE {admin};
CREATE ROLE made_by_admin LOGIN PASSWORD 'made';
"""
_OPTIONS = r"""
RESET ROLE;
GRANT group_c TO {spell} WITH INHERIT FALSE;
GRANT group_a TO svc_rls WITH SET FALSE, ADMIN TRUE;
GRANT group_a TO "PG_upper" WITH INHERIT TRUE;
GRANT group_c TO svc_rls WITH INHERIT FALSE, SET FALSE;
"""
NAMES = (*ROLES, "made_by_admin")


def make(server: PostgresServer) -> None:
    """All of them on `server`, most by the provider, one by the customer's admin."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        for role, attributes in ROLES.items():
            connection.execute(sql.SQL(f"CREATE ROLE {{}} {attributes}").format(_name(role)))
        connection.execute("SET password_encryption TO md5")
        connection.execute("CREATE ROLE md5er LOGIN PASSWORD 'five'")
        names = {"spell": SPELL, "lines": LINES, "admin": server.admin}
        text = _STATEMENTS + (_OPTIONS if server.major >= 16 else "")
        connection.execute(
            sql.SQL(text).format(**{key: _name(name) for key, name in names.items()})
        )


def drop(server: PostgresServer) -> None:
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        for role in roles(connection):
            connection.execute(sql.SQL("DROP OWNED BY {}").format(_name(role)))
            connection.execute(sql.SQL("DROP ROLE {}").format(_name(role)))


def roles(connection: psycopg.Connection) -> list[str]:
    """The customer's, without the admin."""
    rows = connection.execute(
        r"SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND NOT rolname = ANY(%s)"
        " ORDER BY 1",
        (["azuresu", "azure_pg_admin", "replication", "pgadmin"],),
    )
    return [name for (name,) in rows]


def found_on(server: PostgresServer) -> dict[str, object]:
    """What there is of each role, setting and membership, by the names findings have for them."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("SET TimeZone TO 'UTC'")
        customers = roles(connection)
        return {
            **dict(_attributes(connection, customers)),
            **dict(_settings(connection, customers)),
            **dict(_memberships(connection, customers)),
        }


def _attributes(
    connection: psycopg.Connection, customers: list[str]
) -> Iterator[tuple[str, object]]:
    rows = connection.execute(
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,"
        " rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil::text, rolpassword,"
        " shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname = ANY(%s)",
        (customers,),
    )
    for name, *rest in rows:
        yield f"role {name!r}", rest


def _settings(connection: psycopg.Connection, customers: list[str]) -> Iterator[tuple[str, object]]:
    rows = connection.execute(
        "SELECT rolname, unnest(setconfig) FROM pg_db_role_setting JOIN pg_roles ON oid = setrole"
        " WHERE setdatabase = 0 AND rolname = ANY(%s)",
        (customers,),
    )
    for name, setting in rows:
        parameter, _, value = setting.partition("=")
        yield f"setting {parameter} of role {name!r}", value


def _memberships(
    connection: psycopg.Connection, customers: list[str]
) -> Iterator[tuple[str, object]]:
    """With the rights of all grantors; before 16 a member inherits or not, and may SET ROLE."""
    newer = connection.info.server_version >= 160000
    options = "inherit_option, set_option" if newer else "m.rolinherit, true"
    rows = connection.execute(
        f"SELECT r.rolname, m.rolname, admin_option, {options} FROM pg_auth_members AS a"
        " JOIN pg_roles AS r ON r.oid = roleid JOIN pg_roles AS m ON m.oid = member"
        " WHERE m.rolname = ANY(%s)",
        (customers,),
    )
    together: dict[str, GrantRole] = {}
    for row in rows:
        grant = GrantRole(*row)
        what = f"membership of {grant.member!r} in {grant.role!r}"
        together[what] = either(together.get(what, grant), grant)
    yield from together.items()


def _name(role: str) -> sql.Identifier:
    return sql.Identifier(role)
