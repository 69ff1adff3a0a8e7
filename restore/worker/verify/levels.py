"""What is compared at the level that the request asks for, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from restore.core import catalog as promised
from restore.core.messages import Check
from restore.core.options import Level
from restore.core.plan import DatabaseStep
from restore.core.toc import Head
from restore.errors import ArchiveError, ScriptError, ToolError
from restore.worker.job import Job
from restore.worker.load import Loaded
from restore.worker.verify import catalog, content, counts, schema
from restore.worker.verify.names import name_of

_LISTED = 50
_LOST = 1000
_LONGEST = 400
_NO_CONTENTS = "the dump has no table of contents: it is a script, or a tar archive"


@dataclass(frozen=True, slots=True)
class Compared:
    """What the levels found. `lost` and `warnings` are for the caller of the restore to see."""

    checks: tuple[Check, ...] = ()
    lost: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def wanted(level: Level) -> tuple[Level, ...]:
    """`level` and all that stand before it."""
    known = tuple(Level)
    return known[: known.index(level) + 1]


def rows(
    job: Job, step: DatabaseStep, loaded: Loaded, head: Head | None
) -> tuple[counts.Counted, Compared]:
    """The levels that look at rows, before anything else is made of them.

    Raises DataLossError: what does not hold the rows of the dump is not published.
    """
    started = time.monotonic()
    counted = counts.count(job, step.staging, loaded)
    unchecked = list(counted.warnings)
    if not loaded.all_counted:
        unchecked.append("rows that come by INSERT: nothing says how many to expect")
    checks = [
        Check(
            Level.COUNTS,
            counted.tables,
            "tables",
            different=counted.lost,
            unchecked=_listed(unchecked),
            rows=counted.rows_found,
            seconds=time.monotonic() - started,
        )
    ]
    warnings: tuple[str, ...] = ()
    if job.restore.request.verify is Level.CONTENT:
        check = content.compare(job, step, loaded, head)
        warnings = tuple(f"content could not be compared: {said}" for said in check.unchecked)
        checks.append(_short(check))
    return counted, Compared(tuple(checks), counted.lost, _listed(warnings))


def objects(
    job: Job,
    step: DatabaseStep,
    head: Head | None,
    lost: Collection[str],
    left_out: Collection[int] = (),
    owners_known: bool = False,
) -> Compared:
    """The levels that look at objects, once all of them are made.

    What is in `lost`, or was `left_out` on purpose, is not reported once more; owners are not where
    it is known that they could not be kept.
    """
    levels = set(wanted(job.restore.request.verify))
    asked = [level for level in (Level.CATALOG, Level.SCHEMA) if level in levels]
    if head is None:
        said = (_NO_CONTENTS,)
        return Compared(tuple(Check(level, 0, "objects", unchecked=said) for level in asked))
    over = {*left_out, *promised.reported(head.entries, lost), *_counted_as_lost(head, lost)}
    checks, found, warnings = list[Check](), list[str](), list[str]()
    if Level.CATALOG in levels:
        check, owners = _catalog(job, step, head, over)
        found += check.different
        checks.append(_short(check))
        if not check.checked:
            warnings += [f"catalog could not be compared: {said}" for said in check.unchecked]
        if step.keep_owners and not owners_known:
            warnings += owners
        over |= promised.reported_things(head.entries, check.different)
    if Level.SCHEMA in levels:
        check = _schema(job, step, head, over)
        found += [f"schema: {said}" for said in check.different]
        if not check.checked:
            warnings += [f"schema could not be compared: {said}" for said in check.unchecked]
        elif check.unchecked:
            warnings.append(
                f"database {step.name!r}: {len(check.unchecked)} objects could not be compared with"
                f" the archive's own statements, the first: {check.unchecked[0]}"
            )
        checks.append(_short(check))
    return Compared(tuple(checks), _listed(found, _LOST), _listed(warnings))


def _catalog(
    job: Job, step: DatabaseStep, head: Head, over: Collection[int]
) -> tuple[Check, tuple[str, ...]]:
    started = time.monotonic()
    job.meter.enter("comparing the catalog")
    try:
        privileges = job.restore.request.objects.privileges
        expected = promised.expected(head.entries, over, privileges)
    except ArchiveError as exc:
        reason = f"its table of contents: {exc.message}"
        return Check(Level.CATALOG, 0, "objects", unchecked=(reason,)), ()
    try:
        with job.session(step.staging) as connection:
            found = catalog.read(connection, expected)
    except UnicodeDecodeError:
        reason = "its catalog: there are names that are no text in the database's encoding"
        return Check(Level.CATALOG, 0, "objects", unchecked=(reason,)), ()
    differences = promised.compare(expected, found)
    check = Check(
        Level.CATALOG,
        expected.size,
        "objects",
        different=differences.lost,
        unchecked=differences.unchecked,
        seconds=time.monotonic() - started,
    )
    return check, tuple(f"owner: {said}" for said in differences.owners)


def _schema(job: Job, step: DatabaseStep, head: Head, over: Collection[int]) -> Check:
    """What cannot be dumped or read is unchecked; it says nothing of what was restored."""
    try:
        return schema.compare(job, step, head, over)
    except (ArchiveError, ScriptError, ToolError) as exc:
        return Check(Level.SCHEMA, 0, "objects", unchecked=(exc.message,))


def _counted_as_lost(head: Head, lost: Collection[str]) -> set[int]:
    """Tables that counting missed already."""
    missed = {said for said in lost if said.startswith("table ")}
    return {
        entry.dump_id
        for entry in (head.entries.described("TABLE") if missed else ())
        if f"table {name_of((entry.namespace, entry.tag))}: not on the server" in missed
    }


def _short(check: Check) -> Check:
    """As much of it as is worth keeping."""
    return replace(check, different=_listed(check.different), unchecked=_listed(check.unchecked))


def _listed(said: Collection[str], most: int = _LISTED) -> tuple[str, ...]:
    """As many of them as the state of a restore can well hold."""
    shown = tuple(map(_plain, said))
    more = (f"… and {len(shown) - most} more",) if len(shown) > most else ()
    return (*shown[:most], *more)


def _plain(said: str) -> str:
    """Text that JSON can hold: names in an archive may be in no encoding at all."""
    text = said.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
