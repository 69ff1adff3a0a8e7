"""What can happen to a restore. All may come twice, late, in any order, or never."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from restore.core.backup import Instance, Operation, Outcome, RecoveryPoint
from restore.core.dumps import Blob
from restore.core.messages import Failure, TaskResult, Ticket
from restore.core.state import Command, Do
from restore.core.tuning import Setting


@dataclass(frozen=True, slots=True)
class PointFound:
    instance: Instance
    point: RecoveryPoint


@dataclass(frozen=True, slots=True)
class ContainerCreated:
    pass


@dataclass(frozen=True, slots=True)
class Accepted:
    """Azure took a long operation (a validation, or the restore itself)."""

    do: Do
    operation: Operation


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that must not be carried out twice is about to be."""

    do: Do


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A trigger was begun before and there is no job to see, yet."""


@dataclass(frozen=True, slots=True)
class Polled:
    do: Do
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class JobFound:
    job: str


@dataclass(frozen=True, slots=True)
class Listed:
    files: tuple[Blob, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """Which restore may work on the target server: this one, or another one first."""

    holder: str


@dataclass(frozen=True, slots=True)
class FileLanded:
    """A BlobCreated event: quick news, perhaps doubled, late or never coming."""

    name: str


@dataclass(frozen=True, slots=True)
class Sent:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Reported:
    result: TaskResult


@dataclass(frozen=True, slots=True)
class Watched:
    """Nothing new was found. `seen`: when each task last gave a sign of life."""

    seen: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stumbled:
    """A command could not be carried out."""

    command: Command
    failure: Failure


@dataclass(frozen=True, slots=True)
class CancelAsked:
    pass


@dataclass(frozen=True, slots=True)
class Approved:
    """Somebody agrees to the plan with that hash."""

    hash: str


@dataclass(frozen=True, slots=True)
class Purged:
    """The container that was made for this restore is gone."""


@dataclass(frozen=True, slots=True)
class StillRead:
    """Another restore has adopted the container, and works with it."""


@dataclass(frozen=True, slots=True)
class UndoAsked:
    pass


@dataclass(frozen=True, slots=True)
class TimeCame:
    """For a command that only waited for its time."""

    do: Do


@dataclass(frozen=True, slots=True)
class ParametersSeen:
    """What parameters of the server have to be again, after they were changed."""

    before: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class ParametersAsked:
    """One of them was told to change, or back; there may be more."""

    do: Do


@dataclass(frozen=True, slots=True)
class ParametersSet:
    """All of them are as they shall be."""

    do: Do


@dataclass(frozen=True, slots=True)
class AccountAsked:
    """The landing account was told to open or shut, and does not show it yet."""

    do: Do


@dataclass(frozen=True, slots=True)
class AccountIs:
    """It is open, or shut as far as it has to be."""

    do: Do


@dataclass(frozen=True, slots=True)
class Announced:
    """Others were told all announcements up to this one."""

    number: int


@dataclass(frozen=True, slots=True)
class Called:
    """Who wanted to be told of the end knows it."""


@dataclass(frozen=True, slots=True)
class Ticked:
    pass


Event = (
    PointFound
    | ContainerCreated
    | Accepted
    | Begun
    | InDoubt
    | Polled
    | JobFound
    | Listed
    | Claimed
    | FileLanded
    | Sent
    | Reported
    | Watched
    | Stumbled
    | CancelAsked
    | Approved
    | UndoAsked
    | TimeCame
    | Purged
    | StillRead
    | ParametersSeen
    | ParametersAsked
    | ParametersSet
    | AccountAsked
    | AccountIs
    | Announced
    | Called
    | Ticked
)
