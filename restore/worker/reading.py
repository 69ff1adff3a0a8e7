"""What a dump's first and last bytes tell, by range reads of the blob."""

from __future__ import annotations

from restore.adapters.ranges import BlobRanges
from restore.core.dumps import Blob
from restore.core.toc import Head
from restore.engine import reading
from restore.ports import Files

TAIL_BYTES = 1024


def read_head(landing: Files, url: str, blob: Blob) -> Head:
    """The header and TOC of an archive.

    Raises ArchiveError if it cannot be read.
    """
    return reading.read_head(BlobRanges(landing, url, blob))


def read_tail(landing: Files, url: str, blob: Blob, end: int) -> bytes:
    """The last bytes before `end`."""
    start = max(0, end - TAIL_BYTES)
    return landing.read(url, blob, start, end - start)
