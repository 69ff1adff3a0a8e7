"""`python -m tests.faults`: a fault at every call to vault, storage, bus, PostgreSQL and programs.

Each in all the ways a call can fail, one run each, on real parts; `--every N` takes every N-th
statement to PostgreSQL. What came of them is written to tests/faults/outcomes.json, and as a table
into docs/reliability.md; with `--only` that of one family, beside what is known of the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.postgres import PostgresServer
from tests.faults.parts import FAMILIES, Parts, Way
from tests.faults.sweep import Broken, Outcome, Sweep

OUTCOMES = Path(__file__).parent / "outcomes.json"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs/reliability.md"
_BEGIN, _END = "<!-- faults -->", "<!-- end of faults -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", choices=FAMILIES)
    parser.add_argument("--first", type=int, default=0, help="call of a family; before: as known")
    parser.add_argument("--at", type=int)
    parser.add_argument("--way", choices=[way.name.lower() for way in Way])
    options = parser.parse_args()
    found: list[Outcome] = []
    with PostgresServer(18) as server, Parts(server) as parts:
        sweep = Sweep(parts)
        for family, at, way in sweep.all(options.every if options.at is None else 1):
            wanted = options.only in (None, family) and options.at in (None, at)
            if not wanted or at < options.first or options.way not in (None, way.name.lower()):
                continue
            try:
                found.append(sweep.outcome(family, at, way))
            except Broken as exc:
                print(exc, file=sys.stderr, flush=True)
                found.append(Outcome(family, way.value, at, "", "BROKEN"))
            print(f"{family} {at} {way.value}: {found[-1].end}  {found[-1].where}", flush=True)
    if options.at is None and options.way is None:
        write(known(sweep.calls, found, options.first))
    return int(any(outcome.end == "BROKEN" for outcome in found))


def known(calls: dict[str, int], found: list[Outcome], first: int) -> dict[str, Any]:
    """What is known of every family: of those that were tried now, what was found now."""
    before = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else {}
    now = {outcome.family for outcome in found}
    kept = [
        old for old in before.get("outcomes", []) if old["family"] not in now or old["at"] < first
    ]
    return {
        "calls": {**before.get("calls", {}), **calls},
        "outcomes": [*kept, *map(asdict, found)],
    }


def write(body: dict[str, Any]) -> None:
    """The outcomes, and their table in the document."""
    OUTCOMES.write_text(json.dumps(body, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    found = body["outcomes"]
    table = Counter((one["family"], one["way"], one["end"]) for one in found)
    lines = [
        f"Made by `python -m tests.faults`: {len(found)} runs. A run without a fault has "
        + ", ".join(f"{count} calls to {family}" for family, count in body["calls"].items())
        + ". How many of them were tried, each in all its ways, is in the last column.",
        "",
        "| calls to | fault | the restore ended | runs |",
        "|---|---|---|--:|",
        *(f"| {f} | {way} | {end} | {count} |" for (f, way, end), count in sorted(table.items())),
    ]
    text = DOCUMENT.read_text(encoding="utf-8")
    head, rest = text.split(_BEGIN)
    tail = rest.split(_END)[1]
    DOCUMENT.write_text(f"{head}{_BEGIN}\n{chr(10).join(lines)}\n{_END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
