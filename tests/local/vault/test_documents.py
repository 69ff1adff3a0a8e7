"""What the vault says has the shape of what Azure Backup was recorded saying."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.vault import Names, RecoveryPoint, documents
from local.vault.faults import Refusal
from local.vault.landing import Job, Order

RECORDED = Path(__file__).parents[2] / "data/vault"
NAMES = Names()
STARTED = datetime(2024, 4, 10, 10, 34, 2, 976416, UTC)
POINT = RecoveryPoint("64c119855c104fa3ac83d46c9b96647a", STARTED, STARTED, True, ())


def shape(value: Any) -> Any:
    """The keys and the kinds of values: what a reader of the document relies on."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def job(ended: datetime | None) -> Job:
    order = Order.read(recorded("validateRestore.request")["restoreRequestObject"])
    return Job(order, POINT, started=STARTED, ended=ended)


def test_recovery_points_are_listed_as_recorded():
    ours = documents.page([documents.recovery_point(NAMES, POINT)])
    assert shape(ours) == shape(recorded("recoveryPoints.list"))


@pytest.mark.parametrize(
    ("name", "status", "ended"),
    [
        ("job.restore.inprogress", "InProgress", None),
        ("job.restore.completed", "Completed", STARTED + timedelta(seconds=125.650351)),
    ],
)
def test_a_job_looks_as_recorded(name, status, ended):
    ours, theirs = documents.job(NAMES, job(ended), status), recorded(name)
    assert shape(ours) == shape(theirs)
    for key in ("status", "operation", "duration", "startTime"):
        mine, real = ours["properties"][key], theirs["properties"][key]
        assert mine[:9] == real[:9]
    destination = ours["properties"]["extendedInfo"]["recoveryDestination"]
    assert destination == theirs["properties"]["extendedInfo"]["recoveryDestination"]


def test_an_operation_under_way_looks_as_recorded():
    theirs = recorded("operationStatus.inprogress")
    ours = documents.operation(theirs["id"], "Inprogress", STARTED, None)
    assert shape(ours) == shape(theirs)
    assert (ours["name"], ours["endTime"]) == (theirs["name"], theirs["endTime"])


def test_a_failed_job_says_why():
    failed = job(STARTED)
    failed.error = Refusal(400, "UserErrorX", "No.", "Do this.")
    [error] = documents.job(NAMES, failed, "Failed")["properties"]["errorDetails"]
    assert (error["code"], error["recommendedAction"]) == ("UserErrorX", ["Do this."])
    assert error["isUserError"] is True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0.0000000S"), (5.25, "PT5.2500000S"), (125.5, "PT2M5.5000000S")],
)
def test_a_duration_is_iso_8601(seconds, text):
    assert documents.duration(timedelta(seconds=seconds)) == text
