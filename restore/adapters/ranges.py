"""Where an archive can be read from: a file, a blob of the landing account, an URL."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import urllib3

from restore.core.dumps import Blob
from restore.errors import ArchiveError, ConflictError, InputError, NotFoundError, TransientError
from restore.ports import Files, Ranges

_TRIES = 5  # in a row, without a single byte
_PATIENCE_SECONDS = 60.0  # with a connection on which nothing comes
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_CHANGED_HINT = "start again: what was restored of the old file does not go with the new one"


class SourceError(TransientError):
    """The place the dump is read from does not answer."""

    code = "source-unreachable"


class SourceRefusedError(InputError):
    """The place the dump is read from does not give it to us, or not by ranges."""

    code = "source-refused"


class BlobRanges:
    """A blob as it was listed, pinned by its ETag."""

    def __init__(self, landing: Files, url: str, blob: Blob) -> None:
        self._landing, self._url, self._blob = landing, url, blob
        self.name, self.size_bytes, self.version = blob.name, blob.size_bytes, blob.etag

    def read(self, offset: int, size_bytes: int) -> bytes:
        data = self._landing.read(self._url, self._blob, offset, size_bytes)
        return _whole(self, data, offset, size_bytes)


class FileRanges:
    """A file on this machine, pinned by its size and the time it was last written to."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._file = path.open("rb")
        except OSError as exc:
            raise NotFoundError(
                f"dump {str(path)!r}: expected a file, found: {exc.strerror}"
            ) from exc
        self.version = self._version()
        self.size_bytes = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, offset: int, size_bytes: int) -> bytes:
        data = os.pread(self._file.fileno(), size_bytes, offset)
        while 0 < len(data) < size_bytes:
            more = os.pread(self._file.fileno(), size_bytes - len(data), offset + len(data))
            if not more:
                break
            data += more
        if self._version() != self.version:
            raise ConflictError(f"dump {self.name!r}: expected it unchanged", _CHANGED_HINT)
        return _whole(self, data, offset, size_bytes)

    def _version(self) -> str:
        found = os.fstat(self._file.fileno())
        return f"{found.st_size}-{found.st_mtime_ns}"


class HttpRanges:
    """A file behind an http or https URL whose server gives ranges, pinned by its ETag, or the time
    it was last written to where the server gives none.

    Source: RFC 9110, sections 13 (If-Match) and 14 (ranges).
    """

    def __init__(
        self, url: str, tries: int = _TRIES, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """Asks for the first byte. The URL's query may be a key: it is in no message.

        Raises SourceRefusedError, SourceError.
        """
        self._url, self._tries = url, tries
        self.name = urlsplit(url).path.rpartition("/")[2] or "archive"
        self._pool = urllib3.PoolManager(
            maxsize=32,
            timeout=urllib3.Timeout(connect=10, read=patience_seconds),
            retries=urllib3.Retry(
                total=tries,
                backoff_factor=0.5,
                status_forcelist=(408, 429, 500, 502, 503, 504),
                raise_on_status=False,
            ),
        )
        self._etag, self.version = "", ""
        self.size_bytes = -1
        self._fetch(0, 1, bytearray())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Closes what is open now: urllib3's `clear` leaves that to the garbage collector."""
        for key in list(self._pool.pools.keys()):
            self._pool.pools[key].close()
        self._pool.clear()

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Broken off, it asks for the rest: what came is kept."""
        got = bytearray()
        failures = 0
        while len(got) < size_bytes:
            before, broken = len(got), self._unreachable("none")
            try:
                self._fetch(offset + before, size_bytes - before, got)
            except SourceError as exc:
                broken = exc
            failures = failures + 1 if len(got) == before else 0
            if failures >= self._tries:
                raise broken
        return bytes(got)

    def _fetch(self, offset: int, size_bytes: int, into: bytearray) -> None:
        headers = {
            "Range": f"bytes={offset}-{offset + size_bytes - 1}",
            "Accept-Encoding": "identity",
        }
        if self._etag and not self._etag.startswith("W/"):
            headers["If-Match"] = self._etag
        try:
            response = self._pool.request(
                "GET", self._url, headers=headers, preload_content=False, decode_content=False
            )
        except urllib3.exceptions.HTTPError as exc:
            raise self._unreachable(type(exc).__name__) from exc
        left_bytes = size_bytes
        try:
            self._check(response.status, response.headers, offset, size_bytes)
            while left_bytes and (part := response.read1(left_bytes)):
                into += part
                left_bytes -= len(part)
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise self._unreachable(type(exc).__name__) from exc
        finally:
            if left_bytes:
                response.close()
            else:
                response.release_conn()

    def _check(self, status: int, headers: Mapping[str, str], offset: int, size_bytes: int) -> None:
        """Is this the range of the file that was asked for, or its beginning?"""
        if status in (412, 416) and self.size_bytes >= 0:
            raise ConflictError(f"dump {self.name!r}: expected it unchanged", _CHANGED_HINT)
        if status >= 500 or status in (408, 429):
            raise self._unreachable(f"status {status}")
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        first, last, total = map(int, found.groups()) if found else (-1, -1, -1)
        if status != 206 or first != offset or last >= offset + size_bytes:
            what = {200: "the whole file", 206: "another range"}.get(status, f"status {status}")
            raise SourceRefusedError(
                f"dump {self.name!r}: expected a range of it, found {what}",
                "the URL must be readable as it is, and its server must serve byte ranges",
            )
        etag = headers.get("ETag", "")
        version = etag or f"{total} {headers.get('Last-Modified', '')}"
        if self.size_bytes < 0:
            self._etag, self.size_bytes, self.version = etag, total, version
        elif (version, total) != (self.version, self.size_bytes):
            raise ConflictError(f"dump {self.name!r}: expected it unchanged", _CHANGED_HINT)

    def _unreachable(self, found: str) -> SourceError:
        return SourceError(f"dump {self.name!r}: expected an answer, found {found}", "try again")


def _whole(ranges: Ranges, data: bytes, offset: int, size_bytes: int) -> bytes:
    if len(data) == size_bytes:
        return data
    raise ArchiveError(
        f"dump {ranges.name!r} at {offset}: expected {size_bytes} bytes, found {len(data)}",
        "the dump is truncated, or changed while it was read",
    )
