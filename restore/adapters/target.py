"""What a plan must know of the target server: read through one session, changing nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from restore.adapters.postgres import Connection, translated
from restore.adapters.target_roles import own_memberships
from restore.core.facts import Existing, Locale, TargetFacts


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
        allow_list = _setting(connection, "azure.extensions")
        port, is_replica = _place(connection)
        return TargetFacts(
            major=major,
            version=version,
            login=login,
            createdb=createdb,
            createrole=createrole,
            superuser=superuser,
            databases=_names(connection, "SELECT datname FROM pg_database ORDER BY 1"),
            existing=_existing(connection),
            roles=_names(connection, "SELECT rolname FROM pg_roles ORDER BY 1"),
            settable_roles=settable_roles(connection),
            extensions=_extensions(connection, superuser, allow_list),
            available=dict(_pairs(connection, _AVAILABLE)),
            allow_list=allow_list,
            preloaded=_preloaded(connection),
            locales=dict(_pairs(connection, _LOCALES)),
            has_icu=bool(_names(connection, _ICU)),
            default_locale=_default_locale(connection),
            settings={name: _base_unit(connection, name) for name in _SETTINGS},
            port=port,
            is_replica=is_replica,
            idle_slots=_names(connection, _IDLE_SLOTS),
            memberships=own_memberships(connection),
            clients=tuple(sorted(clients)),
            cores=_cores(connection),
            free_connections=_free_connections(connection),
        )


_AVAILABLE = "SELECT name, default_version FROM pg_available_extensions"
_LOCALES = (
    "SELECT collcollate, CASE WHEN collencoding < 0 THEN '' ELSE pg_encoding_to_char(collencoding)"
    " END FROM pg_collation WHERE collprovider = 'c' AND collcollate IS NOT NULL"
    " ORDER BY collencoding DESC"
)
# Made where PostgreSQL was built with ICU; "unicode" is there in any case.
# Source: pg_import_system_collations in collationcmds.c, PostgreSQL 18.
_ICU = "SELECT collname FROM pg_collation WHERE collname LIKE '%-x-icu' LIMIT 1"
_IDLE_SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE NOT active ORDER BY 1"
_SETTINGS = (
    "autovacuum",
    "checkpoint_timeout",
    "default_transaction_read_only",
    "idle_session_timeout",
    "log_statement",
    "max_parallel_maintenance_workers",
    "max_wal_size",
    "max_worker_processes",
    "transaction_timeout",
)


def _existing(connection: Connection) -> tuple[Existing, ...]:
    """The databases; a size of 0 where the login may not know it.

    One that is dropped while we look gives no size either.
    Source: postgresql.org/docs/18/functions-admin.html, pg_database_size; CONNECT is needed.
    """
    rows = connection.execute(
        "SELECT datname, oid, CASE WHEN has_database_privilege(oid, 'CONNECT')"
        " THEN coalesce(pg_database_size(oid), 0) ELSE 0 END, pg_get_userbyid(datdba),"
        " pg_has_role(datdba, 'USAGE'), pg_has_role(datdba, 'USAGE WITH ADMIN OPTION')"
        " FROM pg_database ORDER BY 1"
    )
    return tuple(Existing(*row) for row in rows)


def _place(connection: Connection) -> tuple[int | None, bool]:
    """The port the server itself listens on, and whether it is a replica."""
    row = connection.execute("SELECT inet_server_port(), pg_is_in_recovery()").fetchone()
    assert row is not None, "one row"
    return row[0], row[1]


def _default_locale(connection: Connection) -> Locale:
    """Of template0: what a new database has that says nothing else."""
    row = connection.execute(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database"
        " WHERE datname = 'template0'"
    ).fetchone()
    assert row is not None, "every server has template0"
    return Locale(row[0], "", row[1], row[2])


def _setting(connection: Connection, name: str) -> str | None:
    """As SHOW says it; None where the server knows no such parameter."""
    row = connection.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
    return row[0] if row else None


def _base_unit(connection: Connection, name: str) -> str:
    """A number without its unit, as pg_settings has it; "" where there is no such parameter."""
    row = connection.execute("SELECT setting FROM pg_settings WHERE name = %s", (name,)).fetchone()
    return row[0] if row else ""


def _preloaded(connection: Connection) -> tuple[str, ...] | None:
    """Source: guc_parameters.dat, PostgreSQL 18: shown to pg_read_all_settings only."""
    value = _names(
        connection, "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
    )
    if not value:
        return None
    return tuple(word.strip(' "') for word in value[0].split(",") if word.strip(' "'))


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

    To give an object away takes SET, to go on with it then takes what INHERIT gives.
    Source: postgresql.org/docs/18/functions-info.html, pg_has_role; they are two since 16.
    """
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    inherited = "USAGE" if connection.info.server_version >= 160000 else "MEMBER"
    statement = (
        "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, %s) AND pg_has_role(oid, %s)"
        " ORDER BY 1"
    )
    return _names(connection, statement, (right, inherited))


def _extensions(connection: Connection, superuser: bool, allowed: str | None) -> tuple[str, ...]:
    """The extensions the login could create: on the allow-list, or trusted where there is none."""
    if allowed is not None:
        listed = [word.strip().lower() for word in allowed.split(",")]
        statement = "SELECT name FROM pg_available_extensions WHERE lower(name) = ANY(%s)"
        return (*_names(connection, statement, (listed,)), "plpgsql")
    statement = (
        "SELECT name FROM pg_available_extensions AS e JOIN pg_available_extension_versions AS v"
        " USING (name) WHERE v.version = e.default_version AND (%s OR v.trusted) ORDER BY 1"
    )
    return _names(connection, statement, (superuser,))


def _pairs(connection: Connection, statement: str) -> Iterator[tuple[str, str]]:
    yield from connection.execute(statement.encode())


def _names(
    connection: Connection, statement: str, parameters: tuple[object, ...] = ()
) -> tuple[str, ...]:
    # As bytes, since psycopg's types take only literals as text; all of these are ours.
    rows = connection.execute(statement.encode(), parameters or None)
    return tuple(name for (name,) in rows)
