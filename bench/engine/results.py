"""Figures from runs, and the file they are kept in."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.engine.dumps import Dump
from bench.engine.emulation import Emulated
from bench.engine.measure import Run
from bench.engine.shapes import SHAPES

RESULTS = Path(__file__).resolve().parents[1] / "results" / "engine.json"

Entry = dict[str, Any]
"""One shape, restored with one number of connections, by all variants; plain JSON."""

_MEDIANS = (
    "server_cpu_seconds",
    "client_cpu_seconds",
    "other_cpu_seconds",
    "stolen_cpu_seconds",
    "requests",
)
_PEAKS = ("peak_rss_mb", "peak_rss_tree_mb", "staged_disk_mb")


def entry(
    dump: Dump,
    scale: float,
    connections: int,
    emulated: Emulated | None,
    runs: Mapping[str, Sequence[Run]],
) -> Entry:
    """What the runs of each variant come to: medians of times, the worst of everything else."""
    variants = {name: _summary(dump, some) for name, some in runs.items()}
    seconds = {name: summary.get("seconds") for name, summary in variants.items()}
    ours = variants.get("ours", {})
    return {
        "name": dump.shape.name,
        "n": connections,
        "emulated_cores": emulated.server_cores if emulated else None,
        "emulation": asdict(emulated) if emulated else None,
        "scale": scale,
        "raw_mb": round(dump.raw_bytes / 1e6, 1),
        "dump_mb": round(dump.size_bytes / 1e6, 1),
        "seconds": seconds,
        "ratio_to_floor": _ratio(seconds, "ours", "floor"),
        "documented_over_ours": _ratio(seconds, "documented", "ours"),
        "download_j_over_ours": _ratio(seconds, "download", "ours"),
        **{name: ours.get(name) for name in (*_PEAKS, "read_amplification", "requests", "phases")},
        "variants": variants,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _summary(dump: Dump, runs: Sequence[Run]) -> dict[str, Any]:
    good = sorted((run for run in runs if not run.error), key=lambda run: run.seconds)
    errors = [run.error for run in runs if run.error]
    if not good:
        return {"errors": errors}
    middle = good[(len(good) - 1) // 2]
    report = middle.report or {}
    return {
        "seconds": round(statistics.median(run.seconds for run in good), 2),
        "each": [run.seconds for run in runs if not run.error],
        **{
            name: round(statistics.median(getattr(run, name) for run in good), 2)
            for name in _MEDIANS
        },
        **{name: max(getattr(run, name) for run in good) for name in _PEAKS},
        "read_amplification": round(max(run.served_bytes for run in good) / dump.size_bytes, 4),
        "phases": report.get("phases", report or None),
        "errors": errors,
    }


def _ratio(seconds: Mapping[str, float | None], above: str, below: str) -> float | None:
    dividend, divisor = seconds.get(above), seconds.get(below)
    return round(dividend / divisor, 3) if dividend and divisor else None


def merge(path: Path, entries: Iterable[Entry], postgres: str, settings: Mapping[str, str]) -> None:
    """Put `entries` into the file, in place of those of the same shape, connections and cores."""
    old: Entry = json.loads(path.read_text()) if path.exists() else {"shapes": []}
    found = {_key(some): some for some in (*old["shapes"], *entries)}
    document = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "postgres": postgres,
        "settings": dict(settings),
        "shapes": [found[key] for key in sorted(found)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document, indent=1) + "\n")
    draft.rename(path)


def _key(some: Entry) -> tuple[int, int, int]:
    return some["emulated_cores"] or 0, list(SHAPES).index(some["name"]), some["n"]


def machine() -> Mapping[str, Any]:
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in processors if "model name" in line]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "processor": models[0] if models else "",
        "memory_gib": round(memory_bytes / 2**30, 1),
        "kernel": os.uname().release.split("-")[0],
    }
