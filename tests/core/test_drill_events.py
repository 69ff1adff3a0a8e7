"""What others are told of drills is as the published schemas say."""

from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from restore.core.drill_events import TYPES, drill_event, event_schema

NOW = datetime(2026, 11, 26, 3, 4, 5, tzinfo=UTC)
RUN = {
    "restore": "4f79696ef73954ee",
    "due": NOW,
    "status": "succeeded",
    "passed": True,
    "rtoSeconds": 12.5,
}
FAILED = {
    **RUN,
    "status": "failed",
    "passed": False,
    "recoveryPoint": NOW - timedelta(days=1),
    "rpoSeconds": 86400.0,
    "bytes": 7,
    "error": {"code": "checks", "message": "database 'crm': expected t, found f"},
}


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("drill.passed", RUN),
        ("drill.failed", FAILED),
        ("drill.overdue", {"lastPassed": None, "overdueDays": 7}),
        ("drill.overdue", {"lastPassed": NOW, "overdueDays": 7}),
    ],
    ids=["passed", "failed", "never passed", "overdue"],
)
def test_each_event_is_as_its_schema_says(type_, data):
    event = drill_event("crm-weekly", type_, "4f79696ef73954ee", data, NOW)
    Draft202012Validator(event_schema(type_), format_checker=FormatChecker()).validate(event)
    assert event["id"] == f"crm-weekly-{type_}-4f79696ef73954ee"
    assert event["source"] == "/api/drills/crm-weekly"
    assert event["data"]["drill"] == "crm-weekly"


def test_a_failure_is_no_pass():
    event = drill_event("crm-weekly", "drill.passed", "4f79696ef73954ee", FAILED, NOW)
    assert not Draft202012Validator(event_schema("drill.passed")).is_valid(event)


def test_a_moment_is_told_as_every_reader_takes_it():
    event = drill_event("crm-weekly", "drill.failed", "x", FAILED, NOW)
    assert event["data"]["recoveryPoint"] == "2026-11-25T03:04:05+00:00"
    assert set(TYPES) == {"drill.passed", "drill.failed", "drill.overdue"}
