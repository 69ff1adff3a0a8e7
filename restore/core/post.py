"""In what order, and what beside what, a database's schema is made: the stages around its rows.

Stock pg_restore makes one object after the other, or leaves the order to its dependencies. Here the
long ones (indexes, keys, validations, refreshes) run beside each other, and what takes a moment
goes in batches between them, in pg_restore's own order.
Source: _tocEntryRestorePass and _tocEntryRequired in pg_backup_archiver.c, PostgreSQL 13 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import groupby

from restore.core.entries import EntrySql
from restore.core.keys import drop_constraint, split_foreign_key, split_key
from restore.core.schedule import Work
from restore.core.sql import text_of
from restore.core.toc import Entry, Section

SMALL_BYTES = 256 * 1024
"""Up to this much packed data, a table's keys and indexes are not worth being made apart."""

_BATCH_ENTRIES = 50
_SESSION = ("ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES")
_ACCESS = ("ACL", "ACL LANGUAGE", "DEFAULT ACL")
_NOTES = ("COMMENT", "SECURITY LABEL")
_KEYS = ("INDEX", "CONSTRAINT")
CHAINS = (*_KEYS, "FK CONSTRAINT")
"""Entries that may be made in more than one go."""


class Stage(Enum):
    """When an entry is made."""

    BEFORE = auto()  # the data
    DATA = auto()  # brings rows or large objects
    BETWEEN = auto()  # what belongs to the data without being rows: where sequences stand
    AFTER = auto()
    ACCESS = auto()  # grants: they may take rights away that the restore needs
    REFRESH = auto()  # needs all that its query needs
    GUARD = auto()  # row security, which would hide rows from keys and queries made after it
    LAST = auto()  # event triggers, which fire at all that follows; statistics of what has rows now


_IN_TURN = (Stage.AFTER, Stage.ACCESS)


@dataclass(frozen=True, slots=True)
class Outline:
    """What of an entry decides its order, without its text."""

    dump_id: int
    description: str
    stage: Stage
    dependencies: tuple[int, ...]
    inherits: bool = False  # a constraint of a table that is a partition or has a parent


def outlines(entries: Iterable[Entry]) -> Iterator[Outline]:
    """The stage of every entry that is made inside of its database, in the order of the TOC.

    Comments, labels and the like belong to the section they stand in.
    """
    section = Section.PRE_DATA
    heirs: set[int] = set()
    for entry in entries:
        if entry.section is not Section.NONE:
            section = entry.section
        heirs.update(_heirs(entry))
        if entry.description not in _SESSION:
            stage, needs = _stage(entry, section), entry.dependencies
            inherits = entry.description == "CONSTRAINT" and not heirs.isdisjoint(needs)
            yield Outline(entry.dump_id, entry.description, stage, needs, inherits)


def _heirs(entry: Entry) -> tuple[int, ...]:
    """The tables that the entry makes a partition or a child of another, perhaps a few more."""
    if entry.description == "TABLE ATTACH":
        return entry.dependencies
    made = entry.definition_bytes if entry.description == "TABLE" else b""
    return (entry.dump_id,) if b"\nINHERITS (" in made or b" ATTACH PARTITION " in made else ()


def _stage(entry: Entry, section: Section) -> Stage:
    if entry.has_data:
        return Stage.DATA
    if entry.description in _ACCESS:
        return Stage.ACCESS
    statistics = entry.description == "STATISTICS DATA" and section is Section.POST_DATA
    about_one = entry.description in _NOTES and entry.tag.startswith("EVENT TRIGGER ")
    if statistics or entry.description == "EVENT TRIGGER" or about_one:
        return Stage.LAST
    if entry.description == "MATERIALIZED VIEW DATA":
        return Stage.REFRESH
    if entry.description == "ROW SECURITY":
        return Stage.GUARD
    if section is Section.POST_DATA:
        return Stage.AFTER
    if section is Section.DATA and entry.description != "BLOB METADATA":
        return Stage.BETWEEN
    return Stage.BEFORE


@dataclass(frozen=True, slots=True)
class Step:
    """Statements `first` to `last` (behind it) of one entry."""

    entry: EntrySql
    first: int
    last: int

    @property
    def statements(self) -> tuple[bytes, ...]:
        return self.entry.statements[self.first : self.last]


@dataclass(frozen=True, slots=True)
class Build:
    """Steps that one session takes one after the other, as one piece of work."""

    work: Work[int]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Post:
    """What follows the rows, phase by phase; a phase of builds runs side by side."""

    between: tuple[Step, ...]  # where sequences stand
    build: tuple[Build, ...]  # indexes and keys
    middle: tuple[Step, ...]  # the rest, up to the foreign keys, which are not checked yet
    validate: tuple[Build, ...]  # foreign keys
    tail: tuple[Step, ...]  # policies, publications, grants
    refresh: tuple[Build, ...]  # materialized views
    guard: tuple[Step, ...]  # row security
    last: tuple[Step, ...]  # event triggers, which would fire at all that comes after them


