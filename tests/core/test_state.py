"""What is stored of a restore: small, and read by the release before and the one after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from restore.core import life
from restore.core.decider import LEFT_OUT, MOST_SAID, union
from restore.core.events import FileLanded, Purged
from restore.core.messages import Check, Result, TaskResult
from restore.core.options import Level
from restore.core.state import decode, encode
from tests.core.test_afterwards import ended
from tests.core.test_life import BROKEN, LOST, POLICY, database, extracted, prepared

STATES = Path(__file__).parent.parent / "data" / "states"
NOW = (STATES / "now.json").read_bytes()
MOST_BYTES = 4 * 1024 * 1024

SINCE = {
    "keepFiles",
    "whenBusy",
    "deadlineHours",
    "beforePublish",
    "checks",
    "drop",
}  # fields of a request that older ones lack


def test_what_is_stored_is_what_was_stored():
    """A change of the format shows here: then think of the releases beside this one."""
    assert encode(decode(NOW)) == NOW
    assert decode(NOW) == ended().on(Purged()).restore


def test_what_an_older_release_wrote_has_the_defaults():
    body = json.loads(NOW)
    del body["purged"], body["stuck"], body["version"]
    for task in body["tasks"]:
        del task["since"], task["taken"]
    for name in SINCE & body["request"].keys():
        del body["request"][name]
    found = decode(json.dumps(body).encode())
    assert (found.purged, found.stuck, found.request.when_busy.value) == (None, "", "queue")
    assert found.phase is decode(NOW).phase


@pytest.mark.parametrize("name", sorted(path.name for path in STATES.iterdir()))
def test_what_earlier_releases_wrote_is_read(name):
    assert decode((STATES / name).read_bytes()) == decode(NOW)


def test_what_a_newer_release_added_is_no_hindrance():
    body = json.loads(NOW)
    for place in (body, body["request"], body["request"]["target"], body["plan"], *body["tasks"]):
        place["added_later"] = {"by": ["a", "newer", "release"]}
    assert decode(json.dumps(body).encode()) == decode(NOW)


@pytest.mark.parametrize(
    ("field", "value"), [("version", 2), ("phase", "dreaming"), ("created", "yesterday")]
)
def test_what_cannot_be_understood_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        decode(json.dumps({**json.loads(NOW), field: value}).encode())


def test_a_thousand_databases_and_ten_thousand_events_stay_small():
    names = [f"a_rather_long_name_of_a_database_{number:05}" for number in range(1000)]
    story = prepared(*names)
    checks = tuple(Check(level, 1000, "tables", hash="f" * 64) for level in Level)
    failures = (LOST, BROKEN, replace(LOST, message="x" * 300))
    tasks = tuple(replace(task, failures=failures) for task in story.restore.tasks)
    proven = TaskResult("x", 1, Result.DONE, database=database("x" * 40, checks=checks))
    restore = replace(
        story.restore,
        tasks=tuple(replace(task, result=proven) for task in tasks),
        warnings=tuple(f"{number} {'w' * 200}" for number in range(MOST_SAID - 2)),
    )
    for number in range(10_000):
        late = FileLanded(f"0e1f6a52-0000-4000-8000-000000000001_database_{number}.sql")
        restore = life.decide(restore, late, story.now, POLICY)
    assert (len(restore.warnings), restore.warnings[-1]) == (MOST_SAID, LEFT_OUT)
    assert len(encode(restore)) < MOST_BYTES


def test_names_of_files_that_landed_are_kept_up_to_a_number():
    story = extracted()
    kept = replace(story.restore, landed=tuple(f"file-{n}" for n in range(2000)))
    story.restore = kept
    assert story.on(FileLanded("another")).restore.landed == kept.landed
    story.restore = replace(kept, landed=("one",))
    assert story.on(FileLanded("one"), FileLanded("two")).restore.landed == ("one", "two")


def test_what_was_said_is_said_once_and_very_much_is_cut():
    assert union(("a",), ("a", "b", "b")) == ("a", "b")
    many = tuple(map(str, range(MOST_SAID)))
    assert union((), many) == many
    cut = union(many, ("one more",))
    assert (len(cut), cut[-1]) == (MOST_SAID, LEFT_OUT)
    assert union(cut, ("yet another",)) == cut
