"""Keys as pg_dump writes them come in two halves that make the same; the rest in one piece."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restore.core.archive import read_head
from restore.core.keys import drop_constraint, split_foreign_key, split_key
from restore.core.psql import pieces
from restore.core.toc import Head

DATA = Path(__file__).parent.parent / "data"
steady = settings(deadline=None, derandomize=True, max_examples=300)


def key(rest: bytes, table: bytes = b"app.t", name: bytes = b"t_key") -> bytes:
    return b"ALTER TABLE ONLY %s\n    ADD CONSTRAINT %s %s;" % (table, name, rest)


@pytest.mark.parametrize(
    ("kind", "columns", "when"),
    [
        (b"PRIMARY KEY", b"(id)", b""),
        (b"PRIMARY KEY", b"(a, b_2, _c)", b""),
        (b"UNIQUE", b"(id)", b""),
        (b"UNIQUE", b"(id) INCLUDE (a)", b""),
        (b"PRIMARY KEY", b'(id, "Co l") INCLUDE (a, "b""), (c")', b""),
        (b"UNIQUE", b"(id)", b" DEFERRABLE"),
        (b"UNIQUE", b"(id)", b" DEFERRABLE INITIALLY DEFERRED"),
        (b"PRIMARY KEY", b"(id) INCLUDE (a)", b" DEFERRABLE INITIALLY DEFERRED"),
        (b"UNIQUE", b'("select", "\xc3\xbcn\xc3\xaf", "Stra\xdfe")', b""),
        (b"UNIQUE", b'("x) DEFERRABLE;\n(", ";")', b""),
        (b"UNIQUE", b'("%s", "%")', b""),
    ],
)
def test_a_key_becomes_an_index_and_a_constraint_that_uses_it(kind, columns, when):
    assert split_key(key(kind + b" " + columns + when)) == (
        b"CREATE UNIQUE INDEX t_key ON app.t USING btree %s;" % columns,
        b"ALTER TABLE ONLY app.t\n    ADD CONSTRAINT t_key %s USING INDEX t_key%s;" % (kind, when),
    )


@pytest.mark.parametrize(
    "statement",
    [
        key(b"UNIQUE NULLS NOT DISTINCT (id)"),
        key(b"UNIQUE (id) WITH (fillfactor='70')"),
        key(b"PRIMARY KEY (id) INCLUDE (a) WITH (fillfactor='70', deduplicate_items='off')"),
        key(b"PRIMARY KEY (id, valid_at WITHOUT OVERLAPS)"),
        key(b"UNIQUE (id) USING INDEX TABLESPACE fast"),
        key(b"PRIMARY KEY USING INDEX t_key"),
        key(b"UNIQUE (id) INITIALLY DEFERRED"),
        key(b"UNIQUE (id) NOT DEFERRABLE"),
        key(b"UNIQUE (lower(id))"),
        key(b"UNIQUE (id DESC)"),
        key(b"UNIQUE ()"),
        key(b"UNIQUE (Id)"),
        key(b'UNIQUE ("id)'),
        key(b"UNIQUE (id)", table=b"t"),
        key(b"UNIQUE (id)", table=b"a.b.c"),
        key(b"UNIQUE (id)", name=b""),
        key(b"CHECK ((id > 0))"),
        key(b"EXCLUDE USING gist (c WITH &&)"),
        key(b"EXCLUDE USING btree (id WITH =) WHERE ((id > 0))"),
        key(b"FOREIGN KEY (id) REFERENCES app.p(id)"),
        key(b"NOT NULL id"),
        key(b"UNIQUE (id)").replace(b" ONLY", b""),
        key(b"UNIQUE (id)").replace(b"TABLE", b"FOREIGN TABLE"),
        key(b"UNIQUE (id)").replace(b"\n    ", b" "),
        key(b"UNIQUE (id)") + b" ",
        key(b"UNIQUE (id)") + key(b"UNIQUE (a)"),
        key(b"UNIQUE (id)")[:-1],
        b"CREATE UNIQUE INDEX t_key ON app.t USING btree (id);",
        b"",
    ],
)
def test_whatever_else_makes_a_key_is_left_in_one_piece(statement):
    assert split_key(statement) is None
    assert split_foreign_key(statement) is None or b"FOREIGN KEY" in statement


def test_a_primary_key_of_a_partition_is_left_in_one_piece():
    """With USING INDEX, 18.4 makes conislocal of inherited NOT NULLs true, and dumps them then."""
    assert split_key(key(b"PRIMARY KEY (id)"), inherits=True) is None
    assert split_key(key(b"UNIQUE (id)"), inherits=True) == split_key(key(b"UNIQUE (id)"))


@pytest.mark.parametrize(
    "rest",
    [
        b"FOREIGN KEY (a) REFERENCES app.p(id)",
        b"FOREIGN KEY (a, b_2) REFERENCES app.p(x, y)",
        b"FOREIGN KEY (a) REFERENCES app.p(id) MATCH FULL",
        b"FOREIGN KEY (a) REFERENCES app.p(id) ON UPDATE CASCADE ON DELETE RESTRICT",
        b"FOREIGN KEY (a) REFERENCES app.p(id) ON UPDATE SET DEFAULT ON DELETE SET NULL",
        b"FOREIGN KEY (a, b) REFERENCES app.p(x, y) ON DELETE SET NULL (a)",
        b'FOREIGN KEY (a, b) REFERENCES app.p(x, y) ON DELETE SET DEFAULT (a, "B ;")',
        b"FOREIGN KEY (a) REFERENCES app.p(id) DEFERRABLE",
        b"FOREIGN KEY (a) REFERENCES app.p(id) DEFERRABLE INITIALLY DEFERRED",
        b"FOREIGN KEY (a, b) REFERENCES app.p(x, y) MATCH FULL ON UPDATE CASCADE"
        b" ON DELETE SET NULL (a) DEFERRABLE INITIALLY DEFERRED",
        b'FOREIGN KEY ("Co l") REFERENCES "We ird.Sch""ema"."Tab""le x\'y; --"("a)\n(b")',
        b'FOREIGN KEY ("NOT") REFERENCES app."VALID"(id)',
    ],
)
def test_a_foreign_key_is_added_unchecked_and_checked_later(rest):
    statement = key(rest, name=b'"fk ""1"""')
    assert split_foreign_key(statement) == (
        statement[:-1] + b" NOT VALID;",
        b'ALTER TABLE ONLY app.t VALIDATE CONSTRAINT "fk ""1""";',
    )
    assert split_key(statement) is None


