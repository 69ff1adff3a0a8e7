"""What a plan says of dumps, target and request: each finding, with the command that cures it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from restore.core.dumps import Blob, Format, read_set
from restore.core.facts import DumpFacts, Existing, Finding, Findings, LeftOut, Locale, TargetFacts
from restore.core.planning import early, plan
from restore.core.request import parse

GUID = "d98a8d0a-89c8-4b84-9c58-c6c8743e8478"
SERVER_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-dr"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-dr"
)
DUMPS = (
    Blob("backupstarttimestamp", 20, "etag"),
    Blob(f"{GUID}_database_crm.sql", 1_000_000_000, "etag"),
    Blob(f"{GUID}_database_shop.sql", 500, "etag"),
)
CRM = DumpFacts("crm", DUMPS[1], Format.ARCHIVE, (1, 15), 16, owner="owner", owners=("owner",))
SHOP = DumpFacts("shop", DUMPS[2], Format.ARCHIVE, (1, 15), 16, owner="owner")
TARGET = TargetFacts(
    major=18,
    version="18.4",
    login="pgadmin",
    createdb=True,
    createrole=True,
    superuser=False,
    databases=("postgres",),
    roles=("pgadmin", "owner"),
    settable_roles=("pgadmin", "owner"),
    extensions=("plpgsql", "pg_trgm"),
    clients=(16, 18),
    available={"plpgsql": "1.0", "pg_trgm": "1.6", "vector": "0.8.0", "postgis": "3.5.0"},
    locales={"C": "", "POSIX": "", "en_US.utf8": "UTF8", "de_DE.iso88591": "LATIN1"},
    default_locale=Locale("UTF8", "", "en_US.utf8", "en_US.utf8"),
    preloaded=("pg_stat_statements",),
    port=5432,
)
AZURE = replace(TARGET, allow_list="PG_TRGM, plpgsql")


def request(host="pg2.example.com", target=None, **asked):
    body = {
        "source": {"container": "https://a.blob.core.windows.net/files"},
        "target": {"host": host, "user": "pgadmin", **(target or {})},
        **asked,
    }
    return parse(json.dumps(body).encode())


def made(*facts, at=TARGET, created=(), **asked):
    facts = facts or (CRM,)
    return plan("0123456789abcdef", request(**asked), read_set(DUMPS), facts, at, created)


def only(findings, code):
    (finding,) = (f for f in findings if f.code == code)
    return finding


def codes(findings):
    return {finding.code for finding in findings}


# ---- extensions --------------------------------------------------------------------------------


def test_the_allow_list_is_printed_whole_for_setting_it_replaces_it():
    needs = replace(CRM, extensions=("pg_trgm", "vector")), replace(SHOP, extensions=("postgis",))
    found = [f for f in made(*needs, at=AZURE).refusals if f.code == "extension-not-allowed"]
    assert [f.subject for f in found] == ["database 'shop'", "database 'crm'"]
    assert {f.fix for f in found} == {
        (
            "az postgres flexible-server parameter set --resource-group <resource-group>"
            " --server-name pg2 --name azure.extensions"
            " --value PG_TRGM,plpgsql,postgis,vector",
        )
    }


def test_with_the_servers_id_a_command_can_be_run_as_it_stands():
    at = replace(AZURE, available={**AZURE.available, "hstore": "1.8"})
    result = made(replace(CRM, extensions=("hstore",)), at=at, target={"server": SERVER_ID})
    assert "--resource-group rg-dr --server-name pg-dr " in result.refusals[0].fix[0]


@pytest.mark.parametrize(
    ("host", "target", "said"),
    [
        ("10.0.0.4", {}, "--resource-group <resource-group> --server-name <server> "),
        ("x", {"server": SERVER_ID.replace("rg-dr", "rg(dr)")}, "--resource-group 'rg(dr)' "),
    ],
)
def test_what_a_shell_would_take_for_its_own_is_quoted(host, target, said):
    needs = replace(CRM, extensions=("vector",))
    assert said in made(needs, at=AZURE, host=host, target=target).refusals[0].fix[0]


@pytest.mark.parametrize(
    ("extension", "at", "said"),
    [
        ("timescaledb", AZURE, "the server does not have it"),
        ("timescaledb", TARGET, "the server does not have it"),
        ("vector", TARGET, "only a superuser can create it there"),
    ],
)
def test_an_extension_that_no_setting_brings_is_refused(extension, at, said):
    finding = only(
        made(replace(CRM, extensions=(extension,)), at=at).refusals, "extension-unavailable"
    )
    assert said in finding.message
    assert finding.hint


def having(*extensions, preloaded=("pg_stat_statements",), at=TARGET):
    return replace(
        at,
        extensions=(*at.extensions, *extensions),
        available={**at.available, **dict.fromkeys(extensions, "1.0")},
        preloaded=preloaded,
    )


def test_an_extension_that_fails_without_its_library_is_refused():
    needs = replace(CRM, extensions=("pgaudit", "pg_hint_plan"))
    result = made(needs, at=having("pgaudit", "pg_hint_plan", at=AZURE))
    assert "CREATE EXTENSION fails" in only(result.refusals, "extension-not-preloaded").message
    silent = only(result.warnings, "extension-not-preloaded")
    assert "does not work" in silent.message
    assert silent.fix == (
        "az postgres flexible-server parameter set --resource-group <resource-group>"
        " --server-name pg2 --name shared_preload_libraries"
        " --value pg_stat_statements,pg_hint_plan,pgaudit",
        "az postgres flexible-server restart --resource-group <resource-group> --name pg2",
    )


def test_elsewhere_a_library_is_set_by_sql():
    finding = only(
        made(replace(CRM, extensions=("pgaudit",)), at=having("pgaudit")).refusals,
        "extension-not-preloaded",
    )
    assert finding.fix == (
        "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements', 'pgaudit';",
        "pg_ctl restart",
    )


def test_a_library_that_is_loaded_is_no_matter_of_talk():
    at = having("pgaudit", preloaded=("pgaudit",))
    result = made(replace(CRM, extensions=("pgaudit",)), at=at)
    assert result.refusals == ()
    assert only(result.notes, "extension-versions").message.endswith("pgaudit 1.0")


def test_a_list_of_libraries_that_is_hidden_is_a_warning():
    at = having("pgaudit", preloaded=None)
    result = made(replace(CRM, extensions=("pgaudit",)), at=at)
    assert result.refusals == ()
    finding = only(result.warnings, "extension-not-preloaded")
    assert finding.fix == ('GRANT pg_read_all_settings TO "pgadmin";',)


def test_pg_cron_can_only_be_where_its_own_setting_says():
    result = made(
        replace(CRM, extensions=("pg_cron",)), at=having("pg_cron", preloaded=("pg_cron",))
    )
    assert only(result.warnings, "cron-elsewhere").fix == ("SHOW cron.database_name;",)


# ---- locales -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (Locale("UTF8", "libc", "en_US.UTF-8", "en_US.utf8"), ""),
        (Locale("UTF8", "libc", "C", "POSIX"), ""),
        (Locale("LATIN1", "libc", "de_DE.iso88591", "de_DE.ISO-8859-1"), ""),
        (Locale("UTF8", "icu", "en_US.utf8", "en_US.utf8", "de-DE"), ""),
        (Locale("UTF8", "builtin", "C", "C", "PG_UNICODE_FAST"), ""),
        (Locale(), ""),
        (Locale("UTF8", "libc", "fr_FR.utf8", "fr_FR.utf8"), "expected locale 'fr_FR.utf8'"),
        (Locale("LATIN1", "libc", "en_US.utf8", "C"), "expected encoding LATIN1"),
        (Locale("UTF8", "builtin", "C", "C", "PG_NO_SUCH"), "builtin locale 'PG_NO_SUCH'"),
    ],
)
def test_a_locale_that_the_server_lacks_is_told_with_what_comes_instead(locale, said):
    found = [f for f in made(replace(CRM, locale=locale)).warnings if f.code == "locale-default"]
    assert [said in f.message for f in found] == ([True] if said else [])


@pytest.mark.parametrize(
    ("at", "locale", "said"),
    [
        (replace(TARGET, has_icu=False), Locale("UTF8", "icu", "C", "C", "de"), "without ICU"),
        (replace(TARGET, major=16), Locale("UTF8", "builtin", "C", "C", "C.UTF-8"), "provider"),
        (replace(TARGET, major=14), Locale("UTF8", "icu", "C", "C", "de"), "PostgreSQL 14"),
        (replace(TARGET, major=17), Locale("", "builtin", "C", "C", "PG_UNICODE_FAST"), "builtin"),
    ],
)
def test_a_locale_provider_that_the_server_lacks_is_told(at, locale, said):
    finding = only(made(replace(CRM, locale=locale), at=at).warnings, "locale-default")
    assert said in finding.message


def test_what_a_locale_falls_back_to_is_said_and_the_encoding_kept_where_it_can_be():
    plain = replace(TARGET, default_locale=Locale("UTF8", "", "C", "C"))
    french = replace(CRM, locale=Locale("LATIN1", "libc", "fr_FR.iso88591", "fr_FR.iso88591"))
    kept = only(made(french, at=plain).warnings, "locale-default")
    assert "the server's default, C, and encoding LATIN1;" in kept.message
    changed = only(made(french).warnings, "locale-default")
    assert "the server's default, en_US.utf8, and encoding UTF8;" in changed.message


def test_nothing_is_said_of_locales_that_nobody_could_list():
    silent = replace(TARGET, locales={})
    fact = replace(CRM, locale=Locale("UTF8", "libc", "fr_FR.utf8", "fr_FR.utf8"))
    assert "locale-default" not in codes(made(fact, at=silent).warnings)


def test_a_superuser_may_put_bytes_of_any_kind_anywhere():
    fact = replace(CRM, locale=Locale("SQL_ASCII", "libc", "en_US.utf8", "en_US.utf8"))
    assert "locale-default" in codes(made(fact).warnings)
    assert "locale-default" not in codes(made(fact, at=replace(TARGET, superuser=True)).warnings)


# ---- objects and owners ------------------------------------------------------------------------


def test_what_cannot_be_made_is_listed_by_kind_and_reason():
    left = [LeftOut("EVENT TRIGGER", f"t{i}", "only a superuser can") for i in range(10)]
    left += [LeftOut("SUBSCRIPTION", "sub", "it would connect to the source")]
    fact = replace(CRM, left_out=tuple(reversed(left)), left_out_more=7)
    said = [f.message for f in made(fact).warnings if f.code == "left-out"]
    assert said == [
        "EVENT TRIGGER t0, t1, t2, t3, t4, t5, t6, t7 and 2 more: only a superuser can",
        "SUBSCRIPTION sub: it would connect to the source",
        "and 7 more objects are left out",
    ]


def test_missing_owners_can_be_created_by_what_is_printed():
    fact = replace(CRM, owners=("owner", 'the "boss"'))
    finding = only(made(fact).warnings, "owner-missing")
    assert finding.fix == ('CREATE ROLE "the ""boss""" NOLOGIN;',)
    assert "owner-missing" not in codes(made(fact, objects={"owners": False}).warnings)


