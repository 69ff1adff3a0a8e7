"""What a plan must know of the target server: read through one session, changing nothing."""

from __future__ import annotations

from collections.abc import Collection

from restore.adapters.postgres import Connection, translated
from restore.core.facts import TargetFacts
from restore.core.roles import RoleTarget


def read_facts(connection: Connection, clients: Collection[int]) -> TargetFacts:
    """What a plan must know of the server. Reads only."""
    with translated(connection):
        major = connection.info.server_version // 10000
        row = connection.execute(
            "SELECT current_setting('server_version'), rolname, rolcreatedb, rolcreaterole,"
            " rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row is not None, "current_user is a role"
        version, login, createdb, createrole, superuser = row
        return TargetFacts(
            major=major,
            version=version,
            login=login,
            createdb=createdb,
            createrole=createrole,
            superuser=superuser,
            databases=_names(connection, "SELECT datname FROM pg_database ORDER BY 1"),
            roles=_names(connection, "SELECT rolname FROM pg_roles ORDER BY 1"),
            settable_roles=settable_roles(connection),
            extensions=_extensions(connection, superuser),
            clients=tuple(sorted(clients)),
            cores=_cores(connection),
            free_connections=_free_connections(connection),
        )


def _cores(connection: Connection) -> int:
    """The server's cores, guessed: no SQL tells them.

    A flexible server has a quarter of its memory in shared_buffers, and 4 GiB of memory a core.
    Source: learn.microsoft.com/azure/postgresql, "Compute options" and "Server parameters".
    """
    row = connection.execute(
        "SELECT setting::bigint * 8192 >> 30 FROM pg_settings WHERE name = 'shared_buffers'"
    ).fetchone()
    assert row is not None, "every server has shared_buffers"
    return min(max(int(row[0]), _FEWEST_CORES), _MOST_CORES)


_FEWEST_CORES, _MOST_CORES = 2, 32


def _free_connections(connection: Connection) -> int:
    """How many sessions there may still be, without those kept for the server's own."""
    row = connection.execute(
        "SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)"
        " - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        " FROM pg_settings WHERE name IN"
        " ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return max(0, int(row[0]))


def settable_roles(connection: Connection) -> tuple[str, ...]:
    """The roles that the login can act as, itself included.

    Source: postgresql.org/docs/18/functions-info.html, pg_has_role; SET is a right of its own
    since 16.
    """
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    statement = "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, %s) ORDER BY 1"
    return _names(connection, statement, (right,))


def read_role_target(connection: Connection) -> RoleTarget:
    """What decides which roles the login can make here. Reads only."""
    major = connection.info.server_version // 10000
    row = connection.execute(
        "SELECT rolname, rolsuper, rolcreatedb, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None, "current_user is a role"
    name, superuser, createdb, replication, bypassrls = row
    grantable = "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')"
    return RoleTarget(
        major=major,
        admin=name,
        existing=frozenset(_names(connection, "SELECT rolname FROM pg_roles")),
        superuser=superuser,
        createdb=createdb,
        replication=replication,
        bypassrls=bypassrls,
        grantable=frozenset(_names(connection, grantable)),
    )


def _extensions(connection: Connection, superuser: bool) -> tuple[str, ...]:
    """The extensions the login could create: on the allow-list, or trusted where there is none."""
    row = connection.execute("SELECT current_setting('azure.extensions', true)").fetchone()
    allowed = row[0] if row else None
    if allowed is not None:
        listed = [word.strip().lower() for word in allowed.split(",")]
        statement = "SELECT name FROM pg_available_extensions WHERE lower(name) = ANY(%s)"
        return (*_names(connection, statement, (listed,)), "plpgsql")
    statement = (
        "SELECT name FROM pg_available_extensions AS e JOIN pg_available_extension_versions AS v"
        " USING (name) WHERE v.version = e.default_version AND (%s OR v.trusted) ORDER BY 1"
    )
    return _names(connection, statement, (superuser,))


def _names(
    connection: Connection, statement: str, parameters: tuple[object, ...] = ()
) -> tuple[str, ...]:
    # As bytes, since psycopg's types take only literals as text; all of these are ours.
    rows = connection.execute(statement.encode(), parameters or None)
    return tuple(name for (name,) in rows)
