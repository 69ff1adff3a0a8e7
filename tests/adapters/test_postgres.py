from __future__ import annotations

import inspect
import socket

import psycopg
import pytest

from local.postgres import PostgresServer
from restore.adapters import postgres
from restore.adapters.postgres import (
    BusyError,
    FullError,
    LoginError,
    PrivilegeError,
    Server,
    Tls,
    UnreachableError,
    error_of,
    said_by_tool,
)
from restore.adapters.target import read_facts
from restore.adapters.target_roles import read_role_target
from restore.core.dumps import Blob, Format, read_set
from restore.core.facts import DumpFacts, Locale
from restore.core.planning import plan
from restore.core.request import parse
from restore.errors import RestoreError, TargetError, TransientError
from restore.ports import Login
from restore.worker.database import create_statement


@pytest.fixture(scope="module", params=[16, 18])
def target(request):
    with PostgresServer(request.param, settings={"max_connections": "20"}) as server:
        yield server


def login(target, **changes):
    fields = {
        "host": "127.0.0.1",
        "port": target.port,
        "user": target.admin,
        "password": target.admin_password,
        "database": "postgres",
    }
    return Login(**{**fields, **changes})


def server(target, tls=Tls("disable"), **changes):  # noqa: B008
    return Server(lambda: login(target, **changes), tls, "restore/0123456789abcdef/test")


def test_facts_tell_what_the_login_may_do(target):
    with server(target).connect() as connection:
        facts = read_facts(connection, [18, 16])
    assert (facts.major, facts.login) == (target.major, target.admin)
    assert (facts.createdb, facts.createrole, facts.superuser) == (True, True, False)
    assert {"postgres", "azure_sys", "template1"} <= set(facts.databases)
    assert {"azuresu", "azure_pg_admin", target.admin} <= set(facts.roles)
    assert {"azure_pg_admin", target.admin} <= set(facts.settable_roles)
    assert "azuresu" not in facts.settable_roles
    assert "plpgsql" in facts.extensions
    assert facts.clients == (16, 18)


def test_with_an_allow_list_only_what_it_names_can_be_created(target):
    with psycopg.connect(target.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("ALTER DATABASE postgres SET azure.extensions = 'PLPGSQL, no_such'")
        try:
            with server(target).connect() as ours:
                extensions = read_facts(ours, []).extensions
        finally:
            connection.execute("ALTER DATABASE postgres RESET azure.extensions")
    assert set(extensions) == {"plpgsql"}


def test_facts_tell_how_the_server_is_set_up(target):
    with psycopg.connect(target.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('nobody')")
        connection.execute("CREATE ROLE boss")
        connection.execute("CREATE DATABASE theirs OWNER boss")
        connection.execute(f"ALTER ROLE {target.admin} SET default_transaction_read_only = on")
        try:
            with server(target).connect() as ours:
                facts = read_facts(ours, [18])
        finally:
            connection.execute(f"ALTER ROLE {target.admin} RESET default_transaction_read_only")
            connection.execute("SELECT pg_drop_replication_slot('nobody')")
            connection.execute("DROP DATABASE theirs")
            connection.execute("DROP ROLE boss")
    assert (facts.port, facts.is_replica, facts.allow_list) == (target.port, False, None)
    assert facts.idle_slots == ("nobody",)
    assert facts.settings["default_transaction_read_only"] == "on"
    assert facts.settings["max_wal_size"] == "2048"
    assert facts.settings["transaction_timeout"] == ("0" if target.major >= 17 else "")
    assert facts.available["plpgsql"] == "1.0"
    assert facts.preloaded in ((), None)
    assert facts.locales["C"] == ""
    assert facts.default_locale == Locale("UTF8", "", "C.UTF-8", "C.UTF-8")
    existing = {there.name: there for there in facts.existing}
    assert existing["postgres"].size_bytes > 0
    assert existing["azure_maintenance"].size_bytes == 0  # we may not connect to it
    theirs = existing["theirs"]
    assert (theirs.owner, theirs.is_ours, theirs.may_be) == ("boss", False, False)


@pytest.mark.parametrize(
    "locale",
    [
        Locale(),
        Locale("UTF8", "libc", "C.UTF-8", "C.utf8"),
        Locale("LATIN1", "libc", "C", "POSIX"),
        Locale("LATIN1", "libc", "C.UTF-8", "C.UTF-8"),
        Locale("SQL_ASCII", "libc", "C.UTF-8", "C.UTF-8"),
        Locale("UTF8", "libc", "xx_XX.utf8", "xx_XX.utf8"),
        Locale("UTF8", "icu", "C.UTF-8", "C.UTF-8", "de-DE"),
        Locale("UTF8", "builtin", "C", "C", "C.UTF-8"),
        Locale("UTF8", "builtin", "C", "C", "PG_UNICODE_FAST"),
    ],
    ids=str,
)
def test_the_plan_foretells_which_locales_the_server_refuses(target, locale):
    with server(target).connect() as connection:
        facts = read_facts(connection, [18])
        blob = Blob("d98a8d0a-89c8-4b84-9c58-c6c8743e8478_database_a.sql", 5, "etag")
        fact = DumpFacts("a", blob, Format.ARCHIVE, (1, 14), locale=locale)
        request = parse(
            b'{"source": {"container": "https://a.blob.core.windows.net/files"},'
            b' "target": {"host": "127.0.0.1", "user": "x"}}'
        )
        foretold = plan("0123456789abcdef", request, read_set([blob]), (fact,), facts)
        try:
            statement = create_statement("a", locale, connection.info.server_version)
            connection.execute(statement)
        except psycopg.Error as exc:
            refused = str(exc)
        else:
            refused = ""
            connection.execute("DROP DATABASE a")
    said = [f.message for f in foretold.warnings if f.code == "locale-default"]
    assert len(said) == bool(refused), (said, refused)


def test_a_role_target_tells_what_may_be_granted(target):
    with server(target).connect() as connection:
        found = read_role_target(connection)
    assert (found.major, found.admin, found.superuser) == (target.major, target.admin, False)
    assert "pg_monitor" in found.grantable
    assert "pg_read_all_data" not in found.grantable


def test_sessions_have_no_timeouts_and_say_whose_they_are(target):
    with psycopg.connect(target.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {target.admin} SET statement_timeout = '1s'")
        try:
            with server(target).connect() as ours:
                shown = [
                    ours.execute(f"SHOW {name}").fetchone()[0]
                    for name in ("statement_timeout", "application_name", "client_encoding")
                ]
        finally:
            connection.execute(f"ALTER ROLE {target.admin} RESET statement_timeout")
    assert shown == ["0", "restore/0123456789abcdef/test", "UTF8"]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"password": "wrong"}, LoginError, "password authentication failed"),
        ({"user": "nobody"}, LoginError, "password authentication failed"),
        ({"database": "none"}, TargetError, 'database "none" does not exist'),
        ({"host": "127.0.0.1", "port": 1}, UnreachableError, "127.0.0.1:1"),
        ({"host": "no-such-host.invalid"}, UnreachableError, "no-such-host.invalid"),
        ({"database": "azure_maintenance"}, LoginError, "permission denied for database"),
    ],
)
def test_a_failed_connection_is_explained(target, changes, error, said):
    with pytest.raises(error, match=said) as caught:
        server(target, **changes).connect()
    assert caught.value.hint
    assert "wrong" not in caught.value.message


