"""The ready queries ask for what the logs have."""

import re
from pathlib import Path

import pytest

from restore.logs import FIELDS

ROOT = Path(__file__).parents[1]
QUERIES = sorted((ROOT / "infra/queries").glob("*.kql"))
ALWAYS = {"event", "level", "time"}


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.name)
def test_a_query_asks_for_fields_that_there_are(path):
    asked = set(re.findall(r"\bline\.(\w+)", path.read_text()))
    assert asked - ALWAYS <= set(FIELDS)


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.name)
def test_the_events_it_looks_for_are_written_somewhere(path):
    code = "".join(source.read_text() for source in (ROOT / "restore").rglob("*.py"))
    text = path.read_text()
    named = re.findall(r'line\.event\) in \(([^)]*)\)|line\.event == ("[^"]+")', text)
    for event in re.findall(r'"([^"]+)"', " ".join("".join(pair) for pair in named)):
        assert f'"{event}"' in code or "drill.{word}" in code, event


def test_the_document_names_every_field_and_query():
    text = (ROOT / "docs/logs.md").read_text()
    assert all(f"`{field}`" in text for field in FIELDS)
    assert all(f"`{path.stem}`" in text for path in QUERIES)
