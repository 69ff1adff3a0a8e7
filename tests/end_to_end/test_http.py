"""The HTTP surface: what callers may send, and what they get."""

import json

import pytest
from azure.storage.blob import BlobServiceClient

from local.stack import Stack
from local.vault import Faults
from restore.cli.client import Client
from restore.core.messages import POISON, REPORTS, TASKS
from tests.end_to_end.conftest import snapshot
from tests.waiting import eventually
from tests.worker.bench import DATA


def test_a_post_is_answered_at_once_with_where_to_look(stack: Stack):
    answer = stack.client.start(stack.request(dryRun=True))
    assert answer.status == 202
    restore_id = answer.body["id"]
    assert answer.headers["location"] == f"{stack.client.url}/api/restores/{restore_id}/operation"
    assert int(answer.headers["retry-after"]) > 0
    path = answer.headers["operation-location"].removeprefix(stack.client.url)
    running = stack.client.call("GET", path)
    assert (running.status, running.body["status"]) == (202, "Running")
    assert running.headers["location"] == answer.headers["location"]
    shown = stack.client.show(restore_id)
    assert shown.status == 200
    assert shown.body["id"] == restore_id
    assert stack.wait(restore_id)["status"] == "succeeded"
    ended = stack.client.call("GET", path)
    assert (ended.status, ended.body["status"]) == (200, "Succeeded")
    listed = stack.client.list().body["restores"]
    assert listed[0]["id"] == restore_id
    assert listed[0]["status"] == "succeeded"


def test_the_same_key_gives_the_same_restore_and_another_request_is_refused(stack: Stack):
    stack.vault.faults = Faults(seconds_per_blob=0.05)
    first = stack.client.start(stack.request(dryRun=True), "incident-1")
    again = stack.client.start(stack.request(dryRun=True), "incident-1")
    assert (first.status, again.status) == (202, 202)
    assert again.body["id"] == first.body["id"]
    other = stack.client.start(stack.request(onExisting="swap"), "incident-1")
    assert other.status == 422
    assert other.body["type"] == "urn:restore:problem:key-reused"
    assert first.body["id"] in other.body["hint"]
    assert stack.wait(first.body["id"])["status"] == "succeeded"


def changed(stack, **changes):
    return json.dumps(stack.request(**changes)).encode()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (lambda stack: b"", 400, ""),
        (lambda stack: b"restore please", 400, ""),
        (lambda stack: b"\xff\xfe\x00", 400, ""),
        (lambda stack: b"[1, 2]", 400, ""),
        (lambda stack: b"{}", 400, "/source"),
        (lambda stack: b'{"a":' * 10_000, 400, ""),
        (lambda stack: b" " * 10_000_000, 413, ""),
        (lambda stack: changed(stack, extra=1), 400, "/extra"),
        (lambda stack: changed(stack, target=7), 400, "/target"),
        (lambda stack: changed(stack, onExisting=True), 400, "/onExisting"),
        (
            lambda stack: changed(
                stack,
                source={
                    "server": stack.vault.names.server_id,
                    "recoveryPoint": {"before": "2026-11-20T10:00:00"},
                },
            ),
            400,
            "/source/recoveryPoint/before",
        ),
        (
            lambda stack: changed(stack, databases={"include": ["a\x00b"]}),
            400,
            "/databases/include/0",
        ),
        (
            lambda stack: changed(stack, databases={"include": ["x" * 64]}),
            400,
            "/databases/include/0",
        ),
    ],
)
def test_a_bad_request_gets_a_problem_document(stack: Stack, body, status, pointer):
    answer = stack.client.start(body(stack))
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.body["status"] == status
    assert pointer in [error["pointer"] for error in answer.body["errors"]]
    for error in answer.body["errors"]:
        assert error["expected"]
        assert error["found"]


def test_bad_requests_start_nothing(stack: Stack):
    def ids():
        return [restore["id"] for restore in stack.client.list().body["restores"]]

    before = ids()
    stack.client.start(b"{}")
    stack.client.start(stack.request(extra=1))
    assert ids() == before


@pytest.mark.parametrize(
    "path",
    [
        "/api/restores/0123456789abcdef",
        "/api/restores/nonsense",
        "/api/restores/..%2f..%2fhost.json",
        "/api/restores/%00",
        "/api/restores/ABCDEF0123456789",
    ],
)
def test_a_restore_that_does_not_exist_is_not_found(stack: Stack, path):
    answer = stack.client.call("GET", path)
    assert answer.status == 404
    assert "blob" not in answer.body["detail"]  # how it is stored is nobody's business
    assert stack.client.call("POST", f"{path}/cancel", b"").status == 404


def test_every_route_but_health_needs_a_key(stack: Stack):
    stranger = Client(stack.client.url, "wrong")
    assert stranger.list().status == 401
    assert stranger.start(stack.request()).status == 401
    assert stranger.cancel("0123456789abcdef").status == 401
    assert stranger.call("GET", "/api/recovery-points").status == 401
    health = stranger.call("GET", "/api/health")
    assert (health.status, health.body["status"]) == (200, "ok")
    assert health.body["deadLetters"] == dict.fromkeys((TASKS, REPORTS, POISON), 0)


