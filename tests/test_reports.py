"""GET …/report: after the end, signed where there is a key."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import restore
from restore import flows
from restore.adapters.signing import Ed25519Signer, SigningKeyError, verify
from restore.core.problem import status_of
from restore.errors import NotFoundError
from tests.core.test_life import Story
from tests.core.test_report import ended
from tests.fakes import MemoryStates

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class Control:
    """As much of one as a report needs."""

    states: MemoryStates = field(default_factory=MemoryStates)
    signer: Ed25519Signer | None = None


@pytest.fixture
def control():
    return Control()


def test_a_report_of_a_restore_that_has_ended_is_signed(control):
    control.states.create(ended())
    control.signer = Ed25519Signer(lambda: PEM)
    document = flows.report_of(control, ended().id)
    found = verify(document)
    assert found.report["tools"]["version"] == restore.__version__
    assert flows.report_of(control, ended().id) == document


def test_without_a_key_it_says_that_it_is_not_signed(control):
    control.states.create(ended())
    assert flows.report_of(control, ended().id)["signature"] is None


def test_with_a_key_that_cannot_be_read_there_is_no_report(control):
    def secret():
        raise NotFoundError("secret 'report-key': expected a file, found none")

    control.states.create(ended())
    control.signer = Ed25519Signer(secret)
    with pytest.raises(SigningKeyError) as caught:
        flows.report_of(control, ended().id)
    assert status_of(caught.value) == 500


def test_before_the_end_there_is_no_report(control):
    story = Story()
    control.states.create(story.restore)
    with pytest.raises(flows.NotEndedError, match="found it requested") as caught:
        flows.report_of(control, story.restore.id)
    assert status_of(caught.value) == 409


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["version"] == restore.__version__
