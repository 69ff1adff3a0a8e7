"""Names of databases: those that are asked for, and those they get."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from restore.core.dumps import SYSTEM_DATABASES
from restore.core.facts import Finding
from restore.core.fields import NAME_LIMIT_BYTES, matches
from restore.core.options import OnExisting
from restore.core.preflight.case import Case, Name
from restore.core.sql import quote_identifier


def refusals(case: Case, wanted: Collection[Name]) -> Iterator[Finding]:
    known = {fact.database for fact in case.facts} | {name.source for name in wanted}
    yield from _unknown(case, known)
    if not wanted:
        found = ", ".join(sorted(known)) or "none"
        yield Finding(
            "nothing-to-restore",
            "databases",
            f"expected at least one, found none among: {found}",
            'correct "databases.include" and "databases.exclude"',
        )
    targets = [name.target for name in wanted]
    for name in wanted:
        yield from _in_the_way(case, name, targets.count(name.target))


def _unknown(case: Case, known: set[str]) -> Iterator[Finding]:
    """Names and patterns that mean none. To exclude a system's, which nobody restores, is fine."""
    asked = case.request.databases
    for field, patterns, all_names in (
        ("include", asked.include or (), known),
        ("exclude", asked.exclude, known | SYSTEM_DATABASES),
        ("rename", asked.rename, known | SYSTEM_DATABASES),
        ("beforePublish", [hook.database for hook in case.request.before_publish], known),
        ("checks", [query.database for query in case.request.checks], known),
    ):
        for pattern in patterns:
            if field == "rename":
                found = pattern in all_names
            else:
                found = any(matches(pattern, name) for name in all_names)
            if not found:
                yield Finding(
                    "unknown-database",
                    field if field in _BESIDE else f"databases.{field}",
                    f"expected a database of this backup, found {pattern!r}",
                    f"the backup has: {', '.join(sorted(known)) or 'none'}",
                )


_BESIDE = ("beforePublish", "checks")


def _in_the_way(case: Case, name: Name, times: int) -> Iterator[Finding]:
    subject = f"target database {name.target!r}"
    if times > 1:
        yield Finding(
            "name-twice",
            subject,
            f"expected one source, found {times}",
            'give each database its own name in "databases.rename"',
        )
    if name.target in SYSTEM_DATABASES:
        yield Finding(
            "system-database",
            subject,
            "expected a name of your own, found the name of a system database",
            'give it another name in "databases.rename"',
        )
    elif name.taken and case.request.on_existing is OnExisting.REFUSE:
        old = name.target.encode()[: NAME_LIMIT_BYTES - 4].decode(errors="ignore") + "_old"
        yield Finding(
            "database-exists",
            subject,
            "expected none of that name, found one",
            'set "onExisting": "swap" to keep it aside, rename it in "databases.rename",'
            " or rename the one that is there",
            (f"ALTER DATABASE {quote_identifier(name.target)} RENAME TO {quote_identifier(old)};",),
        )
