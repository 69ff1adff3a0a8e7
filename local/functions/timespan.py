"""The .NET TimeSpan text of host.json and of timer schedules: `[d.]hh:mm[:ss[.f]]`."""

from __future__ import annotations

import re
from datetime import timedelta

from local.functions.errors import FunctionAppError

_TIMESPAN = re.compile(
    r"(?:(?P<days>\d+)\.)?(?P<first>\d+):(?P<second>\d{1,2})"
    r"(?::(?P<third>\d{1,2})(?:\.(?P<fraction>\d{1,7}))?)?"
)
_HINT = "write hours, minutes and seconds as 'hh:mm:ss', with days in front as 'd.hh:mm:ss'"


def parse(text: str) -> timedelta:
    """The duration that .NET reads in `text`.

    A first number above 23 is read as days, so '24:00:00' means 24 days and not one.
    Raises FunctionAppError when it is no TimeSpan.
    Source: learn.microsoft.com/dotnet/api/system.timespan.parse, remarks.
    """
    found = _TIMESPAN.fullmatch(text.strip())
    if found is None:
        raise FunctionAppError(f"time span: expected 'd.hh:mm:ss', found {text!r}", _HINT)
    first, second, third = (int(found[name] or 0) for name in ("first", "second", "third"))
    if first > 23 and found["days"] is None:
        days, hours, minutes, seconds = first, second, third, 0
    else:
        days, hours, minutes, seconds = int(found["days"] or 0), first, second, third
    if hours > 23 or minutes > 59 or seconds > 59:
        raise FunctionAppError(f"time span: expected fields in range, found {text!r}", _HINT)
    fraction = float(f"0.{found['fraction'] or 0}")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds + fraction)


def looks_like(text: str) -> bool:
    """Whether `text` is a TimeSpan rather than a cron expression: only the former has colons."""
    return ":" in text
