"""docs/integrations: each file can be read, and asks for what the API takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from restore.core.openapi import PATHS
from restore.core.request import parse

FOLDER = Path(__file__).parents[1] / "docs" / "integrations"
TEXTS = {path.name: path.read_text() for path in sorted(FOLDER.iterdir())}
REQUEST = json.loads(TEXTS["request.json"])


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith((".json", ".yaml"))])
def test_a_sample_can_be_read(name):
    assert isinstance(yaml.safe_load(TEXTS[name]), dict)
    if name.endswith(".json"):
        json.loads(TEXTS[name])


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "README.md"])
def test_a_sample_is_listed(name):
    assert f"`{name}`" in TEXTS["README.md"]


def test_the_request_is_one_that_is_taken():
    assert parse(TEXTS["request.json"].encode()).databases.include == ["orders"]


def test_a_flow_sends_that_request_once_a_run_and_keeps_the_key_to_itself():
    action = json.loads(TEXTS["logic-app.json"])["definition"]["actions"]["Restore"]
    assert action["inputs"]["body"] == REQUEST
    assert "Idempotency-Key" in action["inputs"]["headers"]
    assert "inputs" in action["runtimeConfiguration"]["secureData"]["properties"]
    activities = json.loads(TEXTS["data-factory.json"])["properties"]["activities"]
    key, restore = activities[:2]
    assert restore["typeProperties"]["body"] == REQUEST
    assert "Idempotency-Key" in restore["typeProperties"]["headers"]
    assert (key["policy"]["secureOutput"], restore["policy"]["secureInput"]) == (True, True)


@pytest.mark.parametrize("name", ["github-actions.yaml", "azure-pipelines.yaml"])
def test_a_pipeline_gives_the_script_what_it_needs(name):
    jobs = yaml.safe_load(TEXTS[name])["jobs"]
    job = jobs[0] if isinstance(jobs, list) else jobs["restore"]
    step = job["steps"][-1]
    assert set(step["env"]) == {"APP", "KEY", "ONCE"}
    for path in re.findall(r"docs/\S+", step.get("run") or step["script"]):
        assert (FOLDER.parents[1] / path).is_file()


@pytest.mark.parametrize("name", list(TEXTS))
def test_each_url_is_a_route(name):
    for found in re.findall(r"/api(/[\w/-]+)", TEXTS[name]):
        assert found in PATHS
