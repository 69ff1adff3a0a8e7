import json

import pytest

from restore.core.request import (
    BODY_LIMIT_BYTES,
    OnExisting,
    RequestError,
    Roles,
    Script,
    fingerprint,
    idempotency_key,
    parse,
    query,
)

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
        "/onExisting": ("one of 'refuse' or 'swap'", "'drop'"),
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
