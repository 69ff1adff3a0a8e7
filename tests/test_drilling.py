"""Drills are started when they are due, once each, and what came of them is told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from restore import drilling
from restore.core import drill_events
from restore.core.policy import Policy
from restore.core.state import Phase
from restore.drilling import DRILLS, DrillsError
from restore.errors import NotFoundError, TransientError
from tests.core.test_drills import DOCUMENT
from tests.fakes import MemoryDocuments
from tests.test_flows import World


@pytest.fixture
def world():
    world = World()
    world.now = world.now.replace(hour=2, minute=37, second=0)
    documents = MemoryDocuments(**{DRILLS: DOCUMENT})
    world.plan = replace(world.plan, drops=True)
    world.plain = replace(world.plain, documents=documents, policy=Policy(announce=True))
    world.control = world.plain
    return world


def kinds(world):
    return [e["type"] for _, e in world.bus.announced if e["type"].startswith("drill.")]


def ended(world, phase):
    """Every restore that still ran, at its end."""
    for summary in list(world.states.summaries()):
        stored = world.states.load(summary.id)
        if stored.restore.ended:
            continue
        change = replace(stored.restore.history[-1], at=world.now, phase=phase)
        history = (*stored.restore.history, change)
        world.states.save(
            replace(stored.restore, phase=phase, outbox=(), history=history), stored.etag
        )


def test_what_is_due_is_started_once(world):
    for _ in range(3):
        drilling.tick(world.control)
    started = [summary.id for summary in world.states.summaries()]
    assert len(started) == 1
    assert world.states.load(started[0]).restore.request.drop
    world.now += timedelta(days=1)
    drilling.tick(world.control)
    assert len(list(world.states.summaries())) == 2


def test_a_slot_that_was_long_ago_is_left_out(world):
    world.now = world.now.replace(hour=12)
    drilling.tick(world.control)
    assert list(world.states.summaries()) == []


def test_what_came_of_it_is_told_once(world):
    drilling.tick(world.control)
    ended(world, Phase.SUCCEEDED)
    for _ in range(2):
        drilling.tick(world.control)
    assert kinds(world) == ["drill.passed"]
    world.now += timedelta(days=1)
    drilling.tick(world.control)
    ended(world, Phase.FAILED)
    drilling.tick(world.control)
    assert kinds(world) == ["drill.passed", "drill.failed"]
    world.now += timedelta(days=8)
    drilling.tick(world.control)
    ended(world, Phase.FAILED)
    for _ in range(2):
        drilling.tick(world.control)
    assert kinds(world) == ["drill.passed", "drill.failed", "drill.overdue", "drill.failed"]
    (session, event) = world.bus.announced[-1]
    for _, told in world.bus.announced:
        if told["type"].startswith("drill."):
            schema = drill_events.event_schema(told["type"])
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(told)
    assert (session, event["subject"]) == ("drill-nightly", "nightly")


def test_one_now_is_another_restore_than_that_of_its_slot(world):
    drilling.tick(world.control)
    restore = drilling.drill(world.control, "any-of-the-month")
    assert restore.request.source.selection.id == "rp1"
    assert len(list(world.states.summaries())) == 2
    with pytest.raises(NotFoundError):
        drilling.drill(world.control, "yearly")


def test_the_history_has_what_was_restored(world):
    drilling.tick(world.control)
    ended(world, Phase.SUCCEEDED)
    nightly, monthly = drilling.histories(world.control)["drills"]
    assert [run["passed"] for run in nightly["runs"]] == [True]
    assert (monthly["runs"], monthly["overdue"]) == ([], True)


def test_a_document_that_cannot_be_used_starts_nothing_and_says_why(world):
    for document, words in (
        (b"version: 3", "/version"),
        (DOCUMENT.replace(b"pg2.example", b"other.example"), "other.example"),
    ):
        control = replace(world.control, drills=document.decode())
        with pytest.raises(DrillsError, match=words):
            drilling.tick(control)
    assert list(world.states.summaries()) == []
    empty = replace(world.control, documents=None)
    assert drilling.histories(empty) == {"drills": []}


def test_one_drills_trouble_does_not_keep_the_others(world, monkeypatch):
    world.now = world.now.replace(day=22, hour=4, minute=7)  # a Sunday: both are due
    monkeypatch.setattr(
        world.vault, "points", lambda *_: (_ for _ in ()).throw(TransientError("busy"))
    )
    with pytest.raises(ExceptionGroup, match="1 drills"):
        drilling.tick(world.control)
    assert len(list(world.states.summaries())) == 1


def test_without_a_place_for_marks_nothing_is_told(world):
    control = replace(world.control, documents=None, drills=DOCUMENT.decode())
    drilling.tick(control)
    ended(world, Phase.SUCCEEDED)
    drilling.tick(control)
    assert kinds(world) == []
