"""Processes as the kernel shows them: what they are children of, and what they use.

A process that ended while it is looked at counts as none. Source: proc(5).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PYTHON = os.path.realpath(sys.executable)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes, now and at most since the program began."""

    now_bytes: int
    peak_bytes: int
    is_python: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor seconds of all cores since boot. `stolen` went to other machines on our host."""

    busy: float
    idle: float
    stolen: float


def children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in threads(pid):
        try:
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
        except OSError:
            continue
        found += map(int, text.split())
    return found


def tree(pid: int) -> Iterator[int]:
    """`pid` and all that descend from it."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def memory(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return Memory(0, 0, False)
    fields = dict(line.split(":", 1) for line in lines)
    now, peak = (
        int(fields.get(name, "0 kB").removesuffix("kB")) * 1024 for name in ("VmRSS", "VmHWM")
    )
    return Memory(now, peak, program == _PYTHON)


def nameless_bytes(pid: int) -> int:
    """Blocks of open files that no folder holds: deleted ones, and those in memory."""
    total = 0
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            facts = entry.stat()
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                total += facts.st_blocks * 512
    except OSError:
        pass
    return total


def processor_seconds(parent: int) -> float:
    """Of `parent`, its living children and those it has waited for."""
    ticks = sum(_ticks(parent)) + sum(sum(_ticks(child)[:2]) for child in children(parent))
    return ticks / _TICKS_PER_SECOND


def _ticks(pid: int) -> list[int]:
    """User, system, and those of children waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return [0] * 4
    return [int(value) for value in fields[11:15]]


def machine() -> Machine:
    with open("/proc/stat") as file:
        values = [int(value) / _TICKS_PER_SECOND for value in file.readline().split()[1:9]]
    user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen = values
    return Machine(user + nice + system + interrupts + soft_interrupts, idle + waiting, stolen)
