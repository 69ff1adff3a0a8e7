"""What follows the rows is made once, in an order that holds, and side by side where that pays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.archive import read_head
from restore.core.entries import EntrySql
from restore.core.keys import split_foreign_key, split_key
from restore.core.post import SMALL_BYTES, Build, Outline, Post, Stage, Step, outlines, post
from restore.core.psql import Statement, pieces
from restore.core.toc import Entry, Head, OffsetFlag, Section

DATA = Path(__file__).parent.parent / "data"
BIG = SMALL_BYTES + 1
LAST_PASS = (Stage.REFRESH, Stage.LAST)
PHASES = ("between", "build", "middle", "validate", "tail", "refresh", "guard", "last")


def head_of(name: str) -> Head:
    content = (DATA / name).read_bytes()
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


# ---- stages of real archives -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crm-pg15.dump", "crm-pg18.dump"])
def test_every_entry_has_its_stage(name):
    found: dict[Stage, list[str]] = {stage: [] for stage in Stage}
    for outline in outlines(head_of(name).entries):
        found[outline.stage].append(outline.description)
    objects = "BLOB METADATA" if "18" in name else "BLOB"
    assert found.pop(Stage.BEFORE).count(objects) == 1
    assert found == {
        Stage.DATA: ["TABLE DATA"] * 7 + ["BLOBS"],
        Stage.BETWEEN: ["SEQUENCE SET"] + (["COMMENT"] if "18" in name else []),
        Stage.AFTER: ["CONSTRAINT"] * 3 + ["FK CONSTRAINT"],
        Stage.ACCESS: ["ACL"] * 2,
        Stage.REFRESH: ["MATERIALIZED VIEW DATA"],
        Stage.GUARD: [],
        Stage.LAST: [],
    }


def test_row_security_comes_when_nothing_has_to_see_all_rows_any_more():
    stages = {o.description: o.stage for o in outlines(head_of("scope-pg18.dump").entries)}
    assert (stages["ROW SECURITY"], stages["POLICY"]) == (Stage.GUARD, Stage.AFTER)


def test_what_sets_up_the_session_has_no_stage():
    head = head_of("void-pg15.dump")
    assert [e.description for e in head.entries] == [
        "ENCODING",
        "STDSTRINGS",
        "SEARCHPATH",
        "DATABASE",
    ]
    assert list(outlines(head.entries)) == []


ENTRY = next(iter(head_of("crm-pg18.dump").entries))


def entry(
    description: str, section: Section, tag: str = "x", flag: OffsetFlag = OffsetFlag.NO_DATA
) -> Entry:
    return replace(ENTRY, description=description, section=section, tag=tag, flag=flag)


PRE, ROWS, POST, NONE = Section.PRE_DATA, Section.DATA, Section.POST_DATA, Section.NONE


@pytest.mark.parametrize(
    ("before", "made", "stage"),
    [
        (PRE, entry("TABLE", PRE), Stage.BEFORE),
        (PRE, entry("TABLE", PRE, "EVENT TRIGGER x"), Stage.BEFORE),
        (PRE, entry("COMMENT", NONE), Stage.BEFORE),
        (PRE, entry("ACL", NONE), Stage.ACCESS),
        (PRE, entry("DEFAULT ACL", NONE), Stage.ACCESS),
        (PRE, entry("ACL LANGUAGE", PRE), Stage.ACCESS),
        (ROWS, entry("TABLE DATA", ROWS, flag=OffsetFlag.NOT_SET), Stage.DATA),
        (ROWS, entry("BLOBS", ROWS, flag=OffsetFlag.SET), Stage.DATA),
        (ROWS, entry("TABLE DATA", ROWS), Stage.BETWEEN),
        (ROWS, entry("BLOB METADATA", ROWS), Stage.BEFORE),
        (ROWS, entry("COMMENT", NONE, "LARGE OBJECT 7"), Stage.BETWEEN),
        (ROWS, entry("SEQUENCE SET", ROWS), Stage.BETWEEN),
        (ROWS, entry("STATISTICS DATA", ROWS), Stage.BETWEEN),
        (ROWS, entry("STATISTICS DATA", NONE), Stage.BETWEEN),
        (POST, entry("STATISTICS DATA", POST), Stage.LAST),
        (POST, entry("INDEX", POST), Stage.AFTER),
        (POST, entry("INDEX", POST, "EVENT TRIGGER x"), Stage.AFTER),
        (POST, entry("COMMENT", NONE, "INDEX x"), Stage.AFTER),
        (POST, entry("SECURITY LABEL", NONE, "TRIGGER x"), Stage.AFTER),
        (POST, entry("EVENT TRIGGER", POST), Stage.LAST),
        (POST, entry("COMMENT", NONE, "EVENT TRIGGER x"), Stage.LAST),
        (POST, entry("SECURITY LABEL", NONE, "EVENT TRIGGER x"), Stage.LAST),
        (POST, entry("MATERIALIZED VIEW DATA", POST), Stage.REFRESH),
        (POST, entry("PUBLICATION TABLE", POST), Stage.AFTER),
    ],
)
def test_an_entry_is_made_where_pg_restore_makes_it(before, made, stage):
    """Comments and labels with what stands before them."""
    *_, outline = outlines([entry("INDEX", before), made])
    assert outline.stage is stage


@pytest.mark.parametrize("name", ["engine/features-pg13.dump", "engine/features-pg17.dump"])
def test_tables_that_inherit_are_known_by_their_constraints(name):
    """Up to version 13 a partition is attached in the entry that makes it."""
    head = head_of(name)
    found = {head.entry(o.dump_id).tag for o in outlines(head.entries) if o.inherits}
    expected = {f"{part} {part}_pkey" for part in ("part_1", "part_2", "part_2a", "part_2b")}
    assert found - {"part part_key"} == expected | {"part_default part_default_pkey"}


@pytest.mark.parametrize(
    ("definition", "inherits"),
    [
        (b"CREATE TABLE a.t (\n    i integer\n);\n", False),
        (b"CREATE TABLE a.t (\n    i integer\n)\nINHERITS (a.b);\n", True),
    ],
)
def test_a_child_is_known_by_its_definition(definition, inherits):
    table = replace(entry("TABLE", PRE), dump_id=1, definition_bytes=definition)
    key = replace(entry("CONSTRAINT", POST), dump_id=2, dependencies=(1, 1))
    index = replace(entry("INDEX", POST), dump_id=3, dependencies=(1,))
    assert [o.inherits for o in outlines([table, key, index])] == [False, inherits, False]


# ---- phases ------------------------------------------------------------------------------------


class Made:
    """A small archive's late entries, and its tables by id with their sizes."""

    def __init__(self, sizes: Mapping[int, int]) -> None:
        self.sizes = sizes
        self.scripts: list[EntrySql] = []
        self.outline: dict[int, Outline] = {}

    def add(
        self,
        dump_id: int,
        description: str,
        *statements: bytes,
        needs: tuple[int, ...] = (),
        stage: Stage = Stage.AFTER,
        inherits: bool = False,
    ) -> None:
        self.scripts.append(EntrySql(dump_id, statements))
        self.outline[dump_id] = Outline(dump_id, description, stage, needs, inherits)

    def post(self) -> Post:
        return post(self.scripts, self.outline, self.sizes)


