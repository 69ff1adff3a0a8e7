"""Draws the results: docs/performance.svg, and the table in docs/performance.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.engine.results import RESULTS, Entry
from bench.engine.shapes import SHAPES
from bench.page import DOCS, put

_LABELS = {
    "documented": "download | pg_restore",
    "download": "download, then pg_restore -j",
    "pgcopydb": "pgcopydb, from a live server",
    "ours": "the engine",
    "floor": "floor: local plain files",
}
_WIDTH = 760
_BARS_AT = 190
_BARS_WIDTH = _WIDTH - _BARS_AT - 70
_BAR, _BAR_STEP, _GROUP_HEAD, _GROUP_GAP = 12, 15, 20, 14

# Legible on white and on black: greys for the others, one colour for ours.
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 11px; fill: #59636e; }
.title { font-weight: 600; }
.documented { fill: #9aa4af; }
.download { fill: #b9c1ca; }
.pgcopydb { fill: #cfb98f; }
.ours { fill: #2f81f7; }
.floor { fill: none; stroke: #6e7781; stroke-dasharray: 3 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .documented { fill: #7d8590; }
  .download { fill: #5b636d; }
  .pgcopydb { fill: #8a7748; }
  .floor { stroke: #b1bac4; }
}
""".strip()

_COLUMNS: Sequence[tuple[str, str]] = (
    ("ratio_to_floor", "{:.2f}"),
    ("documented_over_ours", "{:.2f}"),
    ("download_j_over_ours", "{:.2f}"),
    ("peak_rss_mb", "{:.0f}"),
    ("staged_disk_mb", "{:.1f}"),
    ("read_amplification", "{:.3f}"),
)


def draw(results: Path = RESULTS, docs: Path = DOCS) -> None:
    """Write the picture, and the figures between the markers of the page."""
    document = json.loads(results.read_text())
    (docs / "performance.svg").write_text(svg(document["shapes"]))
    put(docs / "performance.md", "measured", table(document))


def svg(entries: Sequence[Entry]) -> str:
    """Horizontal bars, a group for each entry: as long as the group's slowest, which is 100 %."""
    body: list[str] = []
    y = 30
    for some in entries:
        body += _group(some, y)
        y += _GROUP_HEAD + _BAR_STEP * len(_timed(some)) + _GROUP_GAP
    label = "Seconds to restore each database, by the ways to restore it"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img"'
            f' aria-label="{label}">',
            f"<style>{_STYLE}</style>",
            f'<text x="0" y="14" class="small">{label}. Shorter is better.</text>',
            *body,
            "</svg>\n",
        )
    )


def _timed(some: Entry) -> Mapping[str, float]:
    return {name: some["seconds"][name] for name in _LABELS if some["seconds"].get(name)}


def _group(some: Entry, y: int) -> Iterator[str]:
    timed = _timed(some)
    longest = max(timed.values(), default=1.0)
    yield f'<text x="0" y="{y + 12}" class="title">{escape(_title(some))}</text>'
    for position, (name, seconds) in enumerate(timed.items()):
        top = y + _GROUP_HEAD + _BAR_STEP * position
        width = max(1.0, _BARS_WIDTH * seconds / longest)
        bar = f'x="{_BARS_AT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2"'
        yield _small(_BARS_AT - 8, top, _LABELS[name], ' text-anchor="end"')
        yield f'<rect {bar} class="{name}"/>'
        yield _small(_BARS_AT + width + 6, top, f"{seconds:.1f} s")


def _small(x: float, top: int, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{top + _BAR - 2}"{more} class="small">{escape(text)}</text>'


def _title(some: Entry) -> str:
    cores = some["emulated_cores"]
    where = f", {cores} emulated cores" if cores else ""
    return f"{SHAPES[some['name']].about}: {some['n']} connections{where}"


def table(document: Mapping[str, Any]) -> str:
    """The figures as Markdown, and what they were measured on."""
    machine = document["machine"]
    where = f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']:.0f} GiB"
    lines = [
        f"Measured on {where}, PostgreSQL {document['postgres']}, {document['date']}."
        " Seconds are medians, memory and disk in MB and the worst of all runs.",
        "",
        "| database | rows, dump | connections | documented | download, `-j` | engine | floor |"
        " engine / floor | documented / engine | `-j` / engine | memory | disk | read |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    return "\n".join([*lines, *map(_row, document["shapes"])])


def _row(some: Entry) -> str:
    cores = f", {some['emulated_cores']} cores emulated" if some["emulated_cores"] else ""
    names = ("documented", "download", "ours", "floor")
    cells = [
        f"`{some['name']}`{cores}",
        f"{some['raw_mb']:.0f}, {some['dump_mb']:.0f} MB",
        str(some["n"]),
        *(_cell(some["seconds"].get(name), "{:.1f}") for name in names),
        *(_cell(some.get(name), form) for name, form in _COLUMNS),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


if __name__ == "__main__":
    draw(*map(Path, sys.argv[1:]))
