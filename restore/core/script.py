"""Plain SQL scripts of pg_dump and pg_dumpall: are they whole, what is in them, what may be run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from restore.core.dumps import SYSTEM_ROLES
from restore.core.psql import Comment, Copy, Meta, Piece, Rows, RowsEnd, Statement, pieces
from restore.core.sql import TokenKind, text_of, tokens
from restore.errors import ScriptError

_DUMP_TRAILER = b"-- PostgreSQL database dump complete"
_CLUSTER_TRAILER = b"-- PostgreSQL database cluster dump complete"
_TRAILERS = {
    b"-- PostgreSQL database dump": _DUMP_TRAILER,
    b"-- PostgreSQL database cluster dump": _CLUSTER_TRAILER,
}
_BEHIND_TRAILER = rb"\r?\n--\s*(?:\\unrestrict [A-Za-z0-9]+\s*)?\Z"
_TRANSACTION = re.compile(
    rb"(?:ABORT|BEGIN|COMMIT|END|PREPARE\s+TRANSACTION|ROLLBACK|START)\b", re.IGNORECASE
)
_OWNER_TO = b" OWNER TO "
_CONNECT_NAME = re.compile(r"dbname='(.*)'", re.DOTALL)
_ABOUT_DATABASE = re.compile(
    r"(?:create|alter|drop) database|(?:comment on|security label (?:for \S+ )?on) database"
    r"|(?:grant|revoke) .*? on database|alter role \S+ in database"
)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows by (schema, table) as COPY brings them, and how many INSERT statements there are.

    `copied` tells the whole only where `inserts` is 0: one INSERT may bring many rows.
    """

    copied: Mapping[tuple[str, str], int]
    inserts: int


def ends_cleanly(prefix: bytes, tail: bytes) -> bool:
    """Does a script that starts with `prefix` and ends with `tail` (1 kB each) have its trailer?

    A cheap check, for a script too large to read twice; `whole` is the proof.
    """
    lines = (line.rstrip() for line in prefix.split(b"\n"))
    trailer = next((_TRAILERS[line] for line in lines if line in _TRAILERS), _DUMP_TRAILER)
    return re.search(re.escape(trailer) + _BEHIND_TRAILER, tail) is not None


def whole(script: Iterable[Piece]) -> Iterator[Piece]:
    """The same pieces; at the end, ScriptError unless the trailer was seen and nothing followed it.

    pg_dumpall's output holds whole dumps of databases, so what opened the script must end it.
    """
    expected, ended = (_DUMP_TRAILER, _CLUSTER_TRAILER), False
    opened = False
    for piece in script:
        if isinstance(piece, Comment):
            if not opened and piece.text in _TRAILERS:
                expected, opened = (_TRAILERS[piece.text],) * 2, True
            ended = ended or piece.text in expected
        elif not isinstance(piece, Meta):
            ended = False
        yield piece
    if not ended:
        raise ScriptError(
            "script: expected the comment 'dump complete' at its end, found none",
            hint="the dump is truncated, or is not one of pg_dump: restore it from the vault again",
        )


def restricted(script: Iterable[Piece]) -> Iterator[Piece]:
    r"""The same pieces without \restrict and \unrestrict; between them, no other meta-command.

    Source: postgresql.org/docs/18/app-psql.html, \restrict.
    """
    key = ""
    for piece in script:
        if not isinstance(piece, Meta):
            yield piece
        elif piece.command == "restrict" and not key:
            key = piece.argument
        elif piece.command == "unrestrict" and piece.argument == key:
            key = ""
        elif key or piece.command == "unrestrict":
            raise ScriptError(rf"script: expected \unrestrict with its key, found \{piece.command}")
        else:
            yield piece


def by_database(script: Iterable[Piece]) -> Iterator[tuple[str, Piece]]:
    r"""The pieces, each with its database: the last \connect's, empty before the first."""
    database = ""
    for piece in script:
        if isinstance(piece, Meta) and piece.command == "connect":
            database = _connect_target(piece.argument)
        elif not isinstance(piece, Meta):
            yield database, piece


def databases(chunks: Iterable[bytes]) -> tuple[str, ...]:
    r"""The databases the script connects to, in that order.

    Raises ScriptError as `pieces` and `whole` do.
    """
    found = (database for database, _ in by_database(restricted(whole(pieces(chunks)))))
    return tuple(dict.fromkeys(database for database in found if database))


