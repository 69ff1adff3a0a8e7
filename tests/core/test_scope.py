"""What of an archive comes when some of it is asked for: what that needs, what belongs to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.archive import read_head
from restore.core.options import Content
from restore.core.request import Names, Objects
from restore.core.scope import chosen, is_whole
from restore.core.toc import Head, Section

DATA = Path(__file__).parent.parent / "data"
MAJORS = (15, 16, 18)


def head_of(major: int) -> Head:
    content = (DATA / f"scope-pg{major}.dump").read_bytes()
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


HEADS = {major: head_of(major) for major in MAJORS}
HEAD = HEADS[18]
each_major = pytest.mark.parametrize("major", MAJORS)

SCHEMAS = ["app", "audit", "ref"]
TABLES = sorted(
    f"{e.namespace}.{e.tag}" for e in HEAD.entries.described("TABLE", "VIEW", "MATERIALIZED VIEW")
)


def objects(tables=(), *, no_tables=(), schemas=(), no_schemas=(), **others):
    return Objects(
        schemas=Names(list(schemas) or None, list(no_schemas)),
        tables=Names(list(tables) or None, list(no_tables)),
        **others,
    )


def name_of(entry):
    return f"{entry.description} {entry.namespace}.{entry.tag}".replace(" .", " ")


def kept(asked, head=HEAD):
    """Names of what is restored, but for what always is."""
    scope = chosen(head, asked)
    assert scope.findings.refusals == ()
    always = ("ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE scope", "COMMENT DATABASE scope")
    names = [name_of(e) for e in head.entries if e.dump_id not in scope.left_out]
    return {name for name in names if not name.startswith(always)}


def refused(asked, head=HEAD):
    return [(f.code, f.subject, f.message) for f in chosen(head, asked).findings.refusals]


def warned(asked):
    return [finding.message for finding in chosen(HEAD, asked).findings.warnings]


def test_all_of_it_leaves_nothing_out_and_says_nothing():
    assert is_whole(Objects())
    scope = chosen(HEAD, Objects())
    assert scope.left_out == frozenset()
    assert str(scope.findings) == str(type(scope.findings)())


@pytest.mark.parametrize(
    "asked",
    [
        objects(["app.orders"]),
        objects(no_schemas=["ref"]),
        Objects(content=Content.DATA),
        Objects(privileges=False),
    ],
    ids=["tables", "schemas", "content", "privileges"],
)
def test_what_is_not_all_of_it(asked):
    assert not is_whole(asked)


def test_owners_are_no_matter_of_what_is_restored():
    assert is_whole(Objects(owners=False))


@each_major
def test_a_table_comes_with_what_it_needs_and_with_what_belongs_to_it(major):
    found = kept(objects(["app.customers"]), HEADS[major])
    assert found == {
        "SCHEMA app",
        "SCHEMA ref",
        "ACL SCHEMA app",
        "TYPE ref.mood",
        "FUNCTION ref.is_short(text)",
        "DOMAIN ref.short",
        "TABLE app.customers",
        "SEQUENCE app.customers_id_seq",
        "TABLE DATA app.customers",
        "SEQUENCE SET app.customers_id_seq",
        "CONSTRAINT app.customers customers_pkey",
    }


def test_triggers_bring_their_functions_and_a_key_to_a_table_that_is_not_there_is_named():
    asked = objects(["app.orders"])
    found = kept(asked)
    assert found >= {
        "TRIGGER app.orders noted",
        "FUNCTION audit.note()",
        "SCHEMA audit",
        "POLICY app.orders own",
        "ROW SECURITY app.orders",
        "STATISTICS app.orders_both",
        "SEQUENCE OWNED BY app.orders_id_seq",
        "DEFAULT app.orders id",
        "SEQUENCE SET app.orders_id_seq",
        "COMMENT app.COLUMN orders.amount",
        "ACL app.TABLE orders",
    }
    assert not {name for name in found if name.startswith(("FK ", "VIEW", "PUBLICATION", "BLOB"))}
    (said,) = warned(asked)
    assert said == (
        "FK CONSTRAINT orders orders_customer_fkey: it needs TABLE app.customers, which is left out"
    )
    both = objects(["app.orders", "app.customers"])
    assert "FK CONSTRAINT app.orders orders_customer_fkey" in kept(both)
    assert warned(both) == []


def test_a_view_that_needs_a_table_that_is_not_there_is_named():
    asked = objects(["app.bigger"])
    assert kept(asked) == set()
    assert warned(asked) == ["VIEW bigger: it needs VIEW app.big, which is left out"]
    all_of_it = objects(["app.orders", "app.big*"])
    assert {"VIEW app.big", "VIEW app.bigger"} <= kept(all_of_it)


def test_a_materialized_view_comes_with_its_rows_and_indexes():
    found = kept(objects(["app.orders", "app.totals"]))
    assert found >= {
        "MATERIALIZED VIEW app.totals",
        "MATERIALIZED VIEW DATA app.totals",
        "INDEX app.totals_customer",
    }
    assert not {n for n in kept(objects(["app.orders"])) if "totals" in n}


def test_partitions_come_with_their_table_from_whatever_schema():
    found = kept(objects(["app.events"]))
    assert found >= {
        "TABLE app.events_2025",
        "TABLE audit.events_2026",
        "TABLE ATTACH audit.events_2026",
        "TABLE DATA audit.events_2026",
        "INDEX ATTACH audit.events_2026_at_idx",
        "SCHEMA audit",
    }


def test_a_partition_alone_comes_with_the_table_it_is_of_without_the_others():
    found = kept(objects(["app.events_2025"]))
    assert {"TABLE app.events", "TABLE ATTACH app.events_2025"} <= found
    assert not {name for name in found if "2026" in name}


def test_a_partition_can_be_left_out():
    found = kept(objects(["app.events"], no_tables=["audit.events_2026"]))
    assert "TABLE DATA app.events_2025" in found
    assert not {name for name in found if "2026" in name}
    found = kept(objects(no_tables=["audit.events_2026"]))
    assert "TABLE DATA app.events_2025" in found
    assert not {name for name in found if "2026" in name}


def test_without_a_partitioned_table_there_are_no_partitions_of_it():
    found = kept(objects(no_tables=["app.events"]))
    assert not {name for name in found if "events" in name}
    assert "TABLE DATA app.orders" in found


def test_what_a_table_inherits_from_comes_without_rows():
    found = kept(objects(["app.derived"]))
    assert {"TABLE app.base", "TABLE DATA app.derived"} <= found
    assert "TABLE DATA app.base" not in found


@pytest.mark.parametrize(
    ("asked", "subject", "found"),
    [
        (
            objects(["app.derived"], no_tables=["app.base"]),
            "database 'scope', TABLE app.derived",
            "TABLE app.base",
        ),
        (
            objects(["app.customers"], no_schemas=["ref"]),
            "database 'scope', TABLE app.customers",
            "SCHEMA ref",
        ),
    ],
    ids=["table", "schema"],
)
def test_what_a_chosen_table_needs_cannot_be_left_out(asked, subject, found):
    told = refused(asked)
    assert {code for code, _, _ in told} == {"scope-needed"}
    assert (
        "scope-needed",
        subject,
        f"expected what it needs, found {found} left out by name",
    ) in told or found == "SCHEMA ref"


def test_what_refers_to_a_table_that_is_left_out_is_left_out_and_named():
    asked = objects(no_tables=["app.customers"])
    found = kept(asked)
    assert not {name for name in found if "customers" in name and "FK" in name}
    assert "SEQUENCE app.customers_id_seq" not in found
    assert "TABLE DATA app.orders" in found
    said = "; ".join(warned(asked))
    assert "FK CONSTRAINT orders orders_customer_fkey: it needs TABLE app.customers" in said
    assert "RULE" not in said or "grouped" in said
    assert "SEQUENCE SET" not in said
    assert "CONSTRAINT customers customers_pkey" not in said


def test_a_view_that_its_rule_cannot_complete_is_left_out():
    """In the archive it is a stand-in first, which shows nothing."""
    asked = objects(["app.grouped"])
    assert "VIEW app.grouped" not in kept(asked)
    assert warned(asked) == ["VIEW grouped: it needs TABLE app.customers, which is left out"]
    both = kept(objects(["app.grouped", "app.customers"]))
    assert {"VIEW app.grouped", "RULE app.grouped _RETURN"} <= both


def test_what_needs_such_a_view_goes_with_it():
    view = next(e for e in HEAD.entries.described("VIEW") if e.tag == "grouped")
    over = replace(view, dump_id=9003, tag="over", dependencies=(view.dump_id,))
    above = replace(view, dump_id=9004, tag="above", dependencies=(9003,))
    more = replace(HEAD, entries=(*HEAD.entries, over, above))
    scope = chosen(more, objects(no_tables=["app.customers"]))
    assert {view.dump_id, 9003, 9004} <= scope.left_out
    said = [finding.message for finding in scope.findings.warnings]
    assert "VIEW above: it needs VIEW app.over, which is left out" in said


def test_a_sequence_is_left_out_with_the_column_that_owns_it():
    found = kept(objects(no_tables=["app.orders"]))
    assert not {name for name in found if "orders" in name and "PUBLICATION" not in name}
    assert "BLOBS 4711" in found
    assert "PUBLICATION ordered" in found
    assert "PUBLICATION TABLE app.ordered orders" not in found


@each_major
def test_all_but_a_schema(major):
    found = kept(objects(no_schemas=["audit"]), HEADS[major])
    assert not {name for name in found if "audit" in name or name == "TRIGGER app.orders noted"}
    assert {"TABLE DATA app.orders", "FUNCTION app.unrelated()"} <= found


def test_a_schema_comes_with_all_that_is_in_it():
    found = kept(objects(schemas=["ref"]))
    assert found == {
        "SCHEMA ref",
        "TYPE ref.mood",
        "FUNCTION ref.is_short(text)",
        "DOMAIN ref.short",
        "SEQUENCE ref.numbers",
        "SEQUENCE SET ref.numbers",
    }
    assert "FUNCTION app.unrelated()" in kept(objects(schemas=["app"]))
    assert "DEFAULT ACL app.DEFAULT PRIVILEGES FOR TABLES" in kept(objects(schemas=["app"]))


def test_tables_are_those_of_the_chosen_schemas():
    asked = objects(["*.*"], schemas=["audit"])
    assert {n for n in kept(asked) if n.startswith("TABLE DATA")} == {
        "TABLE DATA audit.events_2026",
        "TABLE DATA audit.log",
    }


def test_a_sequence_can_be_chosen_by_itself():
    assert kept(objects(["ref.numbers"])) == {
        "SCHEMA ref",
        "SEQUENCE ref.numbers",
        "SEQUENCE SET ref.numbers",
    }


def test_without_rows():
    found = kept(Objects(content=Content.SCHEMA))
    brings = ("TABLE DATA", "SEQUENCE SET", "BLOB", "MATERIALIZED VIEW DATA")
    assert not {name for name in found if name.startswith(brings)}
    assert {"INDEX app.orders_amount", "TRIGGER app.orders noted", "TABLE app.orders"} <= found


def test_rows_alone_come_without_what_follows_them_and_stay_guarded():
    found = kept(Objects(content=Content.DATA))
    late = ("INDEX", "CONSTRAINT", "FK", "TRIGGER", "POLICY", "RULE", "STATISTICS", "PUBLICATION")
    assert not {name for name in found if name.startswith(late)}
    assert {"TABLE DATA app.orders", "SEQUENCE SET app.orders_id_seq"} <= found
    assert "COMMENT app.INDEX orders_amount" not in found
    assert "ROW SECURITY app.orders" in found  # else everybody would see all rows
    assert "VIEW app.grouped" not in found  # its rule completes it
    assert "VIEW app.big" in found


def test_without_grants():
    found = kept(Objects(privileges=False))
    assert not {name for name in found if name.startswith(("ACL", "DEFAULT ACL"))}
    assert "COMMENT app.TABLE orders" in found


@pytest.mark.parametrize(
    ("asked", "what", "pattern"),
    [
        (objects(["app.order"]), "schema.name of a table or view", "app.order"),
        (objects(["orders"]), "schema.name of a table or view", "orders"),
        (objects(no_tables=["app.x*"]), "schema.name of a table or view", "app.x*"),
        (objects(schemas=["apps"]), "schema", "apps"),
        (objects(no_schemas=["nowhere"]), "schema", "nowhere"),
    ],
    ids=["table", "unqualified", "left out", "schema", "schema left out"],
)
def test_a_name_that_nothing_has_is_refused(asked, what, pattern):
    field = "schemas" if what == "schema" else "tables"
    assert refused(asked) == [
        (
            "scope-unmatched",
            "database 'scope'",
            f"expected a {what} that {pattern!r} in objects.{field} means, found none",
        )
    ]


def test_the_schema_public_is_there_though_no_entry_makes_it():
    assert refused(objects(no_schemas=["public"])) == []


def test_what_is_restored_is_counted():
    (note,) = chosen(HEAD, objects(["ref.numbers"])).findings.notes
    assert note.message.startswith("restores 1 SCHEMA, 1 SEQUENCE, 1 SEQUENCE SET; tables none; ")
    (note,) = chosen(HEAD, Objects(content=Content.SCHEMA)).findings.notes
    assert "app.base, app.customers, app.derived" in note.message
    assert note.message.split("tables ")[1].startswith("app.base")
    assert " and 1 more;" in note.message


def test_nothing_left_out_is_said_so():
    (note,) = chosen(HEAD, objects(no_schemas=["public"])).findings.notes
    assert note.message.endswith("leaves out nothing")


def test_a_comment_on_what_no_entry_makes_comes_when_its_schema_does():
    """As on a function of an extension: nothing in the archive is needed for it."""
    lone = replace(
        next(iter(HEAD.entries.described("COMMENT"))),
        dump_id=9999,
        tag="FUNCTION f()",
        namespace="ref",
        dependencies=(),
    )
    more = replace(HEAD, entries=(*HEAD.entries, lone))
    assert "COMMENT ref.FUNCTION f()" in kept(objects(schemas=["ref"]), more)
    assert "COMMENT ref.FUNCTION f()" not in kept(objects(schemas=["app"]), more)
    assert "COMMENT ref.FUNCTION f()" in kept(objects(no_schemas=["audit"]), more)


def test_what_needs_what_is_left_out_is_left_out_in_turn():
    function = next(e for e in HEAD.entries if e.tag == "note()")
    wrapper = replace(
        function,
        dump_id=9001,
        description="FOREIGN DATA WRAPPER",
        tag="w",
        namespace="",
        dependencies=(function.dump_id,),
    )
    server = replace(wrapper, dump_id=9002, description="SERVER", tag="s", dependencies=(9001,))
    more = replace(HEAD, entries=(*HEAD.entries, wrapper, server))
    scope = chosen(more, objects(no_schemas=["audit"]))
    assert {9001, 9002} <= scope.left_out
    said = [finding.message for finding in scope.findings.warnings]
    assert "SERVER s: it needs FOREIGN DATA WRAPPER w, which is left out" in said


names = st.lists(st.sampled_from([*TABLES, "app.*", "audit.*", "*.e*"]), max_size=3)
some_schemas = st.lists(st.sampled_from([*SCHEMAS, "a*"]), max_size=2)


@settings(max_examples=200, deadline=None)
@given(
    tables=names,
    no_tables=names,
    schemas=some_schemas,
    no_schemas=some_schemas,
    content=st.sampled_from(Content),
    privileges=st.booleans(),
)
def test_whatever_is_chosen_has_what_it_needs(
    tables, no_tables, schemas, no_schemas, content, privileges
):
    asked = objects(
        tables,
        no_tables=no_tables,
        schemas=schemas,
        no_schemas=no_schemas,
        content=content,
        privileges=privileges,
    )
    scope = chosen(HEAD, asked)
    if scope.findings.refusals:
        return
    entries = {entry.dump_id: entry for entry in HEAD.entries}
    there = entries.keys() - scope.left_out
    for number in there:
        entry = entries[number]
        needs = {need for need in entry.dependencies if need in entries}
        assert needs <= there, f"{name_of(entry)} without what it needs"
        assert not entry.namespace or f"SCHEMA {entry.namespace}" in {
            name_of(entries[i]) for i in there
        }
        if asked.content is Content.DATA:
            assert entry.section is not Section.POST_DATA or entry.description in (
                "ROW SECURITY",
                "DEFAULT ACL",
            )
    again = chosen(HEAD, asked)
    assert again == scope
