"""Which of many pieces of work a free session does next: the longest that nothing stands in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Work(Generic[K]):
    """One piece. `cost` in any unit; `needs` are keys of other work that must be done first.

    Work that has `alone` on the same table does not run at the same time: it would only wait for
    the other's lock. Other work on that table does not run beside it either.
    """

    key: K
    cost: int = 0
    table: str = ""
    alone: bool = False
    needs: frozenset[K] = frozenset()


class Schedule(Generic[K]):
    """Hands out work, and is told when it is done. Needs that are not in it count as done.

    A table's work stands together among equals, so that the table is read while it is in memory.
    """

    def __init__(self, work: Iterable[Work[K]]) -> None:
        listed = list(work)
        self._cost: dict[str, int] = {}
        for piece in listed:
            self._cost[piece.table] = max(self._cost.get(piece.table, 0), piece.cost)
        self._open = {piece.key for piece in listed}
        self._waiting = sorted(
            listed, key=lambda w: (-self._cost[w.table], w.table, not w.alone, -w.cost)
        )
        self._running: list[Work[K]] = []

    @property
    def is_done(self) -> bool:
        return not self._open

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> Work[K] | None:
        """The next piece; None while everything left waits for what is running.

        Raises ValueError if the rest waits for itself.
        """
        for place, piece in enumerate(self._waiting):
            if self._may_run(piece):
                del self._waiting[place]
                self._running.append(piece)
                return piece
        if self._waiting and not self._running:
            raise ValueError(f"schedule: {self._waiting[0].key!r} waits for itself")
        return None

    def done(self, piece: Work[K]) -> None:
        self._running.remove(piece)
        self._open.discard(piece.key)

    def _may_run(self, piece: Work[K]) -> bool:
        if not self._open.isdisjoint(piece.needs - {piece.key}):
            return False
        beside = [other for other in self._running if piece.table and other.table == piece.table]
        return not any(other.alone or piece.alone for other in beside)
