"""Connections and disk: whether there is room for what the restore will take."""

from __future__ import annotations

from collections.abc import Iterator

from restore.core.estimate import Estimate
from restore.core.facts import Finding
from restore.core.preflight.case import Case

_GIB = 1024**3
_SESSIONS = (
    "SELECT usename, application_name, state, count(*) FROM pg_stat_activity"
    " GROUP BY 1, 2, 3 ORDER BY 4 DESC;"
)


def sessions(case: Case) -> int:
    """For each database: as many as the server has cores, unless request or server allow less.

    Databases are restored side by side, and each has one session more, which watches.
    """
    side_by_side = max(1, min(len(case.chosen), case.room.databases))
    free = min(case.target.free_connections // 2, case.room.connections)
    room = free // side_by_side - 1
    return max(1, min(_wanted(case), room))


def _wanted(case: Case) -> int:
    return case.request.connections or case.target.cores


def refusals(case: Case, expected: Estimate) -> Iterator[Finding]:
    """Only where the least that it can take is too much."""
    if (room := _room(case)) is not None and expected.least_bytes > room:
        yield _space(case, expected, room, "it will not fit: the server becomes read-only")


def warnings(case: Case, expected: Estimate) -> Iterator[Finding]:
    room = _room(case)
    if room is not None and expected.least_bytes <= room < expected.most_bytes:
        yield _space(case, expected, room, "it may not fit: the server would become read-only")


def notes(case: Case, expected: Estimate) -> Iterator[Finding]:
    taken, wanted = sessions(case), _wanted(case)
    if taken < wanted:
        free = case.target.free_connections
        yield Finding(
            "few-connections",
            "connections",
            f"{taken} for each database, found {free} free: {wanted} would be faster",
            "see who has them",
            (_SESSIONS,),
            passing=True,
        )
    if _room(case) is None and expected.is_large:
        yield Finding(
            "space-unknown",
            "storage",
            f"{_range(expected)} are needed besides the {_gib(_used(case))} of all databases there,"
            " and WAL; no SQL tells what is free",
            'look, or say the server\'s size as "storageGib" in "target"',
            case.commands.free_storage(),
            passing=True,
        )


def _space(case: Case, expected: Estimate, room: int, what_happens: str) -> Finding:
    needed = _used(case) + expected.most_bytes
    size = next((gib for gib in _SIZES_GIB if _writable(gib) >= needed), _SIZES_GIB[-1])
    grow = case.commands.az("update", "--storage-size", str(size))
    return Finding(
        "space-short",
        "storage",
        f"expected room for {_range(expected)}, found {_gib(max(0, room))} besides what databases"
        f" have: {what_happens}",
        'give it more, which cannot be taken back, and say so in "target.storageGib"',
        (grow,) if case.commands.azure else (),
        passing=True,
    )


# Source: learn.microsoft.com/azure/postgresql, "Storage options", Premium SSD.
_SIZES_GIB = (32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16384, 32767)


def _room(case: Case) -> int | None:
    """What databases do not have yet of the storage that the request says; None if it does not."""
    gib = case.request.target.storage_gib
    return None if gib is None else _writable(gib) - _used(case)


def _writable(gib: int) -> int:
    """The bytes that can be used before a flexible server of that size becomes read-only.

    Source: learn.microsoft.com/azure/postgresql, "Storage options": 95 %, or 5 GiB before the end.
    """
    return min(gib * 95 // 100, gib - 5) * _GIB


def _used(case: Case) -> int:
    return sum(there.size_bytes for there in case.target.existing)


def _range(expected: Estimate) -> str:
    return f"{expected.least_bytes / _GIB:,.1f} to {_gib(expected.most_bytes)}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:,.1f} GiB"
