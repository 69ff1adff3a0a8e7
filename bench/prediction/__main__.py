"""`python -m bench.prediction`: figures into bench/results/prediction.json and docs/prediction.md.

It restores nothing: it takes the single runs in bench/results/engine.json, of stock pg_restore and
of the engine, and foretells each from others on the same machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

from restore.core.estimate import Load
from restore.core.prediction import Range, predict, sample

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "bench/results/engine.json"
RESULTS = ROOT / "bench/results/prediction.json"
PAGE = ROOT / "docs/prediction.md"
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_ENGINES = {"documented": "pg_restore", "ours": "stream"}
_TABLES = {"one_big": 10, "many": 300, "wide": 5, "tiny": 50_000, "partitions": 88}  # at scale 1


@dataclass(frozen=True, slots=True)
class Run:
    """One restore of a shape's dump, alone on its server."""

    server: str
    shape: str
    load: Load
    seconds: float


def runs(measured: dict[str, Any]) -> Iterator[Run]:
    for entry in measured["shapes"]:
        server = "eight slow cores" if entry["emulated_cores"] else "two cores"
        shape, size_bytes = entry["name"], int(entry["dump_mb"] * 1_000_000)
        tables = int(_TABLES[shape] * entry["scale"]) if shape == "tiny" else _TABLES[shape]
        for variant, engine in _ENGINES.items():
            for seconds in entry["variants"].get(variant, {}).get("each", ()):
                yield Run(server, shape, Load(engine, size_bytes, tables), seconds)


Past = Callable[[Run, Run], bool]
"""Whether the second run is known when the first is foretold; both are of one server."""

_WAYS: dict[str, Past] = {
    "the benchmarks alone": lambda run, other: False,
    "runs of other databases": lambda run, other: other.shape != run.shape,
    "runs of other databases, and of its own": lambda run, other: other is not run,
}


def wrong(found: Sequence[Run], knows: Past) -> dict[str, Any]:
    """How far off the likely time was, how often the range held, and how wide it was.

    `median_error` 1.25: in half of the runs it took at most 1.25 times as long, or as short.
    """
    foretold = [(run, _foretold(run, found, knows)) for run in found]
    errors = [abs(log(run.seconds / seconds.likely)) for run, seconds in foretold]
    cuts = quantiles(errors, n=10, method="inclusive")
    held = [seconds.least <= run.seconds <= seconds.most for run, seconds in foretold]
    return {
        "runs": len(found),
        "median_error": round(exp(cuts[4]), 2),
        "p90_error": round(exp(cuts[8]), 2),
        "held": round(fmean(held), 2),
        "width": round(exp(fmean(log(s.most / s.least) for _, s in foretold)), 1),
    }


def _foretold(run: Run, found: Sequence[Run], knows: Past) -> Range:
    past = [
        sample(other.load, other.seconds)
        for other in found
        if other.server == run.server and knows(run, other)
    ]
    return predict([run.load], past).databases[0].seconds


def results() -> dict[str, dict[str, Any]]:
    """By what is known beforehand: the runs of each server, each foretold from the others."""
    found = list(runs(json.loads(RUNS.read_text(encoding="utf-8"))))
    return {way: wrong(found, knows) for way, knows in _WAYS.items()}


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| foretold from | runs | half are within | 9 of 10 within | range held | most / least |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for way, row in found.items():
        lines.append(
            f"| {way} | {row['runs']} | × {row['median_error']} | × {row['p90_error']}"
            f" | {row['held']:.0%} | {row['width']} |"
        )
    return "\n".join(lines)


def main() -> None:
    found = results()
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    text = f"{before}{_BEGIN}\n{table(found)}\n{_END}{after}"
    PAGE.write_text(text, encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
