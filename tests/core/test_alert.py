"""Payloads of monitoring -> alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from restore.core.alert import BODY_LIMIT_BYTES, Handshake, alerts
from restore.errors import MessageError

DATA = Path(__file__).parent.parent / "data" / "alerts"
SERVER = "flexibleservers/pg1"


def payload(name: str) -> bytes:
    return (DATA / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "rule", "severity", "service", "resolved"),
    [
        ("metric-fired", "pg1 is down", "Sev1", "Platform", False),
        ("metric-resolved", "pg1 is down", "Sev1", "Platform", True),
        ("log-fired", "tables dropped", "Sev1", "Log Alerts V2", False),
        ("activity-fired", "database deleted", "Sev4", "Activity Log - Administrative", False),
        ("backup-fired", "Backup Failure", "Sev1", "Azure Backup", False),
        ("eventgrid-alert", "tables dropped", "Sev1", "Log Alerts V2", False),
        ("eventgrid-event", "Contoso.OrdersLost", "", "", False),
        ("cloudevent-alert", "pg1 is down", "Sev1", "Platform", False),
        ("cloudevent-event", "contoso.orders.lost", "", "", False),
    ],
)
def test_each_kind_is_understood(name, rule, severity, service, resolved):
    (found,) = alerts(payload(name))
    assert (found.rule, found.severity, found.service) == (rule, severity, service)
    assert found.resolved is resolved
    assert any(resource.lower().endswith(SERVER) for resource in found.resources)
    assert found.fired.replace(second=0, microsecond=0) in (
        datetime(2026, 11, 20, 2, 58, tzinfo=UTC),
        datetime(2026, 11, 20, 2, 59, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("name", "condition", "resource"),
    [
        ("log-v1-fired", "DROP TABLE", SERVER),  # a dimension; the alert is about the workspace
        ("backup-vault-constructed-fired", "Jobs", SERVER),  # what the vault protects
        ("backup-vault-constructed-fired", "Jobs", "/backupvaults/safe"),
    ],
)
def test_what_an_alert_is_really_about_may_stand_in_its_context(name, condition, resource):
    (found,) = alerts(payload(name))
    assert any(condition in text for text in found.conditions)
    assert any(name.lower().endswith(resource) for name in found.resources)


@pytest.mark.parametrize(
    ("context", "conditions", "resources"),
    [
        ({"condition": {"allOf": [{"metricName": "cpu"}, {"metricName": "cpu"}, 7]}}, ("cpu",), ()),
        ({"operationName": "x/delete", "properties": {"category": "Jobs"}},
         ("x/delete", "Jobs"), ()),
        ({"condition": {"allOf": 7}, "properties": [], "metricName": 3, "category": ""}, (), ()),
        ({"condition": "cpu", "dimensions": [{"name": "a", "value": "/subscriptions/x"}, 3]},
         (), ("/subscriptions/x",)),
        ({"Dimensions": [{"value": "Computer"}], "dimensions": {"a": 1}}, (), ()),
    ],
    ids=range(5),
)  # fmt: skip
def test_a_context_may_hold_anything(context, conditions, resources):
    body = json.loads(changed("data", "alertContext", context))
    body["data"]["essentials"]["alertTargetIDs"] = []
    (found,) = alerts(json.dumps(body).encode())
    assert (found.conditions, found.resources) == (conditions, resources)


def test_an_event_is_known_by_its_source_too():
    """Two sources may use one id. Source: CloudEvents 1.0.2, id."""
    event = json.loads(payload("cloudevent-event"))
    bodies = [event, {**event, "source": "/other"}, {**event, "data": {"operationName": "drop"}}]
    one, other, third = alerts(json.dumps(bodies).encode())
    assert one.id != other.id
    assert one.id == third.id == f"{event['source']}#{event['id']}"
    assert (one.conditions, third.conditions) == ((), ("drop",))


def test_several_events_in_one_delivery():
    both = [*json.loads(payload("eventgrid-alert")), *json.loads(payload("eventgrid-event"))]
    assert [alert.rule for alert in alerts(json.dumps(both).encode())] == [
        "tables dropped",
        "Contoso.OrdersLost",
    ]


def test_event_grid_asks_whether_it_may_send():
    found = alerts(payload("eventgrid-handshake"))
    assert found == Handshake("512d38b6-c7b8-40c8-89fe-f46f9e9622b6")


def changed(*path_and_value: object) -> bytes:
    """A metric alert with one value changed, or taken away."""
    *path, last, value = path_and_value
    body = json.loads(payload("metric-fired"))
    place = body
    for part in path:
        place = place[part]
    place[last] = value
    return json.dumps(body).encode()


ESSENTIALS = ("data", "essentials")


@pytest.mark.parametrize(
    ("body", "expected", "found"),
    [
        (b"", "JSON", "0 bytes"),
        (b"[" * 100_000, "JSON", "bytes that are not"),
        (b"42", "an object", "int"),
        (b"{}", "azureMonitorCommonAlertSchema", ""),
        (b'{"schemaId":"Microsoft.Insights/activityLogs","data":{}}', "CommonAlert", "data"),
        (b" " * (BODY_LIMIT_BYTES + 1), "at most", "bytes"),
        (changed("data", None), "data: an object", "NoneType"),
        (changed(*ESSENTIALS, []), "essentials: an object", "list"),
        (changed(*ESSENTIALS, "alertId", ""), "alertId: a string", "str"),
        (changed(*ESSENTIALS, "alertRule", 3), "alertRule: a string", "int"),
        (changed(*ESSENTIALS, "monitorCondition", "Acknowledged"), "Fired or Resolved", "Ackn"),
        (changed(*ESSENTIALS, "alertTargetIDs", "pg1"), "alertTargetIDs: an array", "str"),
        (changed(*ESSENTIALS, "firedDateTime", "yesterday"), "ISO 8601", "yesterday"),
        (changed(*ESSENTIALS, "firedDateTime", "2026-11-20T02:58:24"), "with an offset", "2026"),
    ],
)
def test_what_is_none_is_refused_with_what_was_found(body, expected, found):
    with pytest.raises(MessageError) as refusal:
        alerts(body)
    assert expected in refusal.value.message
    assert found in refusal.value.message
    assert "common alert schema" in refusal.value.hint


def test_an_alert_without_a_context_or_resources_is_one_all_the_same():
    assert alerts(changed("data", "alertContext", None))[0].rule == "pg1 is down"
    assert alerts(changed(*ESSENTIALS, "alertTargetIDs", None))[0].resources == ()