def steps_of(phase: Sequence[Step | Build]) -> Iterator[Step]:
    for item in phase:
        yield from item.steps if isinstance(item, Build) else (item,)


def shown(phase: Sequence[Step | Build]) -> list[bytes]:
    return [statement for step in steps_of(phase) for statement in step.statements]


def key(name: bytes, table: bytes = b"a.t", kind: bytes = b"UNIQUE") -> bytes:
    return b"ALTER TABLE ONLY %s\n    ADD CONSTRAINT %s %s (i);" % (table, name, kind)


def foreign_key(name: bytes, table: bytes = b"a.t", other: bytes = b"a.u") -> bytes:
    made = b"ALTER TABLE ONLY %s\n    ADD CONSTRAINT %s FOREIGN KEY (i) REFERENCES %s(i);"
    return made % (table, name, other)


def test_an_archive_without_anything_late_has_empty_phases():
    found = Made({}).post()
    assert [getattr(found, phase) for phase in PHASES] == [()] * 8


def test_phases_follow_each_other_as_what_is_in_them_needs_it():
    made = Made({1: BIG, 2: BIG})
    made.add(9, "SEQUENCE SET", b"SELECT setval;", needs=(8,), stage=Stage.BETWEEN)
    made.add(10, "CONSTRAINT", key(b"k"), b"ALTER TABLE a.t CLUSTER ON k;", needs=(1,))
    made.add(11, "INDEX", b"CREATE INDEX i ON a.t USING btree (i);", b"COMMENT;", needs=(1,))
    made.add(12, "TRIGGER", b"CREATE TRIGGER;", needs=(1,))
    made.add(13, "FK CONSTRAINT", foreign_key(b"f"), needs=(1, 2, 10))
    made.add(14, "POLICY", b"CREATE POLICY;", needs=(1,))
    made.add(15, "ACL", b"GRANT;", needs=(1,), stage=Stage.ACCESS)
    made.add(16, "EVENT TRIGGER", b"CREATE EVENT TRIGGER;", stage=Stage.LAST)
    made.add(17, "MATERIALIZED VIEW DATA", b"REFRESH;", needs=(5,), stage=Stage.REFRESH)
    made.add(18, "ROW SECURITY", "ALTER … ENABLE;".encode(), needs=(1,), stage=Stage.GUARD)
    found = made.post()
    first, second = split_key(key(b"k")) or ()
    added, validated = split_foreign_key(foreign_key(b"f")) or ()
    assert {phase: shown(getattr(found, phase)) for phase in PHASES} == {
        "between": [b"SELECT setval;"],
        "build": [first, b"CREATE INDEX i ON a.t USING btree (i);"],
        "middle": [
            second,
            b"ALTER TABLE a.t CLUSTER ON k;",
            b"COMMENT;",
            b"CREATE TRIGGER;",
            added,
        ],
        "validate": [validated],
        "tail": [b"CREATE POLICY;", b"GRANT;"],
        "refresh": [b"REFRESH;"],
        "guard": ["ALTER … ENABLE;".encode()],
        "last": [b"CREATE EVENT TRIGGER;"],
    }


