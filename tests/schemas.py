"""`python -m tests.schemas`: the JSON Schemas in docs/schema, written from the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restore.core import announcements, drill_events, drills, rules

FOLDER = Path(__file__).resolve().parents[1] / "docs/schema"


def schemas() -> Iterator[tuple[Path, dict[str, Any]]]:
    for type_ in announcements.TYPES:
        yield FOLDER / "events" / f"{type_}.schema.json", announcements.schema(type_)
    for type_ in drill_events.TYPES:
        yield FOLDER / "events" / f"{type_}.schema.json", drill_events.event_schema(type_)
    yield FOLDER / "drills.schema.json", drills.schema()
    yield FOLDER / "recovery-rules.schema.json", rules.schema()


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for path, schema in schemas():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(schema), encoding="utf-8")
