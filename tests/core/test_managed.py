"""What a login that is no superuser cannot create, and what goes with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from restore.core.archive import read_head
from restore.core.managed import (
    acts_for_others,
    broken_tables,
    grants_of,
    left_out,
    name_of,
    new_owner,
)
from restore.core.powers import SUBSCRIBER, Powers, powers
from restore.core.toc import OffsetFlag
from tests.core.test_grants import entry
from tests.core.test_plan import TARGET

DATA = Path(__file__).parent.parent / "data"
NOBODY = Powers(superuser=False, subscribes=False)
SUBSCRIBES = Powers(superuser=False, subscribes=True)
BY_SUPERUSER = "only a superuser can create it"


def made(kind, tag="x", definition="", *, namespace="app", dump_id=1, needs=(), owner="boss"):
    found = entry(kind, tag, definition, namespace, dump_id)
    return replace(found, dependencies=tuple(needs), owner=owner, flag=OffsetFlag.NO_DATA)


def why(*entries, login=NOBODY):
    """The reason of the last of them."""
    return left_out(entries, login).get(entries[-1].dump_id, "")


def target(major=18, superuser=False, roles=()):
    return replace(TARGET, major=major, superuser=superuser, settable_roles=tuple(roles))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (target(superuser=True), Powers()),
        (target(), NOBODY),
        (target(roles=[SUBSCRIBER]), SUBSCRIBES),
        (target(15, roles=[SUBSCRIBER]), NOBODY),
    ],
    ids=["superuser", "nobody", "subscriber", "before there was one"],
)
def test_what_a_login_may(facts, expected):
    assert powers(facts) == expected


def test_a_superuser_can_create_all():
    assert left_out([made("EVENT TRIGGER")], Powers()) == {}


@pytest.mark.parametrize("major", [13, 14, 17])
def test_of_a_real_archive_no_rows_are_ever_left_out(major):
    content = (DATA / f"engine/features-pg{major}.dump").read_bytes()
    entries = list(read_head(content, len(content)).entries)
    reasons = left_out(entries, NOBODY)
    gone = [e for e in entries if e.dump_id in reasons]
    assert {"EVENT TRIGGER", "COMMENT"} <= {e.description for e in gone}
    assert not [e for e in gone if e.has_data or e.description in ("TABLE", "SEQUENCE", "SCHEMA")]
    assert all(reasons.values())


@pytest.mark.parametrize(
    "kind", ["ACCESS METHOD", "EVENT TRIGGER", "OPERATOR CLASS", "TEXT SEARCH PARSER", "SHELL TYPE"]
)
def test_kinds_that_only_a_superuser_creates(kind):
    assert why(made(kind)) == BY_SUPERUSER


ROUTINE = "CREATE FUNCTION app.f(a integer{default}) RETURNS integer\n    {options}\n{body};\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("LANGUAGE c STRICT", "only a superuser can create functions in language c"),
        ("LANGUAGE plperlu", "only a superuser can create functions in language plperlu"),
        ("LANGUAGE sql LEAKPROOF", "only a superuser can say that a function is leakproof"),
        ("LANGUAGE sql SUPPORT app.s", "only a superuser can give a function planner support"),
        (
            "LANGUAGE plpgsql\n    SET session_replication_role TO 'replica'",
            "only a superuser can set session_replication_role, which it does",
        ),
        ("LANGUAGE plpgsql\n    SET search_path TO 'app'", ""),
        ("TRANSFORM FOR TYPE app.t LANGUAGE sql SUPPORT s", "only a superuser can give"),
        ("LANGUAGE sql IMMUTABLE", ""),
        ("LANGUAGE sql", ""),
    ],
    ids=["c", "untrusted", "leakproof", "support", "set", "set other", "transform", "sql", "bare"],
)
def test_routines_by_their_options(options, expected):
    text = ROUTINE.format(default="", options=options, body="    AS $$SELECT 1$$")
    assert why(made("FUNCTION", "f(integer)", text)).startswith(expected)
    assert bool(why(made("PROCEDURE", "f(integer)", text))) == bool(expected)


@pytest.mark.parametrize(
    "text",
    [
        ROUTINE.format(default="", options="LANGUAGE sql", body="AS $$ LEAKPROOF LANGUAGE c $$"),
        ROUTINE.format(
            default=" DEFAULT length('LANGUAGE c LEAKPROOF')",
            options="LANGUAGE sql",
            body="    RETURN (SELECT 1 AS support)",
        ),
        ROUTINE.format(
            default="", options="LANGUAGE sql", body="    BEGIN ATOMIC SELECT 1 AS SUPPORT; END"
        ),
        "CREATE FUNCTION app.f() RETURNS void\n    AS $$ LEAKPROOF $$ LANGUAGE",
    ],
    ids=["body", "default", "begin", "cut off"],
)
def test_what_the_body_or_a_default_says_does_not_count(text):
    assert why(made("FUNCTION", "f(integer)", text)) == ""


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (made("ACL", "TABLE pg_authid", namespace="pg_catalog"), "it is about an object of the"),
        (made("ACL", "LANGUAGE plpgsql", namespace=""), "the language belongs to the server's"),
        (made("ACL LANGUAGE", "LANGUAGE sql", namespace=""), "the language belongs to the"),
        (made("ACL", "TABLE t"), ""),
        (made("COMMENT", "EXTENSION plpgsql", namespace=""), "the extension belongs to the"),
        (made("COMMENT", "EXTENSION hstore", namespace=""), ""),
        (made("DEFAULT ACL", "x", owner="azuresu"), "it is about what azuresu will create"),
        (made("DEFAULT ACL", "x"), ""),
        (
            made("PUBLICATION", "p", "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = '');"),
            "only a superuser can publish all tables",
        ),
        (made("PUBLICATION", "p", "CREATE PUBLICATION \"for all tables\" WITH (x = '');"), ""),
        (made("PUBLICATION", "p", "CREATE PUBLICATION p WITH (publish = 'all');"), ""),
        (
            made("TYPE", "t", "CREATE TYPE app.t (\n    INPUT = app.i\n);"),
            "only a superuser can create a base type",
        ),
        (made("TYPE", "t", "CREATE TYPE app.t;\n"), "only a superuser can create a base type"),
        (made("TYPE", "t", "CREATE TYPE app.t AS ENUM ('a');"), ""),
        (
            made("CAST", "c", "CREATE CAST (app.a AS text) WITHOUT FUNCTION;", namespace=""),
            "only a superuser can create a cast without a function",
        ),
        (
            made("CAST", "c", "CREATE CAST (point AS text) WITH INOUT;", namespace=""),
            "only a superuser can create it for types of the system's",
        ),
        (
            made("TRANSFORM", "c", "CREATE TRANSFORM FOR point …;", namespace=""),
            "only a superuser can create it for types of the system's",
        ),
    ],
    ids=lambda value: value.tag.replace(" ", "-") if hasattr(value, "tag") else None,
)
def test_statements_that_are_refused(found, expected):
    reason = why(found)
    assert reason.startswith(expected)
    assert bool(reason) == bool(expected)


def test_a_cast_of_a_type_of_its_own_is_made():
    kind = made("TYPE", "t", "CREATE TYPE app.t AS ENUM ('a');", dump_id=7)
    assert why(kind, made("CAST", "c", "… WITH FUNCTION app.f;", namespace="", needs=[7])) == ""


CONNECTION = "CREATE SUBSCRIPTION s CONNECTION '{0}' PUBLICATION p WITH (connect = false{1});"


@pytest.mark.parametrize(
    ("login", "text", "expected"),
    [
        (NOBODY, CONNECTION.format("password=x", ""), "only a superuser, or since 16 a pg_create"),
        (SUBSCRIBES, CONNECTION.format("password=x", ""), ""),
        (SUBSCRIBES, CONNECTION.format("dbname=x", ""), "only a superuser can create one that"),
        (
            SUBSCRIBES,
            CONNECTION.format("password=x", ", password_required = false"),
            "only a superuser can set password_required to false",
        ),
        (SUBSCRIBES, "CREATE SUBSCRIPTION s;", "only a superuser can create one that logs in"),
    ],
    ids=["nobody", "subscriber", "no password", "not required", "no string"],
)
def test_subscriptions(login, text, expected):
    reason = why(made("SUBSCRIPTION", "s", text, namespace=""), login=login)
    assert reason.startswith(expected)
    assert bool(reason) == bool(expected)


def test_what_needs_it_goes_with_it_but_never_rows():
    function = made(
        "FUNCTION", "f()", ROUTINE.format(default="", options="LANGUAGE c", body=""), dump_id=1
    )
    view = made("VIEW", "v", dump_id=2, needs=[1])
    grant = made("ACL", "TABLE v", dump_id=3, needs=[2])
    table = made("TABLE", "t", dump_id=4, needs=[1])
    rows = replace(made("TABLE DATA", "t", dump_id=5, needs=[4]), flag=OffsetFlag.NOT_SET)
    reasons = left_out([function, view, grant, table, rows], NOBODY)
    assert reasons[2] == "it needs FUNCTION app.f(), which is left out"
    assert reasons[3] == "it needs VIEW app.v, which is left out"
    assert set(reasons) == {1, 2, 3}
    assert broken_tables([function, view, table], reasons) == ("app.t",)
    assert broken_tables([function, view, table], {}) == ()


def test_a_user_mapping_goes_with_its_server_which_it_only_names():
    wrapper = made("FOREIGN DATA WRAPPER", "w", namespace="", dump_id=1)
    server = made("SERVER", "far away", namespace="", dump_id=2, needs=[1])
    mapping = made("USER MAPPING", "USER MAPPING boss SERVER far away", namespace="", dump_id=3)
    other = made("USER MAPPING", "USER MAPPING boss SERVER away", namespace="", dump_id=4)
    reasons = left_out([wrapper, server, mapping, other], NOBODY)
    assert reasons[3] == "it needs SERVER far away, which is left out"
    assert 4 not in reasons


def test_names_for_people():
    assert name_of(made("TABLE", "t")) == "app.t"
    assert name_of(made("EXTENSION", "x", namespace="")) == "x"


def test_grants_in_another_name_are_cut_into_statements_without_it():
    text = (
        "GRANT SELECT ON TABLE app.t TO a WITH GRANT OPTION;\n"
        "SET SESSION AUTHORIZATION a;\n"
        'GRANT SELECT ON TABLE app.t TO "b;c";\n'
        "RESET SESSION AUTHORIZATION;\n"
    )
    acl = made("ACL", "TABLE t", text)
    assert acts_for_others(acl)
    assert list(grants_of(acl)) == [
        b"GRANT SELECT ON TABLE app.t TO a WITH GRANT OPTION;",
        b'GRANT SELECT ON TABLE app.t TO "b;c";',
    ]
    assert not acts_for_others(made("ACL", "TABLE t", "GRANT SELECT ON TABLE app.t TO a;\n"))


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        ("ALTER TABLE app.t OWNER TO boss;", "", "boss"),
        ('ALTER TABLE app.t OWNER TO "the ""boss""";', "", 'the "boss"'),
        ("ALTER TABLE app.t …", 'must be able to SET ROLE "boss"', "boss"),
        ("ALTER TABLE app.t …", 'must be able to SET ROLE "the "boss""', 'the "boss"'),
        ("ALTER TABLE app.t …", 'must be member of role "boss"', "boss"),
        ("ALTER TABLE app.t …", "permission denied", ""),
    ],
    ids=["plain", "quoted", "message of 16", "odd name", "message of 15", "neither"],
)
def test_whom_an_owner_command_is_about(command, message, expected):
    assert new_owner(command, message) == expected