def test_without_foreign_keys_there_is_no_tail():
    made = Made({})
    made.add(10, "TRIGGER", b"CREATE TRIGGER;")
    made.add(11, "ACL", b"GRANT;", stage=Stage.ACCESS)
    found = made.post()
    assert (shown(found.middle), found.tail) == ([b"CREATE TRIGGER;", b"GRANT;"], ())


def test_only_keys_of_big_tables_are_split():
    made = Made({1: BIG, 2: SMALL_BYTES})
    made.add(10, "CONSTRAINT", key(b"k"), needs=(1,))
    made.add(11, "CONSTRAINT", key(b"l", b"a.u"), needs=(2,))
    made.add(12, "CONSTRAINT", key(b"m", b"a.p"), needs=(3,))
    made.add(13, "FK CONSTRAINT", foreign_key(b"f", b"a.u", b"a.u"), needs=(2, 11))
    found = made.post()
    assert shown(found.build) == [
        (split_key(key(b"k")) or ())[0],
        key(b"l", b"a.u"),
        key(b"m", b"a.p"),
    ]
    assert [[step.entry.dump_id for step in build.steps] for build in found.build] == [
        [10],
        [11, 12],
    ]
    assert shown(found.middle)[1:] == [foreign_key(b"f", b"a.u", b"a.u")]
    assert found.validate == ()


