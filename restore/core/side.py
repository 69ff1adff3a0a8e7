"""Chosen tables beside what is there: the names of new schemas, and what cannot go into them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from restore.core.facts import Finding
from restore.core.fields import NAME_LIMIT_BYTES
from restore.core.managed import name_of
from restore.core.request import Objects
from restore.core.toc import Entry, Head

_TABLES = frozenset({"FOREIGN TABLE", "TABLE"})
_EVERYWHERE = frozenset(
    {"DATABASE", "DATABASE PROPERTIES", "ENCODING", "EXTENSION", "SCHEMA", "SEARCHPATH"}
    | {"ACL", "COMMENT", "SECURITY LABEL", "STDSTRINGS"}
)
_ROUTINES = ("FUNCTION", "PROCEDURE")
_SAID = 8


def renamed(schemas: Iterable[str], side_schema: str) -> dict[str, str]:
    """The new name of each schema: `side_schema`, or several that start so."""
    names = sorted(set(schemas))
    if len(names) == 1:
        return {names[0]: side_schema}
    return {name: f"{side_schema}_{name}" for name in names}


def schemas_of(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Where the tables are."""
    return tuple(sorted({e.namespace for e in entries if e.description in _TABLES}))


def refusals(
    head: Head, left_out: Collection[int], objects: Objects, there: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Why the chosen tables cannot go beside what is `there`: schemas of the target database."""
    if objects.side_schema is None:
        return ()
    kept = [entry for entry in head.entries if entry.dump_id not in left_out]
    new = renamed(schemas_of(kept), objects.side_schema)
    return (
        *_names(head, new, there),
        *_strangers(head, [entry for entry in kept if entry.namespace not in new]),
    )


def _names(head: Head, new: dict[str, str], there: Collection[str]) -> Iterator[Finding]:
    subject = f"database {head.dbname!r}"
    if not new:
        yield Finding(
            "side-nothing",
            subject,
            "expected tables to put into the side schema, found none chosen",
            'choose some in "objects.tables.include"',
        )
    for name in new.values():
        if len(name.encode()) > NAME_LIMIT_BYTES:
            yield Finding(
                "side-name",
                subject,
                f"expected a schema's name of {NAME_LIMIT_BYTES} bytes at most, found {name!r}",
                'give a shorter "objects.sideSchema"',
            )
        if name in there:
            yield Finding(
                "side-schema-exists",
                f"schema {name!r}",
                "expected none of that name in the target database, found one",
                'give another "objects.sideSchema", or rename the one that is there',
            )


def _strangers(head: Head, others: Iterable[Entry]) -> Iterator[Finding]:
    """What the tables need that no side schema holds: a half of them would be no restore."""
    found = [
        f"{entry.description} {name_of(entry)}"
        for entry in others
        if entry.description not in _EVERYWHERE
    ]
    if found:
        more = f" and {len(found) - _SAID} more" if len(found) > _SAID else ""
        yield Finding(
            "side-needs",
            f"database {head.dbname!r}",
            f"expected all that the tables need in their own schemas, found"
            f" {', '.join(found[:_SAID])}{more}",
            'choose fewer tables; or set "content": "data", which needs no functions of triggers;'
            " or restore the database under another name, and copy from there",
        )


def warnings(head: Head, left_out: Collection[int], objects: Objects) -> tuple[Finding, ...]:
    """Text that keeps the old names: that of functions."""
    if objects.side_schema is None:
        return ()
    found = [
        name_of(entry)
        for entry in head.entries.described(*_ROUTINES)
        if entry.dump_id not in left_out
    ]
    if not found:
        return ()
    return (
        Finding(
            "side-functions",
            f"database {head.dbname!r}",
            f"functions come with the tables, and what they say still names the old schemas:"
            f" {', '.join(found[:_SAID])}",
            "see what they do before anything writes to the side schema's tables",
        ),
    )
