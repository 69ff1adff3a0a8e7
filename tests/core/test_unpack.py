"""Packed streams come out as they went in, in bounded pieces; damaged ones do not come out."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import lz4.frame
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.toc import Compression
from restore.core.unpack import PIECE_BYTES, unpacked
from restore.errors import ArchiveError

GZIP, LZ4, ZSTD, NONE = Compression.GZIP, Compression.LZ4, Compression.ZSTD, Compression.NONE
MEGABYTE = 1024 * 1024
ROWS = "".join(f"{n}\t{zlib.crc32(b'%d' % n)}\tü\\\\\n" for n in range(2000)).encode()
TEXTS = {
    "nothing": b"",
    "a letter": b"x",
    "the end of rows": b"\\.\n\n\n",
    "rows": ROWS,
    "noise": random.Random(1).randbytes(100_000),
    "a megabyte of zeros": bytes(MEGABYTE),
    "a megabyte and more": ROWS * 30,
}


def gzip(level: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    def pack(text: Iterable[bytes]) -> Iterator[bytes]:
        packer = zlib.compressobj(level)
        yield from map(packer.compress, text)
        yield packer.flush()

    return pack


def lz4_of_pg_dump(text: Iterable[bytes]) -> Iterator[bytes]:
    """No checksums, blocks of 64 kB that refer to each other: as in features-pg17-lz4.dump."""
    size = lz4.frame.BLOCKSIZE_MAX64KB
    packer = lz4.frame.LZ4FrameCompressor(block_size=size, block_linked=True)
    yield packer.begin()
    yield from map(packer.compress, text)
    yield packer.flush()


def zstd_of(level: int, window_log: int = 0) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """With a window: as `--compress=zstd:long` makes it."""
    options: dict[int, int] = {zstd.CompressionParameter.compression_level: level}
    if window_log:
        options |= {zstd.CompressionParameter.enable_long_distance_matching: 1}
        options |= {zstd.CompressionParameter.window_log: window_log}

    def pack(text: Iterable[bytes]) -> Iterator[bytes]:
        packer = zstd.ZstdCompressor(options=options)
        yield from map(packer.compress, text)
        yield packer.flush()

    return pack


PACKERS = {
    **{f"gzip {level}": (GZIP, gzip(level)) for level in (0, 1, 6, 9)},
    "lz4": (LZ4, lz4_of_pg_dump),
    **{f"zstd {level}": (ZSTD, zstd_of(level)) for level in (-5, 1, 3, 19)},
    "zstd long": (ZSTD, zstd_of(3, window_log=27)),
    "none": (NONE, iter),
}
each = pytest.mark.parametrize("packer", PACKERS)
really_packed = pytest.mark.parametrize("packer", ["gzip 6", "lz4", "zstd 3"])
steady = settings(deadline=None, derandomize=True)


def packed(packer: str, text: bytes) -> bytes:
    return b"".join(PACKERS[packer][1]([text]))


def plain(packer: str, *chunks: bytes) -> bytes:
    pieces = list(unpacked(chunks, PACKERS[packer][0]))
    assert all(pieces)
    return b"".join(pieces)


def every(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@each
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [61, 4096, 1 << 30])
def test_what_was_packed_comes_out_again(packer, text, size):
    assert plain(packer, *every(packed(packer, TEXTS[text]), size)) == TEXTS[text]


@really_packed
@steady
@given(st.binary(max_size=500), st.lists(st.integers(0), max_size=9))
def test_where_a_packed_stream_is_cut_does_not_matter(packer, text, cuts):
    stream = packed(packer, text)
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    assert plain(packer, *chunks) == text


@really_packed
@pytest.mark.parametrize("size", [MEGABYTE, 1 << 30])
def test_pieces_are_short_however_well_the_bytes_were_packed(packer, size):
    """200 megabytes of one byte."""
    chunk = b"x" * MEGABYTE
    compression, pack = PACKERS[packer]
    stream = b"".join(pack(chunk for _ in range(200)))
    count = 0
    tracemalloc.start()
    try:
        for piece in unpacked(every(stream, size), compression):
            assert len(piece) <= PIECE_BYTES
            assert piece == chunk[: len(piece)]
            count += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 200 * MEGABYTE
    assert peak < 3 * len(stream) + 8 * MEGABYTE


@pytest.mark.parametrize("compression", Compression)
def test_no_bytes_at_all_are_an_empty_stream(compression):
    """pg_dump 16 and newer writes nothing for a large object that is empty."""
    assert list(unpacked([], compression)) == []


@really_packed
@pytest.mark.parametrize("text", [b"", b"rows\n\\.\n\n\n", ROWS[:3000]])
def test_a_stream_that_does_not_end_is_refused(packer, text):
    stream = packed(packer, text)
    for length in range(len(stream)):
        with pytest.raises(ArchiveError, match="expected the end of a packed stream, found none"):
            plain(packer, stream[:length])
        with pytest.raises(ArchiveError, match="expected the end of a packed stream, found none"):
            plain(packer, stream[: length // 2], stream[length // 2 : length])


@really_packed
def test_more_bytes_behind_the_end_of_a_stream_are_refused(packer):
    stream = packed(packer, ROWS)
    with pytest.raises(
        ArchiveError, match=r"stream: expected its end, found 3 more bytes"
    ) as caught:
        plain(packer, stream + b"abc")
    assert "truncated or damaged" in caught.value.hint
    with pytest.raises(ArchiveError, match=r"stream: expected its end, found more bytes"):
        plain(packer, stream, b"a")
    with pytest.raises(ArchiveError, match="expected its end"):
        plain(packer, stream + stream)


@really_packed
def test_bytes_that_were_never_packed_are_refused(packer):
    name = PACKERS[packer][0].value
    with pytest.raises(ArchiveError, match=f"{name} stream: expected packed bytes, found ."):
        plain(packer, b"1\tone\n2\ttwo\n\\.\n\n\n")


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_a_flipped_bit_in_a_gzip_stream_is_found_or_changes_nothing(level):
    """Each stream of pg_dump's gzip ends with a checksum; those of lz4 and zstd have none."""
    stream = packed(f"gzip {level}", ROWS[:6000])
    source = random.Random(level)
    found = 0
    for _ in range(1000):
        damaged = bytearray(stream)
        damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        try:
            assert plain(f"gzip {level}", *every(bytes(damaged), 997)) == ROWS[:6000]
        except ArchiveError:
            found += 1
    assert found >= 995


@really_packed
@steady
@given(st.binary(max_size=60), st.integers(0), st.integers(1, 500))
def test_no_bytes_raise_anything_but_an_archive_error(packer, noise, where, size):
    stream = bytearray(packed(packer, ROWS[:2000]))
    at = where % len(stream)
    stream[at : at + len(noise)] = noise
    try:
        plain(packer, *every(bytes(stream), size))
    except ArchiveError:
        return
