"""What a caller is told at the end, and the signature that proves who tells it.

Source: RFC 2104 and RFC 6234, HMAC with SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from urllib.parse import urlsplit

from restore.core.state import Restore
from restore.core.status import operation


def body(restore: Restore) -> bytes:
    """The restore as an operation, in JSON: the same at each try."""
    return json.dumps(operation(restore), sort_keys=True).encode()


def host(url: str) -> str:
    """The host of that URL, with its port unless it is 443; in lower case."""
    return urlsplit(url).netloc.lower().removesuffix(":443")


def headers(key: str, content: bytes, now: datetime) -> dict[str, str]:
    """What goes with the content. The time is signed as well: nobody can send it again later."""
    timestamp = str(int(now.timestamp()))
    signed = timestamp.encode() + b"." + content
    signature = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "Restore-Timestamp": timestamp,
        "Restore-Signature": f"v1={signature}",
    }
