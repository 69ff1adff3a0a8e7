"""What is in the database already: written in the same transaction as the thing itself.

In a schema of its own, inside the database that is being restored, until all is there. Whoever
carries on reads it and does the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from restore.adapters.postgres import Connection
from restore.core.complaints import Complaint
from restore.core.rowhash import Content
from restore.core.suited import LEDGER_SCHEMA as SCHEMA
from restore.errors import TargetError

_CREATE = f"""
BEGIN;
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.archive (identity text NOT NULL, notes text[] NOT NULL);
CREATE TABLE {SCHEMA}.made (entry integer NOT NULL, statements integer NOT NULL);
CREATE TABLE {SCHEMA}.part (
    entry integer NOT NULL, slices integer[] NOT NULL, sums bigint[] NOT NULL,
    rows bigint NOT NULL, total integer, size_bytes bigint, hash numeric
);
CREATE TABLE {SCHEMA}.lost (command text NOT NULL, message text NOT NULL, sqlstate text NOT NULL);
""".encode()


class ForeignDatabaseError(TargetError):
    """The database is neither empty nor one that this archive was being restored into."""

    code = "target-not-empty"


@dataclass(frozen=True, slots=True)
class Part:
    """Some slices of an entry's data, with their checksums; with `total` and `size_bytes` once its
    end was read, and then with the hash of all of it, where that is wanted.
    """

    entry: int
    slices: Mapping[int, int]
    rows: int
    total: int | None = None
    size_bytes: int | None = None
    hash: Content | None = None


@dataclass(slots=True)
class Loaded:
    """What is there of one entry's data: its slices, by their checksums."""

    slices: dict[int, int] = field(default_factory=dict)
    total: int | None = None
    size_bytes: int = 0
    rows: int = 0
    hash: int | None = None  # the sum of its rows' hashes

    @property
    def is_whole(self) -> bool:
        return self.total is not None and len(self.slices) == self.total


@dataclass(slots=True)
class Ledger:
    """The ledger as it was read; it is not kept up to date while it grows."""

    made: dict[int, int]  # statements done, by entry
    loaded: defaultdict[int, Loaded]
    lost: list[Complaint]
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Grows with everything that is noted."""
        return sum(self.made.values()) + sum(len(p.slices) for p in self.loaded.values())


def create(connection: Connection, identity: str, notes: Sequence[str] = ()) -> None:
    connection.execute(_CREATE)
    connection.execute(
        f"INSERT INTO {SCHEMA}.archive VALUES (%s, %s)".encode(), (identity, list(notes))
    )
    connection.execute("COMMIT")


def exists(connection: Connection) -> bool:
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
    return found.fetchone() is not None


def identity(connection: Connection) -> str | None:
    """Of which archive the ledger is; None if there is none."""
    if not exists(connection):
        return None
    row = connection.execute(f"SELECT identity FROM {SCHEMA}.archive".encode()).fetchone()
    return str(row[0]) if row else None


def read(connection: Connection) -> Ledger:
    """Raises TargetError if there is none."""
    made: Counter[int] = Counter()
    for entry, statements in connection.execute(f"SELECT * FROM {SCHEMA}.made".encode()):
        made[entry] = max(made[entry], statements)
    loaded: defaultdict[int, Loaded] = defaultdict(Loaded)
    for entry, slices, sums, rows, total, size, hash_sum in connection.execute(
        f"TABLE {SCHEMA}.part".encode()
    ):
        found = loaded[entry]
        found.slices.update(zip(slices, sums, strict=True))
        found.rows += rows
        if total is not None:
            found.total, found.size_bytes = total, size
            found.hash = None if hash_sum is None else int(hash_sum)
    lost = [Complaint(*row) for row in connection.execute(f"TABLE {SCHEMA}.lost".encode())]
    row = connection.execute(f"SELECT notes FROM {SCHEMA}.archive".encode()).fetchone()
    return Ledger(dict(made), loaded, lost, tuple(row[0]) if row else ())


def settle(connection: Connection) -> None:
    """See all that was committed so far on disk, by a write of our own that is waited for.

    An insert: a publication for all tables forbids updates where there is no key.
    """
    connection.execute("SET synchronous_commit = on")
    connection.execute(made_sql([(0, 0)]))


def drop(connection: Connection) -> None:
    connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())


def made_sql(made: Iterable[tuple[int, int]]) -> bytes:
    """The statement that notes how many statements of which entries are done."""
    rows = ",".join(f"({entry},{statements})" for entry, statements in made)
    return f"INSERT INTO {SCHEMA}.made VALUES {rows};".encode()


def note_parts(connection: Connection, parts: Sequence[Part]) -> None:
    rows = ",".join(
        "({},'{{{}}}','{{{}}}',{},{},{},{})".format(
            part.entry,
            ",".join(map(str, part.slices)),
            ",".join(map(str, part.slices.values())),
            part.rows,
            "NULL" if part.total is None else part.total,
            "NULL" if part.size_bytes is None else part.size_bytes,
            "NULL" if part.hash is None else part.hash.total,
        )
        for part in parts
    )
    connection.execute(f"INSERT INTO {SCHEMA}.part VALUES {rows}".encode())


def note_lost(connection: Connection, complaint: Complaint) -> None:
    """In the session's encoding, which is the archive's: what it has no letters for is escaped."""
    statement = f"INSERT INTO {SCHEMA}.lost VALUES (%s, %s, %s)".encode()
    encoding = connection.info.encoding
    words = (complaint.command, complaint.message)
    plain = [word.encode(encoding, "backslashreplace").decode(encoding) for word in words]
    connection.execute(statement, (*plain, complaint.sqlstate))
