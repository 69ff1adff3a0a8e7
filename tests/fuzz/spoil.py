"""Good bytes made bad, and what a target makes of them, within limits of time and memory."""

from __future__ import annotations

import random
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

LIMIT_SECONDS = 10
_NUMBERS = (0, 1, 2, 127, 128, 255)
_WORDS = (
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\x00\xff\xff\xff\x7f",
    b"\x01\xff\xff\xff\xff",
    b"'",
    b'"',
    b"$$",
    b"\\",
    b"\n",
    b"\\.\n",
    b";",
    b"--",
    b"/*",
    b"E'\\",
    b"\\connect x\n",
    b"[[[[[[[[",
    b"{" * 64,
    b"1e999",
    b"\xed\xa0\x80",
)


class Found(Exception):
    """A target did what it must not; `args` say which input, kept in a file, and what."""


def spoilt(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds` with a few places changed, cut, doubled, or taken from another one."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        _spoil(chance, data, seeds)
    return bytes(data)


def _spoil(chance: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    # The first bytes decide how all of the rest is read.
    at = min(at, chance.randrange(200)) if chance.random() < 0.4 else at
    match chance.randrange(7):
        case 0 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(data):
            data[at] = chance.choice(_NUMBERS)
        case 2:
            data[at:at] = chance.choice(_WORDS)
        case 3:
            del data[at : at + chance.choice((1, 4, 64, 4096))]
        case 4:
            data[at:at] = data[at : at + chance.choice((1, 5, 200))] * chance.choice((1, 3, 50))
        case 5:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at : at + 50] = other[start : start + chance.choice((10, 50, 500))]
        case _:
            del data[at:]


def tried(target: Callable[[bytes], bool], data: bytes) -> bool:
    """What the target says. Raises Found, the input kept in a file, if it does what it must not."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {LIMIT_SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_SECONDS)
    try:
        return target(data)
    except Exception as exc:
        kept = Path(tempfile.mkstemp(prefix="fuzz-")[1])
        kept.write_bytes(data)
        raise Found(f"{kept}: {type(exc).__name__}: {exc}") from exc
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
