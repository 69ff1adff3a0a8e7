"""When a timer is due: NCRONTAB expressions and TimeSpan intervals, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from local.functions import timespan
from local.functions.errors import FunctionAppError
from restore.core import ncrontab
from restore.errors import InputError


class Schedule(Protocol):
    """Something that knows when it is due next."""

    def next_after(self, instant: datetime) -> datetime:
        """The first due time later than `instant`, in the same time zone."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Due again and again after the same time, counted from the last run."""

    every: timedelta

    def next_after(self, instant: datetime) -> datetime:
        """`every` later."""
        return instant + self.every


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when an NCRONTAB expression says so."""

    cron: ncrontab.Cron

    def next_after(self, instant: datetime) -> datetime:
        """The first matching whole second after `instant`.

        Raises FunctionAppError when no day of the next eight years matches (30 February).
        """
        try:
            return self.cron.next_after(instant)
        except InputError as exc:
            raise FunctionAppError(f"timer {exc.message}", exc.hint) from exc


def parse(expression: str) -> Schedule:
    """The schedule in `expression`: 6-field NCRONTAB, 5-field cron (on second 0), or a TimeSpan.

    Raises FunctionAppError when it is none of them.
    """
    if timespan.looks_like(expression):
        every = timespan.parse(expression)
        if every <= timedelta():
            raise FunctionAppError(
                f"timer schedule: expected a time above zero, found {expression!r}"
            )
        return Interval(every)
    try:
        return Cron(ncrontab.parse(expression))
    except InputError as exc:
        raise FunctionAppError(f"timer {exc.message}", exc.hint) from exc
