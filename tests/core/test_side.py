"""Chosen tables beside what is there: under which names, and when they cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from restore.core import scope, side
from restore.core.options import Content
from restore.core.request import Names, Objects
from tests.core.test_managed import made
from tests.core.test_scope import HEAD


def asked(*tables, name="yesterday", content=Content.ALL):
    return Objects(tables=Names(list(tables), []), side_schema=name, content=content)


def refused(objects, there=()):
    left_out = scope.chosen(HEAD, objects).left_out
    return side.refusals(HEAD, left_out, objects, there)


def test_one_schema_gets_the_name_several_begin_with_it():
    assert side.renamed(["app", "app"], "y") == {"app": "y"}
    assert side.renamed(["b", "a"], "y") == {"a": "y_a", "b": "y_b"}
    assert side.renamed([], "y") == {}


def test_the_schemas_are_those_of_the_tables():
    assert side.schemas_of(HEAD.entries) == ("app", "audit")


def test_a_table_on_its_own_can_go_beside():
    assert refused(asked("audit.log")) == ()
    assert refused(asked("audit.log"), ["audit", "app"]) == ()


def test_without_a_side_schema_there_is_nothing_to_refuse_or_say():
    objects = Objects(tables=Names(["app.customers"], []))
    assert refused(objects) == ()
    assert side.warnings(HEAD, (), objects) == ()


@pytest.mark.parametrize(
    ("objects", "there", "code", "words"),
    [
        (asked("ref.numbers"), (), "side-nothing", "found none chosen"),
        (asked("audit.log"), ["yesterday"], "side-schema-exists", "found one"),
        (asked("audit.log", name="x" * 64), (), "side-name", "63 bytes at most"),
        (asked("app.numbered"), (), "side-needs", "found SEQUENCE ref.numbers"),
    ],
    ids=["nothing", "exists", "name", "needs"],
)
def test_what_cannot_go_beside_is_refused(objects, there, code, words):
    found = refused(objects, there)
    assert code in [refusal.code for refusal in found]
    assert words in "; ".join(refusal.message for refusal in found)


def test_of_many_strangers_some_are_named():
    everything = asked("app.*", "audit.*")
    (refusal,) = side.refusals(HEAD, (), everything)
    assert refusal.code == "side-needs"
    assert refusal.message.endswith("BLOBS 4711, PUBLICATION ordered")
    cast = made("CAST", "CAST (a AS b)", namespace="", dump_id=9000)
    (refusal,) = side.refusals(replace(HEAD, entries=(*HEAD.entries, cast)), (), everything)
    assert refusal.message.endswith("PUBLICATION ordered and 1 more")


def test_functions_that_come_along_are_a_warning():
    objects = asked("app.orders")
    left_out = scope.chosen(HEAD, objects).left_out
    (warning,) = side.warnings(HEAD, left_out, objects)
    assert warning.code == "side-functions"
    assert warning.message.endswith(": audit.note()")
    rows = asked("app.orders", content=Content.DATA)
    assert side.warnings(HEAD, scope.chosen(HEAD, rows).left_out, rows) == ()
