"""Pages of the documentation, in which figures stand between two markers."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def put(page: Path, name: str, figures: str) -> None:
    """Put `figures` between the markers `<!-- name -->` and `<!-- end of name -->`."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page}: expected {begin} and {end}, found less")
    page.write_text(f"{before}{begin}\n{figures}\n{end}{after}", encoding="utf-8")
