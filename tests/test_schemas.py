"""The published JSON Schemas are those of the code."""

import pytest
from jsonschema import Draft202012Validator

from tests.schemas import FOLDER, schemas, text


@pytest.mark.parametrize(
    ("path", "schema"), list(schemas()), ids=[path.name for path, _ in schemas()]
)
def test_it_is_as_published(path, schema):
    assert path.read_text(encoding="utf-8") == text(schema), "run python -m tests.schemas"
    Draft202012Validator.check_schema(schema)


def test_nothing_else_is_published():
    known = {path for path, _ in schemas()} | {FOLDER / "report.schema.json"}
    assert known == set(FOLDER.rglob("*.json"))
