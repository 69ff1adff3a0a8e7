"""What an archive promises, and what is said of a catalog that does not keep it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from restore.core.archive import read_head
from restore.core.catalog import (
    Differences,
    Found,
    State,
    Thing,
    columns,
    compare,
    expected,
    reported,
    reported_things,
)
from restore.core.grants import PUBLIC
from tests.core.test_grants import entry

DATA = Path(__file__).parent.parent / "data"
NOTHING = Found({}, {}, {}, {})


def made(kind, name, definition="", *, namespace="app", dump_id=1, owner=""):
    found = entry(kind, name, definition, namespace, dump_id)
    object.__setattr__(found, "owner", owner)
    return found


def there(*things, columns=None, values=None, grants=None, owner="boss", flaw=""):
    states = {}
    for thing in things:
        states.setdefault(Thing(*thing), []).append(State(owner, flaw))
    named = {Thing(*about): frozenset(held) for about, held in (grants or {}).items()}
    return Found(states, columns or {}, values or {}, named)


def lost(entries, found=NOTHING, passed_over=()):
    return list(compare(expected(entries, passed_over), found).lost)


@pytest.mark.parametrize("name", ["crm-pg15.dump", "crm-pg16.dump", "crm-pg18.dump"])
def test_every_entry_of_a_real_archive_is_promised_or_named_as_unchecked(name):
    content = (DATA / name).read_bytes()
    found = expected(read_head(content, len(content)).entries)
    assert found.size == len(found.promises) + len(found.values) + len(found.grants) > 15
    assert {promise.thing.kind for promise in found.promises} >= {"TABLE", "CONSTRAINT", "BLOB"}
    assert set(found.unchecked) <= {"COMMENT"}


def test_what_is_not_there_is_named():
    index = made("INDEX", "i")
    assert lost([index]) == ["INDEX app.i: not on the server"]
    assert lost([index], there(("INDEX", "app", "i"))) == []
    assert lost([index], passed_over={1}) == []
    assert lost([made("EXTENSION", "x", namespace="")]) == ["EXTENSION x: not on the server"]


def test_of_several_of_one_name_all_have_to_be_there():
    operators = [made("OPERATOR", "+", dump_id=n) for n in (1, 2)]
    one = ("OPERATOR", "app", "+")
    assert lost(operators, there(one)) == [
        "OPERATOR app.+: not on the server (of 2 of that name, 1 are)"
    ]
    assert lost(operators, there(one, one)) == []


def test_what_is_there_and_not_valid_is_named_unless_the_archive_has_it_so():
    found = there(("CHECK CONSTRAINT", "app", "t c"), flaw="is not validated")
    assert lost([made("CHECK CONSTRAINT", "t c", "ALTER … CHECK (x);")], found) == [
        "CHECK CONSTRAINT app.t c: is not validated"
    ]
    assert lost([made("CHECK CONSTRAINT", "t c", "ALTER … CHECK (x) NOT VALID;")], found) == []


TABLE = """CREATE TABLE app.t (
    id integer DEFAULT 1 NOT NULL,
    "N""a,me" character varying(10) DEFAULT 'it''s, (so)'::character varying,
    made timestamp with time zone GENERATED ALWAYS AS (now()) STORED,
    CONSTRAINT c CHECK ((id > 0)),
    NOT NULL id
)
PARTITION BY RANGE (id);
"""
COLUMNS = {
    "id": "integer",
    'N"a,me': "character varying(10)",
    "made": "timestamp with time zone",
}


def test_columns_are_read_from_the_statement():
    assert [name for name, _ in columns(TABLE)] == list(COLUMNS)
    assert list(columns("CREATE TABLE app.t (\n);")) == []
    assert list(columns("CREATE TABLE app.t OF app.kind (\n    a NOT NULL\n);")) == []
    assert list(columns("CREATE TABLE app.t (\n    a integer")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"id": "bigint"}, ["COLUMN app.t.id: expected integer, found bigint"]),
        ({"id": "int"}, ["COLUMN app.t.id: expected integer, found int"]),
        ({"made": None}, ["COLUMN app.t.made: not on the server"]),
    ],
)
def test_a_column_that_is_gone_or_of_another_type_is_named(changes, said):
    known = {name: kind for name, kind in {**COLUMNS, **changes}.items() if kind}
    found = there(("TABLE", "app", "t"), columns={("app", "t"): known})
    assert lost([made("TABLE", "t", TABLE)], found) == said


def test_of_a_table_that_is_gone_no_columns_are_missed():
    assert lost([made("TABLE", "t", TABLE)]) == ["TABLE app.t: not on the server"]


SEQUENCE = made("SEQUENCE SET", "s", "SELECT pg_catalog.setval('app.s', -7, true);\n")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((-7, True), []),
        ((-8, True), ["SEQUENCE SET app.s: expected -7, found -8"]),
        ((-7, False), ["SEQUENCE SET app.s: expected -7, found -7 as the next value"]),
    ],
)
def test_a_sequence_stands_where_it_stood(value, said):
    assert lost([SEQUENCE], there(values={("app", "s"): value})) == said


def test_a_kind_of_which_nothing_may_be_read_is_unchecked():
    found = replace(NOTHING, unreadable=frozenset({"SUBSCRIPTION"}))
    wanted = expected([made("SUBSCRIPTION", "s", namespace="")])
    assert compare(wanted, found) == Differences(unchecked=("1 × SUBSCRIPTION: permission denied",))


def test_a_sequence_that_may_not_be_read_is_unchecked():
    found = compare(expected([SEQUENCE]), there(values={("app", "s"): None}))
    assert found == Differences(unchecked=("1 × SEQUENCE SET: permission denied",))
    assert lost([SEQUENCE]) == []


GRANT = made(
    "ACL",
    "TABLE t",
    "GRANT SELECT ON TABLE app.t TO web WITH GRANT OPTION;\n"
    "REVOKE ALL ON TABLE app.t FROM PUBLIC;\nGRANT UPDATE ON TABLE app.t TO web;\n",
)
ABOUT = ("TABLE", "app", "t")
HELD = {("web", "SELECT", True), ("web", "UPDATE", False)}


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (HELD, []),
        (
            HELD - {("web", "UPDATE", False)},
            ["ACL TABLE app.t: UPDATE of web is not there"],
        ),
        (
            {("web", "SELECT", False), ("web", "UPDATE", False)},
            ["ACL TABLE app.t: SELECT of web with grant option is not there"],
        ),
        (
            HELD | {(PUBLIC, "DELETE", False)},
            ["ACL TABLE app.t: DELETE of PUBLIC should not be there"],
        ),
    ],
)
def test_grants_are_compared_by_what_they_mean(held, said):
    assert lost([GRANT], there(grants={ABOUT: held})) == said
    assert lost([GRANT], there(grants={ABOUT: held}), {1}) == []


def test_grants_that_were_not_wanted_are_not_missed():
    assert expected([GRANT], privileges=False).size == 0


def test_of_what_is_not_there_no_grants_are_missed_but_of_columns_and_defaults():
    assert lost([GRANT]) == []
    column = made("ACL", "COLUMN t.c", "GRANT SELECT(c) ON TABLE app.t TO web;")
    assert lost([column]) == ["ACL COLUMN app.t c: SELECT of web is not there"]
    statement = "ALTER DEFAULT PRIVILEGES FOR ROLE o GRANT ALL ON TABLES TO web;"
    default = made("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", statement, namespace="")
    assert lost([default]) == ["DEFAULT ACL o TABLES: not on the server"]


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ("boss", ()),
        ("shop", ("TABLE app.t: expected owner shop, found boss",)),
        ("azuresu", ()),
        ("pg_database_owner", ()),
        ("", ()),
    ],
)
def test_an_owner_is_told_where_it_is_one_of_ours(owner, said):
    entries = [made("TABLE", "t", owner=owner), made("INDEX", "i", owner="other", dump_id=2)]
    found = there(ABOUT, ("INDEX", "app", "i"))
    assert compare(expected(entries), found).owners == said


def test_large_objects_are_promised_one_by_one():
    one, many = made("BLOB", "7", namespace=""), made("BLOB METADATA", "8..9", "8\n9\n")
    assert [str(promise.thing) for promise in expected([one, many]).promises] == [
        "BLOB 7",
        "BLOB 8",
        "BLOB 9",
    ]


def test_what_nobody_looks_for_is_counted_and_what_is_about_the_database_is_not():
    entries = [
        made("COMMENT", "TABLE t"),
        made("COMMENT", "DATABASE d"),
        made("ACL", "DATABASE d", "GRANT CONNECT ON DATABASE d TO x;"),
        made("TABLE DATA", "t"),
        made("NOVELTY", "n"),
    ]
    found = compare(expected(entries), NOTHING)
    assert found.unchecked == ("1 × COMMENT", "1 × NOVELTY")


def test_what_was_refused_is_known_by_how_its_statement_begins():
    entries = [
        made("INDEX", "i", "CREATE INDEX i ON app.t USING btree (a);"),
        made("INDEX", "j", "CREATE INDEX j\n  ON app.t USING btree (a);", dump_id=2),
    ]
    assert reported(entries, ["CREATE INDEX j ON app.t USING btree: no such table"]) == {2}
    assert reported(entries, []) == set()
    assert reported([GRANT], ["GRANT UPDATE ON TABLE app.t TO web: no such role"]) == {1}
    assert reported([GRANT], ["ACL of TABLE t: no such role"]) == {1}
    assert reported_things(entries, ["INDEX app.i: not on the server"]) == {1}
    assert reported_things(entries, []) == set()
