"""Fill a server with databases, roles and rows like those of a customer."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from psycopg import sql

from local.postgres import PostgresServer

DATABASES: Mapping[str, str] = {
    "shop": "shop",
    "Tenants & Größe": "tenants",
    "crm_database_archive": "small",
    "legacy.sql": "small",
    'O\'Neil "2026"': "small",
}
"""The databases of the sample: the name, and the script that fills it."""

SMALL_DATABASES: Mapping[str, str] = {
    "crm_database_archive": "small",
    "Legacy DB.sql": "small",
    'Größe "2026" 漢字': "small",
}
"""The databases of the small sample."""

OWNER = "shop_owner"

_HERE = Path(__file__).parent
_PARALLEL = 2


def fill(server: PostgresServer, scale: float = 1.0) -> None:
    """Fill a new `server`: five databases, 100+ tables, roles; `scale` multiplies the rows.

    Nothing in it needs a superuser to restore. Databases, and all in them but a few tables, belong
    to roles that are not the admin.
    """
    _fill(server, DATABASES, scale)
    with psycopg.connect(server.superuser_conninfo("shop"), autocommit=True) as connection:
        admin = sql.Identifier(server.admin)
        connection.execute(sql.SQL("ALTER TABLE app.long_row OWNER TO {}").format(admin))
        connection.execute("COMMENT ON DATABASE shop IS 'the web shop'")
        connection.execute("ALTER DATABASE shop SET work_mem = '8MB'")
        connection.execute("ALTER ROLE shop_web IN DATABASE shop SET lock_timeout = '5s'")
        connection.execute("REVOKE CONNECT ON DATABASE shop FROM PUBLIC")
        connection.execute("GRANT CONNECT ON DATABASE shop TO app_readonly, shop_web")


def fill_small(server: PostgresServer) -> None:
    """Fill a new `server` with three oddly named databases of a few hundred rows, and roles."""
    _fill(server, SMALL_DATABASES, 1.0)


def _fill(server: PostgresServer, databases: Mapping[str, str], scale: float) -> None:
    with psycopg.connect(server.admin_conninfo(), autocommit=True) as connection:
        connection.execute(_script("roles"))
        for name in databases:
            create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(OWNER)))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(lambda name: _run(server, name, databases[name], scale), databases))


def _run(server: PostgresServer, name: str, script: str, scale: float) -> None:
    with psycopg.connect(server.superuser_conninfo(name), autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION pg_temp.rows(base integer) RETURNS integer LANGUAGE sql"
                " IMMUTABLE AS {}"
            ).format(sql.Literal(f"SELECT ceil(base * {scale}::float8)::integer"))
        )
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(OWNER)))
        connection.execute("SET synchronous_commit = off")
        connection.execute(_script(script))


def _script(name: str) -> bytes:
    return (_HERE / f"{name}.sql").read_bytes()
