"""An error -> RFC 9457 problem details."""

from __future__ import annotations

from typing import Any

from restore.core.request_error import RequestError
from restore.errors import InputError, NotFoundError, RestoreError, TransientError

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    "not-found": 404,
    "too-large": 413,
    "key-reused": 422,
    "not-planned": 409,
    "not-approvable": 409,
    "not-undoable": 409,
    "not-ended": 409,
    "server-busy": 409,
    "signing-key": 500,
    "recovery-rules": 500,
    "drills": 500,
    "target-not-allowed": 403,
    "vault-not-allowed": 403,
    "container-not-allowed": 403,
}


def status_of(error: RestoreError) -> int:
    """The HTTP status for `error`: its code's own, or its family's."""
    if error.code in _STATUS:
        return _STATUS[error.code]
    if isinstance(error, TransientError):
        return 503
    return 400 if isinstance(error, InputError) else 500


def problem(error: RestoreError) -> dict[str, Any]:
    """The body of the answer. `errors` lists every field that is wrong, where there are fields."""
    body: dict[str, Any] = {
        "type": f"urn:restore:problem:{error.code}",
        "title": _TITLES.get(error.code, error.code.replace("-", " ")),
        "status": status_of(error),
        "detail": error.message,
    }
    if error.hint:
        body["hint"] = error.hint
    if isinstance(error, RequestError):
        body["errors"] = [
            {"pointer": p.field, "expected": p.expected, "found": p.found} for p in error.problems
        ]
    return body


_TITLES = {
    RequestError.code: "the request cannot be understood",
    NotFoundError.code: "there is no such thing",
    TransientError.code: "not ready yet: try again",
}
