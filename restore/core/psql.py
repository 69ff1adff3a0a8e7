"""A script cut into pieces where psql cuts it: statements, rows of COPY, meta-commands, comments.

Reads a stream in bounded memory. Whatever psql could take differently than this module does is
refused, and so is every meta-command but those pg_dump writes: a script is somebody else's text
(CVE-2025-8714). psql's own restricted mode stays the second lock: text that is evaluated on the
server can change how literals are read, and no reader of the text can see that.
Source: src/fe_utils/psqlscan.l, src/bin/psql/copy.c and mainloop.c, PostgreSQL 15 to 18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from restore.core.sql import CopyTarget, copy_target, text_of, tokens
from restore.errors import ScriptError

STATEMENT_LIMIT_BYTES = 64 * 1024 * 1024
"""The longest single statement taken; pg_dump's own are rarely beyond a few kB."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its semicolon, without what stands before it."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """A COPY ... FROM stdin; its rows follow as Rows, and then RowsEnd."""

    text: bytes
    target: CopyTarget


@dataclass(frozen=True, slots=True)
class Rows:
    """Some bytes of COPY text; cut anywhere, so a row may go on in the next one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class RowsEnd:
    """The line that ends COPY text."""


@dataclass(frozen=True, slots=True)
class Meta:
    """A meta-command pg_dump writes: connect, encoding, restrict or unrestrict."""

    command: str
    argument: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment between statements; those inside one belong to it."""

    text: bytes


Piece: TypeAlias = Statement | Copy | Rows | RowsEnd | Meta | Comment

_WORD = rb"[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+"
_TOKEN = re.compile(
    rb"""
    (?P<string>  (?P<prefix>[eEbBxXnN]|[uU]&)?' )
  | (?P<quoted>  " )
  | (?P<line>    -- )
  | (?P<block>   /\* )
  | (?P<dollar>  \$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?\$ )
  | (?P<cut>     \$[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+\Z )
  | (?P<number>  \$?[0-9][0-9_.]*+(?P<junk>%(word)s)? )
  | (?P<word>    %(word)s )
  | (?P<mark>    [;()\\] )
  | (?P<single>  [-/$] )
  | (?P<run>     [^-'"$/;()\\A-Za-z0-9_\x80-\xff]++ )
    """
    % {b"word": _WORD},
    re.VERBOSE,
)
_PLAIN = re.compile(
    rb"""(?: [^-'"$/;()\\A-Za-z0-9_\x80-\xff]++
          | (?: %(word)s | '[^'\\]*+' )(?=[ \t\n,.:;=()])
          | [0-9]++(?=[ \t\n,;()]) )++"""
    % {b"word": _WORD},
    re.VERBOSE,
)
# Most statements of a schema: nothing in them but words, plain literals, names, and parentheses two
# deep, so that their first semicolon ends them. What begins otherwise is read token by token.
_SIMPLE_PARTS = (
    rb"""[^-'"$/;()\\]++ | (?<![A-Za-z0-9_$&\x80-\xff])'[^'\\]*+'(?=[ \t\n,.:;=()]) | "[^"]*+\""""
)
_SIMPLE = re.compile(
    rb"""(?!(?i:copy|create\s+(?:or\s+replace\s+)?(?:function|procedure))\b)
    [A-Za-z](?: %(parts)s | \( (?: %(parts)s | \( (?: %(parts)s )*+ \) )*+ \) )*+;"""
    % {b"parts": _SIMPLE_PARTS},
    re.VERBOSE,
)
_LINE_COMMENT = re.compile(rb"--[^\n\r]*+(?=[\n\r].)", re.DOTALL)
_LONGEST_WORD_BYTES = 1024 * 1024
_SPACE = re.compile(rb"[ \t\n\r\f\v]*+")
_LINE_END = re.compile(rb"[\n\r]|\Z")
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_STRING_EDGE = re.compile(rb"''|'")
_ESCAPED_STRING_EDGE = re.compile(rb"\\.|''|'", re.DOTALL)
_QUOTED_EDGE = re.compile(rb'"')
_GAP = re.compile(rb"(?:[ \t\n\r\f\v]|--[^\n\r]*+)*+")
_META = re.compile(rb"\\([^\s\\]*)[ \t]*(.*?)[ \t]*")
_META_FORMS = {
    b"restrict": re.compile(rb"[A-Za-z0-9]+"),
    b"unrestrict": re.compile(rb"[A-Za-z0-9]+"),
    b"encoding": re.compile(rb"[A-Za-z0-9_]+"),
    b"connect": re.compile(
        rb"[A-Za-z0-9_.]+|\"[A-Za-z0-9_.]+\"|-reuse-previous=on \"dbname='(?:[^\"]|\"\")*'\""
    ),
}
_SESSION = re.compile(
    rb"SET\s+(standard_conforming_strings|client_encoding)\s*(?:=|\sTO\s)\s*'?(\w+)'?\s*;",
    re.IGNORECASE,
)
_SESSION_OTHERWISE = re.compile(
    rb"(?:SET\b(?:.*\bNAMES\b)?|RESET\b|SELECT\b.*set_config\b)"
    rb".*(?:standard_conforming_strings|client_encoding|(?<=NAMES)\b)",
    re.IGNORECASE | re.DOTALL,
)
UNSAFE_ENCODINGS = {b"BIG5", b"GB18030", b"GBK", b"JOHAB", b"SHIFT_JIS_2004", b"SJIS", b"UHC"}


