"""What a restore owes the target, as each of its last tasks finds it: given back and dropped here.

Known by what is on the server, not by what was done, so it does not matter who died where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from restore.adapters.postgres import BusyError, Connection
from restore.core.plan import DatabaseStep
from restore.core.state import UndoState
from restore.errors import TargetError
from restore.worker import side
from restore.worker.borrowed import borrow, give_back
from restore.worker.job import Job
from restore.worker.swap import databases, drop, reopen

_KEPT = (UndoState.OPEN, UndoState.ASKED, UndoState.DONE)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is owed still, in words, and which databases of the plan got their names."""

    debts: tuple[str, ...]
    published: tuple[int, ...]


def settle(job: Job, connection: Connection) -> Settled:
    """Open what was closed, drop what nobody wants, give back what was borrowed. Repeatable.

    Call it with the fences of all databases. Raises TransientError only if the session is lost.
    """
    borrow(connection, job.plan)  # another restore to this server may have given it back
    published = _published(job, connection)
    left: list[str] = []
    for index, step in enumerate(job.plan.databases):
        for oid in (step.replaces, _oid(job, index)):
            left += _tried(reopen, connection, oid)
        if index not in published:
            left += _tried(_drop_staging, connection, step)
        elif step.before and not _is_kept(job, step):
            left += _tried(_drop_other, connection, step, _oid(job, index))
    return Settled((*left, *give_back(connection, job.plan)), published)


def _tried(act: Callable[..., None], *arguments: object) -> Iterator[str]:
    try:
        act(*arguments)
    except (BusyError, TargetError) as exc:
        yield exc.message


def swapped(job: Job) -> list[tuple[DatabaseStep, int]]:
    """The databases that were published over one which is kept, with the oids of the new ones."""
    steps = [(index, job.plan.databases[index]) for index in job.restore.published]
    return [(step, _oid(job, index)) for index, step in steps if step.before and step.keeps]


def _published(job: Job, connection: Connection) -> tuple[int, ...]:
    names = databases(connection)
    found = {
        index
        for index, step in enumerate(job.plan.databases)
        if names.get(_oid(job, index)) == step.target
        or (step.side_schema and step.target in names.values() and side.is_there(job, step))
    }
    return tuple(sorted({*found, *job.restore.published}))


def _oid(job: Job, index: int) -> int:
    """Of the proven database; 0 if none was proven."""
    proven = job.proven(index)
    return proven.oid if proven else 0


def _is_kept(job: Job, step: DatabaseStep) -> bool:
    """Is it not too late to swap them back?"""
    undo = job.restore.undo
    return step.keeps and (undo is None or undo.state in _KEPT)


def _drop_staging(connection: Connection, step: DatabaseStep) -> None:
    """One that never got its name."""
    for oid, name in databases(connection).items():
        if name == step.staging:
            drop(connection, oid, name)


def _drop_other(connection: Connection, step: DatabaseStep, new: int) -> None:
    """Of the two that changed places, the one that was put aside, while another has the name.

    Raises TargetError where it is not so: somebody else had a hand in it, and both stay.
    """
    names = databases(connection)
    places = {step.replaces: step.before, new: step.staging}
    aside = [oid for oid, name in places.items() if names.get(oid) == name]
    if not aside:
        return  # dropped by now, or renamed by somebody who wants to keep it
    if len(aside) > 1 or step.target not in names.values():
        kept = " and ".join(repr(places[oid]) for oid in aside)
        raise TargetError(
            f"database {step.target!r}: expected one under that name before the other is dropped,"
            f" found none, so {kept} stays",
            "rename the one that is wanted, and drop the other one yourself",
        )
    drop(connection, aside[0], places[aside[0]])
