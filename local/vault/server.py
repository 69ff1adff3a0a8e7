"""The vault's HTTP server: requests in, answers and error documents out."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from local.vault import documents
from local.vault.arm import AnswerLost, Api, Response
from local.vault.faults import Refusal

if TYPE_CHECKING:
    from local.vault.vault import LocalVault


class ArmServer(ThreadingHTTPServer):
    """Serves an `Api` on a loopback port, in threads that end with `stop`."""

    daemon_threads = True

    def __init__(self, vault: LocalVault) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = Api(vault, lambda: self.url)
        self.connections: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="vault", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everyone, kept-alive connections too; safe to repeat."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ArmServer

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests and the demo have their own words."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            response = self.server.api.answer(self.command, self.path, self.headers, body)
        except Refusal as refusal:
            wait = (("Retry-After", "1"),) if refusal.status == 429 else ()
            response = Response(refusal.status, documents.error(refusal), wait)
        except AnswerLost:
            self.close_connection = True
            return
        self._send(response)

    do_POST = do_PATCH = do_GET

    def _send(self, response: Response) -> None:
        body = b"" if response.body is None else json.dumps(response.body).encode()
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if response.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)
