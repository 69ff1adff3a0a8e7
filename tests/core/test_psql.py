"""Scripts are cut where psql cuts them, however the chunks fall."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.psql import (
    Comment,
    Copy,
    Meta,
    Piece,
    Rows,
    RowsEnd,
    Statement,
    pieces,
)
from restore.errors import ScriptError

DATA = Path(__file__).parent.parent / "data"
SCRIPTS = {path.name: path.read_bytes() for path in sorted(DATA.glob("*-pg*.sql"))}
steady = settings(deadline=None, derandomize=True)


def chunks(script: bytes, size: int) -> Iterable[bytes]:
    return (script[at : at + size] for at in range(0, len(script), size))


def joined(found: Iterable[Piece]) -> list[Piece]:
    """Rows in one piece: where they are cut is nobody's business."""
    whole: list[Piece] = []
    for piece in found:
        if isinstance(piece, Rows) and isinstance(whole[-1], Rows):
            whole[-1] = Rows(whole[-1].data + piece.data)
        else:
            whole.append(piece)
    return whole


def cut(script: bytes) -> list[Piece]:
    """The pieces; the same in one chunk and byte by byte."""
    whole = joined(pieces([script]))
    assert joined(pieces(chunks(script, 1))) == whole
    return whole


def statements(script: bytes) -> list[bytes]:
    return [piece.text for piece in cut(script) if isinstance(piece, Statement | Copy)]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 61, 4096])
def test_real_scripts_are_the_same_in_chunks_of_any_size(name, size):
    script = SCRIPTS[name]
    assert joined(pieces(chunks(script, size))) == joined(pieces([script]))


def test_a_real_dump_falls_into_its_parts():
    found = joined(pieces([SCRIPTS["crm-pg18.sql"]]))
    metas = [piece.command for piece in found if isinstance(piece, Meta)]
    assert metas == [
        "restrict",
        *["unrestrict", "encoding", "connect", "restrict"] * 2,
        "unrestrict",
    ]
    copies = [piece.target.table for piece in found if isinstance(piece, Copy)]
    assert len(copies) == sum(isinstance(piece, RowsEnd) for piece in found) == 7
    assert Rows(b"\\\\.\n\n\\N\n\xc3\xbc\n") in found
    assert Comment(b"-- PostgreSQL database dump complete") in found
    body = next(p.text for p in found if isinstance(p, Statement) and b"FUNCTION app.f" in p.text)
    assert body.endswith(b"COPY app.fake (a) FROM stdin;\n$$;\nend\n$_$;")


@pytest.mark.parametrize(
    "statement",
    [
        b"SELECT 'a;''b\\';",
        b"SELECT E'a;\\'b\\\\';",
        b"SELECT e'a'\n  -- ; ' comment\n 'b\\';' ;",
        b"SELECT E'a' ';';",
        b"SELECT E'a' -- it's\n;",
        b"SELECT B'1;', x'1F', N'a', U&'\\00e9;', u&\"d;\";",
        b'SELECT ";""--" FROM "/*";',
        b"SELECT $$;'$$, $a$;$$;$b$;$a$, $1$2;",
        b"SELECT a$b$c, 1;",
        b"SELECT $a, $ b, 1$$;$$;",
        b"SELECT 1 - 2 / 3 -- ; '\n;",
        b"SELECT /* ; /* ' */ */ 1;",
        b"SELECT 1 */**/ 2;",
        b"SELECT 1, 2.5, 3e7, 0x1F, 1_000, \xc3\xa9 FROM t;",
        b"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);",
        b"SELECT );",
        b";",
        b"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;",
        b"create or replace procedure p() BEGIN ATOMIC SELECT 1; SELECT 2; END;",
        b"CREATE FUNCTION f(a int DEFAULT (begin)) LANGUAGE sql AS 'x';",
        b"CREATE FUNCTION f() LANGUAGE sql AS $$ SELECT 1; $$;",
        b"INSERT INTO a.t VALUES (1, 'x', E'\\'', 'it''s;', NULL, -5, now());",
    ],
)
def test_a_statement_ends_at_its_own_semicolon(statement):
    assert statements(statement + b"\n\nSELECT 2;") == [statement, b"SELECT 2;"]


