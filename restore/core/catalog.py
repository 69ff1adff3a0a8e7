"""What an archive's table of contents promises, and what of it a database's catalog does not keep.

An entry becomes a `Thing`: kind, schema and name, spelled as pg_dump spells them in the TOC. What
is in the database is read by one query per kind and spelled the same way, so that both can be
compared as sets, however many there are.
Source: the calls of ArchiveEntry in pg_dump.c, PostgreSQL 13 to 18.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from restore.core.dumps import SYSTEM_ROLES
from restore.core.grants import Grants, grants
from restore.core.toc import Entry

_ABOUT_SESSION = ("ENCODING", "STDSTRINGS", "SEARCHPATH")
_ABOUT_DATABASE = ("DATABASE", "DATABASE PROPERTIES")
_ROWS = ("TABLE DATA", "BLOBS")
_ACCESS = ("ACL", "DEFAULT ACL")
_PASSED_OVER = frozenset({*_ABOUT_SESSION, *_ABOUT_DATABASE, *_ROWS})
"""Not objects of the database: how to read the archive; set elsewhere; compared by other levels."""

_BY_NAME = frozenset(
    {
        "ACCESS METHOD",
        "AGGREGATE",
        "CAST",
        "CHECK CONSTRAINT",
        "COLLATION",
        "CONSTRAINT",
        "CONVERSION",
        "DEFAULT",
        "DOMAIN",
        "EVENT TRIGGER",
        "EXTENSION",
        "FK CONSTRAINT",
        "FOREIGN DATA WRAPPER",
        "FOREIGN TABLE",
        "FUNCTION",
        "INDEX",
        "INDEX ATTACH",
        "MATERIALIZED VIEW",
        "MATERIALIZED VIEW DATA",
        "OPERATOR",
        "OPERATOR CLASS",
        "OPERATOR FAMILY",
        "POLICY",
        "PROCEDURAL LANGUAGE",
        "PROCEDURE",
        "PUBLICATION",
        "PUBLICATION TABLE",
        "PUBLICATION TABLES IN SCHEMA",
        "ROW SECURITY",
        "RULE",
        "SCHEMA",
        "SEQUENCE",
        "SEQUENCE OWNED BY",
        "SERVER",
        "SHELL TYPE",
        "STATISTICS",
        "SUBSCRIPTION",
        "TABLE",
        "TABLE ATTACH",
        "TEXT SEARCH CONFIGURATION",
        "TEXT SEARCH DICTIONARY",
        "TEXT SEARCH PARSER",
        "TEXT SEARCH TEMPLATE",
        "TRANSFORM",
        "TRIGGER",
        "TYPE",
        "USER MAPPING",
        "VIEW",
    }
)
_OWNED_ELSEWHERE = frozenset(
    {
        "CHECK CONSTRAINT",
        "CONSTRAINT",
        "DEFAULT",
        "FK CONSTRAINT",
        "INDEX",
        "INDEX ATTACH",
        "MATERIALIZED VIEW DATA",
        "POLICY",
        "PUBLICATION TABLE",
        "PUBLICATION TABLES IN SCHEMA",
        "ROW SECURITY",
        "RULE",
        "SEQUENCE OWNED BY",
        "TABLE ATTACH",
        "TRIGGER",
        "USER MAPPING",
    }
)
"""Kinds that belong to whoever owns what they are part of."""

_MAY_BE_UNCHECKED = (b" NOT VALID", b" NOT ENFORCED")
_SETVAL = re.compile(
    r"SELECT pg_catalog\.setval\('(?:[^']|'')*', (?P<value>-?\d+), (?P<called>true|false)\);\s*"
)
_COLUMN_EDGE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[(),]")
_COLUMN = re.compile(
    r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\s",]+))\s+(?P<rest>\S.*)', re.S
)
_SHOWN = re.compile(r"[^('$;]*")
_LONGEST = 160
_NO_COLUMN = frozenset({"CONSTRAINT", "CHECK", "NOT", "PRIMARY", "UNIQUE", "EXCLUDE", "FOREIGN"})


class Thing(NamedTuple):
    """One object, as the TOC names it; `schema` is empty for what is in none."""

    kind: str
    schema: str
    name: str

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.schema}.{self.name}" if self.schema else f"{self.kind} {self.name}"
        )


class State(NamedTuple):
    """What there is of an object: its owner, and what is wrong with it, "" if nothing is."""

    owner: str
    flaw: str = ""


Table = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An object of the archive; `owner` is empty where nobody says it."""

    thing: Thing
    owner: str = ""
    may_be_unchecked: bool = False  # a constraint that is not validated in the archive either


