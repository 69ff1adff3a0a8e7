"""Which alert starts which restore: the document `recovery-rules.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from restore.core import document
from restore.core.alert import Alert
from restore.core.fields import STRICT, Text, matches
from restore.core.request import RestoreRequest, parse
from restore.core.request_error import Problem, RequestError

_BEFORE = re.compile(r"firedAt(?: - PT(?=\d)(?:(\d{1,4})H)?(?:(\d{1,4})M)?)?")
EXAMPLE = Alert(
    "/example", "example", "Sev1", "", (), datetime(2026, 1, 1, tzinfo=UTC)
)  # for trying a template by day
LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class When:
    """Patterns with * and ?, in any case. What is not named fits any alert."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    rule: Text | None = None
    severity: (
        Annotated[list[Literal["Sev0", "Sev1", "Sev2", "Sev3", "Sev4"]], Field(min_length=1)] | None
    ) = None
    resource: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    service: Text | None = None
    condition: Text | None = None

    def fits(self, alert: Alert) -> bool:
        return (
            _like(self.rule, alert.rule)
            and (self.severity is None or alert.severity in self.severity)
            and (self.resource is None or any(_like(self.resource, r) for r in alert.resources))
            and _like(self.service, alert.service)
            and (self.condition is None or any(_like(self.condition, c) for c in alert.conditions))
        )


def _like(pattern: str | None, text: str) -> bool:
    return pattern is None or matches(pattern.lower(), text.lower())


@dataclass(frozen=True, slots=True)
class Rule:
    """What to restore when such an alert fires, and for how long not again to the same target.

    `request` is the body of POST /api/restores, in which `source.recoveryPoint.before` may be
    `firedAt` or `firedAt - PT1H30M`, and `{firedAt}` in `databases.suffix` stands for the time.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    name: Text
    when: When
    request: dict[str, Any]
    cool_down_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 7)] = 60


@dataclass(frozen=True, slots=True)
class Rules:
    """The first rule that fits an alert is the one that counts."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    version: Literal[1]
    rules: Annotated[list[Rule], Field(max_length=200)] = field(default_factory=list)

    def fit(self, alert: Alert) -> Rule | None:
        return next((rule for rule in self.rules if rule.when.fits(alert)), None)


def schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return document.schema(Rules)


def read(body: bytes) -> Rules:
    """The rules in YAML or JSON, every template tried. Raises RequestError with every problem."""
    rules = document.read(Rules, body, LIMIT_BYTES, _HINT)
    if problems := [*_problems(rules)]:
        raise RequestError(*problems, hint=_HINT)
    return rules


def request(rule: Rule, alert: Alert) -> RestoreRequest:
    """What that rule asks for because of that alert. Raises RequestError."""
    return parse(body(rule, alert))


def body(rule: Rule, alert: Alert) -> bytes:
    """The body to post: the template with the alert's time, side by side unless it says otherwise,

    and with an approval where it takes the place of something that is there.
    """
    filled = dict(rule.request)
    source = filled.get("source")
    if isinstance(source, dict) and isinstance(source.get("recoveryPoint"), dict):
        point = source["recoveryPoint"]
        if isinstance(point.get("before"), str):
            before = {**point, "before": _before(point["before"], alert)}
            filled["source"] = {**source, "recoveryPoint": before}
    databases = filled.get("databases", {})
    if filled.get("onExisting", "refuse") == "refuse":
        if isinstance(databases, dict) and not databases.keys() & {"rename", "suffix"}:
            databases = {**databases, "suffix": "_recovered_{firedAt}"}
    else:
        filled.setdefault("approval", "required")
    if isinstance(databases, dict) and isinstance(databases.get("suffix"), str):
        fired = f"{alert.fired.astimezone(UTC):%Y%m%dT%H%M}"
        databases = {**databases, "suffix": databases["suffix"].replace("{firedAt}", fired)}
    if databases:
        filled["databases"] = databases
    return json.dumps(filled).encode()


def _before(text: str, alert: Alert) -> str:
    """An instant in words; anything else is left to the parser of requests."""
    found = _BEFORE.fullmatch(text)
    if found is None:
        if text.startswith("firedAt"):
            problem = Problem(
                "/source/recoveryPoint/before", "firedAt, or firedAt - PT1H30M", repr(text)[:60]
            )
            raise RequestError(problem)
        return text
    hours, minutes = (int(part or 0) for part in found.groups())
    return (alert.fired - timedelta(hours=hours, minutes=minutes)).isoformat()


def _problems(rules: Rules) -> Iterator[Problem]:
    names: Mapping[str, int] = {}
    for index, rule in enumerate(rules.rules):
        if rule.name in names:
            yield Problem(f"/rules/{index}/name", "a name of its own", f"{rule.name!r} again")
        names = {**names, rule.name: index}
        try:
            request(rule, EXAMPLE)
        except RequestError as exc:
            for problem in exc.problems:
                where = f"/rules/{index}/request{problem.field}"
                yield Problem(where, problem.expected, problem.found)


_HINT = "docs/alerts.md has an example; docs/schema/recovery-rules.schema.json says it all"
