"""Reports are signed with Ed25519, so that anybody with the public key can tell they are ours.

Source: RFC 8032; cryptography.io/en/latest/hazmat/primitives/asymmetric/ed25519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

from restore.core.report import canonical
from restore.errors import InputError

ALGORITHM = "Ed25519"
_KEY_BYTES = 32
_ID_DIGITS = 16


class SigningKeyError(InputError):
    """The key to sign reports with, or to check them with, cannot be used."""

    code = "signing-key"


class SignatureError(InputError):
    """A report is not what was signed, or not signed at all."""

    code = "signature"


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Signs with the private key that `secret` gives: PEM (PKCS #8), or 32 bytes in base64."""

    secret: Callable[[], str]

    def sign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`{"report": body, "signature": …}`. The same body and key give the same signature.

        Raises SigningKeyError for a key that is none; what `secret` raises.
        """
        try:
            secret = self.secret()
        except InputError as exc:
            raise SigningKeyError(
                f"signing key: expected it to be readable, found: {exc.message}", exc.hint
            ) from exc
        key = _private_key(secret)
        public = key.public_key().public_bytes_raw()
        return {
            "report": body,
            "signature": {
                "algorithm": ALGORITHM,
                "keyId": key_id(public),
                "publicKey": base64.b64encode(public).decode(),
                "value": base64.b64encode(key.sign(canonical(body))).decode(),
            },
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """A report whose signature holds, for the key of that id."""

    report: Mapping[str, Any]
    key_id: str


def key_id(public: bytes) -> str:
    """How a public key is called: the first digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:_ID_DIGITS]


def verify(document: object, public_key: str = "") -> Verified:
    """The report in `document`, which is JSON as it was read, if it is just what was signed.

    `public_key`: PEM, or 32 bytes in base64; without it, the signature only says that nothing was
    changed since the holder of the key that the document names signed it, whoever that is.
    Raises SignatureError, and SigningKeyError for a `public_key` that is none.
    """
    match document:
        case {
            "report": dict(report),
            "signature": {
                "algorithm": str(algorithm),
                "publicKey": str(named),
                "value": str(value),
            },
        }:
            pass
        case {"report": _}:
            raise SignatureError("report: expected a signature, found none")
        case _:
            raise SignatureError("file: expected a report of a restore, found something else")
    if algorithm != ALGORITHM:
        raise SignatureError(f"signature: expected {ALGORITHM}, found {algorithm!r}")
    public = _decoded(named, "signature: the public key")
    if public_key and _public_key(public_key) != public:
        expected, found = key_id(_public_key(public_key)), key_id(public)
        raise SignatureError(f"signature: expected one by key {expected}, found one by key {found}")
    try:
        signature = _decoded(value, "signature: the value")
        Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(report))
    except (InvalidSignature, ValueError):
        raise SignatureError(
            f"signature: expected it to hold for key {key_id(public)}, found that it does not",
            "the report was changed after it was signed",
        ) from None
    return Verified(report, key_id(public))


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"{what}: expected base64, found something else") from None


def _private_key(text: str) -> Ed25519PrivateKey:
    try:
        if text.startswith("-----BEGIN"):
            key = load_pem_private_key(text.encode(), password=None)
            if isinstance(key, Ed25519PrivateKey):
                return key
        else:
            return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.strip()))
    except (ValueError, TypeError):
        pass  # nothing of it may be told: the error would hold some of it
    raise SigningKeyError(
        "signing key: expected Ed25519, as PEM or 32 bytes in base64, found something else",
        "make one: openssl genpkey -algorithm ed25519",
    )


def _public_key(text: str) -> bytes:
    try:
        if text.startswith("-----BEGIN"):
            key = load_pem_public_key(text.encode())
            if isinstance(key, Ed25519PublicKey):
                return key.public_bytes_raw()
        elif len(found := base64.b64decode(text.strip(), validate=True)) == _KEY_BYTES:
            return found
    except ValueError:
        pass
    raise SigningKeyError(
        "public key: expected Ed25519, as PEM or 32 bytes in base64, found something else"
    )