def test_a_key_that_cannot_be_split_has_its_table_for_itself():
    made = Made({1: BIG})
    exclusion = b"ALTER TABLE ONLY a.t\n    ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&);"
    primary = key(b"p", kind=b"PRIMARY KEY")
    made.add(10, "CONSTRAINT", exclusion, needs=(1,))
    made.add(11, "CONSTRAINT", primary, needs=(1,), inherits=True)
    made.add(12, "CONSTRAINT", key(b"u"), needs=(1,), inherits=True)
    made.add(13, "INDEX", b"CREATE INDEX i ON a.t USING btree (i);", needs=(1,))
    made.add(14, "INDEX", needs=(1,))
    works = [(build.work.key, build.work.alone) for build in made.post().build]
    assert works == [(10, True), (11, True), (12, False), (13, False), (14, True)]
    assert {build.work.table for build in made.post().build} == {"1"}
    assert {build.work.cost for build in made.post().build} == {BIG}


def test_a_partitions_index_does_not_wait_for_that_of_the_whole():
    """Of which it only has to be a part once it is attached."""
    made = Made({2: BIG, 3: BIG})
    made.add(10, "CONSTRAINT", key(b"whole", b"a.p"), needs=(1,))
    made.add(11, "CONSTRAINT", key(b"k2", b"a.p2"), needs=(2, 10), inherits=True)
    made.add(12, "INDEX", b"CREATE INDEX i ON ONLY a.p USING btree (i);", needs=(1,))
    made.add(13, "INDEX", b"CREATE INDEX i3 ON a.p3 USING btree (i);", needs=(12, 3))
    made.add(14, "INDEX ATTACH", b"ALTER INDEX a.whole ATTACH PARTITION a.k2;", needs=(11, 10))
    found = made.post()
    assert [[s.entry.dump_id for s in b.steps] for b in found.build] == [[11], [13], [10, 12]]
    assert [step.entry.dump_id for step in found.middle] == [11, 14]


def test_an_index_that_needs_something_late_comes_in_its_turn():
    made = Made({1: BIG})
    made.add(10, "VIEW", b"CREATE VIEW;", needs=(1,))
    made.add(11, "INDEX", b"CREATE INDEX;", b"ALTER INDEX;", needs=(1, 10))
    made.add(12, "INDEX", b"CREATE INDEX i2;", needs=(1, 11))
    found = made.post()
    assert found.build == ()
    assert shown(found.middle) == [
        b"CREATE VIEW;",
        b"CREATE INDEX;",
        b"ALTER INDEX;",
        b"CREATE INDEX i2;",
    ]


@pytest.mark.parametrize(
    ("needs", "is_split"),
    [
        ((1, 2, 10), True),
        ((1, 1, 10), True),
        ((1, 2, 11), True),
        ((1, 3, 10), False),
        ((1, 2, 10, 12), False),
    ],
)
def test_a_foreign_key_to_a_partitioned_table_is_checked_at_once(needs, is_split):
    """Entry 3 has no rows of its own; what 15 and 16 make of VALIDATE CONSTRAINT differs there."""
    made = Made({1: BIG, 2: BIG})
    made.add(10, "CONSTRAINT", key(b"k", b"a.u"), needs=(2,))
    made.add(11, "INDEX", b"CREATE UNIQUE INDEX;", needs=(2,))
    made.add(12, "INDEX ATTACH", b"ALTER INDEX;", needs=(11,))
    made.add(13, "FK CONSTRAINT", foreign_key(b"f"), needs=needs)
    found = made.post()
    assert (len(found.validate) == 1) is is_split
    assert (foreign_key(b"f") in shown(found.middle)) is not is_split


