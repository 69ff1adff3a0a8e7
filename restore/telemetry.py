"""Spans and measurements of what happens, for whoever collects them.

Until `use` is given a recorder nothing is recorded, and nothing is loaded for it. No name, value or
attribute is ever content of a database, a secret or a connection string.
Source: opentelemetry.io/docs/specs/semconv, where it has a name; docs/telemetry.md has them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Kind(Enum):
    """What a span is to the one above it."""

    INTERNAL = "internal"
    SERVER = "server"  # somebody waits for the answer
    PRODUCER = "producer"  # of a message
    CONSUMER = "consumer"  # of a message


@dataclass(frozen=True, slots=True)
class Metric:
    """`sums`: values add up; else they are looked at one by one."""

    name: str
    unit: str  # of UCUM
    what: str
    sums: bool = False


DATABASE_BYTES = Metric("restore.database.bytes", "By", "of dumps that were restored", sums=True)
DATABASE_ROWS = Metric("restore.database.rows", "{row}", "found in restored databases", sums=True)
DATABASE_RATE = Metric("restore.database.rate", "By/s", "of a dump, from its first byte to proof")
PHASE_DURATION = Metric("restore.phase.duration", "s", "of a phase of a task")
TASK_ATTEMPTS = Metric("restore.task.attempts", "{attempt}", "by how they ended", sums=True)
QUEUE_AGE = Metric("restore.queue.age", "s", "of a ticket when a worker takes it")
DURATION = Metric("restore.duration", "s", "of a restore, by how it ended")
METRICS = (
    DATABASE_BYTES,
    DATABASE_ROWS,
    DATABASE_RATE,
    PHASE_DURATION,
    TASK_ATTEMPTS,
    QUEUE_AGE,
    DURATION,
)


class Recorder(Protocol):
    """Who keeps it. None of these ever raises or waits for a network."""

    def span(
        self, name: str, kind: Kind, parent: str, attributes: Attributes
    ) -> AbstractContextManager[object]: ...

    def past(
        self, name: str, parent: str, began: float, ended: float, attributes: Attributes
    ) -> None: ...

    def measure(self, metric: Metric, value: float, attributes: Attributes) -> None: ...

    def here(self) -> str: ...

    def close(self) -> None: ...


_recorder: Recorder | None = None


def use(recorder: Recorder | None) -> None:
    """From now on, by all threads."""
    global _recorder
    _recorder = recorder


def span(
    name: str, parent: str = "", kind: Kind = Kind.INTERNAL, **attributes: str | int
) -> AbstractContextManager[object]:
    """A span while the context is open, below the one that is open here; else below `parent`.

    An underscore in the name of an attribute stands for a dot.
    """
    if _recorder is None:
        return nullcontext()
    return _recorder.span(name, kind, parent, _dotted(attributes))


def past(name: str, parent: str, began: float, ended: float, **attributes: str | int) -> None:
    """A span that is over, below `parent`; from and to in seconds since 1970."""
    if _recorder is not None:
        _recorder.past(name, parent, began, ended, _dotted(attributes))


def measure(metric: Metric, value: float, **attributes: str | int) -> None:
    if _recorder is not None:
        _recorder.measure(metric, value, _dotted(attributes))


def here() -> str:
    """The span that is open here, as W3C's traceparent; "" where none is.

    Source: w3.org/TR/trace-context, `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
    """
    return _recorder.here() if _recorder is not None else ""


def close() -> None:
    """Hand out what is still kept, for some seconds at most; then record nothing any more."""
    if _recorder is not None:
        _recorder.close()
    use(None)


def _dotted(attributes: Mapping[str, str | int]) -> Attributes:
    return {name.replace("_", "."): value for name, value in attributes.items()}
