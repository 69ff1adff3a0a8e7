"""SHA-256 of dumps that are read from front to back anyway."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from restore.core.dumps import Blob
from restore.ports import Landing


@dataclass(slots=True)
class DigestingLanding:
    """A landing account as it is, which remembers the hash of each blob that was streamed whole."""

    landing: Landing
    digests: dict[tuple[str, str], str] = field(default_factory=dict)  # by name and ETag

    def url(self, container: str) -> str:
        return self.landing.url(container)

    def owns(self, url: str) -> bool:
        return self.landing.owns(url)

    def create(self, url: str) -> None:
        self.landing.create(url)

    def blobs(self, url: str) -> tuple[Blob, ...]:
        return self.landing.blobs(url)

    def read(self, url: str, blob: Blob, offset: int, size_bytes: int) -> bytes:
        return self.landing.read(url, blob, offset, size_bytes)

    def stream(self, url: str, blob: Blob) -> Iterator[bytes]:
        digest, size_bytes = hashlib.sha256(), 0
        for chunk in self.landing.stream(url, blob):
            digest.update(chunk)
            size_bytes += len(chunk)
            yield chunk
        if size_bytes == blob.size_bytes:
            self.digests[blob.name, blob.etag] = digest.hexdigest()

    def sha256(self, blob: Blob) -> str:
        """In hex; "" for one that was not read from front to back."""
        return self.digests.get((blob.name, blob.etag), "")
