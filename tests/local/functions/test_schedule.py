from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.functions import schedule
from local.functions.errors import FunctionAppError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("*/30 * * * * *", "2026-11-20T10:00:00", "2026-11-20T10:00:30"),
        ("*/30 * * * * *", "2026-11-20T10:00:29.999", "2026-11-20T10:00:30"),
        ("*/30 * * * * *", "2026-11-20T23:59:30", "2026-11-21T00:00:00"),
        ("0 */5 * * * *", "2026-11-20T10:02:00", "2026-11-20T10:05:00"),
        ("0 0 9-17 * * MON-FRI", "2026-11-20T17:00:00", "2026-11-23T09:00:00"),
        ("0 30 9 * Jan,july *", "2026-11-20T00:00:00", "2027-01-01T09:30:00"),
        ("0 0 0 29 2 *", "2026-11-20T00:00:00", "2028-02-29T00:00:00"),
        ("15/20 * * * * *", "2026-11-20T10:00:00", "2026-11-20T10:00:15"),
        ("15/20 * * * * *", "2026-11-20T10:00:35", "2026-11-20T10:00:55"),
        ("*/5 * * * *", "2026-11-20T10:02:30", "2026-11-20T10:05:00"),
        ("0 0 12 13 * 5", "2026-11-20T00:00:00", "2027-08-13T12:00:00"),
        ("00:00:10", "2026-11-20T10:00:03.5", "2026-11-20T10:00:13.5"),
    ],
)
def test_a_schedule_is_due_at_its_next_match(expression: str, after: str, due: str) -> None:
    assert schedule.parse(expression).next_after(at(after)) == at(due)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "* * * *", "* * * * * * *", "every minute", "60 * * * * *", "* * 24 * * *"),
        *("* * * 0 * *", "* * * * 13 *", "* * * * * 7", "*/0 * * * * *", "5-1 * * * * *"),
        *("a * * * * *", ", * * * * *", "00:00:00"),
    ],
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(FunctionAppError, match="expected"):
        schedule.parse(expression)


def test_a_day_that_never_comes_is_refused_instead_of_searched_for_ever() -> None:
    with pytest.raises(FunctionAppError, match="none in 8 years"):
        schedule.parse("0 0 0 30 2 *").next_after(at("2026-11-20T00:00:00"))


@settings(max_examples=60, deadline=None)
@given(
    step=st.integers(1, 59),
    hour=st.integers(0, 23),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1)),
)
def test_the_next_time_is_later_and_nothing_before_it_matches(
    step: int, hour: int, now: datetime
) -> None:
    cron = schedule.parse(f"*/{step} 0 {hour} * * *")
    due = cron.next_after(now)
    assert due > now
    assert (due.hour, due.minute, due.second % step) == (hour, 0, 0)
    assert cron.next_after(due - timedelta(seconds=1)) == due