def pieces(chunks: Iterable[bytes], limit_bytes: int = STATEMENT_LIMIT_BYTES) -> Iterator[Piece]:
    """The script that `chunks` (cut anywhere) add up to, piece by piece.

    Raises ScriptError for what must not be run, for what ends too early, and for a statement longer
    than `limit_bytes`. Everything before the error has been given out by then.
    """
    reader = _Reader(chunks, limit_bytes)
    reader.skip_mark()
    while reader.skip_space():
        piece = reader.piece()
        yield piece
        if isinstance(piece, Copy):
            yield from reader.rows()


class _Nesting:
    """How deep a statement is in parentheses and in BEGIN ... END of a function's SQL body.

    Only at depth 0 does a semicolon end it. The rules are psql's own, guesses included.
    """

    def __init__(self) -> None:
        self.parentheses = 0
        self.blocks = 0
        self.start: list[bytes] = []
        self.is_routine = False

    @property
    def is_settled(self) -> bool:
        """Can no further word change where the statement ends?"""
        return len(self.start) == 4 and not self.is_routine

    def word(self, word: bytes) -> None:
        if len(self.start) < 4:
            self.start.append(word.lower())
            self.is_routine = b" ".join(self.start).startswith(_ROUTINES)
        if not self.is_routine or self.parentheses:
            return
        match word.lower():
            case b"begin":
                self.blocks += 1
            case b"case" if self.blocks:
                self.blocks += 1
            case b"end" if self.blocks:
                self.blocks -= 1

    def ends_at(self, mark: bytes) -> bool:
        match mark:
            case b"(":
                self.parentheses += 1
            case b")":
                self.parentheses = max(0, self.parentheses - 1)
        return mark == b";" and not self.parentheses and not self.blocks


_ROUTINES = tuple(
    f"create {replace}{kind}".encode()
    for replace in ("", "or replace ")
    for kind in ("function", "procedure")
)


