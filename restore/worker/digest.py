"""SHA-256 of dumps that are read from front to back anyway."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from restore.core.dumps import Blob
from restore.ports import Files


@dataclass(slots=True)
class DigestingFiles:
    """The files as they are; it remembers the hash of each blob that was streamed whole."""

    files: Files
    digests: dict[tuple[str, str], str] = field(default_factory=dict)  # by name and ETag

    def blobs(self, url: str) -> tuple[Blob, ...]:
        return self.files.blobs(url)

    def read(self, url: str, blob: Blob, offset: int, size_bytes: int) -> bytes:
        return self.files.read(url, blob, offset, size_bytes)

    def stream(self, url: str, blob: Blob) -> Iterator[bytes]:
        digest, size_bytes = hashlib.sha256(), 0
        for chunk in self.files.stream(url, blob):
            digest.update(chunk)
            size_bytes += len(chunk)
            yield chunk
        if size_bytes == blob.size_bytes:
            self.digests[blob.name, blob.etag] = digest.hexdigest()

    def sha256(self, blob: Blob) -> str:
        """In hex; "" for one that was not read from front to back."""
        return self.digests.get((blob.name, blob.etag), "")
