"""A plain web server on loopback for the dumps, which counts what it is asked for.

HTTP/1.1 with connections kept, ranges and ETags: what a storage account answers, no less and
hardly more. Files go from the page cache to the socket, so serving takes no notable processor time.
Source: RFC 9110, sections 13.1.1 (If-Match) and 14 (ranges).
"""

from __future__ import annotations

import os
import re
import socket
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LONGEST_LINE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Served:
    """What was served so far; bytes are those of bodies."""

    requests: int = 0
    bytes: int = 0

    def __sub__(self, earlier: Served) -> Served:
        return Served(self.requests - earlier.requests, self.bytes - earlier.bytes)


class DumpServer(socketserver.ThreadingTCPServer):
    """Serves files by the names they are given, from `start` to `stop`; a context manager."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.files: dict[str, Path] = {}
        self._served = Served()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def publish(self, name: str, path: Path) -> str:
        """The URL under which `path` is served from now on."""
        self.files[f"/{name}"] = path
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    @property
    def served(self) -> Served:
        return self._served

    def count(self, sent_bytes: int) -> None:
        with self._lock:
            self._served = Served(self._served.requests + 1, self._served.bytes + sent_bytes)


class _Connection(socketserver.StreamRequestHandler):
    server: DumpServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(ConnectionError):
            while line := self.rfile.readline(_LONGEST_LINE_BYTES).decode("latin-1"):
                method, target, *_ = [*line.split(), "", ""]
                headers = dict(_headers(iter(self.rfile.readline, b"")))
                self._answer(method, target, headers)
                if headers.get("connection", "").lower() == "close":
                    return

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> None:
        path = self.server.files.get(target)
        if path is None or method not in ("GET", "HEAD"):
            return self._refuse(HTTPStatus.NOT_FOUND)
        with path.open("rb", 0) as file:
            facts = os.fstat(file.fileno())
            tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
            if headers.get("if-match", tag) not in (tag, "*"):
                return self._refuse(HTTPStatus.PRECONDITION_FAILED)
            found = _RANGE.fullmatch(headers.get("range", ""))
            start, end = _bounds(found, facts.st_size) if found else (0, facts.st_size)
            if found and start >= end:
                return self._refuse(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    f"Content-Range: bytes */{facts.st_size}",
                )
            fields = ["Accept-Ranges: bytes", f"ETag: {tag}", f"Content-Length: {end - start}"]
            if found:
                fields.append(f"Content-Range: bytes {start}-{end - 1}/{facts.st_size}")
            status = HTTPStatus.PARTIAL_CONTENT if found else HTTPStatus.OK
            self._head(status, fields, more=method == "GET" and end > start)
            sent = self._body(file.fileno(), start, end) if method == "GET" else 0
        return self.server.count(sent)

    def _refuse(self, status: HTTPStatus, *fields: str) -> None:
        self._head(status, ["Content-Length: 0", *fields])
        self.server.count(0)

    def _head(self, status: HTTPStatus, fields: Iterable[str], *, more: bool = False) -> None:
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *fields, "", ""]
        flags = socket.MSG_MORE if more else 0
        self.connection.sendall("\r\n".join(lines).encode("latin-1"), flags)

    def _body(self, file: int, start: int, end: int) -> int:
        """The bytes that were sent: fewer than asked for where the client went away."""
        at = start
        with suppress(ConnectionError):
            while at < end and (sent := os.sendfile(self.connection.fileno(), file, at, end - at)):
                at += sent
        return at - start


def _headers(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            return
        yield name.lower(), value.strip()


def _bounds(asked: re.Match[str], size: int) -> tuple[int, int]:
    """First byte and the one after the last; none where they meet."""
    first, last = asked.groups()
    if first:
        return int(first), min(int(last) + 1 if last else size, size)
    return (max(0, size - int(last)), size) if last else (0, 0)
