"""The image, the manifest for Kubernetes and the public workflows, as far as text can tell."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from restore.adapters.tools import find_clients

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HADOLINT = Path(sys.executable).parent / "hadolint"
SCRIPTS = [
    *sorted((ROOT / "docker").iterdir()),
    ROOT / ".ci/run",
]


def instructions():
    """Each instruction of the Dockerfile in one line, without comments."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def test_the_image_runs_as_nobody_and_keeps_no_build_tools():
    names = [name for name, _ in instructions()]
    assert names.count("FROM") == 2
    last = dict(instructions())
    assert re.fullmatch(r"[1-9][0-9]+:[1-9][0-9]+", last["USER"])
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "HEALTHCHECK" in names
    assert "ADD" not in names
    assert ":latest" not in DOCKERFILE
    assert "--no-cache-dir" in DOCKERFILE
    for secret in ("PASSWORD", "SECRET", "CONNECTIONSTRING"):
        assert secret not in DOCKERFILE.upper()


def test_what_it_copies_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().split()
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source.split('/')[0]}" in ignored


@pytest.mark.skipif(not HADOLINT.exists(), reason="no hadolint for this platform")
def test_hadolint_has_nothing_to_say():
    said = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_can_be_run_and_stop_at_the_first_error(script):
    text = script.read_text()
    assert text.startswith(("#!/bin/sh\n", "#!/usr/bin/env bash\n", "#!/usr/bin/env sh\n"))
    assert script.stat().st_mode & 0o100
    assert re.search(r"^set -[a-z]*e[a-z]*u", text, re.M)
    shell = "bash" if "bash" in text.splitlines()[0] else "sh"
    assert subprocess.run([shell, "-n", script], check=False).returncode == 0
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)


@pytest.mark.parametrize("majors", [[], ["13"], ["sixteen"], ["16", "--help"]])
def test_the_installer_refuses_what_is_no_major_before_it_does_anything(majors):
    argv = ["sh", ROOT / "docker/install-clients", *majors]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected" in done.stderr


def test_what_debian_installs_is_found_where_the_image_has_it():
    """The image has the same layout, from PostgreSQL's own packages."""
    found = find_clients()
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_restore"))
    assert sorted(found) == sorted(int(path.parts[-3]) for path in installed)


def test_the_manifest_scales_on_the_queue_and_gives_the_pod_no_rights():
    manifest = (ROOT / "kubernetes/worker.yaml").read_text()
    documents = {document["kind"]: document for document in yaml.safe_load_all(manifest)}
    assert set(documents) == {"ServiceAccount", "TriggerAuthentication", "ScaledJob"}
    spec = documents["ScaledJob"]["spec"]
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["queueName"] == "restore-tasks"
    assert (
        trigger["authenticationRef"]["name"]
        == documents["TriggerAuthentication"]["metadata"]["name"]
    )
    pod = spec["jobTargetRef"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["restartPolicy"] == "Never"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/work"}
    known = (ROOT / "docs/operations.md").read_text()
    for variable in container["env"]:
        assert f"`{variable['name']}`" in known


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_what_they_use_and_may_do_little(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert set(job["permissions"].values()) <= {"read", "write"}
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            assert "${{ github.event" not in step.get("run", "")
    for use in re.findall(r"uses: .*", path.read_text()):
        assert re.search(r"# v\d+\.\d+", use), "the version stands behind the hash"


def test_every_make_target_that_a_workflow_uses_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for path in WORKFLOWS:
        for target in re.findall(r"\bmake ([a-z-]+)", path.read_text()):
            assert re.search(rf"^{target}:", makefile, re.M)


def test_the_supported_pythons_are_tested():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert tested == ["3.11", "3.12", "3.13"]