def test_what_was_found_of_a_selection_is_part_of_the_plan():
    finding = Finding("scope-left-out", "database 'crm'", "VIEW v: its table is left out")
    fact = replace(CRM, scope=Findings((finding,), (finding,), (finding,)))
    result = made(fact)
    assert (result.refusals, result.warnings[0]) == ((finding,), finding)
    assert finding in result.notes


def test_a_schema_beside_others_needs_a_database_to_be_in():
    asked = {"objects": {"tables": {"include": ["a.b"]}, "sideSchema": "old"}}
    assert codes(made(**asked).refusals) == {"side-target"}
    there = replace(TARGET, databases=("postgres", "crm"), existing=(Existing("crm", 7, 5),))
    result = made(at=there, **asked)
    assert (result.refusals, result.databases[0].before) == ((), "")


def test_what_the_request_leaves_out_is_part_of_the_plan():
    asked = {"objects": {"content": "schema", "owners": False, "privileges": False}}
    said = [f.message for f in made(**asked).notes if f.code == "as-asked"]
    assert [text.partition(",")[0] for text in said] == [
        "without rows",
        "everything will belong to pgadmin",
        "without grants",
    ]
    (data,) = (f for f in made(objects={"content": "data"}).notes if f.code == "as-asked")
    assert "without indexes" in data.message
    assert made(**asked).hash != made().hash