@pytest.mark.parametrize(
    "statement",
    [
        key(b"FOREIGN KEY (a) REFERENCES app.p(id) NOT VALID"),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id) ON DELETE CASCADE NOT VALID"),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id) NOT ENFORCED"),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id) DEFERRABLE NOT ENFORCED"),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id)", name=b'"a NOT VALID"'),
        key(b"FOREIGN KEY (id, PERIOD at) REFERENCES app.p(id, PERIOD at)"),
        key(b"FOREIGN KEY (a) REFERENCES p(id)"),
        key(b"FOREIGN KEY (a) REFERENCES app.p"),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id)").replace(b" ONLY", b""),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id)") + b"SELECT 1;",
        key(b"FOREIGN KEY (a) REFERENCES app.p(id); SELECT (a)"),
        key(b"FOREIGN KEY (a) REFERENCES app.p(id) on delete cascade"),
        key(b"PRIMARY KEY (id)"),
        b"",
    ],
)
def test_whatever_else_makes_a_foreign_key_is_left_in_one_piece(statement):
    assert split_foreign_key(statement) is None


@pytest.mark.parametrize("table", [b"a.t", b'a."t VALIDATE CONSTRAINT f;"'])
@pytest.mark.parametrize("name", [b"f", b'"f "" VALIDATE CONSTRAINT ;\n"'])
def test_a_foreign_key_that_does_not_hold_is_dropped_again(table, name):
    halves = split_foreign_key(key(b"FOREIGN KEY (a) REFERENCES app.p(id)", table=table, name=name))
    assert halves is not None
    assert drop_constraint(halves[1]) == (
        b"ALTER TABLE ONLY " + table + b" DROP CONSTRAINT " + name + b";"
    )


