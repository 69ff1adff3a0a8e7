import json

import pytest

from restore.core.fields import matches
from restore.core.options import (
    Approval,
    Content,
    ExistingRoles,
    Level,
    OnExisting,
    Publish,
    Roles,
    Script,
    WithoutPassword,
)
from restore.core.request import (
    BODY_LIMIT_BYTES,
    RolePolicy,
    approval,
    fingerprint,
    idempotency_key,
    parse,
    query,
)
from restore.core.request_error import RequestError

SERVER = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-data"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg1"
)
VAULT = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-data"
    "/providers/Microsoft.DataProtection/backupVaults/vault1"
)
TARGET = {"host": "pg2.postgres.database.azure.com", "user": "restoreadmin"}


def body(**changes):
    return json.dumps({"source": {"server": SERVER}, "target": TARGET, **changes}).encode()


def problems(text):
    with pytest.raises(RequestError) as caught:
        parse(text)
    return {problem.field: (problem.expected, problem.found) for problem in caught.value.problems}


def test_the_smallest_request_gets_the_careful_defaults():
    request = parse(body())
    assert request.source.selection.id == ""
    assert request.source.selection.before is None
    assert request.target.address == "pg2.postgres.database.azure.com:5432"
    assert request.on_existing is OnExisting.REFUSE
    assert request.globals.roles is Roles.SANITISE
    assert request.globals.schema is Script.SKIP
    assert request.globals.tablespaces is Script.SKIP
    assert request.databases.wants("anything")


def test_a_byte_order_mark_is_passed_over():
    assert parse(b"\xef\xbb\xbf" + body()) == parse(body())


def test_every_field_has_its_place():
    request = parse(
        body(
            source={
                "vault": VAULT,
                "instance": "pg1-pg1-0c0ffee0",
                "recoveryPoint": {"before": "2026-11-20T10:00:00+01:00"},
                "region": "northeurope",
            },
            target={**TARGET, "port": 6432, "secret": "pg2-admin", "database": "maintenance"},
            databases={"include": ["crm", "Größe"], "exclude": ["x"], "rename": {"crm": "crm_2"}},
            onExisting="swap",
            globals={"roles": "skip", "schema": "apply", "tablespaces": "apply"},
        )
    )
    assert request.source.selection.before.isoformat() == "2026-11-20T10:00:00+01:00"
    assert request.databases.target_name("crm") == "crm_2"
    assert not request.databases.wants("x")
    assert not request.databases.wants("other")
    assert request.target.address == "pg2.postgres.database.azure.com:6432"


def test_all_problems_are_named_at_once_each_with_its_field():
    found = problems(
        body(
            source={"server": "pg1", "recoveryPoint": {"before": "2026-11-20T10:00:00"}},
            target={"host": "a b", "user": "x" * 64, "port": "5432"},
            onExisting="drop",
        )
    )
    assert found == {
        "/source/server": ("the ARM id of a flexible server", "'pg1'"),
        "/source/recoveryPoint/before": (
            "an ISO 8601 instant with an explicit offset",
            "'2026-11-20T10:00:00'",
        ),
        "/target/host": ("a host name or IPv4 address, without a port", "'a b'"),
        "/target/user": ("a name of 1 to 63 bytes", "64 bytes"),
        "/target/port": ("a whole number", "'5432'"),
        "/onExisting": ("one of 'refuse', 'swap' or 'replace'", "'drop'"),
    }


def test_a_password_put_into_the_request_is_refused_and_not_repeated():
    found = problems(body(target={**TARGET, "password": "hunter2"}))
    assert found == {"/target/password": ("no such field", "one")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "JSON"),
        (b"restore pg1 please", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 60_000, "JSON"),
        (b"null", "an object"),
        (b"[]", "an object"),
        (b'"latest"', "an object"),
        (b" " * (BODY_LIMIT_BYTES + 1), "at most 65536 bytes of JSON"),
    ],
)
def test_what_is_not_a_json_object_is_refused(text, expected):
    assert problems(text)[""][0] == expected


@pytest.mark.parametrize(
    "when",
    ["2026-11-20T10:00:00", "2026-11-20", "yesterday", 1_700_000_000, "1700000000", True],
)
def test_an_instant_needs_an_explicit_offset(when):
    found = problems(body(source={"server": SERVER, "recoveryPoint": {"before": when}}))
    assert set(found) == {"/source/recoveryPoint/before"}


