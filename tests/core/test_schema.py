"""Two schemas are compared object by object, and differences are told where they begin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from restore.core.archive import read_head
from restore.core.catalog import Thing
from restore.core.entries import EntrySql
from restore.core.schema import Compared, comparable, compare, majors, schema
from tests.core.test_catalog import made

DATA = Path(__file__).parent.parent / "data"
VIEW = Thing("VIEW", "app", "v")
TABLE = Thing("TABLE", "app", "t")


def said(*texts, thing=VIEW):
    scripts = [EntrySql(n, (text,)) for n, text in enumerate(texts)]
    return schema(scripts, dict.fromkeys(range(len(texts)), thing))


def test_an_archive_says_who_wrote_it():
    content = (DATA / "crm-pg16.dump").read_bytes()
    head = read_head(content, len(content))
    assert majors(head) == (16, 16)
    assert majors(replace(head, dump_version="", server_version="18.4")) == (0, 18)


def test_rows_grants_and_what_every_database_has_are_not_compared():
    entries = [
        made("VIEW", "v", dump_id=1),
        made("TABLE DATA", "t", dump_id=2),
        made("ACL", "TABLE t", dump_id=3),
        made("SCHEMA", "public", namespace="", dump_id=4),
        made("COMMENT", "SCHEMA public", namespace="", dump_id=5),
        made("COMMENT", "DATABASE d", namespace="", dump_id=6),
        made("COMMENT", "LARGE OBJECT 7", namespace="", dump_id=8),
        made("TABLE", "t", dump_id=7),
    ]
    assert comparable(entries, {7}) == {1: VIEW}


def test_line_breaks_and_entries_of_no_interest_do_not_matter():
    scripts = [EntrySql(0, (b"SET x = 1;",)), EntrySql(1, (b"CREATE VIEW app.v\n AS\tx;",))]
    assert schema(scripts, {1: VIEW}) == said(b"CREATE VIEW app.v AS x;")


def test_equal_objects_are_counted():
    both = {**said(b"a"), **said(b"b", b"b", thing=TABLE)}
    assert compare(both, both, exact=True) == Compared(3)


def test_what_differs_is_told_from_where_it_begins():
    text = b"CREATE VIEW app.v AS SELECT something WHERE (a > %d);"
    found = compare(said(text % 5), said(text % 6), exact=True)
    (line,) = found.different
    assert line == (
        "VIEW app.v: expected … omething WHERE (a > 5);, found … omething WHERE (a > 6);"
    )
    assert found.equal == 0


def test_the_roles_of_a_policy_are_in_no_order():
    text = b"CREATE POLICY p ON t %sUSING ((a > 0));"
    one, other = said(text % b'TO x, "Y; ""z" '), said(text % b'TO "Y; ""z", x ')
    assert compare(one, other, exact=True) == Compared(1)
    assert compare(one, said(text % b"TO x "), exact=True).different
    assert compare(one, said(text % b""), exact=True).different


def test_a_body_that_the_server_keeps_as_a_tree_may_read_otherwise_and_be_the_same():
    text = b"CREATE FUNCTION f() BEGIN ATOMIC SELECT 1%s; END;"
    found = compare(said(text % b""), said(text % b" AS one"), exact=True)
    assert found.different == ()
    assert found.unchecked == (
        "VIEW app.v: its body, which the server writes in its own words, differs",
    )
    assert compare(said(text % b""), {}, exact=True).different


def test_one_statement_more_is_a_difference_too():
    (line,) = compare(said(b"a;", b"b;"), said(b"a;"), exact=True).different
    assert line.startswith("VIEW app.v: expected … b;, found … a;")
    (line,) = compare(said(b"a;"), said(b"a;", b"b;"), exact=True).different
    assert line.startswith("VIEW app.v: expected … a;, found … b;")


def test_what_is_on_one_side_only_is_named():
    assert compare(said(b"a"), {}, exact=True).different == ("VIEW app.v: not on the server",)
    surplus = ("VIEW app.v: on the server, and not in the archive",)
    assert compare({}, said(b"a"), exact=True).different == surplus


def test_between_two_releases_a_difference_proves_nothing():
    found = compare(said(b"a"), said(b"b"), exact=False)
    assert found.different == ()
    assert found.unchecked == ("VIEW app.v: expected … a, found … b",)


def test_what_pg_dump_hides_from_all_but_superusers_is_unchecked():
    hidden = Thing("SUBSCRIPTION", "", "s")
    found = compare(said(b"a", thing=hidden), {}, exact=True)
    assert found == Compared(0, (), ("1 × SUBSCRIPTION",))


def test_literals_are_compared_and_not_told():
    text = b"CREATE SERVER s OPTIONS (password '%s') $f$ %s $f$"
    one, other = said(text % (b"it''s me", b"body")), said(text % (b"it''s you", b"body"))
    (line,) = compare(one, other, exact=True).different
    assert line == "VIEW app.v: a literal in it, or its body, differs"
    (line,) = compare(one, said(b"CREATE SERVER t 'secret'"), exact=True).different
    assert "secret" not in line
    assert "me" not in line.removeprefix("VIEW app.v")
