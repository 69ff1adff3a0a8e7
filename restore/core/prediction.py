"""How long a restore will take and how long it still takes, from what the same server did before.

What a load takes by the benchmarks (`estimate.seconds_of`) is the model; a server's own runs say by
which factor it is off. A factor of every past run, weighted by its size, gives the range: from the
5th to the 95th percentile. With few runs the benchmarks' own range has its share in it.
`python -m bench.prediction` says how wrong that is, and why these figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log, sqrt

from restore.core.estimate import Load, seconds_of

_BASE_SECONDS = (0.5, 5.0)  # of a database, however little there is to load
_TASKS_SECONDS = (1.0, 20.0)  # of a restore besides its databases: roles, tickets
_LOW, _HIGH = 0.05, 0.95  # quantiles
_PRIOR_RUNS = 2.0  # how many runs the benchmarks weigh as much as
_FEW = 3  # below so many runs by the same engine, those by others count too
_MOST_TIMES_MEDIAN = 10.0  # no run weighs more than so many of the middle one
_UNDONE = (0.0, 0.1, 0.5)  # of what is not done yet: it takes at least that share of its time
_SHORTEST = 0.001  # seconds
_LOADING = 0.7  # the share of a database's time after which its last byte is loaded


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds: least ≤ likely ≤ most."""

    least: float
    likely: float
    most: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long one database is expected to take."""

    load: Load
    seconds: Range


@dataclass(frozen=True, slots=True)
class Prediction:
    """From the first task after the plan until the last database is proven.

    `runs`: how many restored databases of this server it is made of; 0: of the benchmarks alone.
    """

    seconds: Range
    databases: tuple[Forecast, ...] = ()  # as in the plan
    runs: int = 0

    @property
    def basis(self) -> str:
        if not self.runs:
            return "benchmarks"
        return f"{self.runs} run{'s' if self.runs > 1 else ''} on this server"


@dataclass(frozen=True, slots=True)
class Sample:
    """What loading took, and how long by the benchmarks: seconds of one run."""

    engine: str  # "" for a whole restore
    expected: float
    seconds: float


_NONE: tuple[Sample, ...] = ()


def predict(
    loads: Sequence[Load], databases: Sequence[Sample] = _NONE, wholes: Sequence[Sample] = _NONE
) -> Prediction:
    """For all of `loads`, from past runs of the same server: `databases` and `wholes` of restores.

    More bytes never take less. Databases share one server, so the model adds their times up; what
    a server gains by restoring them side by side is in the factor of its `wholes`.
    """
    forecasts = tuple(Forecast(load, _range(*_database(load), databases, load)) for load in loads)
    seconds = _range(*_whole(loads), wholes, None)
    return Prediction(seconds, forecasts, len(databases) if databases or wholes else 0)


def sample(load: Load, seconds: float) -> Sample:
    """One database, as it went."""
    return Sample(load.engine, _middle(*_database(load)), seconds)


def whole(loads: Iterable[Load], seconds: float) -> Sample:
    """All databases of a restore, as they went."""
    return Sample("", _middle(*_whole(loads)), seconds)


def _database(load: Load) -> tuple[float, float]:
    best, worst = seconds_of(load)
    return best + _BASE_SECONDS[0], worst + _BASE_SECONDS[1]


def _whole(loads: Iterable[Load]) -> tuple[float, float]:
    spans = [_database(load) for load in loads]
    return (
        _TASKS_SECONDS[0] + sum(best for best, _ in spans),
        _TASKS_SECONDS[1] + sum(worst for _, worst in spans),
    )


def _middle(least: float, most: float) -> float:
    return sqrt(least * most)


def _range(least: float, most: float, samples: Sequence[Sample], load: Load | None) -> Range:
    """The benchmarks' range, moved and narrowed by `samples`; all of them count as factors."""
    middle = _middle(least, most)
    known = [one for one in samples if one.seconds > 0]
    same = [one for one in known if load is None or one.engine == load.engine]
    used = same if len(same) >= _FEW else known
    if not used:
        return Range(least, middle, most)
    weights = _weights([one.expected for one in used])
    count = sum(weights) ** 2 / sum(weight**2 for weight in weights)  # Kish's effective size
    share = count / (count + _PRIOR_RUNS)
    factors = sorted(
        (
            (log(one.seconds / one.expected), weight)
            for one, weight in zip(used, weights, strict=True)
        ),
    )

    def moved(by_benchmarks: float, quantile: float) -> float:
        own = log(middle) + _quantile(factors, quantile)
        return exp(log(by_benchmarks) * (1 - share) + own * share)

    return Range(moved(least, _LOW), moved(middle, 0.5), moved(most, _HIGH))


def _weights(expected: Sequence[float]) -> list[float]:
    """A large run says more of a server's speed than a small one; but none outweighs all."""
    median = sorted(expected)[len(expected) // 2]
    return [min(one, median * _MOST_TIMES_MEDIAN) for one in expected]


def _quantile(factors: Sequence[tuple[float, float]], quantile: float) -> float:
    """The first value that so much of the weight does not exceed. `factors` are in order."""
    wanted = quantile * sum(weight for _, weight in factors)
    sums = accumulate(weight for _, weight in factors)
    passed = sum(total < wanted for total in sums)
    return factors[min(passed, len(factors) - 1)][0]


# ---- while it runs -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds still to go, never below 0. `late`: it has taken longer than the longest expected."""

    seconds: Range
    late: bool


def done(bytes_done: int, bytes_total: int) -> float:
    """What share of a database's time is over, by its bytes: indexes and proof come after them."""
    if bytes_total <= 0:
        return 0.0
    return _LOADING * min(1.0, bytes_done / bytes_total)


def left(total: Range, elapsed: float, share: float) -> Left:
    """What is left of `total` after `elapsed` seconds, with that share of the work done.

    The more is done, the more counts what it took so far, so that the range narrows. What is not
    done is never told to be over, however long it took.
    """
    elapsed, share = max(0.0, elapsed), min(1.0, max(0.0, share))
    late = elapsed > total.most
    if elapsed == 0 or share == 0:
        ends = (total.least, total.likely, total.most)
    else:
        seen = elapsed / share
        ends = (
            _between(total.least, seen, share),
            _between(total.likely, seen, share),
            _between(total.most, seen, share),
        )
    least, likely, most = (
        max(end - elapsed, end * (1 - share) * undone)
        for end, undone in zip(ends, _UNDONE, strict=True)
    )
    return Left(Range(least, likely, most), late)


def _between(predicted: float, seen: float, share: float) -> float:
    return exp(log(max(predicted, _SHORTEST)) * (1 - share) + log(seen) * share)


def overall(databases: Iterable[tuple[Forecast, float]]) -> float:
    """The share that is done of all of them, from the share of each, by how long each takes."""
    known: list[tuple[float, float]] = [(one.seconds.likely, share) for one, share in databases]
    total = sum(seconds for seconds, _ in known)
    return sum(seconds * share for seconds, share in known) / total if total else 0.0
