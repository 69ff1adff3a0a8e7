"""What is made beside what before the rows: families stay together, and in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from restore.core.before import waves
from restore.core.entries import EntrySql
from restore.core.post import Outline, Stage


def entry(dump_id: int, statement: bytes = b"CREATE TABLE t ();") -> EntrySql:
    return EntrySql(dump_id, (statement,))


def outline(kinds: dict[int, str], needs: dict[int, tuple[int, ...]] | None = None):
    needs = needs or {}
    return {
        number: Outline(number, kind, Stage.BEFORE, needs.get(number, ()))
        for number, kind in kinds.items()
    }


def ids(wave):
    return [[step.entry.dump_id for step in build.steps] for build in wave]


def test_few_tables_are_made_in_turn():
    kinds = dict.fromkeys(range(1, 50), "TABLE")
    (wave,) = waves(map(entry, kinds), outline(kinds))
    assert ids(wave) == [list(kinds)]


def test_types_and_functions_are_made_in_turn_and_hold_up_what_follows():
    kinds = {**dict.fromkeys(range(1, 401), "TABLE"), 401: "TYPE", 402: "FUNCTION"}
    kinds |= dict.fromkeys(range(403, 803), "TABLE")
    tables, others, more = waves(map(entry, kinds), outline(kinds))
    assert ids(others) == [[401, 402]]
    assert [len(part) for part in ids(tables)] == [100] * 4
    assert [number for part in ids(more) for number in part] == list(range(403, 803))


def test_what_belongs_to_one_table_is_made_by_one_session_in_order():
    kinds, needs = {}, {}
    for table in range(0, 900, 3):
        kinds |= {table + 1: "TABLE", table + 2: "SEQUENCE", table + 3: "SEQUENCE OWNED BY"}
        needs |= {table + 2: (9000,), table + 3: (table + 1, table + 2)}
    (wave,) = waves(map(entry, kinds), outline(kinds, needs))
    for part in ids(wave):
        for table in (number for number in part if number % 3 == 1):
            at = part.index(table)
            assert part[at : at + 3] == [table, table + 1, table + 2]


def test_partitions_of_a_table_that_was_made_earlier_do_not_wait_for_each_other():
    kinds = {1: "TABLE", 2: "TYPE", **dict.fromkeys(range(3, 503), "TABLE ATTACH")}
    needs = dict.fromkeys(range(3, 503), (1,))
    *_, wave = waves(map(entry, kinds), outline(kinds, needs))
    assert ids(wave) == [list(range(3, 503))]


def test_long_statements_are_spread_by_their_length():
    kinds = dict.fromkeys(range(1, 301), "BLOB METADATA")
    scripts = (entry(number, b"x" * 40_000) for number in kinds)
    (wave,) = waves(scripts, outline(kinds))
    assert {len(part) for part in ids(wave)} == {2}


def test_a_great_many_are_never_held_all_at_once():
    kinds = dict.fromkeys(range(1, 10_001), "TABLE")
    taken = []

    def scripts():
        for number in kinds:
            taken.append(number)
            yield entry(number)

    sizes = [len(taken) for _ in waves(scripts(), outline(kinds))]
    assert sizes == [4000, 8000, 10_000]


_KINDS = st.sampled_from(["TABLE", "TABLE", "SEQUENCE", "COMMENT", "TABLE ATTACH", "TYPE"])


@given(st.lists(st.tuples(_KINDS, st.integers(1, 900)), min_size=1, max_size=900))
def test_everything_is_made_once_and_after_what_it_needs(drawn):
    kinds = {number: kind for number, (kind, _) in enumerate(drawn, start=1)}
    needs = {n: (need,) for n, (_, need) in enumerate(drawn, start=1) if need < n}
    seen: list[int] = []
    for wave in waves(map(entry, kinds), outline(kinds, needs)):
        for part in ids(wave):
            for at, number in enumerate(part):
                earlier = {*seen, *part[:at]}
                free = kinds[number] != "TYPE"
                assert not free or earlier.issuperset(needs.get(number, ()))
        seen += [number for part in ids(wave) for number in part]
    assert sorted(seen) == list(kinds)
