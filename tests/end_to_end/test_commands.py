"""Commands in the documents: each is run here or by the test that is named, or needs Azure."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from local import sample
from local.stack import ROOT, Stack
from tests.waiting import eventually

NEEDS_AZURE = "<!-- needs Azure -->"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    r"make (demo|up)\b": "tests/end_to_end/test_commands.py",
    r"scripts/try ": "tests/end_to_end/test_try.py",
    r"make test$": ".ci/run",
    r"curl .*-X POST": "tests/end_to_end/test_http.py",
    r"HASH=": "tests/end_to_end/test_commands.py",
    r"createdb |export PGPASSWORD|python -m restore\.engine ": "tests/engine/test_command.py",
    r"python -m bench\.": "bench",
    r"pip install -r requirements-terminal\.txt": "requirements-dev.txt",
    r"python -m restore ": "tests/end_to_end/test_terminal.py",
    r"openssl genpkey": "tests/adapters/test_signing.py",
}
"""What a command looks like, and what runs it, or one like it."""


def commands():
    """Every command of a console block: its document, the command, whether it needs Azure."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in re.finditer(rf"({NEEDS_AZURE}\n)?```console\n(.*?)```", text, re.S):
            joined = block[2].replace("\\\n", " ")
            for line in re.findall(r"^\$ (.+)$", joined, re.M):
                yield document.name, line, bool(block[1])


READS = [
    line.partition(" | jq")[0].partition(" > ")[0]
    for _, line, needs_azure in commands()
    if line.startswith("curl ") and "-X POST" not in line and not needs_azure
]


def test_every_command_is_run_by_a_test_or_needs_azure():
    for document, line, needs_azure in commands():
        if needs_azure or line.partition(" | jq")[0].partition(" > ")[0] in READS:
            continue
        found = [path for pattern, path in ELSEWHERE.items() if re.search(rf"^{pattern}", line)]
        assert found, f"{document}: nothing runs {line!r}"
        assert (ROOT / found[0]).exists()


def test_what_needs_azure_says_so():
    for document, line, needs_azure in commands():
        assert needs_azure or not re.match(r"azd? ", line), f"{document}: {line!r}"


def test_what_only_reads_is_answered_as_it_stands(stack: Stack):
    if not shutil.which("curl"):
        pytest.skip("needs curl: apt-get install curl")
    answer = stack.client.start(stack.request(dryRun=True))
    stack.wait(answer.body["id"])
    environment = _environment(stack, answer.body["id"])
    assert len(READS) >= 3
    for command in READS:
        argv = ["bash", "-euc", command.replace("curl ", "curl --fail-with-body ", 1)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert done.stdout


def test_a_plan_is_approved_and_undone_by_the_commands_of_the_runbooks(stack: Stack):
    if not (shutil.which("curl") and shutil.which("jq")):
        pytest.skip("needs curl and jq: apt-get install curl jq")
    runbook = [line for document, line, _ in commands() if document == "operations.md"]
    approve = [line for line in runbook if line.startswith("HASH=") or "/approve" in line]
    (undo,) = [line for line in runbook if "/undo" in line]
    one = {"include": [*sample.SMALL_DATABASES][:1]}
    stack.wait(stack.client.start(stack.request(databases=one)).body["id"])
    request = stack.request(databases=one, onExisting="swap", approval="required")
    restore_id = stack.client.start(request).body["id"]

    def shown():
        return stack.client.show(restore_id).body

    assert eventually(lambda: shown()["status"] == "awaiting_approval")
    for script in ("\n".join(approve), undo):
        argv = ["bash", "-euc", script.replace("curl ", "curl --fail-with-body ")]
        environment = _environment(stack, restore_id)
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert stack.wait(restore_id)["status"].startswith("succeeded")
    assert eventually(lambda: shown()["undo"]["state"] == "done")


def _environment(stack: Stack, restore_id: str) -> dict[str, str]:
    return {**os.environ, "APP": stack.client.url, "KEY": stack.client.key, "ID": restore_id}


def test_the_demo_restores_all_of_its_sample():
    done = subprocess.run(["make", "-C", ROOT, "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "succeeded" in done.stdout


def test_up_prints_a_command_that_restores_and_ends_with_control_c():
    if not shutil.which("curl"):
        pytest.skip("needs curl: apt-get install curl")
    argv = ["make", "-C", str(ROOT), "up"]
    up = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert up.stdout is not None
        told = ""
        for line in up.stdout:
            if line.startswith("Logs are in"):
                break
            told += line
        (command,) = re.findall(r"^curl .*?}'$", told, re.S | re.M)
        done = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["id"], done.stdout
    finally:
        os.killpg(up.pid, signal.SIGINT)
        up.communicate(timeout=60)


pytestmark = pytest.mark.timeout(240)
