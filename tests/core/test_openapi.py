"""The document says what the parser of requests says."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from restore.core.openapi import document
from restore.core.request import parse

SMALL = {
    "source": {"container": "https://a.blob.core.windows.net/files"},
    "target": {"host": "pg2.example.com", "user": "admin"},
}


def test_every_reference_in_it_leads_somewhere():
    text = json.dumps(document("https://app.example.com/api"))
    known = document()["components"]["schemas"]
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in known
    assert "$defs" not in text
    assert document("https://x/api")["servers"] == [{"url": "https://x/api"}]


def test_a_request_that_is_taken_is_valid():
    found = document()
    schema = {**found["components"]["schemas"]["RestoreRequest"], "components": found["components"]}
    validator = Draft202012Validator(schema)
    parse(json.dumps(SMALL).encode())
    validator.validate(SMALL)
    assert not validator.is_valid({**SMALL, "onExisting": "drop"})
    assert not validator.is_valid({"target": SMALL["target"]})
