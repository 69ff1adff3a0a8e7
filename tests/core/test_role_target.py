"""What may be added to a role that exists."""

from __future__ import annotations

import pytest

from restore.core.role_target import ExistingRole


@pytest.mark.parametrize(
    ("limit", "wanted", "is_more"),
    [(5, 6, True), (5, 5, False), (5, 4, False), (5, -1, True), (-1, 5, False), (0, 1, True)],
)
def test_a_limit_of_sessions_only_grows(limit, wanted, is_more):
    assert ExistingRole(limit=limit).is_below(wanted) is is_more


@pytest.mark.parametrize(
    ("until", "wanted", "is_later"),
    [
        ("2030-01-01 00:00:00+00:00", "2030-01-01 00:30:00+00", True),
        ("2030-01-01 00:00:00+00:00", "2030-01-01 00:30:00+01", False),
        ("2030-01-01 00:00:00+00:00", "infinity", True),
        ("2030-01-01 00:00:00+00:00", "2031-01-01 00:00:00", False),
        ("2030-01-01 00:00:00+00:00", "Tue 01 Jan 2031", False),
        ("infinity", "2030-01-01 00:00:00+00", False),
        ("infinity", "infinity", False),
        ("", "infinity", False),
        ("", "2030-01-01 00:00:00+00", False),
    ],
)
def test_an_end_is_only_put_off(until, wanted, is_later):
    assert ExistingRole(until=until).ends_before(wanted) is is_later


@pytest.mark.parametrize(
    ("wanted", "is_same"),
    [
        ("2030-01-01 01:00:00+01", True),
        ("2030-01-01 00:00:00.000000+00:00", True),
        ("2030-01-01 00:00:01+00", False),
        ("infinity", False),
        ("Tue 01 Jan 2030", False),
    ],
)
def test_an_end_can_be_spelled_in_several_ways(wanted, is_same):
    assert ExistingRole(until="2030-01-01 00:00:00.000000+00:00").ends_at(wanted) is is_same