def test_the_status_gets_the_cure_in_one_line():
    finding = Finding("x", "a", "b", "do this", ("az one", "az two"))
    assert finding.cure == "do this: az one"
    assert (replace(finding, hint="").cure, replace(finding, fix=()).cure) == ("az one", "do this")


# ---- the server --------------------------------------------------------------------------------


def test_a_pooler_is_refused_before_anybody_connects_to_it():
    azure = "pg2.postgres.database.azure.com"
    refused = early(request(azure, {"port": 6432}))
    assert only(refused.refusals, "pooler").hint == 'set "port": 5432 in "target"'
    assert len(refused.hash) == 64
    assert early(request(azure)) is None
    assert early(request("pg2.example.com", {"port": 6432})) is None


def test_a_pooler_gives_itself_away_by_the_port_behind_it():
    assert codes(made(target={"port": 6432}).refusals) == {"pooler"}
    own = replace(TARGET, port=6432)
    assert made(at=own, target={"port": 6432}).refusals == ()
    assert made(at=replace(TARGET, port=None), target={"port": 6432}).refusals == ()


def test_a_replica_is_refused_with_what_makes_it_a_primary():
    at = replace(AZURE, is_replica=True, settings={"default_transaction_read_only": "on"})
    (finding,) = made(at=at).refusals
    assert finding.code == "read-replica"
    assert "replica promote" in finding.fix[0]
    assert made(at=replace(TARGET, is_replica=True)).refusals[0].fix == ("SELECT pg_promote();",)