@dataclass(slots=True)
class Expected:
    """All that an archive promises. `unchecked`: entries of kinds that nobody looks for."""

    promises: list[Promise] = field(default_factory=list)
    columns: dict[Table, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    values: dict[Table, tuple[int, bool]] = field(default_factory=dict)  # of sequences
    grants: list[Grants] = field(default_factory=list)
    unchecked: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return len(self.promises) + len(self.values) + len(self.grants)


@dataclass(frozen=True, slots=True)
class Found:
    """What a database holds. Of `values`, None where the sequence may not be read.

    `unreadable` are kinds of which nothing may be read.
    """

    things: Mapping[Thing, list[State]]
    columns: Mapping[Table, Mapping[str, str]]  # their types by their names
    values: dict[Table, tuple[int, bool] | None]
    grants: Mapping[Thing, frozenset[tuple[str, str, bool]]]
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Differences:
    """`lost` is not there, or not as it should be; `owners` are there, and somebody else's."""

    lost: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def expected(
    entries: Iterable[Entry], passed_over: Collection[int] = (), privileges: bool = True
) -> Expected:
    """What `entries` promise; their grants only where `privileges` were restored.

    Not those that were `passed_over`: left out on purpose, or known to be lost.
    Raises ArchiveError for grants that do not read as SQL.
    """
    found = Expected()
    for entry in entries:
        wanted = privileges or entry.description not in _ACCESS
        if wanted and entry.dump_id not in passed_over:
            _expect(found, entry)
    return found


def _expect(found: Expected, entry: Entry) -> None:
    kind, table = entry.description, (entry.namespace, entry.tag)
    if kind in _BY_NAME:
        owner = "" if kind in _OWNED_ELSEWHERE else entry.owner
        open_ = any(mark in entry.definition_bytes for mark in _MAY_BE_UNCHECKED)
        found.promises.append(Promise(Thing(kind, *table), owner, open_))
        if kind in ("TABLE", "FOREIGN TABLE"):
            found.columns[table] = tuple(columns(entry.definition))
    elif kind in ("BLOB", "BLOB METADATA"):
        listed = [entry.tag] if kind == "BLOB" else entry.definition.split()
        found.promises += [Promise(Thing("BLOB", "", n), entry.owner) for n in listed]
    elif kind == "SEQUENCE SET" and (said := _SETVAL.fullmatch(entry.definition)):
        found.values[table] = int(said["value"]), said["called"] == "true"
    elif kind in _ACCESS and not entry.tag.startswith("DATABASE "):
        found.grants += grants(entry)
    elif kind not in _PASSED_OVER and not entry.tag.startswith("DATABASE "):
        found.unchecked[kind] += 1


def columns(definition: str) -> Iterator[tuple[str, str]]:
    """Name of each column of a CREATE TABLE, and what follows it, which begins with its type.

    None of a table of a composite type, which brings its own. Source: dumpTableSchema in pg_dump.c:
    names, types and the rest in this order; literals have doubled quotes only.
    """
    if " OF " in definition.partition("(")[0]:
        return
    depth, start = 0, 0
    for edge in _COLUMN_EDGE.finditer(definition):
        if edge[0] == "(":
            depth += 1
            start = edge.end() if depth == 1 else start
        elif edge[0] == ")":
            depth -= 1
        if (edge[0] == "," and depth == 1) or (edge[0] == ")" and depth == 0):
            yield from _column(definition[start : edge.start()])
            start = edge.end()
        if edge[0] == ")" and depth == 0:
            return


def _column(text: str) -> Iterator[tuple[str, str]]:
    found = _COLUMN.fullmatch(text)
    if found is None or found["plain"] in _NO_COLUMN:
        return
    quoted = found["quoted"]
    yield (quoted.replace('""', '"') if quoted else found["plain"]), found["rest"].rstrip()


# ---- comparing -------------------------------------------------------------------------------


def compare(wanted: Expected, found: Found) -> Differences:
    """What of `wanted` is not so in `found`."""
    promises = [each for each in wanted.promises if each.thing.kind not in found.unreadable]
    hidden = Counter(each.thing.kind for each in wanted.promises) - Counter(
        each.thing.kind for each in promises
    )
    if unread := sum(found.values.get(table, (0, False)) is None for table in wanted.values):
        hidden["SEQUENCE SET"] = unread
    lost = [
        *_missing(promises, found),
        *_columns(wanted, found),
        *_values(wanted, found),
        *_grants(wanted, found),
    ]
    unchecked = [f"{count} × {kind}" for kind, count in sorted(wanted.unchecked.items())]
    unchecked += [f"{count} × {kind}: permission denied" for kind, count in sorted(hidden.items())]
    return Differences(tuple(lost), tuple(_owners(promises, found)), tuple(unchecked))


def _missing(promises: Iterable[Promise], found: Found) -> Iterator[str]:
    """Several objects may share a name, as operators do: as many have to be there."""
    by_thing = groupby(sorted(promises, key=lambda p: p.thing), key=lambda p: p.thing)
    for thing, group in by_thing:
        wanted, states = list(group), found.things.get(thing, [])
        if len(states) < len(wanted):
            some = f" (of {len(wanted)} of that name, {len(states)} are)" if states else ""
            yield f"{thing}: not on the server{some}"
        elif not any(promise.may_be_unchecked for promise in wanted):
            yield from (f"{thing}: {state.flaw}" for state in states[:1] if state.flaw)


def _columns(wanted: Expected, found: Found) -> Iterator[str]:
    for table, promised in wanted.columns.items():
        there = found.columns.get(table)
        for name, rest in promised if there is not None else ():
            kind = there.get(name) if there else None
            if kind is None:
                yield f"COLUMN {table[0]}.{table[1]}.{name}: not on the server"
            elif not re.match(re.escape(kind) + r"(?=\s|\Z)", rest):
                wanted_kind = rest.partition(" DEFAULT ")[0][:60]
                yield f"COLUMN {table[0]}.{table[1]}.{name}: expected {wanted_kind}, found {kind}"


def _values(wanted: Expected, found: Found) -> Iterator[str]:
    for table, (value, called) in wanted.values.items():
        there = found.values.get(table)
        if there is not None and there != (value, called):
            yield (
                f"SEQUENCE SET {table[0]}.{table[1]}: expected {value}{_called(called)},"
                f" found {there[0]}{_called(there[1])}"
            )


def _called(called: bool) -> str:
    return "" if called else " as the next value"


def _grants(wanted: Expected, found: Found) -> Iterator[str]:
    """Of an object that is not there, which is said above, nothing more."""
    for each in wanted.grants:
        thing = Thing(*each.about)
        there = found.grants.get(thing, frozenset() if thing.kind == "COLUMN" else None)
        if there is not None:
            yield from _differences(each, thing, there)
        elif thing.kind == "DEFAULT ACL":
            yield f"{thing}: not on the server"


def _differences(
    each: Grants, thing: Thing, there: frozenset[tuple[str, str, bool]]
) -> Iterator[str]:
    held = {(role, privilege) for role, privilege, _ in there}
    grantable = {(role, privilege) for role, privilege, may in there if may}
    for role, privilege, may in sorted(each.present):
        if (role, privilege) not in (grantable if may else held):
            option = " with grant option" if may else ""
            yield f"ACL {thing}: {privilege} of {role}{option} is not there"
    for role, privilege in sorted(each.absent & held):
        yield f"ACL {thing}: {privilege} of {role} should not be there"


def _owners(promises: Iterable[Promise], found: Found) -> Iterator[str]:
    """Where it is said; what PostgreSQL's or the service's roles own has another owner here."""
    for promise in promises:
        states = found.things.get(promise.thing, [])
        owner = promise.owner
        if not owner or owner in SYSTEM_ROLES or owner.startswith("pg_") or not states:
            continue
        if all(state.owner != owner for state in states):
            yield f"{promise.thing}: expected owner {owner}, found {states[0].owner}"


# ---- what is known already -------------------------------------------------------------------


def reported(entries: Iterable[Entry], lost: Collection[str]) -> set[int]:
    """The entries whose statements are among those that were refused, as `lost` tells them.

    A refused statement is told by its beginning, up to a literal or a parenthesis; one of several
    of an ACL perhaps by the entry.
    """
    commands = {said.partition(": ")[0] for said in lost}
    if not commands:
        return set()
    return {entry.dump_id for entry in entries if not commands.isdisjoint(_beginnings(entry))}


def _beginnings(entry: Entry) -> Iterator[str]:
    if entry.description not in _ACCESS:
        yield _beginning(entry.definition)
        return
    yield f"{entry.description} of {entry.tag}"
    yield from map(_beginning, entry.definition.split(";\n"))


def _beginning(definition: str) -> str:
    shown = _SHOWN.match(definition)
    return " ".join((shown[0] if shown else "").split())[:_LONGEST]


def reported_things(entries: Iterable[Entry], differences: Collection[str]) -> set[int]:
    """The entries of which `differences` speak, as `compare` tells them."""
    subjects = {said.partition(": ")[0] for said in differences}
    if not subjects:
        return set()
    return {e.dump_id for e in entries if str(Thing(e.description, e.namespace, e.tag)) in subjects}
