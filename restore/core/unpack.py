"""The packed bytes of one data block -> its plain bytes, in pieces of bounded size.

One stream a block, or one a large object: of zlib, or a frame of lz4 or zstd.
Source: compress_gzip.c, compress_lz4.c and compress_zstd.c of pg_dump, PostgreSQL 16 to 18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, cast

import lz4.frame
from backports import zstd
from isal import igzip_lib

from restore.core.toc import Compression
from restore.errors import ArchiveError

PIECE_BYTES = 1024 * 1024
"""The longest piece given out, however well it was packed."""

_HINT = "the dump is truncated or damaged: restore it from the vault again"


class _Unpacker(Protocol):
    """What the three libraries have in common; bz2.BZ2Decompressor is its model."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


_UNPACKERS: dict[Compression, Callable[[], _Unpacker]] = {
    # About twice as fast as zlib, whose checksum it verifies as well.
    Compression.GZIP: lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB),
    Compression.LZ4: lz4.frame.LZ4FrameDecompressor,
    Compression.ZSTD: zstd.ZstdDecompressor,
}
_ISAL_ERROR = cast("type[Exception]", igzip_lib.IsalError)  # its stub calls it an instance
_DAMAGE = (_ISAL_ERROR, zstd.ZstdError, RuntimeError)  # RuntimeError is lz4's


def unpacked(packed: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """The plain bytes of one packed stream. Nothing at all is an empty stream.

    Raises ArchiveError for a stream that is damaged, does not end, or ends before its bytes do.
    """
    if compression is Compression.NONE:
        yield from packed
        return
    unpacker = _UNPACKERS[compression]()
    begun = False
    for data in packed:
        begun = True
        if unpacker.eof:
            raise _damage(compression, "its end", "more bytes")
        yield from _pieces(unpacker, data, compression)
    if begun and not unpacker.eof:
        raise _damage(compression, "the end of a packed stream", "none")
    if unpacker.unused_data:
        raise _damage(compression, "its end", f"{len(unpacker.unused_data)} more bytes")


def _pieces(unpacker: _Unpacker, data: bytes, compression: Compression) -> Iterator[bytes]:
    while True:
        try:
            piece = unpacker.decompress(data, PIECE_BYTES)
        except _DAMAGE as exc:
            raise _damage(compression, "packed bytes", str(exc)) from exc
        if piece:
            yield piece
        if unpacker.eof or unpacker.needs_input:
            return
        data = b""


def _damage(compression: Compression, expected: str, found: str) -> ArchiveError:
    return ArchiveError(f"{compression.value} stream: expected {expected}, found {found}", _HINT)
