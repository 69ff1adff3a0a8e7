"""Which entries of an archive a request asks for, with all that those need.

By names: tables, views and sequences by `schema.name`, everything else by its schema. What a chosen
table needs comes with it, whatever its schema: types, functions, sequences, extensions, the tables
it inherits from (without rows); and what belongs to it: rows, keys, indexes, triggers, grants.
What refers to a table that is left out is left out as well, and said.
Source: the dependencies of the table of contents, as BuildArchiveDependencies in pg_dump.c writes
them, PostgreSQL 13 to 18. They do not tell what the body of a function needs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from restore.core.facts import Finding, Findings
from restore.core.fields import matches
from restore.core.options import Content
from restore.core.request import Objects
from restore.core.toc import Entry, Head, Section

_ALWAYS = frozenset({"DATABASE", "DATABASE PROPERTIES", "ENCODING", "SEARCHPATH", "STDSTRINGS"})
_TABLES = frozenset({"FOREIGN TABLE", "TABLE"})
_VIEWS = frozenset({"MATERIALIZED VIEW", "VIEW"})
_NAMED = _TABLES | _VIEWS | {"SEQUENCE"}
_ACCESS = frozenset({"ACL", "ACL LANGUAGE", "DEFAULT ACL"})
_NOTES = frozenset({"ACL", "ACL LANGUAGE", "COMMENT", "SECURITY LABEL"})
_OF_TABLES = frozenset(
    {
        "CHECK CONSTRAINT",
        "CONSTRAINT",
        "FK CONSTRAINT",
        "INDEX",
        "INDEX ATTACH",
        "MATERIALIZED VIEW DATA",
        "POLICY",
        "ROW SECURITY",
        "RULE",
        "SEQUENCE SET",
        "STATISTICS",
        "STATISTICS DATA",
        "TABLE DATA",
        "TRIGGER",
    }
)
"""What belongs to a table that was chosen, and not to one that is only needed."""

_OF_ANY = frozenset({"DEFAULT", "SEQUENCE OWNED BY", "TABLE ATTACH"})
_LARGE_OBJECTS = frozenset({"BLOB", "BLOB METADATA", "BLOBS"})
_OF_ALL = _LARGE_OBJECTS | {"PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA"}
"""What belongs to the whole database, and comes only with all of it."""

_BROUGHT = frozenset({"MATERIALIZED VIEW DATA", "SEQUENCE SET", "STATISTICS DATA", "TABLE DATA"})
_LINKS = frozenset({"INDEX ATTACH", "SEQUENCE OWNED BY", "TABLE ATTACH"})
_STAYS_WITH_ROWS = frozenset({"DEFAULT ACL", "ROW SECURITY"})
_NAMES_SAID = 8


@dataclass(frozen=True, slots=True)
class Scope:
    """The entries that are not restored, by their ids; and what a plan has to say of that."""

    left_out: frozenset[int] = frozenset()
    findings: Findings = field(default_factory=Findings)


def is_whole(objects: Objects) -> bool:
    """Is all of an archive asked for?"""
    return objects.is_all and objects.content is Content.ALL and objects.privileges


def chosen(head: Head, objects: Objects) -> Scope:
    """What of the archive is left out.

    With refusals among its findings, where the request cannot be met: a name that nothing has, or
    something left out by name that a chosen table needs.
    """
    if is_whole(objects):
        return Scope()
    choice = _Choice(head, objects)
    choice.choose()
    return choice.scope


@dataclass(frozen=True, slots=True)
class _Node:
    """What of an entry decides whether it is restored."""

    kind: str
    schema: str
    name: str
    needs: tuple[int, ...]
    section: Section
    about_database: bool

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.schema}.{self.name}" if self.schema else f"{self.kind} {self.name}"
        )


def _node(entry: Entry) -> _Node:
    about = entry.description in _NOTES and entry.tag.startswith("DATABASE ")
    return _Node(
        entry.description, entry.namespace, entry.tag, entry.dependencies, entry.section, about
    )


class _Choice:
    """One archive's entries on their way to being restored or left out.

    `there` are those restored, `rows` the tables restored with all that belongs to them.
    """

    def __init__(self, head: Head, objects: Objects) -> None:
        self._head, self._objects = head, objects
        self._nodes = {entry.dump_id: _node(entry) for entry in head.entries}
        self._names = self._nodes.items()
        self._selective = objects.schemas.include is not None or objects.tables.include is not None
        self._excluded = {i for i, node in self._names if self._is_excluded(node)}
        self._refusals: list[Finding] = []
        self._why: dict[int, str] = {}
        self.rows: set[int] = set()
        self.there: set[int] = set()

    # ---- names ---------------------------------------------------------------------------------

    def _is_excluded(self, node: _Node) -> bool:
        """By name, itself or its schema."""
        if node.kind in _NAMED and _any(self._objects.tables.exclude, f"{node.schema}.{node.name}"):
            return True
        schema = node.name if node.kind == "SCHEMA" else node.schema
        return bool(schema) and _any(self._objects.schemas.exclude, schema)

    def _is_named(self, node: _Node) -> bool:
        """Is it asked for by itself? Without a choice of tables, all of a schema is."""
        schema = node.name if node.kind == "SCHEMA" else node.schema
        tables, schemas = self._objects.tables, self._objects.schemas
        in_schema = bool(schema) and schemas.wants(schema)
        if tables.include is not None:
            name = f"{node.schema}.{node.name}"
            return node.kind in _NAMED and in_schema and tables.wants(name)
        return in_schema if schemas.include is not None else True

    def _unmatched(self) -> Iterator[Finding]:
        tables = [f"{n.schema}.{n.name}" for _, n in self._names if n.kind in _NAMED]
        schemas = {node.schema for _, node in self._names if node.schema} | {"public"}
        schemas |= {node.name for _, node in self._names if node.kind == "SCHEMA"}
        for what, names, asked in (
            ("tables", tables, self._objects.tables),
            ("schemas", schemas, self._objects.schemas),
        ):
            for pattern in (*(asked.include or ()), *asked.exclude):
                if not any(matches(pattern, name) for name in names):
                    form = "schema.name of a table or view" if what == "tables" else "schema"
                    yield Finding(
                        "scope-unmatched",
                        self._subject,
                        f"expected a {form} that {pattern!r} in objects.{what} means, found none",
                        "see the names in its table of contents: pg_restore --list; name the"
                        ' databases it is about in "databases.include"',
                    )

    @property
    def _subject(self) -> str:
        return f"database {self._head.dbname!r}"

    # ---- choosing ------------------------------------------------------------------------------

    def choose(self) -> None:
        self._refusals += self._unmatched()
        self._choose_tables()
        self._need_of_tables()
        if not self._selective:
            self._take_all()
        else:
            self._take_named()
        if self._objects.content is not Content.DATA:  # which leaves all of these views out
            self._drop_stand_ins()
        self._take_schemas()
        self._take_notes()
        self._drop_by_content()

    def _choose_tables(self) -> None:
        """Those asked for, and the partitions of those; not those of a table left out by name."""
        parents = self._partitions_of()
        named = [i for i, n in self._names if n.kind in _TABLES and self._is_named(n)]
        waiting = [i for i in named if i not in self._excluded]
        if not self._selective:
            waiting = [i for i in waiting if not self._under_excluded(i, parents)]
        children = defaultdict(list)
        for child, above in parents.items():
            for parent in above:
                children[parent].append(child)
        while waiting:
            table = waiting.pop()
            if table not in self.rows and table not in self._excluded:
                self.rows.add(table)
                waiting += children[table]
        self.there |= self.rows

    def _partitions_of(self) -> dict[int, tuple[int, ...]]:
        """Partitions with the table each is attached to."""
        parents = {}
        for _, node in self._names:
            if node.kind == "TABLE ATTACH":
                tables = [i for i in node.needs if self._kind(i) in _TABLES]
                for child in tables:
                    if self._nodes[child].name == node.name:
                        parents[child] = tuple(i for i in tables if i != child)
        return parents

    def _under_excluded(self, table: int, parents: Mapping[int, tuple[int, ...]]) -> bool:
        above = parents.get(table, ())
        return any(i in self._excluded or self._under_excluded(i, parents) for i in above)

    def _need_of_tables(self) -> None:
        """What the chosen tables cannot be without, and what that needs in turn."""
        waiting = [(need, table) for table in sorted(self.rows) for need in self._needs(table)]
        while waiting:
            need, table = waiting.pop()
            if need in self._excluded:
                self._refuse_needed(table, need)
            elif need not in self.there:
                self.there.add(need)
                waiting += [(deeper, table) for deeper in self._needs(need)]

    def _refuse_needed(self, table: int, need: int) -> None:
        self._refusals.append(
            Finding(
                "scope-needed",
                f"{self._subject}, {self._nodes[table]}",
                f"expected what it needs, found {self._nodes[need]} left out by name",
                'leave the table out as well, or take the name from "exclude"',
            )
        )

    def _take_all(self) -> None:
        """All but what was left out by name, and what needs that; in the order of the TOC."""
        gone = self._excluded | {
            i for i, n in self._names if n.kind in _TABLES and i not in self.there
        }
        gone |= self._owned_by(gone) - self.there
        for i, node in self._names:
            if i in self.there or i in gone or node.kind in _NOTES:
                continue
            if missing := self._missing(i):
                self._why[i] = f"it needs {self._nodes[missing]}, which is left out"
            else:
                self.there.add(i)

    def _owned_by(self, tables: Collection[int]) -> set[int]:
        """The sequences of columns of these tables."""
        links = [n for _, n in self._names if n.kind == "SEQUENCE OWNED BY"]
        owned = [n for n in links if any(need in tables for need in self._tables(n))]
        return {need for n in owned for need in n.needs if self._kind(need) == "SEQUENCE"}

    def _take_named(self) -> None:
        """What was asked for by name, and what belongs to what is there, until no more comes."""
        before = -1
        while before < len(self.there):
            before = len(self.there)
            for i, node in self._names:
                if i not in self.there and i not in self._excluded and self._is_candidate(node):
                    missing = self._pull(i)
                    self._why.pop(i, None)
                    if missing:
                        self._why[i] = f"it needs {self._nodes[missing]}, which is left out"

    def _is_candidate(self, node: _Node) -> bool:
        if node.kind in _TABLES or node.kind in _NOTES or node.kind in _OF_ALL:
            return False
        if self._objects.content is Content.DATA and _is_late(node):
            return False  # what it needs would come for nothing
        if node.kind == "SEQUENCE" and any(need in self.there for need in self._tables(node)):
            return True  # of an identity column
        if node.kind in _OF_TABLES or node.kind in _OF_ANY:
            return any(self._is_base(need, node) for need in node.needs)
        return self._is_named(node)

    def _is_base(self, need: int, node: _Node) -> bool:
        """Does what belongs to `need` come with it?"""
        if self._kind(need) in _TABLES and node.kind in _OF_TABLES:
            return need in self.rows
        return need in self.there

    def _pull(self, i: int) -> int:
        """Bring it with all it needs; else what of that cannot come, and nothing is brought."""
        brought = {i}
        # From the end: a table says more than a key of it.
        waiting = sorted(self._needs(i), key=lambda need: self._kind(need) in _NAMED)
        while waiting:
            need = waiting.pop()
            if need in self.there or need in brought:
                continue
            kind = self._kind(need)
            if need in self._excluded or kind in _NAMED - {"SEQUENCE"} or kind in _OF_TABLES:
                return need
            brought.add(need)
            waiting += self._needs(need)
        self.there |= brought
        return 0

    def _missing(self, i: int) -> int:
        return next((need for need in self._needs(i) if need not in self.there), 0)

    def _drop_stand_ins(self) -> None:
        """Views whose rule cannot come would show no row: they go, and what needs them goes too."""
        while bare := {view: rule for rule, view in self._stand_ins() if rule not in self.there}:
            lost = set(bare)
            for view, rule in bare.items():
                self._why[view] = self._why[rule]
            for i, _ in self._names:
                need = next((need for need in self._needs(i) if need in lost), 0)
                if i in self.there and need:
                    self._why[i] = f"it needs {self._nodes[need]}, which is left out"
                    lost.add(i)
            self.there -= lost

    def _stand_ins(self) -> Iterator[tuple[int, int]]:
        """The views that are there and need a rule to be whole, each behind that rule."""
        for i, node in self._names:
            if _completes(node):
                views = (need for need in self._needs(i) if self._kind(need) in _VIEWS)
                yield from ((i, view) for view in views if view in self.there)

    def _take_schemas(self) -> None:
        """The schemas of all that is there, where the archive creates them."""
        used = {self._nodes[i].schema for i in self.there}
        self.there |= {i for i, n in self._names if n.kind == "SCHEMA" and n.name in used}

    def _take_notes(self) -> None:
        """Comments and grants of all that is there; and what is always there."""
        self.there |= {i for i, n in self._names if n.kind in _ALWAYS or n.about_database}
        for i, node in self._names:
            needs = self._needs(i)
            bare = not needs and (not self._selective or self._is_named(node))
            if node.kind in _NOTES and not self._missing(i) and (needs or bare):
                self.there.add(i)

    def _drop_by_content(self) -> None:
        """Without rows, or without all that follows them; without grants; as the request says."""
        content = self._objects.content
        dropped = (
            set() if self._objects.privileges else {i for i in self.there if self._is_access(i)}
        )
        if content is Content.SCHEMA:
            unwanted = _BROUGHT | _LARGE_OBJECTS
            dropped |= {i for i in self.there if self._kind(i) in unwanted}
        if content is Content.DATA:
            dropped |= self._late()
        for i, node in self._names:
            if i in self.there and i not in dropped and not dropped.isdisjoint(node.needs):
                dropped.add(i)
        self.there -= dropped

    def _late(self) -> set[int]:
        """What follows rows; with the views that a rule completes, for they show no row without."""
        late = {i for i in self.there if _is_late(self._nodes[i])}
        rules = [i for i in late if _completes(self._nodes[i])]
        views = {need for rule in rules for need in self._needs(rule) if self._kind(need) in _VIEWS}
        return late | views

    def _is_access(self, i: int) -> bool:
        return self._kind(i) in _ACCESS

    # ---- what is there to say ------------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        out = frozenset(self._nodes.keys() - self.there)
        return Scope(out, Findings(tuple(self._refusals), tuple(self._warnings()), (self._note(),)))

    def _warnings(self) -> Iterator[Finding]:
        """What belongs to what is restored, or was asked for, and yet cannot come."""
        groups: dict[tuple[str, str], list[str]] = {}
        for i, why in sorted(self._why.items()):
            node = self._nodes[i]
            tables = self._tables(node)
            unasked = node.kind in _BROUGHT | _LINKS or _completes(node)
            unasked = unasked or (bool(tables) and self.rows.isdisjoint(tables))
            if i not in self._excluded and node.kind not in _TABLES and not unasked:
                groups.setdefault((node.kind, why), []).append(node.name)
        for (kind, why), names in groups.items():
            yield Finding(
                "scope-left-out",
                self._subject,
                f"{kind} {_some(names)}: {why}",
                'choose what it needs as well, in "objects"',
            )

    def _note(self) -> Finding:
        """How many objects of which kind are restored, and which tables are not."""
        kept, out = Counter[str](), Counter[str]()
        tables = []
        for i, node in self._names:
            if node.kind in _ALWAYS or node.kind in _NOTES:
                continue
            (kept if i in self.there else out)[node.kind] += 1
            if node.kind in _TABLES and i in self.rows:
                tables.append(f"{node.schema}.{node.name}")
        return Finding(
            "as-asked",
            self._subject,
            f"restores {_counts(kept)}; tables {_some(sorted(tables))}; leaves out {_counts(out)}",
        )

    def _tables(self, node: _Node) -> list[int]:
        return [need for need in node.needs if self._kind(need) in _TABLES]

    def _kind(self, i: int) -> str:
        return self._nodes[i].kind if i in self._nodes else ""

    def _needs(self, i: int) -> list[int]:
        """Without what the archive does not hold, and the database itself."""
        known = (need for need in self._nodes[i].needs if need in self._nodes)
        return [need for need in known if self._kind(need) not in _ALWAYS]


def _is_late(node: _Node) -> bool:
    """Does it follow rows that are there, and are they safe without it?"""
    return node.section is Section.POST_DATA and node.kind not in _STAYS_WITH_ROWS


def _completes(node: _Node) -> bool:
    """Is it the rule that makes a view of a stand-in? pg_dump makes those that group by a key so.

    Source: dumpRule and createDummyViewAsClause in pg_dump.c, PostgreSQL 18.
    """
    return node.kind == "RULE" and node.name.endswith(" _RETURN")


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "nothing"


def _some(names: Collection[str]) -> str:
    listed = list(names)
    more = len(listed) - _NAMES_SAID
    return (", ".join(listed[:_NAMES_SAID]) or "none") + (f" and {more} more" if more > 0 else "")