def test_without_conforming_strings_a_backslash_escapes_in_every_literal():
    script = rb"SET standard_conforming_strings = off; SELECT 'a\';'; "
    script += rb"SET standard_conforming_strings TO on; SELECT 'a\'; SELECT 2;"
    assert statements(script)[1:] == [
        rb"SELECT 'a\';';",
        b"SET standard_conforming_strings TO on;",
        rb"SELECT 'a\';",
        b"SELECT 2;",
    ]


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        (b"", b"\\.\n"),
        (b"\n\n", b"\\.\n"),
        (b"1\ta\n2\tb\n", b"\\.\r\n"),
        (b"\\\\.\nx\\.\n'; \\! ls\n", b"\\.\n"),
        (b"last\n", b"\\."),
    ],
)
def test_rows_are_passed_through_up_to_their_end(rows, end):
    found = cut(b"COPY t (a) FROM stdin;\r\n" + rows + end)
    assert found[0] == Copy(b"COPY t (a) FROM stdin;", found[0].target)
    assert b"".join(piece.data for piece in found if isinstance(piece, Rows)) == rows
    assert found[-1] == RowsEnd()


def test_a_row_longer_than_the_limit_passes_in_parts():
    row = b"x" * 1000 + b"\n"
    script = b"COPY t FROM stdin;\n" + row + b"\\.\nSELECT 1;"
    found = list(pieces(chunks(script, 50), limit_bytes=100))
    assert joined(found)[1] == Rows(row)
    assert len(found) > 10


def test_statements_after_rows_are_read_again():
    script = b"COPY t FROM stdin;\n1\n\\.\n\nCOPY u FROM stdin;\n\\.\nSELECT 1;\n"
    kinds = [type(piece).__name__ for piece in cut(script)]
    assert kinds == ["Copy", "Rows", "RowsEnd", "Copy", "RowsEnd", "Statement"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"-- a\n-- b", [Comment(b"-- a"), Comment(b"-- b")]),
        (b"/* a /* b */ */ SELECT 1;", [Comment(b"/* a /* b */ */"), Statement(b"SELECT 1;")]),
        (b"\xef\xbb\xbfSELECT 1;", [Statement(b"SELECT 1;")]),
        (b" \r\n\t", []),
        (b"", []),
    ],
)
def test_comments_between_statements_stand_alone(script, expected):
    assert cut(script) == expected


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        (b"\\connect crm\n", "crm"),
        (b"\\connect crm \r\n", "crm"),
        (b'\\connect "CRM"\n', '"CRM"'),
        (
            b"\\connect -reuse-previous=on \"dbname='a \\'b'\"\n",
            "-reuse-previous=on \"dbname='a \\'b'\"",
        ),
    ],
)
def test_pg_dumps_own_meta_commands_are_read(line, argument):
    assert cut(line) == [Meta("connect", argument)]


