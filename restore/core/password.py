"""Where a generated password of a role is kept: the name of its secret."""

from __future__ import annotations

import hashlib
import re

_NOT_ALLOWED = re.compile(r"[^0-9A-Za-z]+")
_PART_CHARACTERS = 40
_MARK_CHARACTERS = 16


def secret_name(address: str, role: str) -> str:
    """The secret for `role` on the server at `address` (host:port): always the same for both.

    Names that look alike here are told apart by a hash at the end. At most 100 characters.
    Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates: 1 to 127
    letters, digits and hyphens.
    """
    mark = hashlib.sha256(f"{address}\0{role}".encode("utf-8", "surrogatepass")).hexdigest()
    host = address.rpartition(":")[0].partition(".")[0]
    parts = ("pg", _part(host), _part(role), mark[:_MARK_CHARACTERS])
    return "-".join(part for part in parts if part)


def _part(text: str) -> str:
    return _NOT_ALLOWED.sub("-", text)[:_PART_CHARACTERS].strip("-")
