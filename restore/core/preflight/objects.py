"""Owners and objects: what will belong to somebody else, and what will not be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from restore.core.facts import DumpFacts, Finding, LeftOut
from restore.core.options import Content
from restore.core.preflight.case import Case
from restore.core.sql import quote_identifier

_NAMES_SAID = 8


def refusals(case: Case) -> Iterator[Finding]:
    for fact in case.chosen:
        if fact.scope is not None:
            yield from fact.scope.refusals
        if case.request.objects.side_schema:
            yield from _no_place_beside(case, case.request.databases.target_name(fact.database))


def _no_place_beside(case: Case, target: str) -> Iterator[Finding]:
    if target not in case.target.databases:
        yield Finding(
            "side-target",
            f"target database {target!r}",
            "expected it there, to get a schema beside its own, found none of that name",
            'name one that is there in "databases.rename", or leave out "objects.sideSchema"',
        )


def warnings(case: Case) -> Iterator[Finding]:
    for fact in case.chosen:
        if fact.scope is not None:
            yield from fact.scope.warnings
        subject = f"database {fact.database!r}"
        missing = case.missing_owners(fact) if case.request.objects.owners else []
        if missing:
            yield Finding(
                "owner-missing",
                subject,
                f"expected the owners {_some(missing)}, found no such roles: everything in it "
                f"will belong to {case.target.login}",
                "restore the roles as well, or create them first",
                tuple(f"CREATE ROLE {quote_identifier(owner)} NOLOGIN;" for owner in missing),
            )
        yield from _left_out(subject, fact)


def _left_out(subject: str, fact: DumpFacts) -> Iterator[Finding]:
    """One for all of a kind that are left out for the same reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for left in sorted(fact.left_out, key=_of_kind):
        groups.setdefault((left.kind, left.reason), []).append(left.name)
    for (kind, reason), names in groups.items():
        yield Finding("left-out", subject, f"{kind} {_some(names)}: {reason}")
    if fact.left_out_more:
        yield Finding("left-out", subject, f"and {fact.left_out_more} more objects are left out")


def _of_kind(left: LeftOut) -> tuple[str, str, str]:
    return left.kind, left.reason, left.name


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _NAMES_SAID
    return ", ".join(listed[:_NAMES_SAID]) + (f" and {more} more" if more > 0 else "")


def notes(case: Case) -> Iterator[Finding]:
    """What the request itself leaves out, of all databases."""
    objects = case.request.objects
    for fact in case.chosen:
        if fact.scope is not None:
            yield from fact.scope.notes
        if fact.system_owners and objects.owners and not case.target.superuser:
            yield Finding(
                "owned-by-service",
                f"database {fact.database!r}",
                f"what {', '.join(fact.system_owners)} owns in it will belong to"
                f" {case.target.login}: nobody but the service may own for its roles",
            )
    for is_so, message in (
        (objects.content is Content.SCHEMA, "without rows"),
        (objects.content is Content.DATA, "without indexes, constraints, triggers and the like"),
        (not objects.owners, f"everything will belong to {case.target.login}"),
        (not objects.privileges, "without grants"),
    ):
        if is_so:
            yield Finding("as-asked", "all databases", f"{message}, as the request says")
    for name, value in sorted(case.request.server_parameters.items()):
        message = f"{value} while the restore loads, put back afterwards, as the request says"
        yield Finding("as-asked", f"server parameter {name}", message)
