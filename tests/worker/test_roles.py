from __future__ import annotations

import logging
import subprocess

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from restore.core import messages, state
from restore.core.password import secret_name
from restore.core.state import Phase
from restore.errors import TransientError
from tests.core.role_scripts import CLOSE, OPEN
from tests.fakes import MemoryRecords, MemorySecrets

CRM = "crm_database_archive"
TABLESPACES = b"""--
-- PostgreSQL database cluster dump
--
SET client_encoding = 'UTF8';
CREATE TABLESPACE "Fast 1" OWNER azuresu LOCATION '';
ALTER TABLESPACE "Fast 1" SET (seq_page_cost=1.5);
CREATE TABLESPACE slow OWNER azuresu LOCATION '';
--
-- PostgreSQL database cluster dump complete
--
"""


def test_the_roles_task_may_run_twice(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    ticket = bench.until("roles")
    bench.deliver(ticket)
    once = bench.roles(), bench.memberships()
    bench.records = MemoryRecords()
    bench.deliver(ticket)
    assert bench.records.result(ticket.restore, "roles", 1).failure is None
    assert (bench.roles(), bench.memberships()) == once
    borrowed = bench.restore.plan.borrow
    assert "shop_owner" in borrowed
    ours = {role for role, member, by in once[1] if member == by == bench.server.admin}
    assert set(borrowed) <= {role.strip('"') for role in ours}
    assert bench.finish().failure is None


@pytest.fixture
def restored(bench, dump):
    """Runs a restore of one database with the roles script `sql`."""

    def run(sql: str, **request):
        bench.put("roles.sql", OPEN + sql.encode() + CLOSE)
        bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", "-O", "-x", "-N", "*", CRM))
        return bench.run(**request)

    return run


def log_in(bench, role, password):
    """The role a session has that logs in like this."""
    conninfo = bench.server.admin_conninfo()
    with psycopg.connect(make_conninfo(conninfo, user=role, password=password)) as connection:
        return connection.execute("SELECT current_user").fetchone()[0]


def everything_stored(bench) -> str:
    """State and results, as they are stored."""
    restore = bench.restore
    results = [
        bench.records.result(restore.id, task.id, attempt)
        for task in restore.tasks
        for attempt in range(1, task.attempt + 1)
    ]
    parts = [messages.encode_result(result) for result in results if result]
    return b"".join([state.encode(restore), *parts]).decode()


# ---- logins without a password -----------------------------------------------------------------

LOGINS = """
CREATE ROLE "o'Brien, Ltd."; ALTER ROLE "o'Brien, Ltd." WITH LOGIN CONNECTION LIMIT 2;
CREATE ROLE app; ALTER ROLE app WITH LOGIN PASSWORD 'app''s own';
CREATE ROLE "dev@contoso.com"; ALTER ROLE "dev@contoso.com" WITH LOGIN;
SECURITY LABEL FOR pgaadauth ON ROLE "dev@contoso.com" IS 'aadauth,oid=0a1b,type=user';
GRANT app TO "o'Brien, Ltd.";
"""
NOBODY = "o'Brien, Ltd."
GENERATE = {"withoutPassword": "generate"}


def test_who_cannot_log_in_is_told_what_it_takes(bench, restored):
    """A password, or for a Microsoft Entra principal its label."""
    restore = restored(LOGINS)
    assert restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    (label,) = [warning for warning in restore.plan.warnings if warning.code == "entra-role"]
    assert "pgaadauth_create_principal_with_oid('dev@contoso.com', '0a1b', 'user'" in label.fix[0]
    statement = "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'dev@contoso.com'"
    assert bench.rows(statement) == [(True, None)]
    (finding,) = [note for note in restore.plan.notes if note.code == "login-disabled"]
    with pytest.raises(psycopg.OperationalError, match=r"not permitted to log in|authentication"):
        log_in(bench, NOBODY, "x")
    bench.rows(finding.fix[0].replace("<password>", "a new one"))
    assert log_in(bench, NOBODY, "a new one") == NOBODY
    assert log_in(bench, "app", "app's own") == "app"


def test_a_generated_password_is_in_its_secret_and_nowhere_else(bench, restored, caplog):
    caplog.set_level(logging.DEBUG)
    restore = restored(LOGINS, roles=GENERATE)
    assert restore.failure is None
    secret = secret_name(f"127.0.0.1:{bench.port}", NOBODY)
    password = bench.secrets.get(secret)
    assert log_in(bench, NOBODY, password) == NOBODY
    statement = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    ((verifier,),) = bench.rows(statement, parameters=(NOBODY,))
    assert verifier.startswith("SCRAM-SHA-256$")
    (finding,) = [note for note in restore.plan.notes if note.code == "login-password"]
    assert secret in finding.message
    for shown in (everything_stored(bench), caplog.text):
        for told in (password, verifier, "app's own"):
            assert told not in shown


class Dying(MemorySecrets):
    """Stores a secret, and then is not heard of any more for once."""

    def put(self, name, value):
        super().put(name, value)
        if name not in self.__dict__:
            self.__dict__[name] = True
            raise TransientError(f"secret {name!r}: expected an answer, found none")


def test_an_attempt_that_died_between_secret_and_server_leaves_no_second_password(bench, restored):
    bench.secrets = Dying({"target": bench.server.admin_password})
    restore = restored(LOGINS, roles=GENERATE)
    assert (restore.failure, restore.task("roles").attempt) == (None, 2)
    password = bench.secrets.get(secret_name(f"127.0.0.1:{bench.port}", NOBODY))
    assert log_in(bench, NOBODY, password) == NOBODY


def test_without_a_place_for_passwords_nothing_is_touched(bench, restored):
    before = bench.databases(), bench.roles(), bench.memberships()
    bench.secrets.can_put = False
    restore = restored(LOGINS, roles=GENERATE)
    assert (restore.phase, restore.failure.code) == (Phase.FAILED, "no-secrets")
    assert (bench.databases(), bench.roles(), bench.memberships()) == before


def test_a_login_without_a_password_may_be_left_out(bench, restored):
    restore = restored(LOGINS, roles={"withoutPassword": "skip"})
    assert restore.failure is None
    assert NOBODY not in bench.roles()
    assert {"app", "dev@contoso.com"} <= bench.roles()


# ---- roles that exist --------------------------------------------------------------------------


@pytest.mark.parametrize(("existing", "password"), [("keep", "before"), ("update", "app's own")])
def test_a_password_is_changed_only_where_that_is_asked(bench, restored, existing, password):
    bench.rows("CREATE ROLE app LOGIN CREATEDB PASSWORD 'before'")
    bench.rows(f"GRANT app TO {bench.server.admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    sql = "CREATE ROLE app; ALTER ROLE app WITH NOCREATEDB LOGIN PASSWORD 'app''s own';"
    assert restored(sql, roles={"existing": existing}).failure is None
    assert log_in(bench, "app", password) == "app"
    assert bench.rows("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'app'") == [(True,)]


def test_what_the_login_held_of_an_owner_it_holds_again(bench, dump):
    """It could act as the owner, but not go on with what it had given away."""
    bench.rows("CREATE ROLE shop_owner")
    lesser = f"TO {bench.server.admin} WITH INHERIT FALSE, SET TRUE, ADMIN"
    bench.rows(f"GRANT shop_owner {lesser} TRUE")
    with psycopg.connect(bench.server.admin_conninfo(), autocommit=True) as connection:
        connection.execute(f"GRANT shop_owner {lesser} FALSE")
    held = (
        "SELECT grantor::regrole::text, admin_option, inherit_option, set_option"
        " FROM pg_auth_members WHERE roleid = 'shop_owner'::regrole AND member::regrole::text ="
        f" '{bench.server.admin}' ORDER BY 1"
    )
    before = bench.rows(held)
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    bench.until("database-0")
    assert "shop_owner" in bench.restore.plan.borrow
    assert bench.rows(held) != before
    assert bench.finish().failure is None
    assert bench.rows(held) == before


# ---- settings in one database ------------------------------------------------------------------


@pytest.fixture
def with_settings(source):
    """The archive of a database with settings of its own for roles, of every kind."""
    with psycopg.connect(source.superuser_conninfo(), autocommit=True) as connection:
        connection.execute('CREATE DATABASE "Set DATABASE x"')
        for setting in (
            'shop_web IN DATABASE "Set DATABASE x" SET search_path TO a, "B c"',
            "shop_web IN DATABASE \"Set DATABASE x\" SET application_name TO E'it''s \\\\'",
            "shop_web IN DATABASE \"Set DATABASE x\" SET log_statement TO 'all'",
            "azuresu IN DATABASE \"Set DATABASE x\" SET work_mem TO '1MB'",
        ):
            connection.execute(f"ALTER ROLE {setting}")
        argv = [source.binaries / "pg_dump", "-Fc", "Set DATABASE x"]
        environment = source.superuser_environment()
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True)
        connection.execute('DROP DATABASE "Set DATABASE x"')
    return done.stdout


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_settings_of_roles_in_a_database_go_with_it(bench, dump, with_settings, engine):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put("database_Set DATABASE x.sql", with_settings)
    restore = bench.run(engine=engine, databases={"rename": {"Set DATABASE x": "new name"}})
    assert restore.failure is None
    found = bench.rows(
        "SELECT datname, rolname, setconfig FROM pg_db_role_setting"
        " JOIN pg_database AS d ON d.oid = setdatabase JOIN pg_roles AS r ON r.oid = setrole"
    )
    values = ['search_path=a, "B c"', "application_name=it's \\"]
    assert found == [("new name", "shop_web", values)]
    (lost,) = [w for w in restore.plan.warnings if w.code == "role-left-out"]
    assert lost.subject == "setting log_statement of role 'shop_web' in database 'Set DATABASE x'"


def test_settings_that_only_the_roles_script_tells_are_made_as_well(bench, restored):
    restore = restored(
        "CREATE ROLE app;"
        f"ALTER ROLE app IN DATABASE {CRM} SET lock_timeout TO '5s';"
        "ALTER ROLE app IN DATABASE another SET lock_timeout TO '6s';"
    )
    assert restore.failure is None
    assert bench.rows("SELECT setconfig FROM pg_db_role_setting WHERE setdatabase <> 0") == [
        (["lock_timeout=5s"],)
    ]
    assert any(
        "'another': left out: the database is not restored" in note for note in restore.notes
    )


def test_settings_that_only_the_schema_script_tells_are_made_as_well(bench, restored):
    """It holds databases that have no dump of their own."""
    settings = "ALTER ROLE app IN DATABASE alone SET lock_timeout TO '5s';"
    bench.put("schema.sql", OPEN + f"\\connect alone\n{settings}".encode() + CLOSE)
    assert restored("CREATE ROLE app;", globals={"schema": "apply"}).failure is None
    assert bench.rows("SELECT setconfig FROM pg_db_role_setting WHERE setdatabase <> 0") == [
        (["lock_timeout=5s"],)
    ]


# ---- a script is a secret ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "failed"),
    [
        ("CREATE ROLE a; ALTER ROLE a WITH VALID UNTIL 's3cret' PASSWORD 's3cret';", True),
        (
            "CREATE ROLE a; ALTER ROLE a SET work_mem TO 's3cret'; COMMENT ON ROLE a IS 's3cret';"
            "DO 's3cret'; ALTER ROLE a SET app.token TO 's3cret';",
            False,
        ),
        ("CREATE ROLE a; ALTER ROLE a WITH PASSWORD 's3cret", True),
    ],
)
def test_what_a_script_holds_is_never_told(bench, restored, caplog, sql, failed):
    caplog.set_level(logging.DEBUG)
    restore = restored(sql)
    assert (restore.phase is Phase.FAILED) is failed
    assert "s3cret" not in everything_stored(bench)
    assert "s3cret" not in caplog.text


