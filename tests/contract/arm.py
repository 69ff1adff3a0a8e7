"""An ARM endpoint that answers as told, once per answer, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    method: str
    target: str  # path and query, byte for byte
    body: Any
    authorization: str


@dataclass
class Arm:
    url: str
    asked: list[Asked] = field(default_factory=list)
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)

    def say(self, status: int, body: Any = None, **headers: str) -> Arm:
        """The next answer; `_` in a header's name is `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))
        return self


class _Handler(BaseHTTPRequestHandler):
    arm: Arm

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        token = self.headers.get("Authorization", "")
        self.arm.asked.append(Asked(self.command, self.path, body, token))
        status, document, headers = self.arm.answers.pop(0)
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET


@contextmanager
def arm() -> Iterator[Arm]:
    class Handler(_Handler):
        """Of this server alone: two may run at a time."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.arm = Arm(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Handler.arm
        server.shutdown()
        thread.join()