@pytest.mark.parametrize(
    "point",
    [
        "newest",
        {"before": None},
        {"id": None},
        {"id": "a", "before": "2026-11-20T10:00:00Z"},
        {"id": "a/../b"},
        7,
        [],
    ],
)
def test_a_recovery_point_is_latest_or_an_id_or_an_instant(point):
    assert problems(body(source={"server": SERVER, "recoveryPoint": point}))


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"server": SERVER, "instance": "pg1"},
        {"container": "https://a.blob.core.windows.net/files", "server": SERVER},
        {"container": "https://a.blob.core.windows.net/files", "vault": VAULT},
        {"container": "https://a.blob.core.windows.net/files", "recoveryPoint": "latest"},
    ],
)
def test_there_is_exactly_one_source(source):
    assert "/source" in problems(body(source=source))


@pytest.mark.parametrize(
    "url",
    [
        "http://a.blob.core.windows.net/files",
        "https://a.blob.core.windows.net/files?sv=2024&sig=abc",
        "https://user:secret@a.blob.core.windows.net/files",
        "https://a.blob.core.windows.net/files/../other",
        "https://a.blob.core.windows.net/files%2f..%2fother",
        "https://a.blob.core.windows.net/files#x",
        "https://a.blob.core.windows.net/",
        "https://a.blob.core.windows.net/Files",
        "https:///files",
        "https://[::1/files",
        "file:///etc/passwd",
        "files",
    ],
)
def test_a_container_is_a_plain_https_url_of_one_container(url):
    expected, found = problems(body(source={"container": url}))["/source/container"]
    assert expected == "https://<account>/<container>, without a query or credentials"
    assert "sig=" not in found
    assert "secret" not in found


@pytest.mark.parametrize(
    "url",
    ["https://a.blob.core.windows.net/files", "http://127.0.0.1:10000/devstoreaccount1/files"],
)
def test_a_container_of_an_account_or_of_a_local_emulator_is_taken(url):
    assert parse(body(source={"container": url})).source.container == url


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32, "a\nb", "a\x00b", "\x1b[31m"])
def test_a_database_name_is_printable_and_fits_the_server(name):
    found = problems(body(databases={"include": [name]}))
    assert set(found) == {"/databases/include/0"}


def test_a_list_of_no_databases_cannot_be_meant():
    found = problems(body(databases={"include": []}))
    assert found["/databases/include"] == ("at least one", "an array without anything in it")


def test_no_database_gets_the_name_of_a_system_database():
    found = problems(body(databases={"rename": {"a": "postgres"}}))
    assert "'postgres'" in found["/databases/rename"][1]


def test_two_databases_cannot_get_one_name():
    found = problems(body(databases={"rename": {"a": "c", "b": "c"}}))
    assert found["/databases/rename"][1] == "'c' twice"


@pytest.mark.parametrize(
    "host", ["pg:5432", "host=evil", "pg.example.com dbname=x", "-a", "a..b", "pg/", "::1", ""]
)
def test_a_host_is_only_a_host(host):
    assert "/target/host" in problems(body(target={**TARGET, "host": host}))


def test_the_fingerprint_is_of_what_is_asked_not_of_how_it_is_written():
    spelled = body(source={"recoveryPoint": "latest", "server": SERVER}, onExisting="refuse")
    assert fingerprint(parse(body())) == fingerprint(parse(spelled))
    assert fingerprint(parse(body())) != fingerprint(parse(body(onExisting="swap")))


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256])
def test_an_idempotency_key_is_visible_ascii(key):
    with pytest.raises(RequestError, match="Idempotency-Key"):
        idempotency_key({"idempotency-key": key})


def test_an_idempotency_key_may_be_absent():
    assert idempotency_key({}) is None
    assert idempotency_key({"idempotency-key": "alert-4711"}) == "alert-4711"


def test_a_query_for_points_names_one_server_or_instance():
    assert query({"server": SERVER, "code": "key", "other": "1"}).server == SERVER
    with pytest.raises(RequestError, match="one of"):
        query({"vault": VAULT})
    with pytest.raises(RequestError, match="ARM id"):
        query({"server": "pg1"})


@pytest.mark.parametrize("source", [7, "pg1", None, []])
def test_a_source_that_is_no_object_is_named(source):
    expected, _ = problems(body(source=source))["/source"]
    assert expected == "an object"


