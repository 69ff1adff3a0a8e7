"""What Azure Backup says: instances, points, operations and jobs; and which point to take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from restore.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Instance:
    """One protected server inside a vault."""

    vault: str  # ARM id
    name: str
    server: str  # ARM id of the flexible server
    region: str
    protection: str  # currentProtectionState


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """One backup that can be restored."""

    id: str
    time: datetime  # when the backup was finished; the data is a few minutes older
    state: str  # "Completed" or "Partial"

    @property
    def complete(self) -> bool:
        return self.state.lower() == "completed"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recovery point is asked for: by id, the newest not after an instant, or the newest."""

    id: str = ""
    before: datetime | None = None

    def __str__(self) -> str:
        if self.id:
            return f"id {self.id}"
        return f"newest not after {self.before.isoformat()}" if self.before else "latest"


@dataclass(frozen=True, slots=True)
class Operation:
    """A long operation Azure accepted. The URLs are opaque and signed: kept and used verbatim."""

    status_url: str
    result_url: str = ""


class OperationState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation or a job stands."""

    state: OperationState
    job: str = ""  # ARM id, once the operation that creates a job succeeded
    code: str = ""  # of a failure, as ours (`docs/operations.md`)
    message: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()


def choose(points: Iterable[RecoveryPoint], selection: Selection) -> RecoveryPoint:
    """The recovery point that `selection` asks for; never a partial one.

    Raises NotFoundError naming what was asked for and what there is.
    """
    known = sorted(points, key=lambda point: point.time, reverse=True)
    whole = [point for point in known if point.complete]
    if selection.id:
        fit = [point for point in whole if point.id == selection.id]
    else:
        before = selection.before
        fit = [point for point in whole if before is None or point.time <= before]
    if fit:
        return fit[0]
    raise NotFoundError(
        f"recovery point: expected {selection}, found {_inventory(known)}",
        "GET /api/recovery-points lists what can be restored; a partial point never can",
    )


def _inventory(points: list[RecoveryPoint]) -> str:
    if not points:
        return "none"
    partial = sum(not point.complete for point in points)
    newest, oldest = points[0], points[-1]
    return (
        f"{len(points)} ({partial} partial) from {oldest.time.isoformat()} "
        f"to {newest.time.isoformat()}"
    )
