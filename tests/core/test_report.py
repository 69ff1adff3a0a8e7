"""A report says what is known, and of what is not, that it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from restore.core.dumps import Blob
from restore.core.facts import Finding
from restore.core.messages import Check
from restore.core.options import Approval, Level
from restore.core.report import as_json, canonical, report, schema
from restore.core.state import Phase
from tests.core.test_approval import waiting
from tests.core.test_life import ADOPT, BLOBS, BROKEN, NOW, REQUEST, database, prepared

ROOT = Path(__file__).parents[2]
COUNTS = Check(Level.COUNTS, 3, "tables", rows=10, seconds=1.5)
CATALOG = Check(Level.CATALOG, 7, "objects", unchecked=("2 × COMMENT",))


def ended(result=None, request=REQUEST, **parts):
    story = prepared("crm", request=request, **parts).done("roles", seconds=2.0)
    story.now += timedelta(hours=1)
    result = result or database("crm", checks=(COUNTS, CATALOG), seconds=3.25)
    return story.done("database-0", database=result, seconds=3.5).done("finish").restore


def told(restore):
    return as_json(report(restore, "1.2.3"))


def test_the_schema_in_the_docs_is_that_of_the_report():
    written = json.loads((ROOT / "docs/schema/report.schema.json").read_text())
    assert written == schema()


def test_a_report_says_what_was_restored_and_what_was_compared():
    found = told(ended())
    assert (found["kind"], found["version"], found["status"]) == ("restore-report", 1, "succeeded")
    assert found["tools"] == {"product": "restore", "version": "1.2.3", "clients": [18]}
    assert found["source"]["recoveryPoint"] == "rp1"
    assert found["target"]["serverVersion"] == "18.4"
    (crm,) = found["databases"]
    assert (crm["published"], crm["rowsFound"], crm["milliseconds"]) == (True, 10, 3250)
    counts, catalog = crm["checks"]
    assert (counts["level"], counts["done"], counts["milliseconds"]) == ("counts", True, 1500)
    assert (catalog["checked"], catalog["unchecked"]) == (7, ["2 × COMMENT"])


def test_a_level_that_was_not_reached_or_could_not_look_is_not_done():
    asked = replace(REQUEST, verify=Level.CONTENT)
    blind = Check(Level.SCHEMA, 0, "objects", unchecked=("no pg_dump",))
    found = told(ended(database("crm", checks=(COUNTS, CATALOG, blind)), asked))
    checks = found["databases"][0]["checks"]
    assert [(check["level"], check["done"]) for check in checks] == [
        ("counts", True),
        ("catalog", True),
        ("schema", False),
        ("content", False),
    ]
    assert checks[3]["unchecked"] == ["it was not reached"]


def test_an_empty_database_was_compared_all_the_same():
    empty = database("crm", checks=(Check(Level.COUNTS, 0, "tables"), CATALOG))
    assert told(ended(empty))["databases"][0]["checks"][0]["done"]


def test_a_failure_is_told_with_the_database_it_was_about():
    story = prepared("crm").done("roles").failed("database-0", BROKEN).done("cleanup")
    found = told(story.restore)
    assert found["status"] == "failed"
    assert found["error"]["message"].startswith("database 'crm': ")
    (crm,) = found["databases"]
    assert (crm["published"], crm["rowsFound"], crm["sizeBytes"]) == (False, None, None)
    assert crm["failures"][0]["code"] == BROKEN.code
    assert found["rto"]["milliseconds"] is None


def test_a_restore_that_ended_before_its_plan_has_a_report_too():
    story = prepared("crm", request=ADOPT)
    bare = replace(story.restore, plan=None, tasks=(), phase=Phase.CANCELLED, instance=None)
    found = told(replace(bare, point=None))
    assert (found["databases"], found["leftOut"], found["tools"]["clients"]) == ([], [], [])
    assert found["source"]["recoveryPointTime"] is None
    assert found["rpo"]["start"] is None


# ---- files -------------------------------------------------------------------------------------


def test_each_file_has_what_stands_for_its_bytes():
    restore = ended(database("crm", sha256="ab12"))
    step = restore.plan.databases[0]
    files = (step.blob, BLOBS[1], Blob("left over", 1, "e9"))
    found = told(replace(restore, files=files))["source"]["files"]
    assert [(file["name"], file["sha256"]) for file in found] == [
        (step.blob.name, "ab12"),
        (BLOBS[1].name, None),
        ("left over", None),
    ]
    assert [file["proof"].partition(" ")[0] for file in found] == ["SHA-256", "its", "none:"]


# ---- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20T01:00:00Z", "2026-11-20T01:00:00Z"),
        ("2026-11-20T02:00:00.1234567+01:00", "2026-11-20T01:00:00.123456Z"),
        ("2026-11-20T01:00:00", None),
        ("last night", None),
        ("", None),
    ],
)
def test_the_moment_the_data_is_of_is_read_if_it_can_be(text, time):
    source = told(replace(ended(), data_as_of=text))["source"]
    assert (source["dataAsOf"], source["dataAsOfTime"]) == (text or None, time)


def test_times_reached_are_from_the_request_to_the_end_and_back_to_the_data():
    found = told(replace(ended(), data_as_of="2026-11-20T01:00:00Z"))
    assert found["rpo"]["milliseconds"] == 2 * 3600 * 1000  # the request is of three o'clock
    assert found["rto"]["milliseconds"] == 3610 * 1000
    assert found["rto"]["start"] == found["requested"] == "2026-11-20T03:00:00Z"


def test_without_the_backups_own_word_the_recovery_point_tells_of_when_the_data_is():
    restore = ended()
    early = replace(restore.point, time=datetime(2026, 11, 20, 2, tzinfo=UTC))
    assert told(replace(restore, point=early))["rpo"]["milliseconds"] == 3600 * 1000


def test_phases_and_tasks_have_their_times():
    found = told(ended())
    assert [span["name"] for span in found["phases"]] == [
        "requested",
        "extracting",
        "preparing",
        "restoring",
        "finishing",
    ]
    tasks = {span["name"]: span for span in found["tasks"]}
    assert tasks["database-0"] == {
        "name": "database-0",
        "state": "done",
        "milliseconds": 3500,
        "attempts": 1,
    }


# ---- what people decided -----------------------------------------------------------------------


def test_an_approval_is_told_with_its_time():
    restore = waiting().restore
    agreed = replace(restore, approved="hash", phase=Phase.CANCELLED)
    history = (*restore.history, replace(restore.history[-1], at=NOW, phase=Phase.PREPARING))
    found = told(replace(agreed, history=history))["approval"]
    assert found == {
        "required": True,
        "plan": "hash",
        "approved": True,
        "at": "2026-11-20T03:00:00Z",
    }
    refused = told(replace(restore, phase=Phase.CANCELLED))["approval"]
    assert (refused["required"], refused["approved"], refused["at"]) == (True, False, None)
    assert restore.request.approval is Approval.REQUIRED


def test_what_was_left_out_and_what_is_owed_is_told():
    note = Finding("left-out", "PUBLICATION p", "a managed server refuses it")
    found = told(replace(ended(notes=(note,)), debts=("membership in 'x'",)))
    assert found["leftOut"] == ["PUBLICATION p: a managed server refuses it"]
    assert (found["debts"], found["undone"]) == (["membership in 'x'"], False)


# ---- bytes -------------------------------------------------------------------------------------


def test_one_value_has_one_form():
    assert canonical({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'.encode()
    body = told(ended())
    assert canonical(json.loads(json.dumps(body))) == canonical(body)
