"""The published figures of predictions are those of the code and of the runs beside it."""

from __future__ import annotations

import json

from bench.prediction.__main__ import PAGE, RESULTS, results, table


def test_they_are_as_published():
    found = results()
    assert json.loads(RESULTS.read_text(encoding="utf-8")) == found, "make bench-prediction"
    assert table(found) in PAGE.read_text(encoding="utf-8")


def test_a_server_s_own_past_is_better_than_the_benchmarks():
    """Nearer, more often right, and in a range half as wide: or it is not worth its keep."""
    benchmarks, others, own = results().values()
    assert own["median_error"] < others["median_error"] < benchmarks["median_error"]
    assert own["p90_error"] < benchmarks["p90_error"]
    assert own["held"] > benchmarks["held"]
    assert own["width"] < benchmarks["width"]
