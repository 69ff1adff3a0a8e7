"""What rows need, made beside each other where nothing can be in anybody's way.

Types, functions and the like depend on each other in ways that only pg_dump's order is sure to
respect: they are made in turn. Tables and what belongs to them depend on what their entries say.
Source: BuildArchiveDependencies in pg_dump.c, PostgreSQL 13 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice

from restore.core.entries import EntrySql
from restore.core.post import Build, Outline, Step
from restore.core.schedule import Work

_FREE = frozenset(
    {"TABLE", "TABLE ATTACH", "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT", "COMMENT"}
    | {"BLOB", "BLOB METADATA"}
)
_WINDOW_ENTRIES = 4000  # held at a time
_WORTH_IT_ENTRIES = 200
_BUILD_ENTRIES = 100
_BUILD_BYTES = 64 * 1024


def waves(
    scripts: Iterable[EntrySql], outline: Mapping[int, Outline]
) -> Iterator[tuple[Build, ...]]:
    """The entries in waves, one after the other; the builds of a wave can go side by side.

    `scripts` in pg_restore's order; `outline` has the entries made before the data.
    """

    def is_free(script: EntrySql) -> bool:
        return outline[script.dump_id].description in _FREE

    for free, run in groupby(scripts, key=is_free):
        while window := tuple(islice(run, _WINDOW_ENTRIES)):
            if free and len(window) >= _WORTH_IT_ENTRIES:
                yield tuple(_builds(_families(window, outline)))
            else:
                yield (_build(window),)


def _families(
    window: Sequence[EntrySql], outline: Mapping[int, Outline]
) -> Iterable[list[EntrySql]]:
    """The entries by what they have to do with each other, in order within a family.

    Through a table made earlier as well: two partitions of it would wait for each other.
    """
    leader: dict[int, int] = {}

    def find(member: int) -> int:
        while (above := leader.setdefault(member, member)) != member:
            leader[member] = leader[above]
            member = leader[member]
        return member

    for script in window:
        for need in outline[script.dump_id].dependencies:
            if need in outline and outline[need].description in _FREE:
                leader[find(script.dump_id)] = find(need)
    families: dict[int, list[EntrySql]] = {}
    for script in window:
        families.setdefault(find(script.dump_id), []).append(script)
    return families.values()


def _builds(families: Iterable[list[EntrySql]]) -> Iterator[Build]:
    held: list[EntrySql] = []
    size_bytes = 0
    for family in families:
        held += family
        size_bytes += sum(len(text) for script in family for text in script.statements)
        if len(held) >= _BUILD_ENTRIES or size_bytes >= _BUILD_BYTES:
            yield _build(held)
            held, size_bytes = [], 0
    if held:
        yield _build(held)


def _build(scripts: Sequence[EntrySql]) -> Build:
    steps = tuple(Step(script, 0, len(script.statements)) for script in scripts)
    return Build(Work(scripts[0].dump_id, cost=len(steps)), steps)
