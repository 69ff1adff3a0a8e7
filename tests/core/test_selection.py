"""What is asked for and what can be made, together; and how it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from restore.core.options import Content
from restore.core.powers import Powers
from restore.core.request import Names, Objects
from restore.core.selection import select, told, unsupported
from tests.core.test_managed import BY_SUPERUSER, NOBODY, made
from tests.core.test_scope import HEAD


def with_more(*entries):
    """The archive with entries of its own number behind the others."""
    numbered = [
        replace(found, dump_id=9000 + n, dependencies=tuple(9000 + i for i in found.dependencies))
        for n, found in enumerate(entries)
    ]
    return replace(HEAD, entries=(*HEAD.entries, *numbered))


TRIGGER = made("EVENT TRIGGER", "t", namespace="")
COMMENT = made("COMMENT", "EVENT TRIGGER t", namespace="", needs=[0])


def test_a_superuser_who_asks_for_all_gets_all():
    found = select(with_more(TRIGGER), Objects(), Powers())
    assert (found.left_out, dict(found.refused)) == (frozenset(), {})


def test_what_cannot_be_made_is_left_out_and_told_without_what_goes_with_it():
    head = with_more(TRIGGER, COMMENT)
    found = select(head, Objects(), NOBODY)
    assert {9000, 9001} <= found.left_out == set(found.refused)
    *_, said = told(head, found.refused)[0]
    more = told(head, found.refused)[1]
    assert (said.kind, said.name, said.reason, more) == ("EVENT TRIGGER", "t", BY_SUPERUSER, 0)


def test_what_nobody_asked_for_is_not_refused():
    asked = Objects(tables=Names(["app.orders"], []))
    found = select(with_more(TRIGGER), asked, NOBODY)
    assert 9000 in found.left_out
    assert 9000 not in found.refused


def test_a_table_that_needs_what_is_left_out_is_a_warning():
    kind = made("TYPE", "base", "CREATE TYPE app.base (\n    INPUT = app.i\n);")
    table = made("TABLE", "at_risk", needs=[0])
    found = select(with_more(kind, table), Objects(), NOBODY)
    (warning,) = found.findings.warnings
    assert (warning.code, warning.subject) == (
        "table-at-risk",
        "database 'scope', table app.at_risk",
    )
    assert 9001 not in found.left_out


def test_of_very_many_some_are_told():
    head = with_more(*(made("EVENT TRIGGER", f"t{n}", namespace="") for n in range(210)))
    said, more = told(head, select(head, Objects(), NOBODY).refused)
    assert len(said) == 200
    assert more >= 10
    assert told(head, {}) == ((), 0)


@pytest.mark.parametrize(
    "asked",
    [
        Objects(tables=Names(["a.b"], [])),
        Objects(schemas=Names(None, ["a"])),
        Objects(content=Content.SCHEMA),
        Objects(side_schema="s"),
    ],
    ids=["tables", "schemas", "content", "side schema"],
)
def test_what_has_no_table_of_contents_cannot_be_chosen_from(asked):
    (refusal,) = unsupported("d", asked, "a tar archive").refusals
    assert refusal.code == "scope-unsupported"
    assert refusal.message.endswith("found a tar archive")


def test_all_of_it_needs_no_table_of_contents():
    assert unsupported("d", Objects(owners=False, privileges=False), "plain SQL").refusals == ()
