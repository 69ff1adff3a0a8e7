"""What stands in the way of a restore, and what a person should know before it starts.

Refusals forbid it. Warnings tell what will be other than in the backup. Notes tell what is as it
should be, or costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from restore.core.estimate import Estimate
from restore.core.facts import Finding
from restore.core.preflight import capacity as capacity
from restore.core.preflight import extensions as extensions
from restore.core.preflight import files, login, names, objects, places
from restore.core.preflight import server as server
from restore.core.preflight.case import Case, Name, Room, left_to_pg_restore

__all__ = [
    "Case",
    "Name",
    "Room",
    "capacity",
    "left_to_pg_restore",
    "notes",
    "refusals",
    "server",
    "warnings",
]


def refusals(case: Case, wanted: Collection[Name], expected: Estimate) -> Iterator[Finding]:
    """Everything that forbids the restore, at once."""
    yield from server.refusals(case)
    yield from names.refusals(case, wanted)
    yield from objects.refusals(case)
    yield from files.refusals(case)
    yield from extensions.refusals(case)
    yield from login.refusals(case, wanted)
    yield from capacity.refusals(case, expected)


def warnings(case: Case, expected: Estimate) -> Iterator[Finding]:
    """What will be other than in the backup."""
    yield from objects.warnings(case)
    yield from places.warnings(case)
    yield from extensions.warnings(case)
    yield from files.warnings(case)
    yield from capacity.warnings(case, expected)


def notes(case: Case, wanted: Collection[Name], expected: Estimate) -> Iterator[Finding]:
    """What else there is to know."""
    yield from files.notes(case, wanted)
    yield from objects.notes(case)
    yield from extensions.notes(case)
    yield from server.notes(case, expected)
    yield from capacity.notes(case, expected)