# ---- tablespaces -------------------------------------------------------------------------------


@pytest.fixture
def superuser(bench):
    """The provider's own login, where tablespaces need no folder."""
    bench.rows("ALTER ROLE azuresu SET allow_in_place_tablespaces = on")
    bench.secrets = MemorySecrets({"target": bench.server.superuser_password})
    yield {"host": "127.0.0.1", "port": bench.port, "user": "azuresu", "secret": "target"}
    for name in ('"Fast 1"', "slow"):
        bench.rows(f"DROP TABLESPACE IF EXISTS {name}")
    bench.rows("ALTER ROLE azuresu RESET allow_in_place_tablespaces")


def test_tablespaces_are_made_where_asked_for_and_those_that_exist_stay(bench, dump, superuser):
    bench.rows("CREATE TABLESPACE slow LOCATION ''")
    bench.put("tablespaces.sql", TABLESPACES)
    bench.put(
        f"database_{CRM}.sql", dump("pg_dump", "-Fc", "--no-owner", "--no-acl", "-t", "part*", CRM)
    )
    restore = bench.run(target=superuser, globals={"tablespaces": "apply"})
    assert restore.failure is None
    found = bench.rows("SELECT spcname, spcoptions FROM pg_tablespace WHERE oid > 16384 ORDER BY 1")
    assert found == [("Fast 1", ["seq_page_cost=1.5"]), ("slow", None)]
