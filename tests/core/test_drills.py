"""Drills: the document, which point, and the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from restore.core.backup import RecoveryPoint
from restore.core.drills import LIMIT_BYTES, body, choose, history, read, run, schema
from restore.core.request import parse
from restore.core.request_error import RequestError
from restore.errors import NotFoundError
from tests.core.test_life import BROKEN, NOW, Story, database, extracted, prepared, proven

DOCUMENT = (Path(__file__).parent.parent / "data/drills.yaml").read_bytes()
NIGHTLY, MONTHLY = read(DOCUMENT).drills
POINTS = [RecoveryPoint(f"rp{n}", NOW - timedelta(days=n), "Completed") for n in range(60)]


def changed(**changes):
    (first, _) = yaml.safe_load(DOCUMENT)["drills"]
    return yaml.safe_dump({"version": 1, "drills": [{**first, **changes}]}).encode()


def test_a_drill_restores_under_scratch_names_and_drops_them():
    asked = parse(body(NIGHTLY, "drill nightly x", None))
    assert asked.drop
    assert asked.databases.target_name("crm").startswith("crm__drill_")
    other = parse(body(NIGHTLY, "drill nightly y", POINTS[3]))
    assert other.databases.suffix != asked.databases.suffix
    assert other.source.selection.id == "rp3"
    assert parse(body(MONTHLY, "k", None)).databases.suffix == "_rehearsed"


def test_the_same_slot_gives_the_same_point_and_others_give_others():
    slots = list(MONTHLY.slots(NOW, 20))
    chosen = [choose(MONTHLY, MONTHLY.key(slot), POINTS, NOW).id for slot in slots]
    assert chosen == [choose(MONTHLY, MONTHLY.key(s), POINTS[::-1], NOW).id for s in slots]
    assert len(set(chosen)) > 5
    assert choose(NIGHTLY, "k", POINTS, NOW) is None


def test_only_whole_points_of_the_window_are_chosen():
    partial = [replace(POINTS[1], state="Partial"), POINTS[40]]
    with pytest.raises(NotFoundError, match="of the last 30 days"):
        choose(MONTHLY, "k", partial, NOW)
    assert choose(MONTHLY, "k", [*partial, POINTS[2]], NOW) == POINTS[2]


def test_a_drill_is_found_by_its_name():
    assert read(DOCUMENT).named("nightly") == NIGHTLY
    with pytest.raises(NotFoundError, match="expected one of nightly, any-of-the-month"):
        read(DOCUMENT).named("yearly")
    with pytest.raises(NotFoundError, match="expected one of none"):
        read(b"version: 1").named("yearly")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"drills: [", ""),
        (b"version: 1\n2026-01-01: 3", ""),
        (b"#" * (LIMIT_BYTES + 1), ""),
        (b"version: 2", "/version"),
        (changed(name="A B"), "/drills/0/name"),
        (changed(schedule="daily"), "/drills/0/schedule"),
        (changed(schedule="0 0 0 30 2 *"), "/drills/0/schedule"),
        (changed(request={}), "/drills/0/request/source"),
        (changed(request={"source": [], "databases": []}), "/drills/0/request/databases"),
        (
            changed(
                recoveryPoint="random",
                request={
                    "source": {"container": "https://a.blob.core.windows.net/files"},
                    "target": {"host": "h.example.com", "user": "u"},
                },
            ),
            "/drills/0/recoveryPoint",
        ),
    ],
)
def test_every_mistake_is_named(text, field):
    with pytest.raises(RequestError) as refusal:
        read(text)
    assert field in {problem.field for problem in refusal.value.problems}


def test_two_of_one_name_are_one_too_many():
    (first, _) = yaml.safe_load(DOCUMENT)["drills"]
    with pytest.raises(RequestError, match="/drills/1/name"):
        read(yaml.safe_dump({"version": 1, "drills": [first, first]}).encode())


def test_the_published_schema_takes_what_is_read():
    validator = Draft202012Validator(schema())
    validator.validate(yaml.safe_load(DOCUMENT))
    assert not validator.is_valid({"version": 1, "drills": [{"name": "x"}]})


def test_the_history_says_rto_rpo_size_and_trend():
    done = proven().done("finish", published=(0, 1)).restore
    line = run(NOW, done)
    assert (line["passed"], line["bytes"]) == (True, 20)
    assert line["rpoSeconds"] == 0.0
    assert line["rtoSeconds"] >= 0
    running = run(NOW, extracted().restore)
    assert running["passed"] is None
    failed = prepared().failed("roles", BROKEN).done("cleanup").restore
    assert run(NOW, failed)["error"]["code"] == "tool"
    lines = [{**line, "rtoSeconds": seconds} for seconds in (30.0, 30.0, 20.0, 20.0)]
    found = history(NIGHTLY, [run(NOW, failed), *lines], NOW)
    assert found["rtoSeconds"] == {"last": 30.0, "worst": 30.0, "trend": 1.5}
    assert (found["overdue"], found["lastPassed"]) == (False, NOW)
    never = history(NIGHTLY, [], NOW)
    assert (never["overdue"], never["rtoSeconds"]) == (True, None)
    assert history(NIGHTLY, lines[:1], NOW)["rtoSeconds"]["trend"] == 1.0


def test_a_point_is_put_only_into_a_source():
    odd = replace(NIGHTLY, request={"source": None})
    assert b'"recoveryPoint"' not in body(odd, "k", POINTS[0])
    assert database("crm").name == "crm"


def test_a_run_that_found_no_recovery_point_yet_is_one_too():
    line = run(NOW, Story().restore)
    assert "recoveryPoint" not in line
    assert (line["passed"], "bytes" in line) == (None, False)
