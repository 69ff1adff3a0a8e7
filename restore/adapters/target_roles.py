"""The target's roles and memberships, and what the login may do with them. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.membership import GrantRole
from restore.core.role_target import OPTIONS_SINCE, ExistingRole, RoleTarget

_FLAGS = {
    "SUPERUSER": "rolsuper",
    "INHERIT": "rolinherit",
    "CREATEROLE": "rolcreaterole",
    "CREATEDB": "rolcreatedb",
    "LOGIN": "rolcanlogin",
    "REPLICATION": "rolreplication",
    "BYPASSRLS": "rolbypassrls",
}
_ROLES = f"""
    SELECT rolname, ARRAY[{", ".join(_FLAGS.values())}], rolconnlimit,
           CASE WHEN isfinite(rolvaliduntil)
                THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00:00')
                ELSE coalesce(rolvaliduntil::text, '') END,
           ARRAY(SELECT lower(split_part(setting, '=', 1))
                 FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
                 WHERE s.setrole = r.oid AND s.setdatabase = 0),
           shobj_description(r.oid, 'pg_authid') IS NOT NULL
    FROM pg_roles AS r
"""
# Hidden from pg_settings, and settable for a role all the same.
# Source: guc_parameters.dat, PostgreSQL 18, NO_SHOW_ALL; AlterSetting in pg_db_role_setting.c.
_HIDDEN_PARAMETERS = frozenset({"role"})
_PARAMETER_RIGHTS_SINCE = 15


def read_role_target(connection: Connection) -> RoleTarget:
    """What decides which roles the login can make here."""
    major = connection.info.server_version // 10000
    row = connection.execute(
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None, "current_user is a role"
    name, superuser, createrole, createdb, replication, bypassrls = row
    return RoleTarget(
        major=major,
        admin=name,
        existing=_existing(connection),
        memberships=tuple(_memberships(connection, major)),
        labelled=_names(
            connection,
            "SELECT r.rolname FROM pg_shseclabel AS l JOIN pg_roles AS r ON r.oid = l.objoid"
            " WHERE l.classoid = 'pg_authid'::regclass AND l.provider = 'pgaadauth'",
        ),
        superuser=superuser,
        createrole=createrole,
        createdb=createdb,
        replication=replication,
        bypassrls=bypassrls,
        grantable=_grantable(connection, major),
        parameters=_parameters(connection, major),
    )


def _existing(connection: Connection) -> Mapping[str, ExistingRole]:
    return {
        name: ExistingRole(
            flags=frozenset(flag for flag, has in zip(_FLAGS, flags, strict=True) if has),
            limit=limit,
            until=until,
            settings=frozenset(settings),
            is_commented=is_commented,
        )
        for name, flags, limit, until, settings, is_commented in connection.execute(_ROLES.encode())
    }


def _memberships(connection: Connection, major: int) -> Iterator[GrantRole]:
    """One for each role and member, with the rights of all grantors together."""
    options = "bool_or(inherit_option), bool_or(set_option)"
    statement = (
        f"SELECT r.rolname, m.rolname, bool_or(admin_option),"
        f" {options if major >= OPTIONS_SINCE else 'NULL::boolean, NULL::boolean'}"
        " FROM pg_auth_members AS a JOIN pg_roles AS r ON r.oid = a.roleid"
        " JOIN pg_roles AS m ON m.oid = a.member GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for row in connection.execute(statement.encode()):
        yield GrantRole(*row)


def own_memberships(connection: Connection) -> tuple[GrantRole, ...]:
    """The login's own, each grantor's by itself; only those that it could take back.

    Since 16 that is done in the name of the grantor, whose rights the login must have.
    Source: check_role_grantor in user.c, PostgreSQL 16.
    """
    if connection.info.server_version // 10000 < OPTIONS_SINCE:
        options, ours = "NULL::boolean, NULL::boolean, ''", "true"
    else:
        options, ours = "inherit_option, set_option, g.rolname", "pg_has_role(g.oid, 'USAGE')"
    statement = (
        f"SELECT r.rolname, m.rolname, admin_option, {options}"
        " FROM pg_auth_members AS a JOIN pg_roles AS r ON r.oid = a.roleid"
        " JOIN pg_roles AS m ON m.oid = a.member LEFT JOIN pg_roles AS g ON g.oid = a.grantor"
        f" WHERE m.rolname = current_user AND {ours} ORDER BY 1, g.rolname"
    )
    return tuple(GrantRole(*row) for row in connection.execute(statement.encode()))


def _grantable(connection: Connection, major: int) -> frozenset[str]:
    """The roles that the login may grant; before 16 only PostgreSQL's own are in question.

    Those are tried, and taken back at once: what a service allows there is written nowhere.
    """
    if major >= OPTIONS_SINCE:
        statement = "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, 'USAGE WITH ADMIN OPTION')"
        return _names(connection, statement)
    found = set()
    with connection.transaction(force_rollback=True):
        for role in _names(connection, r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'pg\_%'"):
            try:
                with connection.transaction():
                    form = sql.SQL("GRANT {} TO CURRENT_USER")
                    connection.execute(form.format(sql.Identifier(role)))
            except psycopg.OperationalError:
                raise
            except psycopg.Error:
                continue
            found.add(role)
    return frozenset(found)


def _parameters(connection: Connection, major: int) -> frozenset[str]:
    """Those that the login may set for a role.

    Source: postgresql.org/docs/18/view-pg-settings.html, context; sql-grant.html, SET ON PARAMETER.
    """
    right = "has_parameter_privilege(name, 'SET')" if major >= _PARAMETER_RIGHTS_SINCE else "false"
    statement = (
        "SELECT lower(name) FROM pg_settings"
        f" WHERE context = 'user' OR context = 'superuser' AND {right}"
    )
    return _names(connection, statement) | _HIDDEN_PARAMETERS


def _names(connection: Connection, statement: str) -> frozenset[str]:
    # As bytes, since psycopg's types take only literals as text; all of these are ours.
    return frozenset(name for (name,) in connection.execute(statement.encode()))