def test_recovery_points_are_listed_newest_first(stack: Stack):
    server = stack.vault.names.server_id
    answer = stack.client.call("GET", f"/api/recovery-points?server={server}")
    assert answer.status == 200
    assert answer.body["instance"] == stack.vault.names.instance
    points = answer.body["recoveryPoints"]
    assert [point["id"] for point in points] == [point.id for point in stack.vault.points()]
    assert points[0]["restorable"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?server=pg1", 400),
        ("?instance=nobody", 404),
        ("?server=/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/r/providers"
         "/Microsoft.DBforPostgreSQL/flexibleServers/other", 404),
        ("?instance=x&vault=/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/r"
         "/providers/Microsoft.DataProtection/backupVaults/other", 403),
    ],
)  # fmt: skip
def test_points_of_an_unknown_server_or_a_foreign_vault_are_refused(stack: Stack, query, status):
    assert stack.client.call("GET", f"/api/recovery-points{query}").status == status


def test_an_alert_restores_beside_what_is_there(stack: Stack):
    rule = {
        "name": "lost",
        "when": {"rule": "tables dropped"},
        "request": stack.request(dryRun=True),
    }
    document = json.dumps({"version": 1, "rules": [rule]}).encode()
    with BlobServiceClient.from_connection_string(stack.storage.connection_string) as storage:
        blob = storage.get_blob_client("restore-state", "recovery-rules.yaml")
        blob.upload_blob(document, overwrite=True)
    alert = (DATA / "alerts/log-fired.json").read_bytes()
    tried = stack.client.call("POST", "/api/alerts?dryRun=true", alert)
    assert (tried.status, tried.body["alerts"][0]["action"]) == (200, "start")
    answer = stack.client.call("POST", "/api/alerts", alert)
    assert answer.status == 202
    (decision,) = answer.body["alerts"]
    assert tried.body["problems"] == []
    place = f"{stack.client.url}/api/restores/{decision['restore']}"
    assert answer.headers["location"] == place
    again = stack.client.call("POST", "/api/alerts", alert)
    assert (again.status, again.body["alerts"][0]["restore"]) == (200, decision["restore"])
    status = stack.wait(decision["restore"])
    assert status["status"] == "succeeded"
    assert all(d["target"].endswith("_recovered_20261120T0258") for d in status["databases"])


def test_event_grid_is_answered_in_both_its_ways(stack: Stack):
    asked = stack.client.call(
        "POST", "/api/alerts", (DATA / "alerts/eventgrid-handshake.json").read_bytes()
    )
    assert asked.body == {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    allowed = stack.client.call("OPTIONS", "/api/alerts", None, origin)
    assert allowed.status == 200
    assert allowed.headers["webhook-allowed-origin"] == "eventgrid.azure.net"


def test_what_is_no_alert_is_refused(stack: Stack):
    answer = stack.client.call("POST", "/api/alerts", b'{"status": "Activated"}')
    assert answer.status == 400
    assert answer.body["type"] == "urn:restore:problem:message"
    assert "common alert schema" in answer.body["hint"]


def test_a_key_in_the_url_stays_with_who_sent_it(stack: Stack):
    anonymous = Client(stack.client.url, "")
    answer = anonymous.call(
        "POST", f"/api/restores?code={stack.client.key}", changed(stack, dryRun=True)
    )
    assert answer.headers["location"].endswith(f"/operation?code={stack.client.key}")
    stack.wait(answer.body["id"])
    path = answer.headers["location"].removeprefix(stack.client.url)
    assert anonymous.call("GET", path).status == 200


def test_what_has_not_changed_is_not_sent_again(stack: Stack):
    restore_id = stack.client.start(stack.request(dryRun=True)).body["id"]
    stack.wait(restore_id)
    path = f"/api/restores/{restore_id}"

    def is_told_by_its_etag():
        etag = stack.client.show(restore_id).headers["etag"]
        again = stack.client.call("GET", path, None, {"If-None-Match": etag})
        return (again.status, again.text) == (304, "")

    assert eventually(is_told_by_its_etag)  # something is put away after the end
    assert stack.client.call("GET", path, None, {"If-None-Match": '"other"'}).status == 200


def test_a_drill_proves_a_backup_and_leaves_nothing(stack: Stack):
    before = snapshot(stack.target)
    drill = {"name": "now", "schedule": "0 0 0 29 2 *", "request": stack.request()}
    document = json.dumps({"version": 1, "drills": [drill]}).encode()
    with BlobServiceClient.from_connection_string(stack.storage.connection_string) as storage:
        blob = storage.get_blob_client("restore-state", "drills.yaml")
        blob.upload_blob(document, overwrite=True)
        answer = stack.client.call("POST", "/api/drills/now", b"")
        assert answer.status == 202
        status = stack.wait(answer.body["id"])
        assert status["status"] == "succeeded", status
        assert all(d["rows"]["found"] == d["rows"]["expected"] for d in status["databases"])
        assert snapshot(stack.target) == before
        (shown,) = stack.client.call("GET", "/api/drills").body["drills"]
        assert (shown["name"], shown["overdue"]) == ("now", True)
        blob.delete_blob()
