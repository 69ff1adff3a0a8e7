"""What ACL entries grant and take away, as pg_dump writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from restore.core.archive import read_head
from restore.core.grants import PUBLIC, Grants, grants
from restore.core.toc import Entry

DATA = Path(__file__).parent.parent / "data"
_CONTENT = (DATA / "crm-pg18.dump").read_bytes()
ANY: Entry = next(iter(read_head(_CONTENT, len(_CONTENT)).entries))


def entry(kind, tag, statements, namespace="app", dump_id=1):
    return replace(
        ANY,
        dump_id=dump_id,
        description=kind,
        tag=tag,
        namespace=namespace,
        definition_bytes=statements.encode(),
        encoding="UTF8",
    )


def one(tag, statements, kind="ACL"):
    (found,) = grants(entry(kind, tag, statements))
    return found


@pytest.mark.parametrize(
    ("tag", "statements", "about", "present", "absent"),
    [
        (
            "TABLE t",
            "GRANT SELECT,INSERT ON TABLE app.t TO web WITH GRANT OPTION;\n",
            ("TABLE", "app", "t"),
            {("web", "SELECT", True), ("web", "INSERT", True)},
            set(),
        ),
        (
            'TABLE "Tab""le, x"',
            'GRANT SELECT ON TABLE app."Tab""le, x" TO "to, from";\n',
            ("TABLE", "app", 'Tab"le, x'),
            {("to, from", "SELECT", False)},
            set(),
        ),
        (
            'COLUMN "T t"."c.d"',
            'GRANT UPDATE("c.d"),SELECT("c.d") ON TABLE app."T t" TO web;\n',
            ("COLUMN", "app", "T t c.d"),
            {("web", "UPDATE", False), ("web", "SELECT", False)},
            set(),
        ),
        (
            "COLUMN t.c",
            "GRANT ALL(c) ON TABLE app.t TO web;\n",
            ("COLUMN", "app", "t c"),
            {("web", p, False) for p in ("INSERT", "REFERENCES", "SELECT", "UPDATE")},
            set(),
        ),
        (
            'FUNCTION "F f"(integer, "My Type")',
            'REVOKE ALL ON FUNCTION app."F f"(i integer, "My Type") FROM PUBLIC;\n',
            ("FUNCTION", "app", 'F f(integer, "My Type")'),
            set(),
            {(PUBLIC, "EXECUTE")},
        ),
        (
            "SCHEMA app",
            "SET SESSION AUTHORIZATION boss;\nGRANT ALL ON SCHEMA app TO PUBLIC;\n"
            "RESET SESSION AUTHORIZATION;\n",
            ("SCHEMA", "app", "app"),
            {(PUBLIC, "CREATE", False), (PUBLIC, "USAGE", False)},
            set(),
        ),
        (
            "TYPE mood",
            "REVOKE ALL ON TYPE app.mood FROM PUBLIC;\nGRANT ALL PRIVILEGES ON TYPE app.mood TO x;",
            ("TYPE", "app", "mood"),
            {("x", "USAGE", False)},
            {(PUBLIC, "USAGE")},
        ),
        (
            "TABLE t",
            "REVOKE ALL ON TABLE app.t FROM web;\nGRANT SELECT ON TABLE app.t TO web;\n"
            "GRANT UPDATE ON TABLE app.t TO web;\nREVOKE UPDATE ON TABLE app.t FROM web;\n"
            "REVOKE GRANT OPTION FOR SELECT ON TABLE app.t FROM web;\n",
            ("TABLE", "app", "t"),
            {("web", "SELECT", False)},
            {
                ("web", p)
                for p in ("DELETE", "INSERT", "REFERENCES", "TRIGGER", "TRUNCATE", "UPDATE")
            },
        ),
    ],
)
def test_a_grant_and_a_revoke_are_read(tag, statements, about, present, absent):
    assert one(tag, statements) == Grants(about, present, absent)


def test_several_large_objects_share_an_entry():
    statements = "".join(f"GRANT SELECT ON LARGE OBJECT {n} TO web;\n" for n in (7, 8))
    found = grants(entry("ACL", "LARGE OBJECTS 7..8", statements))
    assert [each.about for each in found] == [("LARGE OBJECT", "", "7"), ("LARGE OBJECT", "", "8")]


@pytest.mark.parametrize(
    ("tag", "privilege"),
    [("TABLES", "DELETE"), ("FUNCTIONS", "EXECUTE"), ("TYPES", "USAGE"), ("SCHEMAS", "CREATE")],
)
def test_default_privileges_are_of_a_role_and_a_kind(tag, privilege):
    statement = f'ALTER DEFAULT PRIVILEGES FOR ROLE "O w" IN SCHEMA app GRANT ALL ON {tag} TO web;'
    found = one(f"DEFAULT PRIVILEGES FOR {tag}", statement, "DEFAULT ACL")
    assert found.about == ("DEFAULT ACL", "app", f"O w {tag}")
    assert ("web", privilege, False) in found.present


def test_a_tag_of_another_form_stands_for_itself():
    assert one("odd", "GRANT USAGE ON THING x TO y;").about == ("", "app", "odd")
