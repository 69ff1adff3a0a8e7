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
from tests.image import keda

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HADOLINT = Path(sys.executable).parent / "hadolint"
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
MANIFEST = (ROOT / "kubernetes/worker.yaml").read_text()
SCRIPTS = [
    *sorted((ROOT / "docker").iterdir()),
    ROOT / "scripts/try",
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


@pytest.mark.skipif(not SHELLCHECK.exists(), reason="no shellcheck for this platform")
def test_shellcheck_has_nothing_to_say():
    said = subprocess.run(
        [SHELLCHECK, *SCRIPTS, ROOT / "scripts/find-python"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not on the PATH")
def test_actionlint_has_nothing_to_say():
    said = subprocess.run(["actionlint", *WORKFLOWS], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.parametrize("majors", [[], ["13"], ["sixteen"], ["16", "--help"]])
def test_the_installer_refuses_what_is_no_major_before_it_does_anything(majors):
    argv = ["sh", ROOT / "docker/install-clients", *majors]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected" in done.stderr


def test_debians_clients_are_installed_by_the_same_steps(tmp_path):
    """With Debian's packages there already: apt-get is asked for them, and each has to answer."""
    majors = [path.parts[-3] for path in Path("/usr/lib/postgresql").glob("1[4-9]/bin/pg_restore")]
    if not majors:
        pytest.skip("no client of Debian here: apt-get install postgresql-client")
    asked = tmp_path / "asked"
    (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$@" >>{asked}\n')
    (tmp_path / "apt-get").chmod(0o755)
    argv = ["sh", ROOT / "docker/install-clients", "--from", "debian", *majors]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    for major in majors:
        assert f"pg_restore (PostgreSQL) {major}." in done.stdout
        assert f"postgresql-client-{major}" in asked.read_text()


def test_what_debian_installs_is_found_where_the_image_has_it():
    """The image has the same layout, from PostgreSQL's own packages."""
    found = find_clients()
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_restore"))
    assert sorted(found) == sorted(int(path.parts[-3]) for path in installed)


def test_the_manifest_keeps_to_the_schema_of_kubernetes_and_keda():
    for document in yaml.safe_load_all(MANIFEST):
        assert list(keda.problems(document)) == []


@pytest.mark.parametrize(
    ("there", "planted"),
    [
        ("strategy: default", "strategy: standard"),
        ("pollingInterval: 15", "pollInterval: 15"),
        ("maxReplicaCount: 8", "maxReplicaCount: many"),
        ('messageCount: "1"', "messageCount: 1"),
        ("kind: ScaledJob", "kind: ScaledObject"),
        ("restartPolicy: Never", "restartPolicy: Always"),
        ("memory: 4Gi", "memory: 4GB"),
        ("mountPath: /work", "path: /work"),
        ("provider: azure-workload", "provider: azure"),
        ("jobTargetRef:", "scaleTargetRef:"),
    ],
)
def test_a_mistake_in_the_manifest_is_found(there, planted):
    assert there in MANIFEST
    changed = yaml.safe_load_all(MANIFEST.replace(there, planted, 1))
    assert [problem for document in changed for problem in keda.problems(document)]


def test_the_manifest_scales_on_the_queue_and_gives_the_pod_no_rights():
    documents = {document["kind"]: document for document in yaml.safe_load_all(MANIFEST)}
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
    names = {variable["name"] for variable in container["env"]}
    assert all(f"`{name}`" in known for name in names)
    assert names >= {"LandingStorage__blobServiceUri", "StateStorage__blobServiceUri"}


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