# ---- what of it, and how -------------------------------------------------------------------------


def test_patterns_choose_databases():
    databases = parse(
        body(databases={"include": ["crm_*", "shop?", "a*b"], "exclude": ["*_test"]})
    ).databases
    wanted = ["crm_eu", "shop1", "a*b", "a-b"]
    others = ["crm", "crm_test", "shop", "shop12", "other"]
    assert [name for name in wanted + others if databases.wants(name)] == wanted


def test_a_pattern_is_no_regular_expression():
    assert matches("a.c", "a.c")
    assert not matches("a.c", "abc")
    assert matches("[ab]", "[ab]")
    assert not matches("[ab]", "a")
    assert matches("*", "line\nbreak")


def test_objects_are_all_there_are_unless_some_are_named():
    objects = parse(body()).objects
    assert objects.is_all
    assert objects.content is Content.ALL
    chosen = parse(body(objects={"tables": {"include": ["sales.*"]}})).objects
    assert not chosen.is_all
    assert chosen.tables.wants("sales.orders")
    assert not chosen.tables.wants("audit.log")
    assert not parse(body(objects={"schemas": {"exclude": ["audit"]}})).objects.is_all


def test_a_side_schema_is_for_chosen_tables():
    objects = parse(
        body(objects={"tables": {"include": ["public.orders"]}, "sideSchema": "restored"})
    ).objects
    assert objects.side_schema == "restored"
    assert problems(body(objects={"sideSchema": "restored"})) == {
        "/objects": ('"tables" beside "sideSchema"', "none")
    }


def test_an_empty_or_unprintable_pattern_is_refused():
    found = problems(body(objects={"tables": {"include": ["", "a\nb"]}}))
    assert set(found) == {"/objects/tables/include/0", "/objects/tables/include/1"}


def test_how_careful_a_restore_is_can_be_chosen():
    request = parse(
        body(
            onExisting="replace",
            publish="each",
            approval="required",
            dryRun=True,
            verify="content",
            leaveSeconds=5,
            undoHours=1.5,
            roles={"existing": "update", "withoutPassword": "generate"},
        )
    )
    assert request.on_existing is OnExisting.REPLACE
    assert request.publish is Publish.EACH
    assert request.approval is Approval.REQUIRED
    assert request.dry_run
    assert request.verify is Level.CONTENT
    assert (request.leave_seconds, request.undo_hours) == (5, 1.5)
    assert request.roles == RolePolicy(ExistingRoles.UPDATE, WithoutPassword.GENERATE)


def test_by_default_nothing_is_risked():
    request = parse(body())
    assert request.publish is Publish.TOGETHER
    assert request.roles == RolePolicy(ExistingRoles.KEEP, WithoutPassword.KEEP)
    assert request.verify is Level.CATALOG
    assert request.undo_hours is None
    assert request.server_parameters == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [("leaveSeconds", -1), ("leaveSeconds", 3601), ("undoHours", -0.1), ("undoHours", 2161)],
)
def test_times_have_their_bounds(field, value):
    assert set(problems(body(**{field: value}))) == {f"/{field}"}


def test_server_parameters_need_the_id_of_their_server():
    parameters = {"max_wal_size": "65536"}
    assert problems(body(serverParameters=parameters)) == {
        "": ('"target.server" beside "serverParameters"', "none")
    }
    request = parse(body(serverParameters=parameters, target={**TARGET, "server": SERVER}))
    assert request.server_parameters == parameters


def test_only_what_can_be_put_back_without_a_restart_is_changed():
    target = {**TARGET, "server": SERVER}
    found = problems(body(serverParameters={"shared_buffers": "1"}, target=target))
    expected, other = found["/serverParameters"]
    assert expected.startswith("some of autovacuum, ")
    assert other == "'shared_buffers'"


def test_an_approval_names_the_plan():
    digest = "0123456789abcdef" * 4
    assert approval(b'\xef\xbb\xbf{"hash": "%s"}' % digest.encode()) == digest
    with pytest.raises(RequestError, match="/hash: expected the hash of a plan, found 'yes'"):
        approval(b'{"hash": "yes"}')
    with pytest.raises(RequestError, match="/hash: expected a value, found nothing"):
        approval(b"{}")
