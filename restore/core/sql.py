"""SQL text as PostgreSQL reads and writes it: tokens of a statement, quoted names and literals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

from restore.errors import ScriptError


class TokenKind(Enum):
    """What a token is."""

    WORD = "word"  # keyword or plain name, folded to lower case
    QUOTED = "quoted"  # "Name", without its quotes
    STRING = "string"  # any literal, decoded
    NUMBER = "number"
    SYMBOL = "symbol"  # one character of punctuation


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `text` is its meaning, not its spelling."""

    kind: TokenKind
    text: str

    @property
    def is_name(self) -> bool:
        return self.kind in (TokenKind.WORD, TokenKind.QUOTED)

    def is_word(self, *words: str) -> bool:
        """Is it one of these (lower-case) keywords?"""
        return self.kind is TokenKind.WORD and self.text in words

    def is_symbol(self, symbol: str) -> bool:
        return self.kind is TokenKind.SYMBOL and self.text == symbol


@cache  # not compiled before it is needed: that takes 15 ms
def _tokens_with(plain_string: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
    (?P<space>   [ \t\n\r\f\v]+ | --[^\n\r]* )
  | (?P<comment> /\* )
  | (?P<estring> {plain_string}'(?P<escaped>(?:[^'\\]|''|\\.)*+)' )
  | (?P<string>  [bBxXnN]?'(?P<plain>(?:[^']|'')*+)' )
  | (?P<quoted>  "(?P<name>(?:[^"]|"")++)" )
  | (?P<dollar>  \$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*+)?\$ )
  | (?P<bad>     ['"] | [uU]&['"] | [eE]' )
  | (?P<word>    [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*+ )
  | (?P<number>  [0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)? )
  | (?P<symbol>  . )
    """,
        re.VERBOSE | re.DOTALL,
    )


_SHAPES = {
    TokenKind.WORD: "n",
    TokenKind.QUOTED: "n",
    TokenKind.STRING: "'",
    TokenKind.NUMBER: "0",
}
_COPY_FORM = re.compile(r"nn(?P<schema>\.n)?(?:\(n(?:,n)*\))?(?P<tail>nn);?")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|''", re.DOTALL
)
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_UPPER_TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def text_of(sql: bytes) -> str:
    """`sql` as text; bytes that are not UTF-8 survive the way back."""
    return sql.decode("utf-8", "surrogateescape")


def tokens(sql: str, escapes: bool = False) -> Iterator[Token]:
    """The tokens of `sql`, comments left out.

    `escapes`: standard_conforming_strings is off, so a backslash escapes in plain literals too.
    Raises ScriptError for what never ends, and for what pg_dump does not write (U&'').
    Source: postgresql.org/docs/18/sql-syntax-lexical.html
    """
    pattern, position = _tokens_with("[eE]?" if escapes else "[eE]"), 0
    while match := pattern.match(sql, position):
        position = match.end()
        if match["comment"]:
            position = _end_of_comment(sql, position)
        elif match["dollar"]:
            body_start, position = position, _end_of_dollars(sql, match)
            yield Token(TokenKind.STRING, sql[body_start : position - len(match[0])])
        elif match["space"] is None:
            yield _token(match)


def _token(match: re.Match[str]) -> Token:
    text = match[0]
    match match.lastgroup:
        case "word":
            return Token(TokenKind.WORD, text.translate(_UPPER_TO_LOWER))
        case "quoted":
            return Token(TokenKind.QUOTED, match["name"].replace('""', '"'))
        case "string":
            return Token(TokenKind.STRING, match["plain"].replace("''", "'"))
        case "estring":
            return Token(TokenKind.STRING, _unescaped(match["escaped"]))
        case "number":
            return Token(TokenKind.NUMBER, text)
        case "symbol":
            return Token(TokenKind.SYMBOL, text)
    raise ScriptError(f"statement: expected a plain literal or name that ends, found {text}")


def _end_of_dollars(sql: str, tag: re.Match[str]) -> int:
    found = sql.find(tag[0], tag.end())
    if found < 0:
        raise ScriptError(f"statement: expected a closing {tag[0]}, found the end of the text")
    return found + len(tag[0])


def _unescaped(body: str) -> str:
    """The meaning of what stands between the quotes of E''."""
    return text_of(_ESCAPE.sub(_meant, body.encode("utf-8", "surrogateescape")))


def _meant(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, other = match.groups()
    if octal or hexadecimal:
        return bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF])
    if short or long:
        code = int(short or long, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ScriptError(f"literal: expected a Unicode character, found \\U{code:08X}")
        return chr(code).encode()
    return _ESCAPED.get(other, other) if other else b"'"


def _end_of_comment(sql: str, position: int) -> int:
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            raise ScriptError("statement: expected the end of a comment, found the end of the text")
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position


def quote_identifier(name: str) -> str:
    """`name` as an identifier, always in quotes: no list of reserved words to keep up to date.

    Raises ScriptError for a name PostgreSQL cannot hold.
    """
    if not name or "\0" in name:
        raise ScriptError(f"identifier: expected characters, none of them zero, found {name!r}")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as a literal that means the same with standard_conforming_strings on and off.

    Raises ScriptError for a zero character, which PostgreSQL cannot hold.
    Source: quote_literal() in PostgreSQL: E'' as soon as there is a backslash.
    """
    if "\0" in text:
        raise ScriptError("literal: expected no zero character, found one")
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """Where a COPY ... FROM stdin puts its rows; `columns` is empty where it names none."""

    schema: str
    table: str
    columns: tuple[str, ...]


def copy_target(statement: Sequence[Token]) -> CopyTarget | None:
    """The target of `COPY [schema.]table [(columns)] FROM stdin [;]`, None for any other statement.

    Options are not taken: pg_dump writes none, and they can change where the data ends.
    Source: dumpTableData_copy in pg_dump.c, PostgreSQL 18.
    """
    symbols = "".join(_SHAPES.get(token.kind, token.text) for token in statement)
    form = _COPY_FORM.fullmatch(symbols)
    if form is None or not statement[0].is_word("copy"):
        return None
    tail = statement[form.start("tail") :]
    names = [t.text for t in statement[1 : form.start("tail")] if t.is_name]
    width = 2 if form["schema"] else 1
    if not (tail[0].is_word("from") and tail[1].is_word("stdin")):
        return None
    return CopyTarget(names[0] if width == 2 else "", names[width - 1], tuple(names[width:]))
