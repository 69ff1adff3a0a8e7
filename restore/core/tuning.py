"""Parameters of the target server that are changed while a restore loads, and put back after it.

Only on request: everybody on the server feels them. Each takes effect without a restart.
Source: learn.microsoft.com/azure/postgresql, "Best practices for pg_dump and pg_restore"; contexts
in postgresql.org/docs/18/runtime-config.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TUNABLE = frozenset(
    {
        "autovacuum",
        "checkpoint_completion_target",
        "checkpoint_timeout",
        "maintenance_work_mem",
        "max_parallel_maintenance_workers",
        "max_parallel_workers",
        "max_wal_size",
        "min_wal_size",
        "wal_compression",
        "work_mem",
    }
)

BY_DEFAULT, BY_USER = "system-default", "user-override"


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter as the management API has it. `source` is where its value comes from."""

    name: str
    value: str
    source: str = BY_USER


def before(wanted: Mapping[str, str], found: Sequence[Setting]) -> tuple[Setting, ...]:
    """What has to be put back: of `found` what will be changed to something else."""
    return tuple(s for s in found if s.value != wanted.get(s.name, s.value))


def differing(wanted: Sequence[Setting], found: Sequence[Setting]) -> Iterator[Setting]:
    """What has still to be written, so that the server has what is wanted."""
    values = {setting.name: setting for setting in found}
    for setting in wanted:
        now = values.get(setting.name)
        if now is not None and (now.value, now.source) != (setting.value, setting.source):
            yield setting