def post(
    scripts: Sequence[EntrySql], outline: Mapping[int, Outline], sizes: Mapping[int, int]
) -> Post:
    """The phases for `scripts`, which stand in pg_restore's order.

    `outline` by dump id, of all entries; `sizes` are bytes of packed rows by the id of the table's
    entry: what has none has no rows of its own, as a partitioned table, whose constraints cannot be
    split.
    """
    between = [s for s in scripts if outline[s.dump_id].stage is Stage.BETWEEN]
    after = [s for s in scripts if outline[s.dump_id].stage is not Stage.BETWEEN]
    made = [_split(script, outline, sizes) for script in after]
    builds = tuple(_builds(_chosen(made, outline), outline, sizes))
    begun = {step.entry.dump_id: step.last for build in builds for step in build.steps}
    rest = [Step(s, begun.get(s.dump_id, 0), len(s.statements)) for s in made]
    by_stage = {stage: [s for s in rest if _stage_of(s, outline) is stage] for stage in Stage}
    plain = [s for s in rest if s.first < s.last and _stage_of(s, outline) in _IN_TURN]
    keys = [i for i, s in enumerate(plain) if _is_foreign_key(s, outline)]
    border = keys[-1] + 1 if keys else len(plain)
    middle, tail = plain[:border], plain[border:]
    split = {s.entry.dump_id: s for s in middle if _is_foreign_key(s, outline) and s.last > 1}
    return Post(
        between=tuple(Step(s, 0, len(s.statements)) for s in between),
        build=builds,
        middle=tuple(replace(s, last=1) if s.entry.dump_id in split else s for s in middle),
        validate=tuple(_validations(split.values(), outline, sizes)),
        tail=tuple(tail),
        refresh=tuple(_refreshes(by_stage[Stage.REFRESH], outline)),
        guard=tuple(by_stage[Stage.GUARD]),
        last=tuple(by_stage[Stage.LAST]),
    )


def _split(script: EntrySql, outline: Mapping[int, Outline], sizes: Mapping[int, int]) -> EntrySql:
    """The same entry, its first statement in two where that pays."""
    about = outline[script.dump_id]
    if about.description not in CHAINS or not script.statements:
        return script
    script = replace(script, is_chain=True)
    if _size_bytes(about, sizes) <= SMALL_BYTES:
        return script
    first, *others = script.statements
    if about.description == "CONSTRAINT":
        halves, undo = split_key(first, about.inherits), b""
    elif about.description == "FK CONSTRAINT" and not others and _is_plain(about, outline, sizes):
        halves = split_foreign_key(first)
        undo = drop_constraint(halves[1]) if halves else b""
    else:
        return script
    return replace(script, statements=(*halves, *others), undo=undo) if halves else script


def _is_plain(about: Outline, outline: Mapping[int, Outline], sizes: Mapping[int, int]) -> bool:
    """Have both tables of a foreign key rows of their own?

    PostgreSQL 15 and 16 validate a key to a partitioned table, but not what it is to its parts.
    """
    others = (outline.get(need) for need in about.dependencies if need not in sizes)
    return all(other is not None and other.description in _KEYS for other in others)


def _table(about: Outline, sizes: Mapping[int, int]) -> int:
    """The id of the table it belongs to, or the bigger of the two that a foreign key is about."""
    return max(about.dependencies, key=lambda need: sizes.get(need, 0), default=0)


def _size_bytes(about: Outline, sizes: Mapping[int, int]) -> int:
    return sizes.get(_table(about, sizes), 0)


def _chosen(scripts: Sequence[EntrySql], outline: Mapping[int, Outline]) -> list[EntrySql]:
    """The indexes and keys that need nothing of what follows the rows but others of them.

    A partition's names that of the whole, which is to be there when it is attached.
    """
    late = {script.dump_id for script in scripts}
    chosen = []
    for script in scripts:
        about = outline[script.dump_id]
        if about.description in _KEYS and late.isdisjoint(about.dependencies):
            late.discard(script.dump_id)
            chosen.append(script)
    return chosen


def _stage_of(step: Step, outline: Mapping[int, Outline]) -> Stage:
    return outline[step.entry.dump_id].stage


def _is_foreign_key(step: Step, outline: Mapping[int, Outline]) -> bool:
    return outline[step.entry.dump_id].description == "FK CONSTRAINT"


def _builds(
    scripts: Sequence[EntrySql], outline: Mapping[int, Outline], sizes: Mapping[int, int]
) -> Iterator[Build]:
    """Big tables' indexes and keys one by one; those of small tables in batches, by table."""

    def table(script: EntrySql) -> int:
        needs = outline[script.dump_id].dependencies
        return min(sizes.keys() & needs or needs, default=0)

    big = [s for s in scripts if _size_bytes(outline[s.dump_id], sizes) > SMALL_BYTES]
    for script in big:
        about = outline[script.dump_id]
        first = script.statements[0] if script.statements else b""
        yield Build(
            Work(
                key=script.dump_id,
                cost=_size_bytes(about, sizes),
                table=str(_table(about, sizes)),
                alone=not first.startswith(b"CREATE "),
            ),
            (Step(script, 0, 1),),
        )
    known = {script.dump_id for script in big}
    small = sorted((s for s in scripts if s.dump_id not in known), key=table)
    batch: list[Step] = []
    for _, group in groupby(small, key=table):
        batch += [Step(s, 0, len(s.statements)) for s in sorted(group, key=lambda s: s.dump_id)]
        if len(batch) >= _BATCH_ENTRIES:
            yield _batched(batch)
            batch = []
    if batch:
        yield _batched(batch)


def _batched(steps: list[Step]) -> Build:
    return Build(Work(key=steps[0].entry.dump_id), tuple(steps))


def _validations(
    steps: Iterable[Step], outline: Mapping[int, Outline], sizes: Mapping[int, int]
) -> Iterator[Build]:
    """Two of one table would wait for each other."""
    for step in steps:
        about = outline[step.entry.dump_id]
        table = text_of(step.entry.statements[1].partition(b" VALIDATE CONSTRAINT ")[0])
        work = Work(about.dump_id, _size_bytes(about, sizes), table, alone=True)
        yield Build(work, (replace(step, first=1),))


def _refreshes(steps: Sequence[Step], outline: Mapping[int, Outline]) -> Iterator[Build]:
    for step in steps:
        about = outline[step.entry.dump_id]
        work = Work(about.dump_id, needs=frozenset(about.dependencies))
        yield Build(work, (step,))
