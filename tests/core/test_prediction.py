"""Predictions: ranges that hold what a server did, and that are never worse than no past at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from restore.core.estimate import Load
from restore.core.prediction import (
    Forecast,
    Range,
    Sample,
    done,
    left,
    overall,
    predict,
    sample,
    whole,
)

steady = settings(deadline=None, derandomize=True)
MB = 1_000_000
CRM = Load("stream", 200 * MB, 10, 20, 5)
SHOP = Load("psql", 50 * MB, 3)

LOADS = some.builds(
    Load,
    some.sampled_from(["stream", "pg_restore", "psql", "schema"]),
    some.integers(0, 10**13),
    some.integers(0, 10**5),
)
SECONDS = some.floats(0.001, 10**7)
SAMPLES = some.lists(some.builds(sample, LOADS, SECONDS), max_size=30)
WHOLES = some.lists(
    some.builds(whole, some.lists(LOADS, min_size=1, max_size=3), SECONDS), max_size=30
)


def ordered(seconds: Range) -> bool:
    slack = 1 + 1e-9
    return 0 <= seconds.least <= seconds.likely * slack and seconds.likely <= seconds.most * slack


def test_without_a_past_it_says_so():
    found = predict([CRM, SHOP])
    assert found.basis == "benchmarks"
    assert ordered(found.seconds)
    assert found.seconds.most > sum(one.seconds.most for one in found.databases)


def test_a_server_that_takes_four_times_as_long_is_believed_more_with_every_run():
    """From the benchmarks' range towards what this server does."""
    usual = predict([CRM]).databases[0].seconds
    took = usual.likely * 4
    widths, likely = [usual.most / usual.least], [usual.likely]
    for count in (1, 3, 12, 50):
        found = predict([CRM], [sample(CRM, took)] * count)
        seconds = found.databases[0].seconds
        widths.append(seconds.most / seconds.least)
        likely.append(seconds.likely)
    assert widths == sorted(widths, reverse=True)
    assert likely == sorted(likely)
    assert likely[-1] == pytest.approx(took, rel=0.1)
    assert (found.basis, predict([CRM], [sample(CRM, 1)]).basis) == (
        "50 runs on this server",
        "1 run on this server",
    )


def test_one_outlier_moves_nothing():
    runs = [sample(CRM, 30 + number) for number in range(20)]
    usual = predict([CRM], runs).databases[0].seconds
    odd = predict([CRM], [*runs, sample(CRM, 10**6)]).databases[0].seconds
    assert odd.likely == pytest.approx(usual.likely, rel=0.1)
    assert odd.most == pytest.approx(usual.most, rel=0.1)


def test_many_small_databases_say_little_of_a_large_one():
    small = [sample(Load("stream", 10_000), 0.2)] * 20
    large = [sample(CRM, 60), sample(CRM, 70), sample(CRM, 65)]
    found = predict([CRM], small + large).databases[0].seconds
    assert found.least < 60 < found.most


def test_runs_by_another_engine_count_while_there_are_few_by_its_own():
    other = [sample(SHOP, 500)] * 5
    own = [sample(CRM, 20)] * 3
    assert predict([CRM], other).databases[0].seconds != predict([CRM]).databases[0].seconds
    alone, beside = predict([CRM], own), predict([CRM], own + other)
    assert alone.databases == beside.databases


def test_a_run_that_took_no_time_is_none():
    assert predict([CRM], [Sample("stream", 10, 0)]).databases == predict([CRM]).databases


def test_what_a_server_gains_side_by_side_is_in_its_whole_runs():
    loads = [CRM] * 4
    one_by_one = predict(loads, [sample(CRM, 60)] * 9, [whole(loads, 240)] * 9)
    side_by_side = predict(loads, [sample(CRM, 60)] * 9, [whole(loads, 80)] * 9)
    assert side_by_side.seconds.likely < one_by_one.seconds.likely
    assert side_by_side.databases == one_by_one.databases


@steady
@given(some.lists(LOADS, max_size=5), SAMPLES, WHOLES)
def test_every_range_holds_its_likely_end(loads, samples, wholes):
    found = predict(loads, samples, wholes)
    assert ordered(found.seconds)
    assert all(ordered(one.seconds) for one in found.databases)
    assert found.runs == (len(samples) if samples or wholes else 0)


@steady
@given(LOADS, some.integers(1, 10**12), SAMPLES, WHOLES)
def test_more_bytes_never_take_less(load, more, samples, wholes):
    larger = replace(load, size_bytes=load.size_bytes + more)
    smaller, greater = (predict([one], samples, wholes) for one in (load, larger))
    for before, after in (
        (smaller.seconds, greater.seconds),
        (smaller.databases[0].seconds, greater.databases[0].seconds),
    ):
        for name in ("least", "likely", "most"):
            assert getattr(before, name) <= getattr(after, name) * (1 + 1e-9)


@steady
@given(LOADS, SAMPLES)
def test_the_past_never_widens_a_range_beyond_what_it_holds(load, samples):
    """Its ends lie between those of the benchmarks and those of the past."""
    usual = predict([load]).databases[0].seconds
    found = predict([load], samples).databases[0].seconds
    ends = [usual.likely * one.seconds / one.expected for one in samples]
    assert min([usual.least, *ends]) <= found.least * (1 + 1e-9)
    assert found.most <= max([usual.most, *ends]) * (1 + 1e-9)


# ---- while it runs -------------------------------------------------------------------------------

TOTAL = Range(50, 100, 400)


def test_before_anything_is_done_all_of_it_is_left():
    assert left(TOTAL, 0, 0).seconds == TOTAL
    assert left(TOTAL, 30, 0).seconds == Range(20, 70, 370)
    assert left(TOTAL, 60, 0).seconds == Range(0, 40, 340)
    assert left(TOTAL, 390, 0).seconds == Range(0, 10, 200)


def test_the_range_narrows_as_it_goes():
    widths = []
    for share in (0.0, 0.1, 0.3, 0.6, 0.9, 1.0):
        seconds = left(TOTAL, 100 * share, share).seconds
        assert ordered(seconds)
        widths.append(seconds.most - seconds.least)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0


def test_what_takes_longer_than_the_longest_says_so():
    found = left(TOTAL, 500, 0.5)
    assert found.late
    assert 0 < found.seconds.likely <= found.seconds.most
    assert not left(TOTAL, 399, 0.5).late


@steady
@given(
    some.tuples(*[some.floats(0, 10**6)] * 3).map(sorted).map(lambda ends: Range(*ends)),
    some.floats(-10, 10**7),
    some.floats(-1, 2),
)
def test_what_is_left_is_a_range_from_nothing_up(total, elapsed, share):
    assert ordered(left(total, elapsed, share).seconds)


@steady
@given(some.floats(0.01, 0.98), some.floats(1, 1000))
def test_a_little_more_done_moves_it_a_little(share, elapsed):
    before, after = (left(TOTAL, elapsed, done).seconds for done in (share, share + 0.001))
    assert abs(before.likely - after.likely) <= 0.2 * (elapsed + before.likely) + 1


def test_bytes_are_not_all_there_is_to_do():
    assert done(0, 0) == done(0, 100) == 0
    assert done(50, 100) == pytest.approx(0.35)
    assert done(100, 100) == done(200, 100) == 0.7


def test_of_several_the_larger_counts_more():
    forecasts = [Forecast(CRM, Range(1, 90, 100)), Forecast(SHOP, Range(1, 10, 100))]
    assert overall(zip(forecasts, (1.0, 0.0), strict=True)) == pytest.approx(0.9)
    assert overall([]) == 0
