"""A plan as its readers see it: JSON for programs, text for whoever has to approve it."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from restore.core.facts import Finding
from restore.core.plan import DatabaseStep, Plan
from restore.core.prediction import Prediction, Range

_WIDTH = 96  # of text, before it is indented; a command is never broken
_LEFT_OUT = frozenset(
    {"as-asked", "left-out", "not-asked-for", "role-left-out", "scope-left-out", "skipped"}
)
"""Codes of findings that tell what will not be there; they come by themselves."""


# ---- JSON --------------------------------------------------------------------------------------


def as_json(plan: Plan) -> dict[str, Any]:
    expected = plan.estimate
    body = {
        "hash": plan.hash,
        "server": plan.server,
        "targetVersion": plan.target_version,
        "databases": [_database(step) for step in plan.databases],
        "rolesCreated": plan.creates,
        "rolesBorrowed": plan.borrow,
        "drops": plan.drops,
        "findings": [
            {"severity": severity, **_finding(finding)} for severity, finding in _findings(plan)
        ],
        "estimate": {
            "seconds": [expected.least_seconds, expected.most_seconds],
            "bytes": [expected.least_bytes, expected.most_bytes],
            "replacedBytes": expected.replaced_bytes,
        },
    }
    if plan.prediction is not None:
        body["prediction"] = _prediction(plan, plan.prediction)
    return body


def _prediction(plan: Plan, found: Prediction) -> dict[str, Any]:
    databases = zip(plan.databases, found.databases, strict=False)
    return {
        **_range(found.seconds),
        "basis": found.basis,
        "databases": [{"name": step.name, **_range(one.seconds)} for step, one in databases],
    }


def _range(seconds: Range) -> dict[str, Any]:
    return {
        "seconds": round(seconds.likely),
        "least": round(seconds.least),
        "most": round(seconds.most),
    }


def _database(step: DatabaseStep) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": step.name,
        "target": step.target,
        "staging": step.staging,
        "engine": step.engine,
        "connections": step.connections,
        "bytes": step.blob.size_bytes,
        "tables": step.tables,
        "owner": step.owner,
    }
    if step.before:
        body["replaces"] = {"oid": step.replaces, "keptAs": step.before if step.keeps else None}
    if step.side_schema:
        body["sideSchema"] = step.side_schema
    if step.hooks:
        body["beforePublish"] = step.hooks
    if step.checks:
        body["checks"] = [{"sql": c.sql, "expect": c.expect or [["t"]]} for c in step.checks]
    return body


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "object": finding.subject,
        "message": finding.message,
        "hint": finding.hint,
        "fix": finding.fix,
        "inHash": not finding.passing,
    }


def _findings(plan: Plan) -> Iterator[tuple[str, Finding]]:
    for severity, findings in (
        ("refusal", plan.refusals),
        ("warning", plan.warnings),
        ("note", plan.notes),
    ):
        for finding in findings:
            yield severity, finding


# ---- text --------------------------------------------------------------------------------------


def as_text(plan: Plan) -> str:
    """What is refused, replaced, created and left out, in that order; ends with a line break."""
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    version = f", PostgreSQL {plan.target_version}" if plan.target_version else ""
    yield f"Plan for {plan.server}{version}"
    would = "WOULD BE " if plan.refusals else ""
    yield from _section("REFUSED: nothing will be done until this is put right", plan.refusals)
    replaced = [step for step in plan.databases if step.before]
    size = _size(plan.estimate.replaced_bytes)
    yield from _titled(f"{would}REPLACED: {size} on the server now", _fates(replaced))
    yield from _titled(f"{would}CREATED", _created(plan))
    yield from _titled(f"{would}RUN in them, before anybody else sees them", _statements(plan))
    if plan.drops:
        yield from _titled(f"{would}DROPPED AGAIN, once they are proven", ["all of the above"])
    said = (*plan.warnings, *plan.notes)
    yield from _section("LEFT OUT", [f for f in said if f.code in _LEFT_OUT])
    yield from _section("WARNINGS", [f for f in plan.warnings if f.code not in _LEFT_OUT])
    yield from _section("NOTES", [f for f in plan.notes if f.code not in _LEFT_OUT])
    yield from _titled("EXPECTED", _expected(plan))
    yield ""
    if plan.refusals:
        yield f"Hash {plan.hash}: refused, so there is nothing to approve."
    else:
        yield "To approve what is created, replaced and left out above (not what is expected):"
        yield f'  POST /api/restores/<id>/approve  {{"hash": "{plan.hash}"}}'


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    body = [f"  {line}".rstrip() for line in lines]
    if body:
        yield from ("", title, *body)


def _section(title: str, findings: Collection[Finding]) -> Iterator[str]:
    """The findings; a command that several have in common stands behind the last of them."""
    last = {finding.fix: finding for finding in findings}
    lines: list[str] = []
    for finding in findings:
        lines += _wrapped(f"- {finding} [{finding.code}]", "")
        lines += _wrapped(finding.hint, "  ")
        if last[finding.fix] is finding:
            lines += [f"      {command}" for command in finding.fix]
    yield from _titled(title, lines)


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines of it, none longer than the page but where a name is."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _fates(steps: Sequence[DatabaseStep]) -> Iterator[str]:
    gone = "DROPPED, after the new one has its name"
    kept = [f"kept as {step.before}" if step.keeps else gone for step in steps]
    rows = [(s.target, fate, f"oid {s.replaces}") for s, fate in zip(steps, kept, strict=True)]
    yield from _table(rows)


def _created(plan: Plan) -> Iterator[str]:
    if plan.databases:
        head = ("database", "from", "dump", "tables", "by", "sessions", "owner")
        yield from _table([head, *map(_row, plan.databases)], right=(2, 3, 5))
    for what, names in (
        ("roles", plan.creates),
        ("member, until the end, of", plan.borrow),
    ):
        if names:
            yield from _wrapped(f"{what}: {', '.join(names)}", "")


def _statements(plan: Plan) -> Iterator[str]:
    for step in plan.databases:
        for text in (*step.hooks, *(f"check: {check.sql}" for check in step.checks)):
            for number, line in enumerate(text.strip().splitlines()):
                yield f"{'' if number else step.target + ': '}{line}"


def _row(step: DatabaseStep) -> tuple[str, ...]:
    tables = "" if step.tables is None else f"{step.tables:,}"
    source = "same" if step.name == step.target else step.name
    engine, sessions, owner = step.engine.value, str(step.connections), step.owner or "the login"
    target = f"{step.target}, schema {step.side_schema}" if step.side_schema else step.target
    return target, source, _size(step.blob.size_bytes), tables, engine, sessions, owner


def _table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """In columns, those numbered in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _expected(plan: Plan) -> Iterator[str]:
    expected = plan.estimate
    if expected.most_seconds and not plan.refusals:
        yield f"time   {_duration(plan)}"
        yield f"disk   {_size(expected.least_bytes)} to {_size(expected.most_bytes)}, and WAL"


def _duration(plan: Plan) -> str:
    """From what this server did before, if it is known; else from the benchmarks."""
    known = plan.prediction
    if known is None or not known.runs:
        ends = f"{_time(plan.estimate.least_seconds)} to {_time(plan.estimate.most_seconds)}"
        return f"{ends}, by benchmarks" if known else ends
    seconds = known.seconds
    ends = f"{_time(round(seconds.least))} to {_time(round(seconds.most))}"
    return f"{ends}, likely {_time(round(seconds.likely))}, by {known.basis}"


_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def _size(size_bytes: int) -> str:
    size, unit = float(size_bytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:,.1f} {_UNITS[unit]}" if unit else f"{size_bytes} bytes"


def _time(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    minutes = -(-seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"
