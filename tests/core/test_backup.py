from datetime import UTC, datetime

import pytest

from restore.core.backup import RecoveryPoint, Selection, choose
from restore.errors import NotFoundError


def at(day, hour=0):
    return datetime(2026, 11, day, hour, tzinfo=UTC)


POINTS = [
    RecoveryPoint("old", at(1), "Completed"),
    RecoveryPoint("new", at(15), "Completed"),
    RecoveryPoint("mid", at(8), "Completed"),
    RecoveryPoint("partial", at(20), "Partial"),
]


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(), "new"),
        (Selection(before=at(15)), "new"),
        (Selection(before=at(14, 23)), "mid"),
        (Selection(before=at(30)), "new"),
        (Selection(id="old"), "old"),
    ],
)
def test_the_point_that_fits_is_chosen(selection, chosen):
    assert choose(POINTS, selection).id == chosen


@pytest.mark.parametrize(
    ("selection", "asked"),
    [
        (Selection(id="partial"), "id partial"),
        (Selection(id="gone"), "id gone"),
        (Selection(before=at(1).replace(year=2025)), "newest not after 2025-11-01"),
    ],
)
def test_what_cannot_be_had_says_what_there_is(selection, asked):
    with pytest.raises(NotFoundError, match=asked) as caught:
        choose(POINTS, selection)
    assert "found 4 (1 partial) from 2026-11-01" in caught.value.message


def test_an_empty_vault_is_said_to_be_empty():
    with pytest.raises(NotFoundError, match="expected latest, found none"):
        choose([], Selection())
