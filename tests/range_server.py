"""A web server with one file, which gives ranges of it, and misbehaves where a test wants that."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUERY = "sig=S3CR3T"  # as it may stand in an URL: a key
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """How an answer is not what it should be."""

    silent: bool = False  # there is none, and the connection ends
    status: int = 0  # this one, and no range
    after_bytes: int = -1  # so much of the range, then the connection ends
    resets: bool = False  # as if its machine went down: what is on its way is lost
    stalls: bool = False  # it does not end, but nothing comes
    whole: bool = False  # the file, whatever was asked for
    shift_bytes: int = 0  # the range so far behind the one that was asked for
    longer_bytes: int = 0  # and so much longer
    length: bool = True  # whether it says how long its body is

    def __str__(self) -> str:
        told = ((name, getattr(self, name)) for name in self.__slots__)
        usual = {spec.name: spec.default for spec in fields(self)}
        return " ".join(f"{name}={value}" for name, value in told if value != usual[name])


@dataclass
class RangeServer:
    """`faults` are those of the next requests, one each; `always` of all behind them."""

    content: bytes
    etag: str = '"1"'
    modified: str = ""
    matches: bool = True  # whether it knows If-Match
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    before_answer: Callable[[], None] = lambda: None
    asked: list[tuple[int, int]] = field(default_factory=list)  # first and last byte
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/folder/file.dump?{QUERY}"

    def fault(self) -> Fault:
        return self.faults.popleft() if self.faults else self.always or Fault()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        of = self.server.of
        asked = _RANGE.fullmatch(self.headers["Range"])
        assert asked is not None, "only ranges are asked for"
        first, last = int(asked[1]), int(asked[2])
        of.asked.append((first, last))
        of.before_answer()
        fault, content = of.fault(), of.content
        if fault.silent:
            self.close_connection = True
        elif of.matches and self.headers.get("If-Match", of.etag) != of.etag:
            self._answer(412, b"", fault)
        elif fault.status:
            self._answer(fault.status, b"no", fault)
        elif fault.whole:
            self._answer(200, content, fault)
        elif first >= len(content):
            self._answer(416, b"", fault)
        else:
            first += fault.shift_bytes
            last = min(last + fault.shift_bytes + fault.longer_bytes, len(content) - 1)
            place = f"bytes {first}-{last}/{len(content)}"
            self._answer(206, content[first : last + 1], fault, place)

    def _answer(self, status: int, body: bytes, fault: Fault, place: str = "") -> None:
        of = self.server.of
        self.send_response(status)
        headers = {"Content-Range": place, "ETag": of.etag, "Last-Modified": of.modified}
        if fault.length:
            headers["Content-Length"] = str(len(body))
        else:
            headers["Connection"] = "close"
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if fault.after_bytes < 0:
            self.wfile.write(body)
            return
        self.wfile.write(body[: fault.after_bytes])
        if fault.stalls:
            of.released.wait()
        elif fault.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Not on a test's terminal."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # all of them are waited for

    def __init__(self, of: RangeServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.of = of

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go when they like."""


@contextmanager
def range_server(content: bytes) -> Iterator[RangeServer]:
    """Clients are to be closed before it ends: it waits for them."""
    of = RangeServer(content)
    with _Server(of) as server:
        of.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield of
        finally:
            of.released.set()
            server.shutdown()
            thread.join()