def test_keys_and_indexes_are_chains_and_an_unchecked_foreign_key_is_taken_back():
    """What follows a statement that was refused would only be refused as well."""
    made = Made({1: BIG, 2: 7})
    made.add(10, "CONSTRAINT", key(b"k"), needs=(1,))
    made.add(11, "INDEX", b"CREATE INDEX i ON a.u USING btree (i);", b"ALTER INDEX;", needs=(2,))
    made.add(12, "FK CONSTRAINT", foreign_key(b"f"), needs=(1, 2, 10))
    made.add(13, "FK CONSTRAINT", foreign_key(b"g", b"a.u", b"a.u"), needs=(2,))
    made.add(14, "FK CONSTRAINT", needs=(1,))
    made.add(15, "TRIGGER", b"CREATE TRIGGER;", b"ALTER TABLE;", needs=(1,))
    found = made.post()
    chains = {s.entry.dump_id: s.entry for p in PHASES for s in steps_of(getattr(found, p))}
    assert {n: (entry.is_chain, entry.undo) for n, entry in chains.items()} == {
        10: (True, b""),
        11: (True, b""),
        12: (True, b"ALTER TABLE ONLY a.t DROP CONSTRAINT f;"),
        13: (True, b""),
        15: (False, b""),
    }


def test_validations_of_one_table_do_not_run_side_by_side():
    made = Made({1: BIG, 2: 5 * BIG})
    made.add(10, "FK CONSTRAINT", foreign_key(b"f"), needs=(1, 2))
    made.add(11, "FK CONSTRAINT", foreign_key(b"g"), needs=(2, 1))
    made.add(12, "FK CONSTRAINT", foreign_key(b"h", b'a."VALIDATE ;"', b"a.u"), needs=(1, 1))
    works = [build.work for build in made.post().validate]
    assert [(work.key, work.cost, work.table, work.alone) for work in works] == [
        (10, 5 * BIG, "ALTER TABLE ONLY a.t", True),
        (11, 5 * BIG, "ALTER TABLE ONLY a.t", True),
        (12, BIG, 'ALTER TABLE ONLY a."VALIDATE ;"', True),
    ]


def test_a_view_waits_for_the_views_that_it_is_made_of():
    made = Made({})
    for dump_id, needs in ((10, (5,)), (11, (6, 10)), (12, (7,))):
        made.add(dump_id, "MATERIALIZED VIEW DATA", b"R;", needs=needs, stage=Stage.REFRESH)
    assert [(b.work.key, b.work.needs) for b in made.post().refresh] == [
        (10, {5}),
        (11, {6, 10}),
        (12, {7}),
    ]


def test_small_tables_come_in_batches_each_with_all_of_its_own():
    """However many other things its indexes need: two sessions on one table would deadlock."""
    made = Made(dict.fromkeys(range(100, 150), 99))
    for table in range(100, 150):
        made.add(1000 + table, "CONSTRAINT", b"ALTER TABLE %d;" % table, needs=(table, table))
    for table in range(149, 99, -1):
        made.add(2000 + table, "INDEX", b"CREATE INDEX %d;" % table, needs=(7, table, 999))
    made.add(3000, "INDEX", b"CREATE INDEX;", needs=(50, 60))
    made.add(3001, "INDEX", b"CREATE INDEX;")
    builds = made.post().build
    assert [len(build.steps) for build in builds] == [50, 50, 2]
    assert [build.work.key for build in builds] == [b.steps[0].entry.dump_id for b in builds]
    by_table = defaultdict(set)
    for number, build in enumerate(builds):
        for step in build.steps:
            for table in set(made.outline[step.entry.dump_id].dependencies) & set(made.sizes):
                by_table[table].add(number)
    assert len(by_table) == 50
    assert all(len(numbers) == 1 for numbers in by_table.values())
    assert {(build.work.cost, build.work.table, build.work.alone) for build in builds} == {
        (0, "", False)
    }


