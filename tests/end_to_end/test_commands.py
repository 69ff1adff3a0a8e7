"""Commands in the documents: each is run here or by the test that is named, or needs Azure."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local import sample
from local.postgres import binaries
from local.stack import REPORT_KEY, ROOT, Stack
from tests.waiting import eventually

NEEDS_AZURE = "<!-- needs Azure -->"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
HERE = "tests/end_to_end/test_commands.py"
ELSEWHERE = {
    r"make (demo|up)$": HERE,
    r"make test$": ".ci/run",
    r"scripts/try my-dumps$": "tests/end_to_end/test_try.py",
    r"curl .*-X POST": HERE,
    r"HASH=": HERE,
    r"createdb |export PGPASSWORD|python -m restore\.engine ": HERE,
    r"python -m restore verify-report ": HERE,
    r"python -m bench\.": HERE,
}
"""What a command looks like, and what runs it."""


def blocks():
    """Every console block: its document, its text, whether it needs Azure."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in re.finditer(rf"({NEEDS_AZURE}\n)?```console\n(.*?)```", text, re.S):
            yield document.name, block[2], bool(block[1])


def commands():
    """Every command of them: its document, its first line, whether it needs Azure."""
    for document, text, needs_azure in blocks():
        for line in re.findall(r"^\$ (.+)$", text.replace("\\\n", " "), re.M):
            yield document, line, needs_azure


def block_with(words):
    """The commands of the one block that has them, as a person would type them."""
    (found,) = [text for _, text, needs_azure in blocks() if words in text and not needs_azure]
    return re.sub(r"^\$ ", "", found, flags=re.M)


def run(script, environment=None, folder=None):
    """What bash prints, which is to succeed."""
    if missing := [program for program in ("curl", "jq") if not shutil.which(program)]:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install {' '.join(missing)}")
    script = script.replace("curl ", "curl --fail-with-body ")
    python = Path(sys.executable).parent
    environment = {**os.environ, **(environment or {}), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{python}:{environment['PATH']}"
    argv = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        argv, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
    return done.stdout


def _environment(stack: Stack, restore_id: str) -> dict[str, str]:
    return {"APP": stack.client.url, "KEY": stack.client.key, "ID": restore_id}


def replaced(text, **words):
    """With other values for what the documents have for example: all of it is there."""
    for there, value in words.items():
        assert there in text, there
        text = text.replace(there, value)
    return text


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
    answer = stack.client.start(stack.request(dryRun=True))
    stack.wait(answer.body["id"])
    assert len(READS) >= 3
    for command in READS:
        assert run(command, _environment(stack, answer.body["id"]))


def test_the_first_request_of_the_readme_starts_a_restore(stack: Stack):
    target = stack.request()["target"]
    server = "/subscriptions/…/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg1"
    examples = {
        server: stack.vault.names.server_id,
        "2026-11-20T10:00:00Z": f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
        '{"host": "pg2.postgres.database.azure.com", "user": "restore-worker"}': json.dumps(target),
    }
    script = replaced(block_with("Idempotency-Key: incident-4711"), **examples)
    first, second = (json.loads(run(script, _environment(stack, ""))) for _ in range(2))
    assert first["id"] == second["id"]
    assert stack.wait(first["id"])["status"].startswith("succeeded")


def test_a_plan_is_approved_and_undone_by_the_commands_of_the_runbooks(stack: Stack):
    one = {"include": [next(iter(sample.SMALL_DATABASES))]}
    stack.wait(stack.client.start(stack.request(databases=one)).body["id"])
    request = stack.request(databases=one, onExisting="swap", approval="required")
    restore_id = stack.client.start(request).body["id"]

    def shown():
        return stack.client.show(restore_id).body

    assert eventually(lambda: shown()["status"] == "awaiting_approval")
    for script in (block_with("/approve"), block_with("/undo")):
        run(script, _environment(stack, restore_id))
        assert stack.wait(restore_id)["status"].startswith("succeeded")
    assert eventually(lambda: shown()["undo"]["state"] == "done")


def test_a_report_is_fetched_and_checked(stack: Stack, tmp_path: Path):
    restore_id = stack.client.start(stack.request(dryRun=True)).body["id"]
    stack.wait(restore_id)
    seed = base64.b64decode((stack.secrets / REPORT_KEY).read_text())
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(pem)
    lines = block_with("verify-report").splitlines()
    assert lines[-1].startswith("VALID: unchanged since it was signed with key ")
    said = run("\n".join(lines[:-1]), _environment(stack, restore_id), tmp_path)
    assert said.startswith("VALID: unchanged since it was signed with key ")


def test_one_dump_is_restored_into_one_database_by_hand(stack: Stack, tmp_path: Path):
    target, environment = stack.target, stack.target.admin_environment()
    with psycopg.connect(target.admin_conninfo("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE source")
    with psycopg.connect(target.admin_conninfo("source")) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT generate_series(1, 1000)")
    argv = [target.binaries / "pg_dump", "-Fc", "-f", tmp_path / "crm.dump", "source"]
    subprocess.run(argv, env=environment, check=True)
    lines = block_with("python -m restore.engine crm.dump").splitlines()
    script = "\n".join(line for line in lines if not line.startswith("█"))
    examples = {
        "PGPASSWORD=…": f"PGPASSWORD={target.admin_password}",
        "/usr/lib/postgresql/18/bin": str(binaries(18)),
        "host=pg2 user=admin": f"host={target.host} port={target.port} user={target.admin}",
    }
    path = f"{target.binaries}:{os.environ['PATH']}"
    run(replaced(script, **examples), {**environment, "PATH": path}, tmp_path)
    with psycopg.connect(target.admin_conninfo("crm")) as connection:
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (1000,)


BENCHES = [
    re.split(r" +#", line)[0] for _, line, _ in commands() if line.startswith("python -m bench.")
]


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", BENCHES)
def test_a_benchmark_of_the_documents_runs_with_little_data(command, tmp_path: Path):
    out = tmp_path / "results.json"
    little = "--databases 3 --restores 2" if "bench.control" in command else "--repeats 1"
    run(f"{command} --scale 0.002 {little} --out {out}", folder=ROOT)
    assert json.loads(out.read_text())


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
