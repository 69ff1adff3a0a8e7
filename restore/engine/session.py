"""Sessions in the database that is being restored, set up as pg_restore sets up its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

import psycopg

from restore.adapters.postgres import Connection, FullError, error_of, translated
from restore.errors import RestoreError, TransientError

_KNOWS_TRANSACTION_TIMEOUT = 170000


@dataclass(slots=True)
class Session:
    """One connection, and what pg_restore's settings are on it by now."""

    connection: Connection
    settings: tuple[bytes, ...] = ()
    memory: tuple[int, int] = (0, 0)

    def set_up(self, settings: tuple[bytes, ...]) -> bytes:
        """The statements that change the session to `settings`; none if they hold already."""
        if settings == self.settings:
            return b""
        self.settings = settings
        return b"".join(settings)

    def forget(self) -> None:
        """A transaction was undone, and perhaps a setting with it."""
        self.settings = ()


@dataclass(slots=True)
class Sessions:
    """Opens sessions, and ends what they are doing when the restore is to stop.

    `stands` raises where what is known of the database may no longer hold.
    """

    connect: Callable[[], Connection]
    stands: Callable[[], None]
    preamble: Sequence[bytes] = ()
    _open: list[Connection] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _aborted: bool = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session, its errors ours.

        What it commits is not waited for: if the server crashes, rows and ledger are lost together.
        Dropping the ledger waits for all of it.
        """
        with self.connect() as connection, translated(connection):
            with self._lock:
                self._open.append(connection)
                if self._aborted:
                    raise AbortedError("session: expected to be wanted, found an order to stop")
            try:
                self.stands()
                connection.execute("SET synchronous_commit = off")
                for statement in self.preamble:
                    if b"transaction_timeout" not in statement or (
                        connection.info.server_version >= _KNOWS_TRANSACTION_TIMEOUT
                    ):
                        connection.execute(statement)
                yield Session(connection)
            finally:
                with self._lock:
                    self._open.remove(connection)

    def abort(self) -> None:
        """Cancel whatever runs; there will be no other session. From any thread."""
        with self._lock:
            self._aborted = True
            running = tuple(self._open)
        for connection in running:
            with suppress(psycopg.Error):  # it may be over, or closed, by now
                connection.cancel_safe(timeout=5)


class AbortedError(TransientError):
    """Ended because something else went wrong, or somebody wants it to end."""

    code = "aborted"


def is_the_servers(error: psycopg.Error, connection: Connection) -> RestoreError | None:
    """`error` as ours if it is no fault of the statement: the server is gone, full, or busy."""
    found = error_of(error, connection)
    return found if isinstance(found, TransientError | FullError) else None
