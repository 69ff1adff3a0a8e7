"""Shared access signatures: what a connection may use, and for how long.

Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-sas
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import urllib.parse
from collections.abc import Mapping

from local.servicebus.frames import path_of
from local.servicebus.refusal import Refusal, unauthorized

# Without keys every token is welcome, and lasts this long.
_OPEN_SECONDS = 3600.0


class Claims:
    """The tokens one connection presented. Without `keys` (name to key) everything is allowed.

    Tokens are dated by the client's clock, so they are judged by the machine's, never by one
    that a test has advanced.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys
        self._expiry: dict[str, float] = {}

    def put(self, audience: object, token: object) -> None:
        """Take a token for an entity. Raises Refusal for a bad signature or an expired one."""
        expiry = self._verify(str(token)) if self._keys else time.time() + _OPEN_SECONDS
        self._expiry[path_of(audience).lower()] = expiry

    def check(self, path: str) -> None:
        """Raises Refusal unless a valid token covers the entity."""
        if not self._keys:
            return
        wanted, now = path.lower(), time.time()
        if not any(
            wanted.startswith(path) and expiry > now for path, expiry in self._expiry.items()
        ):
            raise unauthorized(f"Unauthorized access. Claims are required for '{path}'.")

    def _verify(self, token: str) -> float:
        """When the token expires, in seconds since the epoch."""
        parts = dict(urllib.parse.parse_qsl(token.partition(" ")[2]))
        try:
            key, expiry = self._keys[parts["skn"]], float(parts["se"])
            signed = _signatures(key, parts["sr"], parts["se"])
            valid = any(hmac.compare_digest(parts["sig"].encode(), each) for each in signed)
        except (KeyError, ValueError) as error:
            raise _bad_token() from error
        if not valid or expiry < time.time():
            raise _bad_token()
        return expiry


def _bad_token() -> Refusal:
    return unauthorized("InvalidSignature: The token has an invalid signature.")


def _signatures(key: str, resource: str, expiry: str) -> list[bytes]:
    """What may be signed: SDKs differ in the case of the percent escapes of the resource."""
    quoted = urllib.parse.quote_plus(resource)
    escapes = quoted.replace("%2F", "%2f").replace("%3A", "%3a")
    return [
        base64.b64encode(hmac.digest(key.encode(), f"{text}\n{expiry}".encode(), hashlib.sha256))
        for text in (quoted, quoted.lower(), escapes)
    ]