def safe(chunks: Iterable[bytes], database: str = "") -> Iterator[bytes]:
    r"""The script as it may be fed to psql, in pieces: without meta-commands and outer comments.

    The script of one database holds no \connect: it runs wherever the caller connected. With
    `database`, only that part of pg_dumpall's output, without the statements about the database
    itself, which would hit the one of that name and not the one connected to.
    Without BEGIN and COMMIT, which pg_dump puts around large objects: they would end the one
    transaction the caller has to run it in, for the last thing to happen is the ScriptError for a
    missing trailer. Commit only after the end. What belonged to the service's own roles belongs to
    the login: nobody else can become those.
    """
    script = restricted(whole(pieces(chunks)))
    part = _part(script, database) if database else _without_metas(script)
    return filter(None, map(_printed, _without_system_owners(_in_one_transaction(part))))


def about_database(chunks: Iterable[bytes], database: str) -> Iterator[bytes]:
    """What `safe` leaves out of that database's part: the statements about the database itself."""
    for name, piece in by_database(restricted(whole(pieces(chunks)))):
        if name == database and isinstance(piece, Statement) and _is_about_database(piece):
            yield piece.text + b"\n"


def _part(script: Iterable[Piece], database: str) -> Iterator[Piece]:
    for name, piece in by_database(script):
        if name == database and not _is_about_database(piece):
            yield piece


def _without_metas(script: Iterable[Piece]) -> Iterator[Piece]:
    for piece in script:
        if isinstance(piece, Meta):
            raise ScriptError(
                rf"script: expected one database's, found \{piece.command}",
                hint="dumped with --create, or by pg_dumpall: the script chooses its own database",
            )
        yield piece


def _in_one_transaction(script: Iterable[Piece]) -> Iterator[Piece]:
    for piece in script:
        if not isinstance(piece, Statement) or not _TRANSACTION.match(piece.text):
            yield piece
        elif piece.text not in (b"BEGIN;", b"COMMIT;"):
            raise ScriptError(
                "script: expected no transaction control but BEGIN and COMMIT, found another",
                hint="the script is not as pg_dump wrote it",
            )


def _without_system_owners(script: Iterable[Piece]) -> Iterator[Piece]:
    for piece in script:
        if not isinstance(piece, Statement) or _OWNER_TO not in piece.text:
            yield piece
            continue
        *_, to, owner = (t.text for t in tokens(text_of(piece.text)) if not t.is_symbol(";"))
        if to != "to" or owner not in SYSTEM_ROLES:
            yield piece


def count_rows(chunks: Iterable[bytes]) -> RowCounts:
    """How many rows each COPY of the script brings; tables that get none are there with 0.

    Raises ScriptError as `pieces` and `whole` do: half a script has no count.
    """
    copied: Counter[tuple[str, str]] = Counter()
    inserts, current = 0, ("", "")
    for piece in whole(pieces(chunks)):
        if isinstance(piece, Rows):
            copied[current] += piece.data.count(b"\n")
        elif isinstance(piece, Copy):
            current = piece.target.schema, piece.target.table
            copied[current] += 0
        elif isinstance(piece, Statement):
            inserts += piece.text[:6].upper() == b"INSERT"
    return RowCounts(dict(copied), inserts)


def _printed(piece: Piece) -> bytes:
    match piece:
        case Statement(text) | Copy(text):
            return text + b"\n"
        case Rows(data):
            return data
        case RowsEnd():
            return b"\\.\n"
        case _:
            return b""


def _is_about_database(piece: Piece) -> bool:
    if not isinstance(piece, Statement) or b"DATABASE" not in piece.text.upper():
        return False
    start = islice(tokens(text_of(piece.text)), 16)
    words = (token.text if token.kind is TokenKind.WORD else "?" for token in start)
    return _ABOUT_DATABASE.match(" ".join(words)) is not None


def _connect_target(argument: str) -> str:
    r"""The database of a \connect: a name, a quoted name, or a quoted `dbname='…'`.

    Source: appendPsqlMetaConnect in src/fe_utils/string_utils.c, PostgreSQL 18.
    """
    quoted = argument.removeprefix("-reuse-previous=on ")
    name = quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
    value = _CONNECT_NAME.fullmatch(name) if quoted != argument else None
    return re.sub(r"\\(.)", r"\1", value[1], flags=re.DOTALL) if value else name
