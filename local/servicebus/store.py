"""Where messages are kept: nowhere, or in SQLite so that a broker may restart under a live client.

Changes gather during one turn of the event loop and are committed in one transaction before the
acknowledgements of that turn are written, so what a client was told is stored.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from local.servicebus.message import Message, State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    queue TEXT, sequence INTEGER, state TEXT, delivery_count INTEGER, enqueued_at REAL,
    expires_at REAL, due_at REAL, token BLOB, locked_until REAL, was_deferred INTEGER,
    payload BLOB, PRIMARY KEY (queue, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (name TEXT PRIMARY KEY, next_sequence INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    queue TEXT, message_id TEXT, at REAL, PRIMARY KEY (queue, message_id)) WITHOUT ROWID;
"""


class Store(Protocol):
    """What a queue tells about its messages; `queue` is its lower-case name."""

    def changed(self, queue: str, message: Message) -> None:
        """The message is new, or its state is."""

    def gone(self, queue: str, sequence: int) -> None:
        """The message with this sequence number is no longer in the queue."""

    def numbered(self, queue: str, next_sequence: int) -> None:
        """Sequence numbers below this one have been given away."""

    def seen(self, queue: str, message_id: str, at: float) -> None:
        """A message with this id arrived, for the detection of duplicates."""

    def messages(self, queue: str) -> Iterable[Message]:
        """The messages stored earlier, locks by time of expiry."""

    def next_sequence(self, queue: str) -> int:
        """The first sequence number never given away."""

    def seen_before(self, queue: str) -> Iterable[tuple[str, float]]:
        """Message ids and times of arrival, oldest first."""

    def commit(self) -> None:
        """Make what was told so far durable."""

    def close(self) -> None:
        """Commit and let go of the database."""


class MemoryStore:
    """Keeps nothing beyond the life of the broker."""

    def changed(self, queue: str, message: Message) -> None:
        """Nothing to keep."""

    def gone(self, queue: str, sequence: int) -> None:
        """Nothing to forget."""

    def numbered(self, queue: str, next_sequence: int) -> None:
        """Nothing to keep."""

    def seen(self, queue: str, message_id: str, at: float) -> None:
        """Nothing to keep."""

    def messages(self, queue: str) -> Iterable[Message]:
        """None."""
        return ()

    def next_sequence(self, queue: str) -> int:
        """Always the first."""
        return 1

    def seen_before(self, queue: str) -> Iterable[tuple[str, float]]:
        """None."""
        return ()

    def commit(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class SqliteStore:
    """Keeps messages, locks with their tokens, schedules, and ids seen, in one SQLite file.

    A process that is killed loses nothing acknowledged; a machine that loses power may (WAL
    without a sync per commit), which is enough for a broker that is never deployed.
    """

    def __init__(self, path: Path) -> None:
        # Opened where the broker is made, used on the thread of its loop, never on both at once.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)
        self._messages: dict[tuple[str, int], Message | None] = {}
        self._numbers: dict[str, int] = {}
        self._seen: list[tuple[str, str, float]] = []

    def changed(self, queue: str, message: Message) -> None:
        """Store the message at the next commit, over what was stored of it."""
        self._messages[queue, message.sequence] = message

    def gone(self, queue: str, sequence: int) -> None:
        """Remove the message at the next commit."""
        self._messages[queue, sequence] = None

    def numbered(self, queue: str, next_sequence: int) -> None:
        """Store the counter at the next commit."""
        self._numbers[queue] = next_sequence

    def seen(self, queue: str, message_id: str, at: float) -> None:
        """Store the id at the next commit."""
        self._seen.append((queue, message_id, at))

    def messages(self, queue: str) -> Iterable[Message]:
        """The messages of the queue, locks by time of expiry."""
        query = """
            SELECT sequence, state, delivery_count, enqueued_at, expires_at, due_at, token,
                   locked_until, was_deferred, payload
            FROM message WHERE queue = ? ORDER BY locked_until, sequence"""
        return [_message(row) for row in self._database.execute(query, (queue,)).fetchall()]

    def next_sequence(self, queue: str) -> int:
        """The first sequence number never given away."""
        query = "SELECT next_sequence FROM queue WHERE name = ?"
        row = self._database.execute(query, (queue,)).fetchone()
        return row[0] if row else 1

    def seen_before(self, queue: str) -> Iterable[tuple[str, float]]:
        """Message ids and times of arrival, oldest first."""
        query = "SELECT message_id, at FROM seen WHERE queue = ? ORDER BY at"
        return self._database.execute(query, (queue,)).fetchall()

    def commit(self) -> None:
        """Write what gathered, in one transaction."""
        if not (self._messages or self._numbers or self._seen):
            return
        changes, self._messages = self._messages, {}
        numbers, self._numbers = self._numbers, {}
        seen, self._seen = self._seen, []
        write = self._database.executemany
        self._database.execute("BEGIN")
        gone = [key for key, message in changes.items() if message is None]
        write("DELETE FROM message WHERE queue = ? AND sequence = ?", gone)
        rows = [_row(key, message) for key, message in changes.items() if message is not None]
        write("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        write("INSERT OR REPLACE INTO queue VALUES (?, ?)", list(numbers.items()))
        write("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", seen)
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._database.close()


def _row(key: tuple[str, int], message: Message) -> tuple[Any, ...]:
    return (
        *key,
        message.state.value,
        message.delivery_count,
        message.enqueued_at,
        message.expires_at,
        message.due_at,
        message.token.bytes if message.token else None,
        message.locked_until,
        int(message.was_deferred),
        message.payload,
    )


def _message(row: tuple[Any, ...]) -> Message:
    message = Message.parse(row[9])
    message.sequence, message.state, message.delivery_count = row[0], State(row[1]), row[2]
    message.enqueued_at, message.expires_at, message.due_at = row[3:6]
    message.token = uuid.UUID(bytes=row[6]) if row[6] else None
    message.locked_until, message.was_deferred = row[7], bool(row[8])
    return message
