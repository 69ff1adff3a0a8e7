"""What pg_restore would run for each entry of a TOC, cut from the script that it writes.

`pg_restore --verbose --file=-` knows every kind of object of its version, who owns it, and in which
order all that goes; this knows where one entry ends and the next begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from restore.core.psql import Comment, Statement, pieces
from restore.core.script import restricted
from restore.errors import ScriptError

PREAMBLE = 0
"""The id under which the script's first statements come: how it sets up its session."""

# Source: _printTocEntry in pg_backup_archiver.c, PostgreSQL 13 to 18, with --verbose. A comment
# between statements cannot be part of one: whoever made an object had no say in it.
_HEADER = re.compile(rb"-- TOC entry (\d+) \(class \d+ OID \d+\)")
_SETTING = re.compile(rb"SET (\w+) = .*;", re.DOTALL)
_BEFORE_ANY = (b"default_tablespace", b"default_table_access_method")
_TRANSACTION = re.compile(
    rb"(?:ABORT|BEGIN|COMMIT|END|PREPARE\s+TRANSACTION|ROLLBACK|START)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class EntrySql:
    """The statements of one entry, each with its semicolon, in the archive's encoding.

    `settings` is what the session must have set before: pg_restore sets default_tablespace and the
    like only where they change.
    """

    dump_id: int
    statements: tuple[bytes, ...]
    settings: tuple[bytes, ...] = ()
    is_chain: bool = False  # what follows a refused statement makes no sense
    undo: bytes = b""  # takes back what a chain made before it broke


def entries(script: Iterable[bytes]) -> Iterator[EntrySql]:
    """The entries of pg_restore's script, in its order; first the preamble.

    Raises ScriptError for what is no such script, and for one that ends a transaction: each entry
    has to be one with its note in the ledger.
    """
    dump_id = PREAMBLE
    statements: list[bytes] = []
    settings: dict[bytes, bytes] = {}
    before: tuple[bytes, ...] = ()
    for piece in restricted(pieces(script)):
        if isinstance(piece, Comment):
            if header := _HEADER.fullmatch(piece.text):
                yield EntrySql(dump_id, tuple(statements), before)
                dump_id, statements, before = int(header[1]), [], tuple(settings.values())
        elif isinstance(piece, Statement):
            if name := _set_up(piece.text, dump_id):
                settings[name] = piece.text
            else:
                statements.append(_plain(piece.text))
        else:
            raise ScriptError(
                f"entry {dump_id}: expected statements, found {type(piece).__name__.lower()}",
                "entries that bring rows are read by other means",
            )
    yield EntrySql(dump_id, tuple(statements), before)


def _set_up(statement: bytes, dump_id: int) -> bytes:
    """The setting that it makes for the entry it stands before; b"" for any other statement."""
    found = _SETTING.fullmatch(statement)
    if found is None or (dump_id == PREAMBLE and found[1] not in _BEFORE_ANY):
        return b""
    return found[1]


def _plain(statement: bytes) -> bytes:
    if _TRANSACTION.match(statement):
        raise ScriptError(
            "entry: expected no transaction control, found some", "the archive was tampered with"
        )
    return statement
