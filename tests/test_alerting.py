"""Alerts start the restores that the rules say, each once, however many come."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from restore import alerting, flows, logs
from restore.adapters.storage import BlobDocuments, BlobLanding, BlobRecords, BlobStates
from restore.alerting import RULES, RulesError
from restore.core.alert import Handshake
from restore.errors import ConflictError, TransientError
from restore.settings import Connection
from tests.core.test_alert import DATA, payload
from tests.fakes import MemoryDocuments
from tests.test_flows import World

DOCUMENT = (DATA / "rules.yaml").read_bytes()


def controlled(world=None, rules=DOCUMENT):
    world = world or World()
    documents = MemoryDocuments(**({RULES: rules} if rules else {}))
    return replace(world.control, documents=documents), world


def storm(count, name="log-fired"):
    """So many alerts of one kind, each with an id of its own."""
    for number in range(count):
        body = json.loads(payload(name))
        body["data"]["essentials"]["alertId"] += f"-{number}"
        yield json.dumps(body).encode()


def test_an_alert_starts_the_restore_of_its_rule():
    control, world = controlled()
    (found,) = alerting.alerted(control, payload("log-fired"))
    assert (found.action, found.rule) == ("start", "orders are lost")
    restore = world.states.load(found.restore).restore
    assert restore.request.databases.include == ["crm"]
    assert found.as_json()["request"]["databases"]["suffix"] == "_recovered_20261120T0258"


def test_the_same_alert_again_starts_nothing_more():
    control, world = controlled()
    (first,) = alerting.alerted(control, payload("log-fired"))
    (second,) = alerting.alerted(control, payload("log-fired"))
    assert (second.action, second.restore) == ("none", first.restore)
    assert "already" in second.reason
    assert len(list(world.states.summaries())) == 1


def test_resolved_starts_nothing_nor_what_no_rule_fits_nor_anything_without_rules():
    control, world = controlled()
    for name, reason in (("metric-resolved", "resolved"), ("backup-fired", "none of 3 rules")):
        (found,) = alerting.alerted(control, payload(name))
        assert found.action == "none"
        assert reason in found.reason
    bare, _ = controlled(world, rules=b"")
    (found,) = alerting.alerted(bare, payload("log-fired"))
    assert "none of 0 rules" in found.reason
    assert list(world.states.summaries()) == []


def test_event_grid_is_answered():
    control, _ = controlled()
    assert isinstance(alerting.alerted(control, payload("eventgrid-handshake")), Handshake)


def test_other_alerts_about_the_same_target_start_nothing_until_it_has_cooled_down():
    control, world = controlled()
    first, second, third = storm(3)
    (started,) = alerting.alerted(control, first)
    (kept,) = alerting.alerted(control, second)
    assert (kept.action, kept.restore) == ("none", started.restore)
    assert "covers the target until" in kept.reason
    world.now += timedelta(minutes=61)
    (later,) = alerting.alerted(control, third)
    assert later.action == "start"
    assert len(list(world.states.summaries())) == 2


def test_a_dry_run_starts_nothing_and_keeps_nobody_else_from_it():
    control, world = controlled()
    (found,) = alerting.alerted(control, payload("log-fired"), dry_run=True)
    assert (found.action, found.reason) == ("start", "it would be started")
    assert found.as_json()["request"]["target"]["host"] == "pg2.example.com"
    assert list(world.states.summaries()) == []
    (real,) = alerting.alerted(control, payload("log-fired"))
    assert real.action == "start"


def died(control, monkeypatch, body):
    """An instance took that alert, and ended between the mark and the restore."""
    with monkeypatch.context() as patch:
        patch.setattr(flows, "start", lambda *_: (_ for _ in ()).throw(TransientError("died")))
        with pytest.raises(TransientError):
            alerting.alerted(control, body)


@pytest.mark.parametrize("comes_next", ["the same alert", "another alert", "the timer"])
def test_what_was_marked_is_begun_by_whoever_comes_next(monkeypatch, comes_next):
    """No alert is lost with the instance that took it, though its sender may not repeat it."""
    control, world = controlled()
    first, second = storm(2)
    died(control, monkeypatch, first)
    assert list(world.states.summaries()) == []
    if comes_next == "the timer":
        alerting.carry_on(control)
    else:
        (found,) = alerting.alerted(control, first if comes_next == "the same alert" else second)
        assert found.action == ("start" if comes_next == "the same alert" else "none")
    (summary,) = world.states.summaries()
    (again,) = alerting.alerted(control, first)
    assert (again.action, again.restore) == ("none", summary.id)


def test_the_timer_begins_nothing_twice_nor_what_is_too_old(monkeypatch):
    control, world = controlled()
    died(control, monkeypatch, payload("log-fired"))
    world.now += timedelta(minutes=60)
    alerting.carry_on(control)
    assert list(world.states.summaries()) == []
    (found,) = alerting.alerted(control, payload("metric-fired"))
    before = world.states.load(found.restore)
    alerting.carry_on(control)
    alerting.carry_on(replace(control, documents=None))
    assert world.states.load(found.restore) == before


def test_one_that_cannot_be_begun_does_not_keep_the_others(monkeypatch):
    targets = ("pg2.example.com:5432", "pg3.example.com:5432")
    control, world = controlled(World(targets=targets))
    died(control, monkeypatch, payload("log-fired"))
    document = DOCUMENT.replace(b"pg2.example.com", b"pg3.example.com")
    died(replace(control, rules=document.decode()), monkeypatch, payload("metric-fired"))
    start = flows.start

    def refused(control, body, key):
        if b"pg2.example.com" in body:
            raise TransientError("not ready yet")
        return start(control, body, key)

    monkeypatch.setattr(flows, "start", refused)
    with pytest.raises(ExceptionGroup, match="1 restores"):
        alerting.carry_on(control)
    assert [summary.target for summary in world.states.summaries()] == ["pg3.example.com:5432"]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (b"version: 3", "/version"),
        (DOCUMENT.replace(b"pg2.example.com", b"other.example.com"), "other.example.com"),
    ],
)
def test_rules_that_cannot_be_used_start_nothing_and_say_why(rules, words):
    control, world = controlled(rules=rules)
    with pytest.raises(RulesError, match=words):
        alerting.alerted(control, payload("log-fired"))
    assert list(world.states.summaries()) == []


def test_rules_may_be_a_setting():
    control, _ = controlled(rules=b"version: 3")
    control = replace(control, rules=DOCUMENT.decode())
    assert alerting.alerted(control, payload("log-fired"))[0].action == "start"
    with pytest.raises(RulesError, match="expected a place"):
        alerting.alerted(replace(control, documents=None), payload("metric-fired"))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"restore": 1, "at": "x"}'])
def test_a_mark_that_is_none_keeps_no_alert_from_starting(body):
    """Spoilt by hand, or of another release: at 3 am the restore counts."""
    control, _ = controlled()
    alerting.alerted(control, payload("log-fired"))
    (name,) = set(control.documents._documents) - {RULES}
    control.documents.write(name, body, control.documents.read(name).etag)
    assert alerting.alerted(control, payload("metric-fired"))[0].action == "start"


def test_problems_are_those_of_all_rules():
    control, _ = controlled()
    assert alerting.problems(control) == []
    assert alerting.problems(controlled(rules=b"")[0]) == []
    (broken,) = alerting.problems(controlled(rules=b"version: 3")[0])
    assert "/version" in broken
    elsewhere = DOCUMENT.replace(b"pg2.example.com", b"other.example.com", 1)
    (problem,) = alerting.problems(controlled(rules=elsewhere)[0])
    assert problem.startswith("rule 'orders are lost': target other.example.com:5432")


def test_what_is_logged_reaches_the_log():
    assert {"alert", "rule", "action", "reason", "restore"} <= set(logs.FIELDS)


def test_who_is_always_too_late_says_so(monkeypatch):
    control, _ = controlled()

    def taken(*_):
        raise ConflictError("another was first")

    monkeypatch.setattr(control.documents, "write", taken)
    with pytest.raises(ConflictError, match="others faster"):
        alerting.alerted(control, payload("log-fired"))


@pytest.mark.soak  # fewer of them in tests/end_to_end/test_alert_storm.py
def test_of_five_hundred_at_once_one_starts_a_restore(azurite):
    """Copies of one alert, and others about the same server, on real storage."""
    connection = Connection(azurite.connection_string)
    bodies = [payload("log-fired")] * 300 + list(storm(200))
    world = World()
    with (
        closing(BlobStates(connection)) as states,
        closing(BlobRecords(connection)) as records,
        closing(BlobLanding(connection)) as landing,
        closing(BlobDocuments(connection)) as documents,
    ):
        before = {summary.id for summary in states.summaries()}
        control = replace(
            world.control,
            states=states,
            records=records,
            landing=landing,
            documents=documents,
            rules=DOCUMENT.decode(),
        )
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda body: alerting.alerted(control, body)[0], bodies))
        started = {decision.restore for decision in found if decision.action == "start"}
        known = {summary.id for summary in states.summaries()} - before
        assert len(started) == 1
        assert known == started
        assert {decision.restore for decision in found} == started
        world.now += timedelta(minutes=61)
        (later,) = alerting.alerted(control, next(storm(1, "metric-fired")))
        assert later.action == "start"
        for restore_id in (*started, later.restore):
            flows.cancel(control, restore_id)
