"""NCRONTAB, forwards and backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.ncrontab import parse
from restore.errors import InputError

NOW = datetime(2026, 11, 26, 12, 30, 15, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "last", "following"),
    [
        ("*/30 * * * * *", "2026-11-26 12:30:00", "2026-11-26 12:30:30"),
        ("0 0 3 * * *", "2026-11-26 03:00:00", "2026-11-27 03:00:00"),
        ("0 3 * * *", "2026-11-26 03:00:00", "2026-11-27 03:00:00"),
        ("0 0 3 * * sun", "2026-11-22 03:00:00", "2026-11-29 03:00:00"),
        ("0 0 0 1 jan-mar/2 *", "2026-03-01 00:00:00", "2027-01-01 00:00:00"),
        ("0 15,45 6-20 * * 1-5", "2026-11-26 12:15:00", "2026-11-26 12:45:00"),
        ("15 30 12 * * *", "2026-11-26 12:30:15", "2026-11-27 12:30:15"),
        ("0 0 0 29 2 *", "2024-02-29 00:00:00", "2028-02-29 00:00:00"),
    ],
)
def test_when_it_was_due_and_will_be(expression, last, following):
    cron = parse(expression)
    assert f"{cron.last_before(NOW):%Y-%m-%d %H:%M:%S}" == last
    assert f"{cron.next_after(NOW):%Y-%m-%d %H:%M:%S}" == following


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "60 * * * * *", "* * * * * x", "*/0 * * * * *", "5-1 * * * * *"]
)
def test_what_is_none_is_refused(expression):
    with pytest.raises(InputError, match="schedule: expected"):
        parse(expression)


def test_a_day_that_never_comes_is_refused():
    never = parse("0 0 0 30 2 *")
    with pytest.raises(InputError, match="expected a day that exists"):
        never.next_after(NOW)
    with pytest.raises(InputError, match="expected a day that exists"):
        never.last_before(NOW)


@settings(max_examples=50, deadline=None)
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(
        ["*/7 * * * * *", "0 */13 * * * *", "3 2 1 * * *", "0 0 0 31 * *", "0 0 12 * 6 mon"]
    ),
)
def test_one_is_the_others_inverse(moment, expression):
    cron = parse(expression)
    due = cron.next_after(moment)
    assert cron.last_before(due) == due
    assert cron.last_before(due - timedelta(seconds=1)) <= moment
