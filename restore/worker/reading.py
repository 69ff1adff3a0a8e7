"""What a dump's first and last bytes tell, by range reads of the blob."""

from __future__ import annotations

from restore.core import archive
from restore.core.dumps import Blob
from restore.core.toc import Head
from restore.ports import Landing

TAIL_BYTES = 1024


def read_head(landing: Landing, url: str, blob: Blob) -> Head:
    """The header and TOC of an archive, in reads that grow until it is all there.

    Raises ArchiveError if it cannot be read.
    """
    prefix = landing.read(url, blob, 0, min(archive.FIRST_READ_BYTES, blob.size_bytes))
    while isinstance(head := archive.read_head(prefix, blob.size_bytes), archive.NeedMore):
        prefix += landing.read(url, blob, len(prefix), head.bytes_wanted - len(prefix))
    return head


def read_tail(landing: Landing, url: str, blob: Blob) -> bytes:
    start = max(0, blob.size_bytes - TAIL_BYTES)
    return landing.read(url, blob, start, blob.size_bytes - start)