def test_tls_is_not_given_up_silently(target):
    with pytest.raises(LoginError, match="SSL"):
        server(target, Tls("require")).connect()


def connect_all(target, connections):
    for _ in range(25):
        connections.append(server(target).connect())


def test_a_server_without_free_slots_is_busy(target):
    connections = []
    try:
        with pytest.raises(BusyError) as caught:
            connect_all(target, connections)
        assert isinstance(caught.value, TransientError)
    finally:
        for connection in connections:
            connection.close()


def test_a_server_that_never_answers_is_unreachable(target, monkeypatch):
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnreachableError):
        server(target, port=silent.getsockname()[1]).connect()


def test_a_childs_environment_is_complete_and_ours_is_left_alone(target, monkeypatch):
    monkeypatch.setenv("PGHOST", "elsewhere")
    environment = server(target, Tls("verify-full", "/roots.pem")).environment()
    assert environment["PGHOST"] == "127.0.0.1"
    assert environment["PGPASSWORD"] == target.admin_password
    assert (environment["PGSSLMODE"], environment["PGSSLROOTCERT"]) == ("verify-full", "/roots.pem")
    assert "PGSSLROOTCERT" not in server(target).environment()
    assert "HOME" not in environment


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (psycopg.errors.DiskFull, FullError),
        (psycopg.errors.OutOfMemory, FullError),
        (psycopg.errors.ReadOnlySqlTransaction, FullError),
        (psycopg.errors.TooManyConnections, BusyError),
        (psycopg.errors.ObjectInUse, BusyError),
        (psycopg.errors.LockNotAvailable, BusyError),
        (psycopg.errors.QueryCanceled, BusyError),
        (psycopg.errors.SerializationFailure, BusyError),
        (psycopg.errors.DeadlockDetected, BusyError),
        (psycopg.errors.AdminShutdown, UnreachableError),
        (psycopg.errors.CrashShutdown, UnreachableError),
        (psycopg.errors.CannotConnectNow, UnreachableError),
        (psycopg.errors.ConnectionFailure, UnreachableError),
        (psycopg.errors.InsufficientPrivilege, PrivilegeError),
        (psycopg.errors.DuplicateDatabase, TargetError),
        (psycopg.errors.ObjectNotInPrerequisiteState, TargetError),
    ],
)
def test_each_kind_of_refusal_has_its_family(error, family):
    where = Login("h", 5432, "u", "p", "d")
    found = error_of(error("reason"), where)
    assert type(found) is family
    assert found.message.startswith("target h:5432/d: ")


def test_every_error_of_the_driver_becomes_one_of_ours():
    where = Login("h", 5432, "u", "secret", "d")
    classes = [
        found
        for _, found in inspect.getmembers(psycopg.errors, inspect.isclass)
        if issubclass(found, psycopg.Error)
    ]
    assert len(classes) > 200
    for found in classes:
        ours = error_of(found("reason"), where)
        assert isinstance(ours, RestoreError)
        assert "secret" not in str(ours)


@pytest.mark.parametrize(
    ("line", "family"),
    [
        (
            "pg_restore: error: could not execute query: server closed the connection unexpectedly",
            UnreachableError,
        ),
        (
            'psql: error: connection to server at "x", port 5 failed: Connection refused',
            UnreachableError,
        ),
        (
            'psql: error: connection to server at "x", port 5 failed: FATAL:  '
            'password authentication failed for user "u"',
            LoginError,
        ),
        (
            "pg_restore: error: could not execute query: FATAL:  "
            "terminating connection due to administrator command",
            UnreachableError,
        ),
        ('pg_restore: error: could not extend file "base/1": No space left on device', FullError),
        (
            "pg_restore: error: could not execute query: ERROR:  "
            "cannot execute CREATE TABLE in a read-only transaction",
            FullError,
        ),
        ("pg_restore: error: could not read from input file: end of file", None),
        ("ERROR:  syntax error", None),
    ],
)
def test_what_a_program_says_of_its_connection_is_understood(line, family):
    found = said_by_tool([line], "dump 'x'")
    assert (type(found) if found else None) is family
