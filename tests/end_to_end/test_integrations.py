"""The script of docs/integrations against the running app."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from local.stack import Stack

SCRIPT = Path(__file__).parents[2] / "docs" / "integrations" / "restore-and-wait.sh"


@pytest.fixture
def run(stack: Stack, tmp_path: Path):
    """Runs the script for that request."""

    def run(**changes: object) -> subprocess.CompletedProcess[str]:
        request = tmp_path / "request.json"
        request.write_text(json.dumps(stack.request(**changes)))
        told = {"APP": stack.client.url, "KEY": stack.client.key, "ONCE": tmp_path.name}
        return subprocess.run(
            ["sh", str(SCRIPT), str(request)],
            env={**os.environ, **told, "WAIT": "0.5"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_the_script_waits_for_the_end(run):
    ended = run()
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["phase"] == "succeeded"


def test_the_script_says_why_it_was_refused(run):
    refused = run(target={"host": "elsewhere.example.com", "user": "admin"})
    assert refused.returncode == 22
    assert "not-allowed" in refused.stderr
