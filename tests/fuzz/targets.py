"""What reads bytes from outside: each target takes any bytes, and may raise errors of ours only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from restore.core import intake, messages, script
from restore.core.archive import read_head
from restore.core.data import DataReader
from restore.core.entries import entries
from restore.core.psql import pieces
from restore.core.request import approval, parse
from restore.core.role_script import parse as parse_roles
from restore.core.role_script import printed
from restore.core.rows import slices
from restore.core.unpack import unpacked
from restore.errors import RestoreError

DATA = Path(__file__).parent.parent / "data"
_CRM = 'Cr\'m_database_€ "x".sql'
_HELD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Target:
    """`read` is given the bytes; `seeds` are good ones, to be spoilt."""

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]

    def __call__(self, data: bytes) -> bool:
        """Whether the bytes were understood. Raises what is no error of ours."""
        try:
            self.read(data)
        except RestoreError:
            return False
        return True


def _archive(data: bytes) -> None:
    """Head, every entry, and every block."""
    head = read_head(data, len(data))
    if head is None or not hasattr(head, "entries"):
        return
    for entry in head.entries:
        str(entry.definition) + str(entry.copy_statement)
    reader = DataReader(head, iter([data[head.toc_end :]]), head.toc_end, len(data))
    for entry in head.data_entries:
        if entry.description == "BLOBS":
            reader.pass_over(entry)
            continue
        reader.begin(entry)
        _drain(unpacked(reader.packed(), head.compression))
    reader.finish()


def _drain(chunks: Iterable[bytes]) -> None:
    """No piece is large, however well it was packed; of a bomb, so much is enough."""
    size_bytes = 0
    for chunk in chunks:
        assert len(chunk) <= 8 * 1024 * 1024, "a piece of unbounded size"
        size_bytes += len(chunk)
        if size_bytes > _HELD_BYTES:
            return


def _roles(data: bytes) -> None:
    """What is understood reads back as it is printed."""
    statements = parse_roles([data])
    for statement in statements:
        printed(statement)


def _rows(data: bytes) -> None:
    """However the text is cut, its slices are all of it."""
    whole = b"".join(bytes(view) for piece in slices([data]) for view in piece.views)
    cut = [data[at : at + 7] for at in range(0, len(data), 7)]
    again = b"".join(bytes(view) for piece in slices(cut) for view in piece.views)
    assert whole == again


def _some(*patterns: str) -> tuple[bytes, ...]:
    found = [path for pattern in patterns for path in sorted(DATA.glob(pattern))]
    return tuple(path.read_bytes() for path in found)


_SERVER = (
    b"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    b"/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg1"
)
_REQUEST = (
    b'{"source": {"server": "'
    + _SERVER
    + b'", "recoveryPoint": {"before": "2026-11-20T10:00:00Z"}},'
    b' "target": {"host": "pg2.example.com", "user": "a", "secret": "s"},'
    b' "databases": {"rename": {"a": "b"}}, "objects": {"tables": {"include": ["a.*"]}}}'
)

TARGETS = {
    "archive": Target(_archive, _some("*.dump", "blocks/*.dump")),
    "roles": Target(_roles, _some("roles-*.sql")),
    "script": Target(lambda data: list(script.safe([data], _CRM)), _some("crm-pg18.sql")),
    "schema": Target(lambda data: script.databases([data]), _some("schema-pg16.sql")),
    "pieces": Target(lambda data: list(pieces([data])), _some("roles-pg18.sql")),
    "entries": Target(lambda data: list(entries([data])), _some("entries/*-pg18.sql")),
    "rows": Target(_rows, (b"1\ta\\n\n2\t\\N\n\\.\n\n\n", b"\\.\n\n\n")),
    "request": Target(parse, (_REQUEST,)),
    "approval": Target(approval, (b'{"hash": "' + b"a" * 64 + b'"}',)),
    "ticket": Target(
        messages.decode_ticket, (messages.encode_ticket(messages.Ticket("0" * 16, "roles", 1)),)
    ),
    "event": Target(
        intake.landed,
        (
            b'{"eventType": "Microsoft.Storage.BlobCreated", "subject": "/blobServices/default/'
            b'containers/c/blobs/b", "data": {"api": "PutBlob", "url": "https://a/c/b"}}',
        ),
    ),
}
