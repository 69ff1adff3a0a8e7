"""The HTTP API of the function app, as a caller uses it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TIMEOUT_SECONDS = 60.0


class Unreachable(Exception):
    """The app does not answer; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: headers by lower-case name, the JSON body ({} without one), and its text."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """`url` is the app's, without /api; `key` a function key, or `token` gives an Entra token."""

    url: str
    key: str = ""
    token: Callable[[], str] | None = None

    def start(self, request: Any, idempotency_key: str = "") -> Answer:
        """POST a restore; `request` is JSON to be, or bytes to be sent as they are."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.call("POST", "/api/restores", body, headers)

    def show(self, restore_id: str) -> Answer:
        return self.call("GET", f"/api/restores/{restore_id}")

    def list(self) -> Answer:
        return self.call("GET", "/api/restores")

    def cancel(self, restore_id: str) -> Answer:
        return self.call("POST", f"/api/restores/{restore_id}/cancel", b"")

    def plan(self, restore_id: str) -> Answer:
        return self.call("GET", f"/api/restores/{restore_id}/plan")

    def report(self, restore_id: str, form: str = "") -> Answer:
        """Of a restore that has ended; `form` may be html."""
        query = f"?format={form}" if form else ""
        return self.call("GET", f"/api/restores/{restore_id}/report{query}")

    def approve(self, restore_id: str, plan_hash: str) -> Answer:
        body = json.dumps({"hash": plan_hash}).encode()
        return self.call("POST", f"/api/restores/{restore_id}/approve", body)

    def undo(self, restore_id: str) -> Answer:
        return self.call("POST", f"/api/restores/{restore_id}/undo", b"")

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """One request; an answer of 4xx or 5xx is an answer too."""
        request = urllib.request.Request(
            self.url + path,
            data=body,
            method=method,
            headers={**self._login(), "Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                return _answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as exc:
            with exc:
                return _answer(exc.code, exc.headers, exc.read())
        except (OSError, ValueError, http.client.HTTPException) as exc:
            why = getattr(exc, "reason", None) or exc
            raise Unreachable(f"{self.url}: expected an answer, found: {why}") from exc

    def _login(self) -> dict[str, str]:
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token()}"}
        return {"x-functions-key": self.key}


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    lower = {name.lower(): value for name, value in headers.items()}
    is_json = "json" in lower.get("content-type", "")
    text = body.decode(errors="replace")
    return Answer(status, lower, json.loads(text) if is_json and text else {}, text)
