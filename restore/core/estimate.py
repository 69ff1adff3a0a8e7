"""How long loading takes and how much disk it needs, as ranges of what has been measured.

Time: `docs/performance.md` and bench/results/engine.json, bytes of dump a second; the best of two
whole cores, and the worst of cores six times slower. What many small tables take is counted apart.
Space: the size on a server 18 of the same databases at a thirtieth, by that of their dumps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one way to load: bytes of dump a second, and the seconds each table takes besides."""

    best: float
    worst: float
    best_table_seconds: float
    worst_table_seconds: float


_RATES = {
    "stream": Rate(21 * _MB, 5.8 * _MB, 0.0007, 0.0015),
    "pg_restore": Rate(17 * _MB, 1.8 * _MB, 0.0013, 0.0027),
    "psql": Rate(37 * _MB, 5 * _MB, 0.0013, 0.0027),  # of rows as text: nothing is packed
}
_LEAST_SECONDS = 10  # for the tasks, however little there is to load
# Bytes in the server for one of an archive, or of a script: least, and most as measured. Images and
# the like do not shrink in an archive, and are twice as long in a script.
_PACKED = (1.0, 8.0)
_PLAIN = (0.5, 3.5)
_TABLE_BYTES = (8_192, 100_000)  # what a table takes besides, with its indexes and maps


@dataclass(frozen=True, slots=True)
class Load:
    """One dump to load: by which engine, how large, and what there is to make."""

    engine: str
    size_bytes: int
    tables: int = 0
    indexes: int = 0
    constraints: int = 0  # of all kinds: keys, checks, references


@dataclass(frozen=True, slots=True)
class Estimate:
    """From the least to the most. `replaced_bytes`: what the databases now there have."""

    least_seconds: int = 0
    most_seconds: int = 0
    least_bytes: int = 0
    most_bytes: int = 0
    replaced_bytes: int = 0

    @property
    def is_large(self) -> bool:
        """Below that, no setting costs more than minutes, and no server fills up."""
        return self.most_bytes >= 1000 * _MB


def seconds_of(load: Load) -> tuple[float, float]:
    """The best and the worst that was measured for a dump of that size, without the tasks."""
    rate = _RATES.get(load.engine)
    if rate is None:  # no rows
        return 0.0, 0.0
    best = load.size_bytes / rate.best + load.tables * rate.best_table_seconds
    return best, load.size_bytes / rate.worst + load.tables * rate.worst_table_seconds


def estimate(loads: Iterable[Load], replaced_bytes: int = 0) -> Estimate:
    """For all of `loads`: they share one server, so their times add up."""
    least_seconds = most_seconds = float(_LEAST_SECONDS)
    least_bytes = most_bytes = 0.0
    for load in loads:
        if load.engine not in _RATES:  # no rows
            continue
        least, most = _PLAIN if load.engine == "psql" else _PACKED
        best, worst = seconds_of(load)
        least_seconds += best
        most_seconds += worst
        least_bytes += load.size_bytes * least + load.tables * _TABLE_BYTES[0]
        most_bytes += load.size_bytes * most + load.tables * _TABLE_BYTES[1]
    return Estimate(
        int(least_seconds), int(most_seconds), int(least_bytes), int(most_bytes), replaced_bytes
    )