def quoted(name: str) -> bytes:
    """As pg_dump writes names. Source: fmtId in string_utils.c, PostgreSQL 18."""
    plain = re.fullmatch("[a-z_][a-z0-9_]*", name)
    return (name if plain else '"' + name.replace('"', '""') + '"').encode()


odd = st.sampled_from(
    [" ", '"', "(", ")", ",", ";", "\n", ".", "'", "\\", "$", "ü", "🐘", "A", "a", "1"]
)
names = st.one_of(
    st.sampled_from(["id", "a_1", "PRIMARY KEY (id)", '") INCLUDE ("', "NOT VALID", " "]),
    st.text(odd, min_size=1, max_size=20),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
).map(quoted)
lists = st.lists(names, min_size=1, max_size=4).map(
    lambda columns: b"(" + b", ".join(columns) + b")"
)


@steady
@given(names, names, names, lists, st.none() | lists)
@example(b"a", b"b", b"c", b'(" DEFERRABLE;")', None)
def test_any_names_make_a_key(schema, table, name, columns, included):
    where = schema + b"." + table
    columns += b" INCLUDE " + included if included else b""
    assert split_key(key(b"UNIQUE " + columns, table=where, name=name)) == (
        b"CREATE UNIQUE INDEX " + name + b" ON " + where + b" USING btree " + columns + b";",
        key(b"UNIQUE USING INDEX " + name, table=where, name=name),
    )


@steady
@given(names, names, names, lists, names, names, lists)
def test_any_names_make_a_foreign_key(schema, table, name, columns, schema_2, table_2, columns_2):
    where, other = schema + b"." + table, schema_2 + b"." + table_2
    statement = key(
        b"FOREIGN KEY " + columns + b" REFERENCES " + other + columns_2, table=where, name=name
    )
    left_alone = b" NOT VALID" in statement or b" NOT ENFORCED" in statement
    assert split_foreign_key(statement) == (
        None
        if left_alone
        else (
            statement[:-1] + b" NOT VALID;",
            b"ALTER TABLE ONLY " + where + b" VALIDATE CONSTRAINT " + name + b";",
        )
    )


@steady
@given(st.text(odd, max_size=30).map(str.encode))
def test_no_text_in_the_place_of_columns_reaches_the_server_in_another_place(text):
    """Either it is columns, or the statement is left as it is."""
    found = split_key(key(b"UNIQUE (" + text + b")"))
    assert found is None or found[0].endswith(b"USING btree (" + text + b");")


def head_of(name: str) -> Head:
    content = (DATA / name).read_bytes()
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


@pytest.mark.parametrize(
    ("name", "whole_keys", "whole_foreign_keys"),
    [
        ("crm-pg15.dump", set(), set()),
        ("crm-pg18.dump", set(), set()),
        (
            "engine/features-pg13.dump",
            {"parent parent_pk", "parent r; excl"},
            {'child fk "nv"', "part part_to_parent"},
        ),
        (
            "engine/features-pg17.dump",
            {"parent parent_pk", "parent r; excl", "nulls nulls_a_key"},
            {'child fk "nv"', "part part_to_parent"},
        ),
    ],
)
def test_what_pg_dump_wrote_is_split_but_for_a_few(name, whole_keys, whole_foreign_keys):
    """What follows in the same entry, as CLUSTER ON, is a statement of its own."""
    entries = head_of(name).entries

    def left_whole(description, split):
        firsts = {e.tag: next(pieces([e.definition_bytes])) for e in entries.described(description)}
        assert firsts
        return {tag for tag, first in firsts.items() if split(first.text) is None}

    assert left_whole("CONSTRAINT", split_key) == whole_keys
    assert left_whole("FK CONSTRAINT", split_foreign_key) == whole_foreign_keys
