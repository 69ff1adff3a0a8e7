"""The document of rules, and what it makes of an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from jsonschema import Draft202012Validator

from restore.core.alert import Alert, alerts
from restore.core.options import Approval, OnExisting
from restore.core.request_error import RequestError
from restore.core.rules import LIMIT_BYTES, body, read, request, schema
from tests.core.test_alert import DATA, payload

DOCUMENT = (DATA / "rules.yaml").read_bytes()
FIRED = datetime(2026, 11, 20, 2, 58, tzinfo=UTC)
LOST = Alert("a-1", "tables dropped", "Sev1", "Log", ("/x/FlexibleServers/PG1",), FIRED)
DELETED = replace(LOST, conditions=("cpu_percent", "tup_deleted"))


def document(**changes):
    (first, *_) = yaml.safe_load(DOCUMENT)["rules"]
    return yaml.safe_dump({"version": 1, "rules": [{**first, **changes}]}).encode()


def asked(name, **changes):
    """The request that the rules make of that payload's alert."""
    (alert,) = alerts(payload(name))
    alert = replace(alert, **changes)
    rule = read(DOCUMENT).fit(alert)
    return request(rule, alert)


def test_the_template_gets_the_time_of_the_alert_and_names_beside_those_there():
    found = asked("log-fired")
    assert found.source.selection.before == datetime(2026, 11, 20, 2, 48, 24, 371321, tzinfo=UTC)
    assert found.databases.target_name("crm") == "crm_recovered_20261120T0258"
    assert (found.on_existing, found.approval) == (OnExisting.REFUSE, Approval.NONE)


def test_what_takes_the_place_of_something_needs_an_approval():
    found = asked("metric-fired")
    assert (found.on_existing, found.approval) == (OnExisting.SWAP, Approval.REQUIRED)
    assert found.databases.target_name("crm") == "crm"


def test_an_approval_can_be_done_without_and_names_can_be_chosen():
    template = {**read(DOCUMENT).rules[1].request, "approval": "none"}
    rule = replace(read(DOCUMENT).rules[1], request=template)
    assert request(rule, LOST).approval is Approval.NONE
    assert asked("cloudevent-event").databases.target_name("a") == "a_at_20261120T0259"


@pytest.mark.parametrize(
    ("before", "minutes"),
    [("firedAt", 0), ("firedAt - PT90M", 90), ("firedAt - PT1H30M", 90), ("firedAt - PT2H", 120)],
)
def test_the_recovery_point_is_the_last_before_it_fired(before, minutes):
    rule = read(DOCUMENT).rules[0]
    source = {**rule.request["source"], "recoveryPoint": {"before": before}}
    changed = replace(rule, request={**rule.request, "source": source})
    found = request(changed, LOST)
    assert found.source.selection.before == FIRED - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"rule": "TABLES dropped by somebody"}, True),
        ({"rule": "tables"}, False),
        ({"severity": "Sev2"}, False),
        ({"resources": ()}, False),
        ({"resources": ("/x/flexibleservers/pg2", "/x/flexibleservers/pg1")}, True),
        ({"service": "anything"}, True),
    ],
)
def test_a_rule_fits_what_it_names(changes, fits):
    assert (read(DOCUMENT).fit(replace(LOST, **changes)) is not None) is fits


@pytest.mark.parametrize(("condition", "fits"), [("TUP_*", True), ("tup", False)])
def test_a_rule_may_ask_what_was_measured_or_done(condition, fits):
    rules = read(document(when={"condition": condition}))
    assert (rules.fit(DELETED) is not None) is fits
    assert rules.fit(LOST) is None


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        (b"rules: [", "", "YAML"),
        (b"!!python/object:os.system {}", "", "YAML"),
        (b"[1]", "", "an object"),
        (b"version: 2", "/version", "1"),
        (b"version: 1\nrule: []", "/rule", "no such field"),
        (b"#" * (LIMIT_BYTES + 1), "", "at most"),
        (b"version: 1\n2026-01-01: 3", "", "text"),
        (document(name=""), "/rules/0/name", "at least one"),
        (document(when={"severity": ["Critical"]}), "/rules/0/when/severity/0", "Sev0"),
        (document(coolDownMinutes=0), "/rules/0/coolDownMinutes", "greater than or equal to 1"),
        (document(request={}), "/rules/0/request/source", "a value"),
        (document(request={"source": {"recoveryPoint": {"before": "firedAt - 10"}}}),
         "/rules/0/request/source/recoveryPoint/before", "firedAt - PT1H30M"),
        (document(request={"source": {"recoveryPoint": {"before": "never"}}, "databases": []}),
         "/rules/0/request/databases", "an object"),
        (document(request={"source": [], "databases": {"suffix": 3}}),
         "/rules/0/request/databases/suffix", "a string"),
    ],
)  # fmt: skip
def test_every_mistake_is_named_by_day(text, field, expected):
    with pytest.raises(RequestError) as refusal:
        read(text)
    found = {problem.field: problem.expected for problem in refusal.value.problems}
    assert expected in found[field]
    assert "docs/alerts.md" in refusal.value.hint


def test_two_rules_of_one_name_are_one_too_many():
    (first, *_) = yaml.safe_load(DOCUMENT)["rules"]
    with pytest.raises(RequestError, match="/rules/1/name: expected a name of its own"):
        read(yaml.safe_dump({"version": 1, "rules": [first, first]}).encode())


def test_the_published_schema_takes_what_is_read():
    validator = Draft202012Validator(schema())
    validator.validate(yaml.safe_load(DOCUMENT))
    assert not validator.is_valid({"version": 1, "rules": [{"name": "x"}]})


def test_a_template_with_a_chosen_point_is_left_as_it_is():
    rule = read(DOCUMENT).rules[0]
    source = {**rule.request["source"], "recoveryPoint": {"id": "rp1"}}
    chosen = replace(rule, request={**rule.request, "source": source})
    assert request(chosen, LOST).source.selection.id == "rp1"
    absolute = {**rule.request["source"], "recoveryPoint": {"before": "2026-01-01T00:00:00Z"}}
    fixed = replace(rule, request={**rule.request, "source": absolute})
    assert b"2026-01-01T00:00:00Z" in body(fixed, LOST)
