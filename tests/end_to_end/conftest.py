"""One stack for these tests, and no longer: one that idles slows all others down."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from local import sample
from local.postgres import PostgresServer
from local.stack import Stack
from local.vault import Faults
from local.vault.account import Account
from tests.collector import Collector
from tests.waiting import eventually

SYSTEM = {"azure_maintenance", "azure_sys", "postgres", "template0", "template1"}


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Where the whole stack's spans and metrics go."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="package")
def whole_stack(collector: Collector) -> Iterator[Stack]:
    settings = {**collector.settings, "RESTORE_GUARD_TENANT": "tenant"}
    with Stack(workers=2, lock_seconds=5, settings=settings) as stack:
        assert stack.source is not None
        sample.fill_small(stack.source)
        stack.vault.take_backup()
        yield stack


@pytest.fixture
def stack(whole_stack: Stack) -> Iterator[Stack]:
    """The stack in good health, its target as a new server's."""
    yield whole_stack
    whole_stack.vault.faults = Faults()
    whole_stack.vault.account = Account()
    whole_stack.watch_blobs()
    while len(whole_stack.workers) < 2:
        whole_stack.add_worker()
    _empty(whole_stack.target)


@dataclass(frozen=True)
class Snapshot:
    """What a restore could have changed on a server, or left running there."""

    databases: frozenset[str]
    roles: tuple[tuple[object, ...], ...]
    memberships: tuple[tuple[object, ...], ...]
    borrowed: tuple[tuple[object, ...], ...]  # memberships the admin gave itself
    locks: int
    sessions: tuple[str, ...]


def snapshot(server: PostgresServer) -> Snapshot:
    """What is there once sessions that were closed have ended; what stays does show."""
    last = [_snapshot(server)]

    def quiet() -> bool:
        last[0] = _snapshot(server)
        return not (last[0].locks or last[0].sessions)

    eventually(quiet, seconds=5)
    return last[0]


def _snapshot(server: PostgresServer) -> Snapshot:
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:

        def rows(query: str) -> tuple[tuple[object, ...], ...]:
            return tuple(connection.execute(query).fetchall())

        return Snapshot(
            frozenset(str(name) for (name,) in rows("SELECT datname FROM pg_database")),
            rows("SELECT rolname, rolcanlogin, rolconfig FROM pg_roles ORDER BY 1"),
            rows(
                "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members"
                " ORDER BY 1, 2"
            ),
            rows(
                "SELECT roleid::regrole::text FROM pg_auth_members"
                f" WHERE member = grantor AND member = {server.admin!r}::regrole"
            ),
            len(rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")),
            tuple(
                str(name)
                for (name,) in rows(
                    "SELECT application_name FROM pg_stat_activity"
                    " WHERE application_name LIKE 'restore/%'"
                )
            ),
        )


def _empty(server: PostgresServer) -> None:
    """Drop what tests restored: databases first, then roles, which nothing depends on by then."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        databases = connection.execute("SELECT datname FROM pg_database").fetchall()
        for (name,) in databases:
            if name not in SYSTEM:
                drop = psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)")
                connection.execute(drop.format(psycopg.sql.Identifier(name)))
        roles = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"
            " AND rolname NOT IN ('azuresu', 'azure_pg_admin', 'replication', %s)",
            (server.admin,),
        ).fetchall()
        for (name,) in roles:
            drop = psycopg.sql.SQL("DROP ROLE {}")
            connection.execute(drop.format(psycopg.sql.Identifier(name)))
