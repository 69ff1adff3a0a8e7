"""Tokens of a statement, and names and literals as we write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.sql import (
    CopyTarget,
    Token,
    TokenKind,
    copy_target,
    quote_identifier,
    quote_literal,
    text_of,
    tokens,
)
from restore.errors import ScriptError

WORD, QUOTED, STRING, NUMBER, SYMBOL = TokenKind
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
steady = settings(deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("", []),
        ("ALTER Role éA", [(WORD, "alter"), (WORD, "role"), (WORD, "éa")]),
        ("ÉA$1_", [(WORD, "Éa$1_")]),
        ('"a""b; --"', [(QUOTED, 'a"b; --')]),
        ("'it''s \\'", [(STRING, "it's \\")]),
        (r"E'it''s \\ \x41\101\n\t\q\u00e9\U0001F600\''", [(STRING, "it's \\ AA\n\tqé😀'")]),
        (r"E'\303\274'", [(STRING, "ü")]),
        ("B'101' x'1F'", [(STRING, "101"), (STRING, "1F")]),
        ("$$a 'b$$ $t$c $$ d$t$", [(STRING, "a 'b"), (STRING, "c $$ d")]),
        ("a -- b\n/* c /* ' */ d */ e", [(WORD, "a"), (WORD, "e")]),
        ("1 2.5 3e-7", [(NUMBER, "1"), (NUMBER, "2.5"), (NUMBER, "3e-7")]),
        ("a.b = (-1);", [*zip("wswsssns", "a.b=(-1)", strict=True), ("s", ";")]),
    ],
)
def test_a_statement_falls_into_tokens_of_one_meaning(sql, expected):
    kinds = {"w": WORD, "s": SYMBOL, "n": NUMBER}
    assert list(tokens(sql)) == [Token(kinds.get(kind, kind), text) for kind, text in expected]


def test_without_conforming_strings_a_backslash_escapes_in_every_literal():
    assert [t.text for t in tokens(r"'it\'s'", escapes=True)] == ["it's"]


@pytest.mark.parametrize(
    "sql",
    ["'a", "E'a\\'", '"a', '""', "$a$ b $A$", "/* /* */", "U&'a'", 'u&"a"', r"E'\ud800'"],
)
def test_what_never_ends_or_is_not_plain_is_refused(sql):
    with pytest.raises(ScriptError):
        list(tokens(sql))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("COPY t FROM stdin;", CopyTarget("", "t", ())),
        ('COPY app.t (a, "B c") FROM stdin;\n', CopyTarget("app", "t", ("a", "B c"))),
        ('copy "A.b"."c""d"  FROM STDIN', CopyTarget("A.b", 'c"d', ())),
        ('COPY "from"."stdin" ("from") FROM stdin;', CopyTarget("from", "stdin", ("from",))),
        ("COPY t FROM stdin WITH (FORMAT csv);", None),
        ("COPY t FROM 'file';", None),
        ("COPY t TO stdout;", None),
        ("COPY t () FROM stdin;", None),
        ("COPY 'n' FROM stdin;", None),
        ("COPY n '' FROM stdin;", None),
        ("COPY 1 FROM stdin;", None),
        ("MOVE t FROM stdin;", None),
        ("", None),
    ],
)
def test_only_a_plain_copy_from_stdin_has_a_target(sql, expected):
    assert copy_target(list(tokens(sql))) == expected


@steady
@given(texts.filter(bool))
def test_a_quoted_name_reads_back_as_itself(name):
    assert list(tokens(quote_identifier(name))) == [Token(QUOTED, name)]


@steady
@given(texts, st.booleans())
def test_a_quoted_literal_reads_back_as_itself_whatever_backslashes_mean(text, escapes):
    assert list(tokens(quote_literal(text), escapes)) == [Token(STRING, text)]


@pytest.mark.parametrize("quote", [lambda: quote_identifier(""), lambda: quote_identifier("a\0")])
def test_a_name_that_postgresql_cannot_hold_is_refused(quote):
    with pytest.raises(ScriptError, match="identifier"):
        quote()


def test_a_literal_that_postgresql_cannot_hold_is_refused():
    with pytest.raises(ScriptError, match="zero"):
        quote_literal("\0")


def test_bytes_that_are_not_utf8_survive():
    assert text_of(b"\xdf").encode("utf-8", "surrogateescape") == b"\xdf"