def test_tens_of_thousands_of_keys_are_split():
    """Nothing may look at each of them for each other."""
    made = Made(dict.fromkeys(range(20_000), BIG))
    for table in range(20_000):
        made.add(20_000 + table, "FK CONSTRAINT", foreign_key(b"f%d" % table), needs=(table,))
    found = made.post()
    assert len(found.middle) == len(found.validate) == 20_000


# ---- whatever the archive ----------------------------------------------------------------------

TABLES = range(1, 9)
TEXTS = {
    "INDEX": lambda n: b"CREATE INDEX i%d ON a.t USING btree (i);" % n,
    "CONSTRAINT": lambda n: key(b"k%d" % n, kind=b"PRIMARY KEY"),
    "FK CONSTRAINT": lambda n: foreign_key(b"f%d" % n),
}
KINDS = [
    (Stage.BETWEEN, "SEQUENCE SET"),
    *[(Stage.AFTER, description) for description in ("INDEX", "CONSTRAINT", "FK CONSTRAINT")] * 2,
    *[(Stage.AFTER, description) for description in ("INDEX ATTACH", "VIEW", "POLICY")],
    (Stage.ACCESS, "ACL"),
    (Stage.REFRESH, "MATERIALIZED VIEW DATA"),
    (Stage.LAST, "EVENT TRIGGER"),
]
_ORDER = {stage: place for place, stage in enumerate(Stage)}


def archive(sizes: dict[int, int], drawn: list[tuple[int, int, list[int], bool]]) -> Made:
    """Late entries in pg_restore's passes, each of which needs tables and what comes before it."""
    made = Made(sizes)
    drawn.sort(key=lambda one: _ORDER[KINDS[one[0]][0]])
    for dump_id, (kind, count, needs, inherits) in enumerate(drawn, start=len(TABLES) + 1):
        stage, description = KINDS[kind]
        first = TEXTS.get(description, lambda n: b"MAKE %d;" % n)(dump_id)
        statements = [first, *(b"THEN %d %d;" % (dump_id, n) for n in range(3))][:count]
        earlier = tuple(1 + need % (dump_id - 1) for need in needs)
        made.add(dump_id, description, *statements, needs=earlier, stage=stage, inherits=inherits)
    return made


archives = st.builds(
    archive,
    st.dictionaries(st.sampled_from(TABLES), st.sampled_from([1, BIG, 3 * BIG])),
    st.lists(
        st.tuples(
            st.integers(0, len(KINDS) - 1),
            st.sampled_from([1, 1, 1, 2, 3, 0]),
            st.lists(st.integers(0, 40), max_size=3),
            st.booleans(),
        ),
        max_size=25,
    ),
)
steady = settings(deadline=None, derandomize=True, max_examples=400)


@steady
@given(archives)
def test_every_statement_is_in_one_phase_once_and_in_order(made):
    found = made.post()
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    statements: dict[int, list[bytes]] = defaultdict(list)
    for phase in PHASES:
        for step in steps_of(getattr(found, phase)):
            if step.first < step.last:
                places[step.entry.dump_id].append((step.first, step.last))
            statements[step.entry.dump_id] += step.statements
    for script in made.scripts:
        ends = places[script.dump_id]
        assert all(before[1] == after[0] for before, after in pairwise(ends))
        first, *others = script.statements or (b"",)
        halves = split_key(first) or split_foreign_key(first) or ()
        assert statements[script.dump_id] in (
            list(script.statements),
            [*halves, *others] if halves else None,
        )
        if made.outline[script.dump_id].inherits:
            assert split_key(first) is None or first in statements[script.dump_id]


@steady
@given(archives)
def test_what_comes_in_turn_keeps_the_order_of_pg_restore(made):
    order = {script.dump_id: place for place, script in enumerate(made.scripts)}
    found = made.post()
    in_turn = [order[step.entry.dump_id] for step in (*found.middle, *found.tail)]
    assert in_turn == sorted(in_turn)
    for phase in ("between", "last"):
        places = [order[step.entry.dump_id] for step in getattr(found, phase)]
        assert places == sorted(places)


