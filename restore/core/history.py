"""What past restores to one server took: the newest of them, as a document of its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Literal

from restore.core.estimate import Load
from restore.core.plan import Plan
from restore.core.prediction import Prediction, Sample, predict, sample, whole
from restore.core.shape import shape
from restore.core.state import Phase, Restore, Task, TaskState

MOST_RUNS = 100
MOST_DATABASES = 2000  # of all runs together
_NAME_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Measured:
    """One database as it was restored and proven, in one attempt."""

    load: Load
    rows: int
    seconds: float
    checking_seconds: float = 0.0  # of those, what comparing it with the dump took


@dataclass(frozen=True, slots=True)
class Run:
    """One restore. `complete`: every database of its plan is in `databases`."""

    restore: str
    ended: datetime
    databases: tuple[Measured, ...]
    complete: bool
    phases: dict[str, float] = field(default_factory=dict)  # seconds, by the restore's phase


@dataclass(frozen=True, slots=True)
class History:
    """Runs, the newest last."""

    runs: tuple[Run, ...] = ()
    version: Literal[1] = 1


def name(target: str) -> str:
    """The document of the server `host:port`. Whatever the host is called, it is one path of ours:

    what is readable of it, and a hash that tells it from all others.
    """
    plain = re.sub(r"[^a-z0-9-]+", "-", target.lower())[:_NAME_CHARACTERS]
    return f"history/{plain}.{hashlib.sha256(target.lower().encode()).hexdigest()[:12]}.json"


def encode(history: History) -> bytes:
    return shape(History).dump_json(history)


def decode(body: bytes) -> History:
    """What `encode` wrote, here or in another release; what a newer one added is left out.

    Raises ValueError for a version that is not known here, and for anything else.
    """
    return shape(History).validate_json(body, extra="ignore")


def run(restore: Restore) -> Run | None:
    """What a restore that has ended measured; None where it restored no database in one attempt."""
    plan, ended = restore.plan, restore.ended_at
    if plan is None or plan.prediction is None or ended is None:
        return None
    tasks = [restore.task(f"database-{index}") for index in range(len(plan.databases))]
    found = [
        measured
        for task, forecast in zip(tasks, plan.prediction.databases, strict=False)
        if task is not None and (measured := _measured(task, forecast.load))
    ]
    if not found:
        return None
    del found[MOST_DATABASES:]
    return Run(
        restore=restore.id,
        ended=ended,
        databases=tuple(found),
        complete=len(found) == len(plan.databases),
        phases=_phases(restore),
    )


def added(history: History, new: Run) -> History:
    """With `new`, once, and without the oldest where there are too many."""
    runs = [run for run in history.runs if run.restore != new.restore]
    runs = [*runs, new][-MOST_RUNS:]
    while len(runs) > 1 and sum(len(run.databases) for run in runs) > MOST_DATABASES:
        del runs[0]
    return replace(history, runs=tuple(runs))


def foreseen(plan: Plan, history: History) -> Plan:
    """The plan with what the server's past says of it. Its hash stays."""
    if plan.prediction is None:
        return plan
    return replace(plan, prediction=prediction(plan.prediction, history))


def prediction(known: Prediction, history: History) -> Prediction:
    loads = [forecast.load for forecast in known.databases]
    databases = [sample(one.load, one.seconds) for run in history.runs for one in run.databases]
    return predict(loads, databases, [*filter(None, map(_whole, history.runs))])


def _whole(run: Run) -> Sample | None:
    seconds = run.phases.get(Phase.RESTORING, 0.0)
    if not run.complete or seconds <= 0:
        return None
    return whole([one.load for one in run.databases], seconds)


def _measured(task: Task, load: Load) -> Measured | None:
    """None where an earlier attempt had done a part of it."""
    proven = task.result.database if task.result and task.state is TaskState.DONE else None
    if proven is None or task.attempt > 1 or proven.seconds <= 0:
        return None
    checking = sum(check.seconds for check in proven.checks)
    return Measured(load, proven.rows_found, round(proven.seconds, 3), round(checking, 3))


def _phases(restore: Restore) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for earlier, later in pairwise(restore.history):
        took = (later.at - earlier.at).total_seconds()
        seconds[earlier.phase.value] = round(seconds.get(earlier.phase.value, 0.0) + took, 3)
    return seconds