@pytest.mark.parametrize(
    "line",
    [
        b"\\! touch /tmp/x",
        b"\\copy t from program 'id'",
        b"\\i file",
        b"\\\\",
        b"\\",
        b"\\connect `id`",
        b"\\connect a b",
        b"\\connect a \\! id",
        b"\\connect :x",
        b"\\connect -reuse-previous=on \"dbname='a'\" \\! id",
        b"\\connect -reuse-previous=on \"dbname='a' host=evil\"",
        b"\\connect 'a'",
        b"\\restrict `id`",
        b"\\restrict",
        b"\\encoding SJIS",
        b"\\encoding a\\g",
        b"\\unrestrict a\x0b\\! id",
        b"\\connect a\rb",
        b"\\\xff",
        b"SELECT 1 \\g",
        b"SELECT 1 \\; SELECT 2;",
        b"SELECT 1; \\gexec",
        b"COPY t FROM stdin; \\! id\n\\.\n",
        b"COPY t FROM stdin WITH (FORMAT csv);\n\\.\n",
        b"COPY t TO PROGRAM 'id';",
        b"COPY t FROM stdin;\n\\.x\n",
        b"COPY t FROM stdin;\n\\. \n",
        b"SELECT 'a\0b';",
        b"COPY t FROM stdin;\na\0b\n\\.\n",
        b"SELECT 1e'a';",
        b"SELECT $1a'b';",
        b"SELECT 1a$$b$$;",
        b"SELECT 1e--;",
        b"SELECT a, b, c, d, 1.e--;",
        b"SELECT a, b, c, d.5e--;",
        b"SET client_encoding = 'SJIS';",
        b"SET NAMES 'SJIS';",
        b"SET SESSION standard_conforming_strings = off;",
        b"RESET standard_conforming_strings;",
        b"SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);",
        b"SET standard_conforming_strings = off; SELECT U&'a';",
        b"SET standard_conforming_strings = off; SELECT B'1';",
    ],
)
def test_what_psql_could_run_or_read_otherwise_is_refused(line):
    for size in (1, len(line)):
        with pytest.raises(ScriptError, match="script at byte"):
            list(pieces(chunks(line, size)))


@pytest.mark.parametrize(
    "statement",
    [
        b"SET search_path = '';",
        b"SELECT pg_catalog.set_config('search_path', '', false);",
        b"SELECT pg_catalog.setval('app.client_encoding_seq', 5, true);",
        b"ALTER ROLE a SET standard_conforming_strings TO 'off';",
        b"SET client_encoding = 'LATIN1';",
    ],
)
def test_settings_that_do_not_change_how_text_is_read_are_taken(statement):
    assert statements(statement) == [statement]


@pytest.mark.parametrize(
    "script",
    [
        b"SELECT 1",
        b"SELECT 'a",
        b"SELECT E'a\\",
        b'SELECT "a',
        b"SELECT $a$ b $a",
        b"SELECT $a",
        b"SELECT /* a",
        b"/* a",
        b"COPY t FROM stdin;",
        b"COPY t FROM stdin;\n",
        b"COPY t FROM stdin;\n1\n",
        b"COPY t FROM stdin;\n1\n\\",
    ],
)
def test_a_script_that_stops_in_the_middle_is_refused(script):
    for size in (1, len(script)):
        with pytest.raises(ScriptError, match="end of the script") as caught:
            list(pieces(chunks(script, size)))
        assert caught.value.hint == "the dump is truncated"


@pytest.mark.parametrize("statement", [b"SELECT '%s';", b"SELECT /*%s*/ 1;", b"SELECT %s;"])
def test_a_statement_beyond_the_limit_is_refused(statement):
    script = statement % (b"x" * 5000)
    with pytest.raises(ScriptError, match="at most 1000 bytes"):
        list(pieces(chunks(script, 100), limit_bytes=1000))
    assert len(list(pieces(chunks(script, 100), limit_bytes=6000))) == 1


def test_a_name_without_end_is_refused():
    with pytest.raises(ScriptError, match="does not end"):
        list(pieces([b"SELECT " + b"x" * 2_000_000, b"x;"]))


LINES = "COPY t FROM stdin;\n|\\.\n|\\connect x\n|create function f|\r|\n| |begin|end"
TOKENS = "SELECT|x|é|'|''|\"|$$|$a$|\\|--|/*|*/|;|(|)|E'|u&'|1|1a|/|-|$|&"
fragments = st.sampled_from(f"{LINES}|{TOKENS}".encode().split(b"|"))


@steady
@given(st.lists(fragments, max_size=12).map(b"".join), st.integers(1, 5))
def test_chunks_never_change_what_is_read(script, size):
    def outcome(parts: Iterable[bytes]) -> object:
        try:
            return joined(pieces(parts))
        except ScriptError as exc:
            return exc.message

    assert outcome(chunks(script, size)) == outcome([script])