def test_a_server_that_takes_no_writes_is_refused_with_where_to_look():
    settings = {"default_transaction_read_only": "on"}
    finding = only(made(at=replace(AZURE, settings=settings)).refusals, "read-only")
    assert "storage_free" in finding.fix[0]
    assert finding.fix[1] == 'ALTER ROLE "pgadmin" RESET default_transaction_read_only;'
    elsewhere = only(made(at=replace(TARGET, settings=settings)).refusals, "read-only")
    assert elsewhere.fix[-1] == "SELECT pg_reload_conf();"


SMALL = {
    "max_wal_size": "1024",
    "checkpoint_timeout": "30",
    "autovacuum": "on",
    "max_worker_processes": "0",
    "max_parallel_maintenance_workers": "0",
}


def test_settings_that_slow_a_large_restore_are_told_with_better_ones():
    result = made(at=replace(AZURE, settings=SMALL))
    slow = {f.subject.split()[-1]: f for f in result.notes if f.code == "slow-setting"}
    assert set(slow) == set(SMALL)
    assert slow["max_wal_size"].fix[0].endswith("--name max_wal_size --value 16384")
    assert '"serverParameters": {"max_wal_size": "16384"}' in slow["max_wal_size"].hint
    assert "restart" in slow["max_worker_processes"].fix[1]
    assert "serverParameters" not in slow["max_worker_processes"].hint


@pytest.mark.parametrize(
    ("at", "fact", "asked"),
    [
        (replace(AZURE, settings=SMALL), SHOP, {}),  # too small for it to matter
        (AZURE, CRM, {}),  # nothing is known of them
        (
            replace(AZURE, settings={"max_wal_size": "1024", "autovacuum": "on"}),
            CRM,
            {"serverParameters": {"max_wal_size": "8192", "autovacuum": "off"}},
        ),
        (
            replace(
                AZURE,
                settings={**SMALL, "max_wal_size": "16384"}
                | {
                    "checkpoint_timeout": "3600",
                    "autovacuum": "off",
                    "max_worker_processes": "8",
                    "max_parallel_maintenance_workers": "2",
                },
            ),
            CRM,
            {},
        ),
    ],
)
def test_settings_that_do_no_harm_are_no_matter_of_talk(at, fact, asked):
    if asked:
        asked["target"] = {"server": SERVER_ID}
    assert "slow-setting" not in codes(made(fact, at=at, **asked).notes)


def test_server_parameters_that_will_be_changed_are_part_of_the_plan():
    asked = {"target": {"server": SERVER_ID}, "serverParameters": {"max_wal_size": "8192"}}
    finding = only(made(**asked).notes, "as-asked")
    assert finding.subject == "server parameter max_wal_size"
    assert finding.message.startswith("8192 while the restore loads")


def test_timeouts_that_would_end_our_sessions_are_told_with_how_to_lose_them():
    at = replace(TARGET, settings={"idle_session_timeout": "60000", "transaction_timeout": "0"})
    finding = only(made(at=at).notes, "timeout")
    assert finding.fix == ('ALTER ROLE "pgadmin" SET idle_session_timeout = 0;',)
    assert "60000 ms" in finding.message


def test_a_server_that_logs_passwords_is_told():
    at = replace(AZURE, settings={"log_statement": "ddl"})
    finding = only(made(at=at, created=("new",)).notes, "statements-logged")
    assert finding.fix[0].endswith("--name log_statement --value none")
    assert "statements-logged" not in codes(made(at=at).notes)


def test_a_slot_that_nobody_reads_is_told():
    finding = only(made(at=replace(TARGET, idle_slots=("cdc",))).notes, "idle-slot")
    assert finding.fix == ("SELECT pg_drop_replication_slot('cdc');",)


# ---- room --------------------------------------------------------------------------------------


def test_few_free_connections_are_told_and_no_part_of_the_hash():
    few = made(at=replace(TARGET, cores=8, free_connections=10))
    finding = only(few.notes, "few-connections")
    assert finding.message.startswith("4 for each database, found 10 free: 8 would be faster")
    assert few.hash == made(at=replace(TARGET, cores=8)).hash


