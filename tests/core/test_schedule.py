"""Work is handed out the longest first, and never beside or before what stands in its way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.schedule import Schedule, Work

steady = settings(deadline=None, derandomize=True, max_examples=120)


def keys(schedule: Schedule[str]) -> list[str]:
    """What a single session is given."""
    taken = []
    while (piece := schedule.take()) is not None:
        taken.append(piece.key)
        schedule.done(piece)
    return taken


def works(*pieces: Work[str]) -> Schedule[str]:
    return Schedule(pieces)


def test_the_longest_comes_first():
    assert keys(works(Work("a", 1), Work("b", 3), Work("c", 2))) == ["b", "c", "a"]


def test_equals_come_in_their_own_order():
    assert keys(works(Work("b"), Work("a"), Work("c"))) == ["b", "a", "c"]


def test_the_work_on_one_table_stands_together_behind_its_longest():
    """So that the table is read while it is in memory; what has to be alone begins."""
    schedule = works(
        Work("s1", 5, "small"),
        Work("b1", 2, "big"),
        Work("b2", 9, "big"),
        Work("other", 8),
        Work("b3", 1, "big", alone=True),
        Work("s2", 5, "small"),
    )
    assert keys(schedule) == ["b3", "b2", "b1", "other", "s1", "s2"]


def test_work_that_needs_to_be_alone_has_its_table_for_itself():
    first, second = Work("x", 9, "t"), Work("y", 9, "t")
    alone, beside = Work("key", 9, "t", alone=True), Work("z", 1, "u")
    schedule = works(first, alone, second, beside)
    assert schedule.take() == alone
    assert schedule.take() == beside
    assert schedule.take() is None
    schedule.done(alone)
    assert [schedule.take(), schedule.take()] == [first, second]
    schedule.done(first)
    assert (schedule.running, schedule.waiting) == (2, 0)


def test_work_that_needs_to_be_alone_waits_for_what_is_running():
    index, key = Work("i", 1, "t"), Work("k", 1, "t", alone=True, needs=frozenset({"x"}))
    other = Work("x", 0)
    schedule = works(index, key, other)
    assert [schedule.take(), schedule.take(), schedule.take()] == [index, other, None]
    schedule.done(other)
    assert schedule.take() is None
    schedule.done(index)
    assert schedule.take() == key


def test_work_without_a_table_stands_in_nobodys_way():
    schedule = works(Work("a", alone=True), Work("b", alone=True))
    assert None not in (schedule.take(), schedule.take())


def test_what_is_needed_is_done_before():
    schedule = works(
        Work("top", 9, needs=frozenset({"middle", "not here"})),
        Work("middle", 1, needs=frozenset({"bottom", "middle"})),
        Work("bottom", 2),
    )
    bottom = schedule.take()
    assert bottom is not None
    assert (bottom.key, schedule.take()) == ("bottom", None)
    schedule.done(bottom)
    assert keys(schedule) == ["middle", "top"]
    assert schedule.is_done


@pytest.mark.parametrize(
    "circle",
    [
        [Work("a", needs=frozenset("b")), Work("b", needs=frozenset("a"))],
        [
            Work("a", needs=frozenset("b")),
            Work("b", needs=frozenset("c")),
            Work("c", needs=frozenset("a")),
        ],
    ],
)
def test_work_that_waits_for_itself_is_refused_once_nothing_else_runs(circle):
    schedule = works(*circle, Work("free"))
    free = schedule.take()
    assert free == Work("free")
    assert schedule.take() is None
    schedule.done(free)
    with pytest.raises(ValueError, match="schedule: 'a' waits for itself"):
        schedule.take()


def test_no_work_is_done_at_once():
    schedule = works()
    assert (schedule.take(), schedule.is_done) == (None, True)


def test_work_that_was_taken_is_not_done_yet():
    schedule = works(Work("a"))
    piece = schedule.take()
    assert (schedule.is_done, schedule.running, schedule.waiting) == (False, 1, 0)
    assert schedule.take() is None
    schedule.done(piece)
    assert (schedule.is_done, schedule.running, schedule.waiting) == (True, 0, 0)


@st.composite
def lists(draw: st.DrawFn) -> list[Work[int]]:
    """Work that needs only what has a lower key, or is not there; in any order."""
    count = draw(st.integers(0, 12))
    listed = [
        Work(
            key,
            draw(st.integers(0, 5)),
            draw(st.sampled_from(["", "t", "u", "v"])),
            draw(st.booleans()),
            frozenset(draw(st.sets(st.integers(-2, key - 1), max_size=3))),
        )
        for key in range(count)
    ]
    return draw(st.permutations(listed))


@steady
@given(lists(), st.integers(1, 5), st.data())
def test_any_number_of_sessions_do_everything_once_and_nothing_too_early(listed, sessions, data):
    schedule = Schedule(listed)
    there = {piece.key for piece in listed}
    running: list[Work[int]] = []
    done: list[int] = []
    while not schedule.is_done:
        while len(running) < sessions and (piece := schedule.take()) is not None:
            assert piece.needs & there <= set(done)
            beside = [other for other in running if piece.table and other.table == piece.table]
            assert not any(other.alone or piece.alone for other in beside)
            running.append(piece)
        assert running
        assert (schedule.running, schedule.waiting) == (
            len(running),
            len(listed) - len(running) - len(done),
        )
        ended = data.draw(st.sampled_from(running))
        running.remove(ended)
        schedule.done(ended)
        done.append(ended.key)
    assert sorted(done) == sorted(there)


@steady
@given(lists(), st.integers(1, 5))
def test_what_is_taken_is_the_first_that_nothing_stands_in(listed, sessions):
    """Whatever is ahead of it, by the longest work on its table, waits for what is running."""
    schedule = Schedule(listed)
    longest = {piece.table: 0 for piece in listed}
    for piece in listed:
        longest[piece.table] = max(longest[piece.table], piece.cost)
    left = {piece.key: piece for piece in listed}
    running: list[Work[int]] = []
    while left:
        taken = schedule.take() if len(running) < sessions else None
        if taken is None:
            schedule.done(running[0])
            del left[running.pop(0).key]
            continue
        running.append(taken)
        for other in left.values():
            ahead = longest[other.table] > longest[taken.table]
            if ahead and other not in running:
                beside = [r for r in running if r is not taken and r.table == other.table != ""]
                blocked = any(r.alone or other.alone for r in beside)
                assert blocked or not other.needs.isdisjoint(left)