@steady
@given(archives)
def test_nothing_comes_before_what_it_needs(made):
    """But for an index that needs another, and for a foreign key, which counts before its check."""
    found = made.post()
    begins: dict[int, tuple[int, int]] = {}
    ends: dict[int, tuple[int, int]] = {}
    for number, phase in enumerate(PHASES):
        for place, step in enumerate(steps_of(getattr(found, phase))):
            dump_id = step.entry.dump_id
            begins.setdefault(dump_id, (number, place))
            if phase != "validate":
                ends[dump_id] = (number, place)
    refreshes = {build.work.key: build.work for build in found.refresh}
    for dump_id, outline in made.outline.items():
        for need in outline.dependencies:
            if need not in ends or dump_id not in begins:
                continue
            keys = {outline.description, made.outline[need].description} <= {"INDEX", "CONSTRAINT"}
            beside = (
                need in refreshes and need in refreshes[dump_id].needs
                if dump_id in refreshes
                else False
            )
            assert keys or beside or ends[need] < begins[dump_id]


@steady
@given(archives)
def test_keys_that_lack_their_index_are_never_attached(made):
    """A step that uses an index stands behind the phase that builds it."""
    found = made.post()
    built = {s.entry.dump_id: s.last for s in steps_of(found.build)}
    for step in (*found.middle, *found.tail):
        if b" USING INDEX " in b"".join(step.statements[:1]) and step.first:
            assert built[step.entry.dump_id] == step.first == 1


# ---- a real archive, as if all of its tables were big ------------------------------------------


def scripts_of(head: Head) -> Made:
    """Its late entries with the statements of their definitions, in pg_restore's passes."""
    found = {o.dump_id: o for o in outlines(head.entries)}
    late = [o for o in found.values() if o.stage not in (Stage.BEFORE, Stage.DATA)]
    tables = frozenset(head.entries.described("TABLE").dump_ids)
    with_rows = head.entries.described("TABLE DATA").with_data
    made = Made({table: BIG for e in with_rows for table in tables.intersection(e.dependencies)})
    for outline in sorted(late, key=lambda o: (o.stage is Stage.ACCESS, o.stage in LAST_PASS)):
        text = head.entry(outline.dump_id).definition_bytes
        statements = [p.text for p in pieces([text]) if isinstance(p, Statement)]
        made.scripts.append(EntrySql(outline.dump_id, tuple(statements)))
        made.outline[outline.dump_id] = outline
    return made


@pytest.mark.parametrize("name", ["engine/features-pg13.dump", "engine/features-pg17.dump"])
def test_a_real_database_is_made_side_by_side(name):
    head = head_of(name)
    made = scripts_of(head)
    found = made.post()
    tags = {o.dump_id: head.entry(o.dump_id).tag for o in outlines(head.entries)}
    keys = {o.dump_id for o in made.outline.values() if o.description in ("INDEX", "CONSTRAINT")}
    later = keys - {step.entry.dump_id for step in steps_of(found.build)}
    assert {tags[dump_id] for dump_id in later} == {"mv_by_key_name_idx"}  # its view needs a key
    alone = {tags[build.work.key] for build in found.build if build.work.alone}
    partitions = {
        f"{part} {part}_pkey" for part in ("part_1", "part_2a", "part_2b", "part_default")
    }
    assert partitions | {"parent parent_pk", "parent r; excl"} <= alone
    assert "child child pk" not in alone
    validated = {tags[build.work.key] for build in found.validate}
    assert {"child child_self_fkey", "child to_parent"} <= validated
    assert not {"noted noted_k_d_fkey", 'child fk "nv"', "part part_to_parent"} & validated
    assert {made.outline[b.work.key].description for b in found.refresh} == {
        "MATERIALIZED VIEW DATA"
    }
    last = {made.outline[step.entry.dump_id].description for step in found.last}
    assert "EVENT TRIGGER" in last