def test_no_sql_tells_what_is_free_so_the_plan_says_where_to_look():
    finding = only(made(at=AZURE).notes, "space-unknown")
    assert "storage_free" in finding.fix[0]
    assert "0.9 to 7.5 GiB" in finding.message
    assert only(made().notes, "space-unknown").fix == ()
    assert "space-unknown" not in codes(made(SHOP).notes)


FULL = replace(AZURE, existing=(Existing("postgres", 5, 20 * 1024**3),))


@pytest.mark.parametrize(
    ("gib", "code", "size"),
    [(25, "refusal", "64"), (32, "warning", "64"), (64, "", "")],
)
def test_with_its_size_known_a_server_that_is_too_small_is_told(gib, code, size):
    result = made(at=FULL, target={"storageGib": gib})
    severity = {"refusal": result.refusals, "warning": result.warnings}
    found = [
        (name, f) for name, all_of in severity.items() for f in all_of if f.code == "space-short"
    ]
    assert [name for name, _ in found] == ([code] if code else [])
    assert all(f.fix[0].endswith(f"--storage-size {size}") for _, f in found)
    assert "space-unknown" not in codes(result.notes)


def test_elsewhere_no_command_makes_a_disk_larger():
    at = replace(TARGET, existing=FULL.existing)
    assert only(made(at=at, target={"storageGib": 20}).refusals, "space-short").fix == ()


def test_no_size_is_enough_for_everything():
    vast = replace(CRM, blob=replace(CRM.blob, size_bytes=10**15))
    finding = only(made(vast, at=FULL, target={"storageGib": 32}).refusals, "space-short")
    assert finding.fix[0].endswith("--storage-size 32767")


# ---- names and logins --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "names", "unknown"),
    [
        ("include", ["c*", "x*"], ["x*"]),
        ("include", ["???"], []),
        ("include", ["crm", "postgres"], ["postgres"]),
        ("exclude", ["no_*", "azure_*"], ["no_*"]),
        ("rename", {"c*": "d"}, ["c*"]),
    ],
)
def test_a_name_or_pattern_that_means_nothing_is_refused(field, names, unknown):
    result = made(CRM, SHOP, databases={field: names})
    found = [f for f in result.refusals if f.code == "unknown-database"]
    assert [f.message for f in found] == [
        f"expected a database of this backup, found {name!r}" for name in unknown
    ]


TAKEN = replace(TARGET, databases=("postgres", "crm"), existing=(Existing("crm", 7, 5, "boss"),))


def test_a_database_in_the_way_can_be_renamed_by_what_is_printed():
    (finding,) = made(at=TAKEN).refusals
    assert finding.fix == ('ALTER DATABASE "crm" RENAME TO "crm_old";',)


def test_the_database_we_work_from_cannot_be_replaced():
    result = made(at=TAKEN, onExisting="swap", target={"database": "crm"})
    assert codes(result.refusals) == {"target"}


def test_a_database_of_others_cannot_be_set_aside():
    foreign = replace(TAKEN, existing=(replace(TAKEN.existing[0], is_ours=False, may_be=False),))
    (finding,) = made(at=foreign, onExisting="swap").refusals
    assert (finding.code, finding.fix) == ("target-privilege", ('GRANT "boss" TO "pgadmin";',))


def test_the_login_becomes_its_owner_where_it_may():
    mine = replace(TAKEN, existing=(replace(TAKEN.existing[0], is_ours=False, may_be=True),))
    result = made(at=mine, onExisting="swap")
    assert (result.refusals, result.borrow) == ((), ("boss",))
    assert result.databases[0].replaces == 7


def test_a_login_without_rights_is_told_which_statement_gives_them():
    at = replace(TARGET, createdb=False, createrole=False)
    fixes = [finding.fix for finding in made(at=at, created=("new",)).refusals]
    assert fixes == [('ALTER ROLE "pgadmin" CREATEDB;',), ('ALTER ROLE "pgadmin" CREATEROLE;',)]


def test_an_older_target_can_be_upgraded_where_it_is_azures():
    newer = replace(CRM, dump_major=18)
    finding = only(made(newer, at=replace(AZURE, major=16)).warnings, "older-target")
    assert finding.fix[0].endswith(
        "upgrade --resource-group <resource-group> --name pg2 --version 18"
    )
    assert only(made(newer, at=replace(TARGET, major=16)).warnings, "older-target").fix == ()


def test_what_the_services_roles_own_is_told_where_it_cannot_stay_theirs():
    fact = replace(CRM, system_owners=("azuresu",))

    def told(**changes):
        found = made(fact, at=replace(TARGET, **changes)).notes
        return [str(note) for note in found if note.code == "owned-by-service"]

    (note,) = told()
    assert "what azuresu owns in it will belong to pgadmin" in note
    assert told(superuser=True) == []
