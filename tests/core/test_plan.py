"""What a plan does with dumps, a target and a request; every refusal before anything is touched."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.dumps import Blob, Format, read_set
from restore.core.estimate import Load
from restore.core.facts import DumpFacts, Existing, Finding, Findings, LeftOut, TargetFacts
from restore.core.membership import GrantRole
from restore.core.plan import Engine, side_name
from restore.core.planning import plan
from restore.core.request import parse

GUID = "d98a8d0a-89c8-4b84-9c58-c6c8743e8478"
ID = "0123456789abcdef"
TARGET = TargetFacts(
    major=18,
    version="18.4",
    login="pgadmin",
    createdb=True,
    createrole=True,
    superuser=False,
    databases=("postgres", "azure_sys", "old"),
    roles=("pgadmin", "azure_pg_admin"),
    settable_roles=("pgadmin", "azure_pg_admin"),
    extensions=("plpgsql", "pg_trgm"),
    clients=(16, 18),
)


def blob(rest, size=100):
    return Blob(f"{GUID}_{rest}", size, "etag")


BLOBS = (
    Blob("backupstarttimestamp", 20, "etag"),
    blob("database_crm.sql", 1000),
    blob("database_shop.sql", 5000),
    blob("database_azure_sys.sql"),
    blob("roles.sql"),
    blob("schema.sql"),
    blob("tablespaces.sql"),
)
CRM = DumpFacts(
    "crm", BLOBS[1], Format.ARCHIVE, (1, 15), 16, owner="crm_owner", owners=("crm_owner",)
)
SHOP = DumpFacts("shop", BLOBS[2], Format.ARCHIVE, (1, 15), 16, owner="pgadmin")


def request(**changes):
    source = {"container": "https://a.blob.core.windows.net/files"}
    target = {"host": "pg2.example.com", "user": "pgadmin"}
    return parse(json.dumps({"source": source, "target": target, **changes}).encode())


def made(facts=(CRM, SHOP), target=TARGET, blobs=BLOBS, created=("crm_owner",), known=(), **asked):
    return plan(ID, request(**asked), read_set(blobs), facts, target, created, known)


def codes(findings):
    return [finding.code for finding in findings]


def test_the_largest_database_starts_first_because_it_ends_last():
    result = made()
    assert [step.name for step in result.databases] == ["shop", "crm"]
    assert result.refusals == ()
    assert result.databases[1].staging == "crm__restoring_01234567"
    assert result.databases[1].before == ""
    assert result.databases[1].owner == "crm_owner"


def test_the_same_input_gives_the_same_plan_and_another_input_another_hash():
    assert made() == made(facts=(SHOP, CRM))
    assert len(made().hash) == 64
    assert made().hash != made(databases={"exclude": ["shop"]}).hash


EXISTING = (Existing("crm", 7, 100, "boss", False), Existing("old", 8, 50, "pgadmin"))
FULL = replace(
    TARGET,
    databases=("postgres", "crm", "old"),
    roles=("pgadmin", "boss", "clerk"),
    existing=EXISTING,
    memberships=(
        GrantRole("boss", "pgadmin", True, grantor="azuresu"),
        GrantRole("boss", "pgadmin", False, True, True, grantor="pgadmin"),
        GrantRole("clerk", "pgadmin"),
    ),
    locales={"C": "", "en_US.utf8": "UTF8"},
    idle_slots=("a", "b"),
)
RICH = replace(
    CRM,
    owners=("boss", "clerk", "crm_owner", "gone"),
    extensions=("pg_trgm", "no_such", "nor_that"),
    left_out=(LeftOut("EVENT TRIGGER", "a", "no"), LeftOut("SUBSCRIPTION", "b", "no")),
)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_what_was_read_does_not_matter(random):
    def mixed(values):
        return tuple(random.sample(list(values), len(values)))

    target = replace(
        FULL,
        **{
            name: mixed(getattr(FULL, name))
            for name in (
                *("databases", "roles", "settable_roles", "extensions", "clients"),
                *("existing", "memberships", "idle_slots"),
            )
        },
        locales=dict(mixed(FULL.locales.items())),
    )
    fact = replace(
        RICH,
        **{name: mixed(getattr(RICH, name)) for name in ("owners", "extensions", "left_out")},
    )
    shuffled = made(
        facts=mixed((fact, SHOP)),
        target=target,
        blobs=mixed(BLOBS),
        created=mixed(("crm_owner", "other")),
        known=mixed(("empty", "void")),
        onExisting="swap",
        globals={"schema": "apply"},
    )
    assert shuffled == made(
        facts=(RICH, SHOP),
        target=FULL,
        created=("crm_owner", "other"),
        known=("empty", "void"),
        onExisting="swap",
        globals={"schema": "apply"},
    )


@pytest.mark.parametrize(
    "passing",
    [
        {"free_connections": 3},
        {"cores": 16},
        {"existing": (replace(EXISTING[0], size_bytes=10**12), EXISTING[1])},
        {"idle_slots": ()},
    ],
)
def test_what_changes_by_the_minute_changes_no_hash(passing):
    def at(target):
        return made((RICH, SHOP), target, onExisting="swap")

    assert at(replace(FULL, **passing)) != at(FULL)
    assert at(replace(FULL, **passing)).hash == at(FULL).hash


@pytest.mark.parametrize(
    ("target", "facts", "asked"),
    [
        ({"existing": (replace(EXISTING[0], oid=9), EXISTING[1])}, {}, {}),  # another database
        ({"databases": ("postgres", "old")}, {}, {}),
        ({"roles": ("pgadmin", "boss", "clerk", "gone")}, {}, {}),
        ({"version": "18.5"}, {}, {}),
        ({"memberships": ()}, {}, {}),
        ({}, {"left_out": ()}, {}),
        ({}, {"left_out_more": 1}, {}),
        ({}, {"blob": replace(BLOBS[1], etag="other")}, {}),
        ({}, {}, {"onExisting": "replace"}),
        ({}, {}, {"databases": {"rename": {"crm": "crm2"}}}),
        ({}, {}, {"objects": {"privileges": False}}),
    ],
)
def test_what_is_created_replaced_or_left_out_changes_the_hash(target, facts, asked):
    before = made((RICH, SHOP), FULL, onExisting="swap")
    after = made(
        (replace(RICH, **facts), SHOP), replace(FULL, **target), **{"onExisting": "swap", **asked}
    )
    assert after.hash != before.hash


def test_what_was_found_of_the_roles_is_part_of_the_plan():
    left = Finding("role-left-out", "role 'x'", "left out: a role of the service")
    found = Findings(refusals=(left,), warnings=(left,), notes=(left,))
    result = plan(ID, request(), read_set(BLOBS), (CRM,), TARGET, ("crm_owner",), (), found)
    assert (result.refusals[-1], result.warnings[-1], result.notes[-1]) == (left, left, left)
    assert result.hash != made((CRM,)).hash


def test_what_the_login_held_before_is_written_down():
    held = made((RICH,), FULL, onExisting="swap").held
    assert [(own.role, own.grantor) for own in held] == [
        ("boss", "azuresu"),
        ("boss", "pgadmin"),
        ("clerk", ""),
    ]


def test_system_databases_are_skipped_and_said_to_be():
    notes = [str(note) for note in made().notes]
    assert any("azure_sys" in note and "system database" in note for note in notes)


def test_only_roles_are_run_by_default_and_the_rest_is_said_to_be_skipped():
    result = made()
    assert (result.roles, result.schema, result.tablespaces) == (BLOBS[4], None, None)
    assert codes(result.notes).count("skipped") == 3


def test_all_three_scripts_are_run_where_that_is_asked():
    result = made(globals={"roles": "skip", "schema": "apply", "tablespaces": "apply"})
    assert (result.roles, result.schema, result.tablespaces) == (None, BLOBS[5], BLOBS[6])
    assert "creates the tablespaces" in str(result.notes[-1])


def test_a_database_that_only_the_schema_script_knows_is_made_without_rows():
    asked = {"globals": {"schema": "apply"}}
    result = made(known=("crm", "shop", "empty", "postgres"), **asked)
    alone = result.databases[-1]
    assert (alone.name, alone.engine, alone.blob) == ("empty", Engine.SCHEMA, BLOBS[5])
    assert "database 'empty': has no dump" in str(result.notes[-1])
    assert [step.name for step in made(known=("empty",)).databases] == ["shop", "crm"]


def test_what_there_is_to_make_of_each_database_is_foretold_in_the_plans_order():
    crm = replace(CRM, tables=4, indexes=7, constraints=3)
    result = made([crm, SHOP], known=("crm", "shop", "empty"), globals={"schema": "apply"})
    assert [forecast.load for forecast in result.prediction.databases] == [
        Load("stream", 5000),
        Load("stream", 1000, 4, 7, 3),
        Load("schema", BLOBS[5].size_bytes),
    ]
    assert result.prediction.basis == "benchmarks"


def test_an_existing_database_is_refused_unless_it_may_be_swapped():
    facts = (replace(CRM, database="old"),)
    assert codes(made(facts).refusals) == ["database-exists"]
    swapped = made(facts, onExisting="swap")
    assert swapped.refusals == ()
    assert swapped.databases[0].before == "old__before_01234567"


def test_a_rename_gets_out_of_the_way():
    result = made((replace(CRM, database="old"),), databases={"rename": {"old": "old_restored"}})
    assert result.refusals == ()
    assert result.databases[0].target == "old_restored"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"databases": {"include": ["cmr"]}}, "unknown-database"),
        ({"databases": {"exclude": ["cmr"]}}, "unknown-database"),
        ({"databases": {"rename": {"cmr": "x"}}}, "unknown-database"),
        ({"databases": {"exclude": ["crm", "shop"]}}, "nothing-to-restore"),
        ({"databases": {"rename": {"crm": "shop"}}}, "name-twice"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(asked, code):
    assert code in codes(made(**asked).refusals)


def test_a_system_database_never_gets_its_own_name_back():
    finding = made((replace(CRM, database="azure_sys"),)).refusals[0]
    assert finding.code == "system-database"


def test_a_mistyped_name_is_told_what_there_is():
    finding = made(databases={"include": ["cmr"]}).refusals[0]
    assert finding.message == "expected a database of this backup, found 'cmr'"
    assert finding.hint == "the backup has: crm, shop"


@pytest.mark.parametrize(
    ("fact", "target", "code"),
    [
        (replace(CRM, damage="expected 9 bytes more, found its end"), TARGET, "dump-damaged"),
        (replace(CRM, format=Format.EMPTY), TARGET, "dump-empty"),
        (replace(CRM, archive=(1, 16)), replace(TARGET, clients=(15, 16)), "no-client"),
        (CRM, replace(TARGET, clients=()), "no-client"),
        (replace(CRM, extensions=("postgis",)), TARGET, "extension-unavailable"),
        (CRM, replace(TARGET, createdb=False), "no-createdb"),
        (CRM, replace(TARGET, createrole=False), "no-createrole"),
    ],
)
def test_what_cannot_work_is_refused_beforehand(fact, target, code):
    finding = next(f for f in made((fact,), target).refusals if f.code == code)
    assert finding.message.startswith("expected ") or code == "dump-damaged"


def test_a_database_that_was_not_asked_for_cannot_forbid_the_others():
    broken = replace(SHOP, damage="expected its end, found none")
    assert made((CRM, broken), databases={"include": ["crm"]}).refusals == ()


def test_owners_that_will_not_exist_are_told_and_left_out():
    result = made(created=())
    assert codes(result.warnings) == ["owner-missing"]
    step = next(step for step in result.databases if step.name == "crm")
    assert (step.owner, step.keep_owners) == (None, False)
    assert result.borrow == ()


def test_the_login_borrows_what_it_cannot_be_yet():
    assert made().borrow == ("crm_owner",)
    held = replace(TARGET, settable_roles=("crm_owner",), roles=("crm_owner",))
    assert made(target=held).borrow == ()
    assert made(target=replace(TARGET, superuser=True)).borrow == ()


@pytest.mark.parametrize(
    ("archive", "major", "clients", "chosen"),
    [
        ((1, 14), 16, (15, 16, 18), 16),
        ((1, 15), 16, (15, 16, 18), 16),
        ((1, 15), 18, (15, 16, 18), 18),
        ((1, 16), 16, (15, 16, 18), 18),
        ((1, 16), 18, (15, 16), None),
        ((1, 14), 18, (16,), 16),
        (None, 16, (15, 18), 15),
        ((1, 15), 18, (), None),
        ((9, 9), 18, (18, 99), 99),
        ((9, 9), 18, (17, 18), None),
    ],
)
def test_the_client_reads_the_archive_and_speaks_to_the_server(archive, major, clients, chosen):
    """17 and newer send SET transaction_timeout, which servers up to 16 refuse."""
    assert replace(TARGET, major=major, clients=clients).client_for(archive) == chosen


def test_older_targets_unknown_files_and_a_missing_timestamp_are_warnings():
    odd = Blob("readme.txt", 1, "etag")
    result = made(
        (replace(CRM, dump_major=18),),
        replace(TARGET, major=16),
        blobs=(*BLOBS[1:], odd),
    )
    assert set(codes(result.warnings)) == {"older-target", "unknown-file", "no-timestamp"}


@pytest.mark.parametrize("name", ["crm", "x" * 63, "ü" * 31, "Ü" * 20 + "x" * 23, "漢" * 21])
def test_a_side_name_fits_the_server_and_stays_apart(name):
    made_name = side_name(name, "restoring", ID)
    assert len(made_name.encode()) <= 63
    assert made_name.endswith("__restoring_01234567")
    assert made_name != side_name(name[:-1] + "y", "restoring", ID)
    assert made_name != side_name(name, "before", ID)


# ---- who moves the rows ------------------------------------------------------------------------


def test_archives_are_streamed_and_scripts_are_run():
    facts = (CRM, replace(SHOP, format=Format.SCRIPT, archive=None))
    result = made(facts=facts)
    assert {s.name: s.engine for s in result.databases} == {
        "crm": Engine.STREAM,
        "shop": Engine.PSQL,
    }
    assert "engine" not in codes(result.notes)


@pytest.mark.parametrize(
    ("facts", "asked", "reason"),
    [
        (replace(CRM, unsuited="its rows come by INSERT"), "auto", "its rows come by INSERT"),
        (replace(CRM, format=Format.TAR, archive=None), "auto", "it is a tar archive"),
        (CRM, "pg_restore", "the request asks for it"),
    ],
)
def test_what_is_left_to_pg_restore_is_said_with_its_reason(facts, asked, reason):
    result = made(facts=(facts,), engine=asked)
    assert result.refusals == ()
    assert [step.engine for step in result.databases] == [Engine.PG_RESTORE]
    assert [n.message for n in result.notes if n.code == "engine"] == [
        f"by pg_restore, as {reason}"
    ]


def test_an_archive_that_cannot_be_streamed_is_refused_where_only_that_will_do():
    facts = (replace(CRM, unsuited="its rows come by INSERT"), SHOP)
    (refusal,) = made(facts=facts, engine="stream").refusals
    assert refusal.code == "engine-unsuited"
    assert "its rows come by INSERT" in refusal.message


@pytest.mark.parametrize(
    ("cores", "free", "asked", "connections"),
    [
        (4, 1000, None, 4),
        (4, 1000, 12, 12),
        (16, 40, None, 9),  # half of what is free, for two databases, each with a watcher
        (16, 40, 3, 3),
        (16, 0, 16, 1),
    ],
)
def test_connections_are_as_many_as_cores_unless_server_or_request_allow_less(
    cores, free, asked, connections
):
    target = replace(TARGET, cores=cores, free_connections=free)
    limit = {} if asked is None else {"connections": asked}
    assert {s.connections for s in made(target=target, **limit).databases} == {connections}


def test_sql_of_the_request_is_part_of_the_plan_and_of_its_hash():
    asked = {
        "beforePublish": [{"database": "c*", "sql": "DELETE FROM t"}],
        "checks": [{"sql": "SELECT …", "expect": [[1, True, 1.5, None, "x"]]}],
    }
    result = made(**asked)
    shop, crm = result.databases
    assert (shop.hooks, crm.hooks) == ((), ("DELETE FROM t",))
    assert crm.checks[0].expect == (("1", "t", "1.5", None, "x"),)
    assert made(checks=[{"sql": "SELECT true"}]).databases[0].checks[0].expect is None
    other = {**asked, "beforePublish": [{"database": "c*", "sql": "DELETE FROM u"}]}
    assert len({result.hash, made(**other).hash, made().hash, made(drop=True).hash}) == 4


def test_sql_for_no_database_is_refused():
    result = made(
        beforePublish=[{"database": "x*", "sql": "SELECT 1"}],
        checks=[{"database": "y", "sql": "SELECT true"}],
    )
    assert [finding.subject for finding in result.refusals] == ["beforePublish", "checks"]


def test_a_suffix_names_what_is_not_renamed():
    result = made(databases={"rename": {"crm": "mine"}, "suffix": "_b"})
    assert {step.target for step in result.databases} == {"mine", "shop_b"}
