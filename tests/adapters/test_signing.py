"""A signature holds for just what was signed, by just that key."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from restore.__main__ import main
from restore.adapters.signing import (
    Ed25519Signer,
    SignatureError,
    SigningKeyError,
    key_id,
    verify,
)
from restore.errors import NotFoundError

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
BODY = {"id": "r1", "requested": "then", "status": "succeeded", "databases": []}


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key):
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def in_base64(data):
    return base64.b64encode(data).decode()


PUBLIC = KEY.public_key().public_bytes_raw()


@pytest.fixture
def signed():
    """As it comes back from JSON."""
    return json.loads(json.dumps(Ed25519Signer(lambda: pem(KEY)).sign(BODY)))


@pytest.mark.parametrize("key", ["", in_base64(PUBLIC), public_pem(KEY)], ids=["", "b64", "pem"])
def test_what_was_signed_is_valid(signed, key):
    found = verify(signed, key)
    assert (found.report, found.key_id) == (BODY, key_id(PUBLIC))


def test_a_key_may_be_pem_or_base64_and_the_signature_is_the_same():
    secrets = (pem(KEY), in_base64(KEY.private_bytes_raw()) + "\n")
    one, other = (Ed25519Signer(lambda secret=secret: secret).sign(BODY) for secret in secrets)
    assert one == other


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl: apt-get install openssl")
def test_a_key_that_openssl_made_signs_and_its_public_half_checks(tmp_path):
    made, public = tmp_path / "key.pem", tmp_path / "public.pem"
    genpkey = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", made]
    subprocess.run(genpkey, check=True)
    subprocess.run(["openssl", "pkey", "-in", made, "-pubout", "-out", public], check=True)
    report = json.loads(json.dumps(Ed25519Signer(made.read_text).sign(BODY)))
    assert verify(report, public.read_text()).report == BODY


def test_a_changed_report_is_not_valid(signed):
    signed["report"]["status"] = "partial"
    with pytest.raises(SignatureError, match="expected it to hold"):
        verify(signed)


def test_somebody_elses_signature_is_valid_for_their_key_only(signed):
    theirs = Ed25519Signer(lambda: pem(OTHER)).sign(BODY)
    assert verify(theirs).key_id != key_id(PUBLIC)
    with pytest.raises(SignatureError, match=f"expected one by key {key_id(PUBLIC)}"):
        verify(theirs, in_base64(PUBLIC))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"algorithm": "none"}, "expected Ed25519"),
        ({"publicKey": "?"}, "public key: expected base64"),
        ({"publicKey": ""}, "expected it to hold"),
        ({"value": "?"}, "value: expected base64"),
        ({"value": ""}, "expected it to hold"),
    ],
)
def test_a_signature_of_another_form_is_not_valid(signed, changes, said):
    signed["signature"] |= changes
    with pytest.raises(SignatureError, match=said):
        verify(signed)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"report": BODY, "signature": None}, "expected a signature, found none"),
        ({"report": BODY}, "expected a signature, found none"),
        ([], "expected a report"),
        ({}, "expected a report"),
    ],
)
def test_what_is_no_signed_report_is_not_valid(document, said):
    with pytest.raises(SignatureError, match=said):
        verify(document)


@pytest.mark.parametrize(
    "secret", ["", "hunter2", in_base64(b"short"), pem(X25519PrivateKey.generate())]
)
def test_a_secret_that_is_no_key_is_refused_and_not_told(secret):
    with pytest.raises(SigningKeyError) as caught:
        Ed25519Signer(lambda: secret).sign(BODY)
    assert not secret or secret not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__cause__ is None


def test_a_key_that_is_not_there_is_no_reason_to_leave_a_report_unsigned():
    def secret():
        raise NotFoundError("secret 'report-key': expected a file, found none", "mount it")

    with pytest.raises(SigningKeyError, match="report-key"):
        Ed25519Signer(secret).sign(BODY)


def test_a_public_key_that_is_none_is_refused(signed):
    for key in ("?", in_base64(b"short"), public_pem(X25519PrivateKey.generate())):
        with pytest.raises(SigningKeyError, match="public key"):
            verify(signed, key)


# ---- from the command line ---------------------------------------------------------------------


@pytest.fixture
def file(signed, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(signed, indent=2))
    return path


def test_the_command_says_what_it_checked(file, tmp_path, capsys):
    assert main(["verify-report", str(file)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"VALID: unchanged since it was signed with key {key_id(PUBLIC)}\n")
    assert "give the key you trust" in said
    key = tmp_path / "public.pem"
    key.write_text(public_pem(KEY))
    for given in (str(key), in_base64(PUBLIC)):
        assert main(["verify-report", str(file), "--key", given]) == 0
        assert "give the key you trust" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "key", "code"),
    [
        (None, in_base64(OTHER.public_key().public_bytes_raw()), 1),
        ('{"report": {}, "signature": null}', "", 1),
        ("<html>", "", 1),
        (None, "no key", 2),
    ],
    ids=["another key", "no signature", "no report", "no such key"],
)
def test_the_command_ends_with_another_code_for_what_is_not_valid(file, capsys, content, key, code):
    if content is not None:
        file.write_text(content)
    assert main(["verify-report", str(file), "--key", key]) == code
    assert capsys.readouterr().out == ""


def test_a_file_that_is_not_there_is_a_wrong_argument(tmp_path, capsys):
    assert main(["verify-report", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