class _Reader:
    """The part of a script in memory: `start` is the first byte not given out, `scan` not read."""

    def __init__(self, chunks: Iterable[bytes], limit_bytes: int) -> None:
        self.chunks = iter(chunks)
        self.limit_bytes = limit_bytes
        self.data = bytearray()
        self.start = self.scan = self.offset = 0
        self.ended = False
        self.escapes = False

    def more(self) -> None:
        """Take in the next chunk, or learn that there is none."""
        del self.data[: self.start]
        self.offset += self.start
        self.scan -= self.start
        self.start = 0
        if len(self.data) > self.limit_bytes:
            raise self.refusal(f"a statement of at most {self.limit_bytes} bytes", "a longer one")
        chunk = next(self.chunks, None)
        self.ended = chunk is None
        if chunk and b"\0" in chunk:
            raise self.refusal("text", "a zero byte")
        self.data += chunk or b""

    def refusal(self, expected: str, found: str, hint: str = "") -> ScriptError:
        return ScriptError(
            f"script at byte {self.offset + self.start}: expected {expected}, found {found}", hint
        )

    def cut_short(self, expected: str) -> ScriptError:
        return self.refusal(expected, "the end of the script", hint="the dump is truncated")

    def take(self) -> bytes:
        """Give out what was read."""
        with memoryview(self.data) as view:
            taken = bytes(view[self.start : self.scan])
        self.start = self.scan
        return taken

    def lookahead(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        while len(self.data) < self.scan + count and not self.ended:
            self.more()
        return bytes(self.data[self.scan : self.scan + count])

    def skip_mark(self) -> None:
        """Pass over the byte order mark that an editor may have left."""
        if self.lookahead(3) == b"\xef\xbb\xbf":
            self.start = self.scan = 3

    def skip_space(self) -> bool:
        """Go to the next piece; False if there is none."""
        while self.lookahead(1):
            space = _SPACE.match(self.data, self.scan)
            self.start = self.scan = space.end() if space else self.scan
            if self.scan < len(self.data):
                return True
        return False

    def seek(self, edge: re.Pattern[bytes], expected: str, edge_bytes: int = 2) -> bytes:
        """Read behind the next `edge` that no further byte could change, and give it back.

        `edge_bytes` is its greatest length: so much may lie on both sides of a chunk's end.
        """
        while True:
            found = edge.search(self.data, self.scan)
            if found and (found.end() < len(self.data) or self.ended):
                self.scan = found.end()
                return found[0]
            if self.ended:
                raise self.cut_short(expected)
            self.scan = found.start() if found else max(self.scan, len(self.data) + 1 - edge_bytes)
            self.more()

    def piece(self) -> Piece:
        if simple := _SIMPLE.match(self.data, self.scan):
            self.scan = simple.end()
            text = self.take()
            self.watch(text)
            return Statement(text)
        if comment := _LINE_COMMENT.match(self.data, self.scan):
            self.scan = comment.end() + 1
            return Comment(self.take().rstrip())
        opening = self.lookahead(2)
        if opening == b"--":
            self.seek(_LINE_END, "the end of a line")
            return Comment(self.take().rstrip())
        if opening == b"/*":
            self.scan += 2
            self.skip_block_comment()
            return Comment(self.take())
        if opening[:1] == b"\\":
            self.seek(_LINE_END, "the end of a line")
            return self.meta(self.take().rstrip(b"\r\n"))
        return self.statement()

    def meta(self, line: bytes) -> Meta:
        form = _META.fullmatch(line)
        command, argument = (form[1], form[2]) if form else (line[1:20], b"")
        known = _META_FORMS.get(command)
        if known is None or not known.fullmatch(argument):
            shown = text_of(command).encode("ascii", "backslashreplace").decode()[:20]
            raise self.refusal(
                "no meta-command but those pg_dump writes",
                f"\\{shown}",
                hint="a script that is no plain dump can run programs on the machine of its reader",
            )
        if command == b"encoding" and argument.upper() in UNSAFE_ENCODINGS:
            raise self.refusal("an encoding that keeps ASCII apart", text_of(argument))
        return Meta(text_of(command), text_of(argument))

    def statement(self) -> Statement | Copy:
        nesting = _Nesting()
        while True:
            if nesting.is_settled and (plain := _PLAIN.match(self.data, self.scan)):
                self.scan = plain.end()
            token = self.token()
            kind = token.lastgroup
            if kind == "word":
                nesting.word(token[0])
            elif kind == "mark":
                if token[0] == b"\\":
                    raise self.refusal("no meta-command inside a statement", "a backslash")
                if nesting.ends_at(token[0]):
                    break
            else:
                self.skip_rest_of(token)
        text = self.take()
        self.watch(text)
        if nesting.start[:1] != [b"copy"]:
            return Statement(text)
        target = copy_target(list(tokens(text_of(text), self.escapes)))
        if target is None:
            raise self.refusal("COPY … FROM stdin without options", "another COPY")
        return Copy(text, target)

    def token(self) -> re.Match[bytes]:
        """The next token, read as far as its first characters decide what it is."""
        while True:
            token = _TOKEN.match(self.data, self.scan)
            if token and (token.lastgroup == "run" or token.end() + 2 <= len(self.data)):
                break
            if self.ended:
                if token is None or token.lastgroup == "cut":
                    raise self.cut_short("the end of a statement")
                break
            if token and token.end() - token.start() > _LONGEST_WORD_BYTES:
                raise self.refusal("a name or number", "one that does not end")
            self.more()
        self.scan = token.end()
        return token

    def skip_rest_of(self, token: re.Match[bytes]) -> None:
        """Read to the end of what `token` opens."""
        match token.lastgroup:
            case "string":
                self.skip_string(token["prefix"] or b"")
            case "quoted":
                self.seek(_QUOTED_EDGE, "the end of a quoted name")
            case "dollar":
                tag = re.compile(re.escape(token[0]))
                self.seek(tag, "the end of a dollar-quoted literal", len(token[0]))
            case "line":
                self.seek(_LINE_END, "the end of a line")
            case "block":
                self.skip_block_comment()
            case "number" if token["junk"]:
                self.refuse_glued(token["junk"])

    def skip_string(self, prefix: bytes) -> None:
        escaped = self.escapes or prefix in (b"e", b"E")
        if self.escapes and prefix not in (b"", b"e", b"E"):
            raise self.refusal("a plain literal", text_of(prefix) + "'…'")
        edge = _ESCAPED_STRING_EDGE if escaped else _STRING_EDGE
        while self.seek(edge, "the end of a literal") != b"'" or (escaped and self.continued()):
            pass

    def continued(self) -> bool:
        """Does the literal go on behind a line break? psql then keeps its kind."""
        while True:
            gap = _GAP.match(self.data, self.scan)
            end = gap.end() if gap else self.scan
            if end + 2 <= len(self.data) or self.ended:
                break
            self.more()
        found = self.data[end : end + 1] == b"'" and b"\n" in self.data[self.scan : end]
        self.scan = end + 1 if found else self.scan
        return found

    def skip_block_comment(self) -> None:
        depth = 1
        while depth:
            edge = self.seek(_COMMENT_EDGE, "the end of a comment")
            depth += 1 if edge == b"/*" else -1

    def refuse_glued(self, junk: bytes) -> None:
        """Where a number ends that letters follow depends on psql's version: `1e--`, `1ae'…'`."""
        behind = self.lookahead(2)
        if b"$" in junk or behind[:1] == b"'" or behind == b"--":
            raise self.refusal("a space behind a number", "none")

    def watch(self, text: bytes) -> None:
        """Follow what the script does to the way its literals are read."""
        found = _SESSION.fullmatch(text)
        if found is None:
            if _SESSION_OTHERWISE.match(text):
                raise self.refusal("SET of a session's encoding or literals", "another form of it")
            return
        name, value = found[1].lower(), found[2]
        if name == b"client_encoding" and value.upper() in UNSAFE_ENCODINGS:
            raise self.refusal("an encoding that keeps ASCII apart", text_of(value))
        if name == b"standard_conforming_strings":
            self.escapes = value.lower() != b"on"

    def rows(self) -> Iterator[Rows | RowsEnd]:
        """The rows of a COPY; the byte at `start` is always the last one given out."""
        if self.seek(_LINE_BREAK, "the rows of COPY") and self.data[self.start : self.scan].strip():
            raise self.refusal("the rows of COPY on a line of their own", "text behind it")
        self.start = self.scan = self.scan - 1
        while (end := self.data.find(b"\n\\.", self.start)) < 0 or end + 5 > len(self.data):
            if self.ended:
                break
            if end < 0 and len(self.data) - 3 > self.start:
                yield self.rows_to(len(self.data) - 3)
            self.more()
        if end < 0:
            raise self.cut_short("the end of the rows of COPY")
        if end > self.start:
            yield self.rows_to(end)
        terminator = _ROWS_END.match(self.data, end)
        if terminator is None:
            raise self.refusal("the end of the rows of COPY alone on its line", "text behind it")
        self.start = self.scan = terminator.end()
        yield RowsEnd()

    def rows_to(self, last: int) -> Rows:
        with memoryview(self.data) as view:
            rows = Rows(bytes(view[self.start + 1 : last + 1]))
        self.start = self.scan = last
        return rows


_LINE_BREAK = re.compile(rb"\n")
_ROWS_END = re.compile(rb"\n\\\.(?:\r?\n|\Z)")
