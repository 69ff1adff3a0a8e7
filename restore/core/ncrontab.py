"""NCRONTAB expressions: when something is due, in UTC.

Source: learn.microsoft.com/azure/azure-functions/functions-bindings-timer, NCRONTAB expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from restore.errors import InputError

_MONTHS = "january february march april may june july august september october november december"
_DAYS = "sunday monday tuesday wednesday thursday friday saturday"
_HINT = "six fields: second minute hour day month day-of-week, for example '*/30 * * * * *'"
# Leap days repeat within eight years, even around a century that skips one.
_HORIZON = timedelta(days=8 * 366)


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when all six fields match: day and day-of-week both, unlike in Unix cron."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, instant: datetime) -> datetime:
        """The first matching whole second after `instant`.

        Raises InputError when no day of the next eight years matches (30 February).
        """
        moment = instant.replace(microsecond=0) + timedelta(seconds=1)
        while moment - instant < _HORIZON:
            if not self._matches_day(moment):
                moment = moment.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif moment.hour not in self.hours:
                moment = moment.replace(minute=0, second=0) + timedelta(hours=1)
            elif moment.minute not in self.minutes:
                moment = moment.replace(second=0) + timedelta(minutes=1)
            elif moment.second not in self.seconds:
                moment += timedelta(seconds=1)
            else:
                return moment
        raise InputError("schedule: expected a day that exists, found none in 8 years", _HINT)

    def last_before(self, instant: datetime) -> datetime:
        """The last matching whole second at or before `instant`. Raises InputError as well."""
        moment = instant.replace(microsecond=0)
        while instant - moment < _HORIZON:
            if not self._matches_day(moment):
                moment = moment.replace(hour=0, minute=0, second=0) - timedelta(seconds=1)
            elif moment.hour not in self.hours:
                moment = moment.replace(minute=0, second=0) - timedelta(seconds=1)
            elif moment.minute not in self.minutes:
                moment = moment.replace(second=0) - timedelta(seconds=1)
            elif moment.second not in self.seconds:
                moment -= timedelta(seconds=1)
            else:
                return moment
        raise InputError("schedule: expected a day that exists, found none in 8 years", _HINT)

    def _matches_day(self, moment: datetime) -> bool:
        weekday = moment.isoweekday() % 7
        return moment.month in self.months and moment.day in self.days and weekday in self.weekdays


def parse(expression: str) -> Cron:
    """The schedule in `expression`: six fields, or the five of cron (on second 0).

    Raises InputError when it is neither.
    """
    fields = expression.split()
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6:
        raise InputError(f"schedule: expected 6 fields, found {expression!r}", _HINT)
    seconds, minutes, hours, days, months, weekdays = fields
    return Cron(
        seconds=_field(seconds, 0, 59),
        minutes=_field(minutes, 0, 59),
        hours=_field(hours, 0, 23),
        days=_field(days, 1, 31),
        months=_field(months, 1, 12, _MONTHS.split()),
        weekdays=_field(weekdays, 0, 6, _DAYS.split()),
    )


def _field(text: str, lowest: int, highest: int, names: Sequence[str] = ()) -> frozenset[int]:
    """All values that one field allows: `*`, `a`, `a-b`, each with `/step`, in a comma list."""
    values: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step_text = part.partition("/")
        first_text, dash, last_text = span.partition("-")
        try:
            first = lowest if span == "*" else _number(first_text, lowest, names)
            last = (
                _number(last_text, lowest, names)
                if dash
                else highest
                if span == "*" or slash
                else first
            )
            step = int(step_text) if slash else 1
        except ValueError:
            raise InputError(f"schedule: expected a field, found {text!r}", _HINT) from None
        if not (lowest <= first <= last <= highest and step > 0):
            expected = f"values from {lowest} to {highest}"
            raise InputError(f"schedule: expected {expected}, found {text!r}", _HINT)
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _number(text: str, lowest: int, names: Sequence[str]) -> int:
    for position, name in enumerate(names):
        if text in (name, name[:3]):
            return lowest + position
    return int(text)
