"""Two schemas, statement by statement: what an archive says, and what pg_dump says of the result.

Both are cut into the statements of their entries by `core.entries`; entries are matched by kind,
schema and name, so that order and numbers do not matter. Owners and grants have their own forms,
and are compared by meaning elsewhere.
Source: pg_dump.c and pg_backup_archiver.c, PostgreSQL 13 to 18.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from restore.core.catalog import Thing
from restore.core.entries import EntrySql
from restore.core.toc import Entry, Head

_NOT_HERE = frozenset(
    {
        "ACL",
        "BLOB",
        "BLOB METADATA",
        "BLOBS",
        "DATABASE",
        "DATABASE PROPERTIES",
        "DEFAULT ACL",
        "ENCODING",
        "MATERIALIZED VIEW DATA",
        "SEARCHPATH",
        "SEQUENCE SET",
        "STATISTICS DATA",
        "STDSTRINGS",
        "TABLE DATA",
    }
)
"""Rows and what belongs to them; grants; and what is about the session, or the whole database."""

_HIDDEN = frozenset({"SUBSCRIPTION", "SUBSCRIPTION TABLE", "USER MAPPING"})
"""What pg_dump cannot see all of unless it is a superuser's."""

_MAJOR = re.compile(r"\d+")
_SPACE = re.compile(rb"\s+")
_ROLE = rb'(?:"(?:[^"]|"")+"|[^" ,(;]+)'
_ROLES = re.compile(rb" TO (%(role)s(?:, %(role)s)*)" % {b"role": _ROLE})
_LITERAL = re.compile(rb"'(?:[^']|'')*'|(\$\w*\$).*?\1", re.DOTALL)

Schema = Mapping[Thing, Counter[tuple[bytes, ...]]]
"""The statements of each entry; several entries may have one name."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How many entries are equal; what of the others differs; which could not be looked at."""

    equal: int
    different: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def majors(head: Head) -> tuple[int, int]:
    """Of the pg_dump that wrote it, and of the server it read; 0 where the archive has no word."""
    found = (_MAJOR.match(text) for text in (head.dump_version, head.server_version))
    dump, server = (int(match[0]) if match else 0 for match in found)
    return dump, server


def comparable(entries: Iterable[Entry], passed_over: Collection[int] = ()) -> dict[int, Thing]:
    """The entries with statements to compare, by their numbers.

    Schema public is every new database's own.
    """
    found = {}
    for entry in entries:
        thing = Thing(entry.description, entry.namespace, entry.tag)
        about_all = entry.tag == "SCHEMA public" or entry.tag.startswith("DATABASE ")
        about_all = about_all or entry.tag.startswith("LARGE OBJECT")  # come with the data
        public = thing == Thing("SCHEMA", "", "public") or about_all
        if entry.description not in _NOT_HERE and entry.dump_id not in passed_over and not public:
            found[entry.dump_id] = thing
    return found


def schema(script: Iterable[EntrySql], things: Mapping[int, Thing]) -> Schema:
    """The statements of `things`, without regard to line breaks."""
    found: dict[Thing, Counter[tuple[bytes, ...]]] = {}
    for entry in script:
        if entry.dump_id in things:
            statements = tuple(map(_even, entry.statements))
            found.setdefault(things[entry.dump_id], Counter())[statements] += 1
    return found


def _even(statement: bytes) -> bytes:
    """Without line breaks; a policy's roles, which come as the server's roles lie, in order."""
    text = _SPACE.sub(b" ", statement.strip())
    if text.startswith(b"CREATE POLICY ") and (found := _ROLES.search(text)):
        roles = b", ".join(sorted(re.findall(_ROLE, found[1])))
        return text[: found.start(1)] + roles + text[found.end(1) :]
    return text


def compare(archive: Schema, result: Schema, exact: bool) -> Compared:
    """What of `archive` reads otherwise in `result`, and what is only there.

    `exact`: one release wrote both, so that equal objects have equal statements; else it cannot be
    told whether what differs is another object, or another way to write it.
    """
    equal = 0
    different: list[str] = []
    bodies: list[str] = []
    hidden: Counter[str] = Counter()
    for thing in sorted({*archive, *result}):
        ours, theirs = archive.get(thing, Counter()), result.get(thing, Counter())
        if thing.kind in _HIDDEN:
            hidden[thing.kind] += ours.total()
        elif ours == theirs:
            equal += ours.total()
        elif ours and theirs and _is_parsed(ours):
            bodies.append(f"{thing}: its body, which the server writes in its own words, differs")
        elif not ours:
            different.append(f"{thing}: on the server, and not in the archive")
        elif not theirs:
            different.append(f"{thing}: not on the server")
        else:
            different.append(f"{thing}: {_tell(ours, theirs)}")
    unchecked = [f"{count} × {kind}" for kind, count in sorted(hidden.items())] + bodies
    if exact:
        return Compared(equal, tuple(different), tuple(unchecked))
    return Compared(equal, (), (*unchecked, *different))


def _is_parsed(texts: Iterable[tuple[bytes, ...]]) -> bool:
    """Is it a function whose body is kept as a tree? Printed and read, it may read otherwise.

    Source: postgresql.org/docs/18/sql-createfunction.html, sql_body.
    """
    return any(b" BEGIN ATOMIC " in text for statements in texts for text in statements)


def _tell(ours: Counter[tuple[bytes, ...]], theirs: Counter[tuple[bytes, ...]]) -> str:
    """Where the first statement that differs begins to differ.

    Without literals and bodies of functions, which may hold secrets.
    """
    expected, found = _joined((ours - theirs) or ours), _joined((theirs - ours) or theirs)
    if expected == found:
        return "a literal in it, or its body, differs"
    pairs = zip(expected, found, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))
    start = max(0, same - 20)
    return f"expected … {_shown(expected, start)}, found … {_shown(found, start)}"


def _joined(texts: Iterable[tuple[bytes, ...]]) -> bytes:
    return _LITERAL.sub(b"'...'", b" ".join(b" ".join(statements) for statements in texts))


def _shown(text: bytes, start: int) -> str:
    return text[start : start + 60].decode("utf-8", "replace")
