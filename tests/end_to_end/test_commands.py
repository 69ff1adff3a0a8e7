"""Commands in the documents: each is run here or by the test that is named, or needs Azure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from local.stack import ROOT, Stack

NEEDS_AZURE = "<!-- needs Azure -->"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    r"make (demo|up)\b": "tests/local",
    r"scripts/try ": "tests/end_to_end/test_try.py",
    r"make test$": ".ci/run",
    r"curl .*-X POST": "tests/end_to_end/test_http.py",
    r"HASH=": "tests/end_to_end/test_terminal.py",
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
    environment = {
        **os.environ,
        "APP": stack.client.url,
        "KEY": stack.client.key,
        "ID": answer.body["id"],
    }
    assert len(READS) >= 3
    for command in READS:
        argv = ["bash", "-euc", command.replace("curl ", "curl --fail-with-body ", 1)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert done.stdout


pytestmark = pytest.mark.timeout(120)
