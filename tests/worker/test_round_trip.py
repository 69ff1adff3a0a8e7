from __future__ import annotations

import pytest

from local.sample.fill import SMALL_DATABASES
from local.sample.fingerprint import differences, fingerprint, fingerprint_roles
from restore.core.state import Phase
from tests.worker.bench import DATA

CRM = "crm_database_archive"


def put_all(bench, dump, *databases):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    for name in databases:
        bench.put(f"database_{name}.sql", dump("pg_dump", "-Fc", name))


@pytest.mark.parametrize("engine", ["auto", "pg_restore"])
def test_a_vault_set_becomes_the_same_databases_and_roles(bench, source, dump, engine):
    put_all(bench, dump, *SMALL_DATABASES)
    bench.landing.put(bench.container, "backupstarttimestamp", b"2026-03-01T02:03:04Z\n")
    restore = bench.run(engine=engine)
    assert (restore.phase, restore.failure, restore.warnings) == (Phase.SUCCEEDED, None, ())
    assert restore.data_as_of == "2026-03-01T02:03:04Z"
    assert bench.databases() == sorted(SMALL_DATABASES)
    for name in SMALL_DATABASES:
        expected = fingerprint(source.superuser_conninfo(), name)
        assert differences(expected, fingerprint(bench.server.superuser_conninfo(), name)) == []
    results = [task.result.database for task in restore.tasks if task.database is not None]
    assert {(r.tables, r.rows_expected, r.rows_found, r.lost) for r in results} == {
        (5, 420, 420, ())
    }


def test_roles_come_with_passwords_and_memberships_and_nothing_stays_borrowed(bench, source, dump):
    put_all(bench, dump, CRM)
    before = bench.memberships()
    restore = bench.run()
    assert restore.failure is None
    expected = fingerprint_roles(source.superuser_conninfo())
    found = fingerprint_roles(bench.server.superuser_conninfo())
    ours = {"app_readonly", "app_writer", "shop_owner", "shop_web", 'Zoë "Q" 漢字'}
    assert {role: found[role][:10] for role in ours} == {r: expected[r][:10] for r in ours}
    made = bench.memberships() - before
    # Since 16 the maker of a role stays its administrator; that is the server's doing, not ours.
    borrowed = [m for m in made if m[1] == bench.server.admin and m[2] == bench.server.admin]
    assert borrowed == []


def test_a_dump_too_large_for_scratch_goes_through_a_pipe_with_the_same_result(bench, source, dump):
    put_all(bench, dump, CRM)
    bench.limits = bench.limits.__class__(scratch_bytes=1)
    restore = bench.run(engine="pg_restore")
    assert restore.failure is None
    expected = fingerprint(source.superuser_conninfo(), CRM)
    assert differences(expected, fingerprint(bench.server.superuser_conninfo(), CRM)) == []
    assert any("by pg_restore, as the request asks for it" in note for note in restore.notes)


def test_a_plain_script_is_restored_and_counted(bench, source, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", CRM))
    restore = bench.run()
    assert restore.failure is None
    expected = fingerprint(source.superuser_conninfo(), CRM)
    found = fingerprint(bench.server.superuser_conninfo(), CRM)
    del expected["database"], found["database"]  # a plain script does not say who owns it
    assert differences(expected, found) == []
    assert restore.task("database-0").result.database.rows_found == 420


def test_a_plain_script_whose_owners_are_nowhere_belongs_to_the_login(bench, dump):
    options = ("--no-privileges", "--table=part*")
    bench.put(f"database_{CRM}.sql", dump("pg_dump", *options, CRM))
    restore = bench.run()
    assert restore.failure is None
    owners = bench.rows(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace",
        CRM,
    )
    assert owners == [(bench.server.admin,)]


def test_an_archive_in_another_encoding_is_counted_by_its_own_names(bench):
    bench.put("database_latin.sql", (DATA / "latin-pg16.dump").read_bytes())
    restore = bench.run()
    result = restore.task("database-0").result.database
    assert (result.rows_expected, result.rows_found, result.lost) == (1, 1, ())
    assert bench.rows('SELECT é FROM "Straße"', "latin") == [("ü",)]


@pytest.mark.parametrize("options", [("--inserts",), ("--rows-per-insert=7",)])
def test_rows_that_come_by_inserts_are_restored_though_nobody_can_foretell_them(
    bench, dump, options
):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", *options, CRM))
    restore = bench.run()
    result = restore.task("database-0").result.database
    assert (result.rows_expected, result.rows_found, result.tables) == (None, 420, 5)
    assert any("come by INSERT" in note for note in restore.notes)


def test_a_tar_archive_is_left_to_pg_restore_alone(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Ft", "--no-owner", CRM))
    restore = bench.run()
    result = restore.task("database-0").result.database
    assert (result.rows_expected, result.rows_found) == (420, 420)
    assert any("tar archive" in warning for warning in restore.warnings)


def test_databases_without_a_dump_come_from_the_schema_script_if_that_is_asked_for(bench, dump):
    put_all(bench, dump, CRM)
    bench.put("schema.sql", dump("pg_dumpall", "--schema-only"))
    restore = bench.run(globals={"schema": "apply"})
    assert restore.failure is None
    assert bench.databases() == sorted(SMALL_DATABASES)
    assert bench.rows('SELECT count(*) FROM "Sch ema".parent', 'Größe "2026" 漢字') == [(0,)]


def test_settings_grants_and_comment_of_a_database_come_with_it(bench):
    name = 'Cr\'m_database_€ "x".sql'
    bench.put(f"database_{name}.sql", (DATA / "crm-pg16.dump").read_bytes())
    bench.put("roles.sql", (DATA / "roles-pg16.sql").read_bytes())
    restore = bench.run()
    assert restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    assert any("what azuresu owns in it will belong to" in note for note in restore.notes)
    settings = bench.rows(
        "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting JOIN pg_database d"
        " ON d.oid = setdatabase WHERE datname = %s ORDER BY 1",
        parameters=(name,),
    )
    assert settings == [("-", ["work_mem=8MB"]), ("app_user", ["work_mem=16MB"])]
