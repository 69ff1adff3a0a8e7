"""A TCP proxy that can cut what runs through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes bytes on to `target`, and breaks off in one of three ways.

    Answers of the next `cuts` connections end after `cut_bytes`. Or, after `cut_each`: whenever so
    many bytes have passed in all, either way, the connection they were on ends, or every one; what
    was read last is lost. Or, after `cut_behind`: whoever has sent certain words gets no answer.
    """

    target: tuple[str, int]
    cuts: int = 0
    cut_bytes: int = 0
    port: int = 0
    cut: int = 0  # how often something was
    _each: Iterator[tuple[int, bool]] = field(default_factory=lambda: iter(()))
    _left: tuple[int, bool] | None = None
    _words: tuple[bytes, ...] = ()
    _times: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    def cut_each(self, limits: Iterable[tuple[int, bool]]) -> None:
        """`limits`: bytes up to the next cut, and whether it cuts every connection."""
        with self._lock:
            self._each = iter(limits)
            self._left = next(self._each, None)

    def cut_behind(self, *words: bytes, times: int) -> None:
        """So many times; the words themselves are passed on."""
        self._words, self._times = words, times

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        self._sockets += [client, server]
        limit = self.cut_bytes if self.cuts > 0 else None
        self.cuts -= 1
        for ends in ((client, server, None, self._words), (server, client, limit, ())):
            thread = threading.Thread(target=self._pump, args=ends)
            thread.start()
            self._threads.append(thread)

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        limit: int | None,
        words: tuple[bytes, ...],
    ) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                passed += len(data)
                if limit is not None and passed > limit:
                    self.cut += 1
                    break
                if self._is_due(len(data)):
                    break
                sink.sendall(data)
                if any(word in data for word in words) and self._is_one_more():
                    break
        _end(source, sink)
        source.close()

    def _is_due(self, size_bytes: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            left_bytes, everything = self._left
            if left_bytes > size_bytes:
                self._left = left_bytes - size_bytes, everything
                return False
            self.cut += 1
            self._left = next(self._each, None)
        if everything:
            _end(*self._sockets)
        return True

    def _is_one_more(self) -> bool:
        with self._lock:
            if not self._times:
                return False
            self.cut += 1
            self._times -= 1
            return True

    def close(self) -> None:
        _end(*self._sockets)
        for thread in self._threads:
            thread.join(10)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Proxy((host, port), port=listener.getsockname()[1])
        thread = threading.Thread(target=running.serve, args=(listener,))
        thread.start()
        try:
            yield running
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            running.close()
