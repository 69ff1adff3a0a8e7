"""Several COPY in one message: what one more costs a small table is its own time, not a wait."""

from __future__ import annotations

import select
from collections.abc import Iterable, Sequence

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

from restore.adapters.postgres import Connection

Copy = tuple[bytes, Iterable[memoryview]]
"""A COPY … FROM stdin without a semicolon, and the rows in its format."""


class CopyError(Exception):
    """`copy` is the number of the one that failed; the reason is the error's cause."""

    def __init__(self, copy: int, reason: psycopg.Error) -> None:
        super().__init__(copy)
        self.copy, self.reason = copy, reason


def copy_all(connection: Connection, copies: Sequence[Copy]) -> None:
    """Run `copies` one after the other in the transaction that is open.

    Raises CopyError for the first that the server does not take, or during which it was lost.
    Source: postgresql.org/docs/18/protocol-flow.html, COPY operations, and libpq-copy.html.
    """
    server = connection.pgconn
    number = 0
    try:
        server.send_query(b";".join(statement for statement, _ in copies))
        for number, (_, rows) in enumerate(copies):  # noqa: B007, the one that fails is told
            _expect(connection, pq.ExecStatus.COPY_IN)
            for view in rows:
                while server.put_copy_data(view) == 0:
                    _flush(server)
            while server.put_copy_end() == 0:
                _flush(server)
            _expect(connection, pq.ExecStatus.COMMAND_OK)
        while _result(server) is not None:
            pass
    except psycopg.Error as exc:
        raise CopyError(number, exc) from exc


def _expect(connection: Connection, status: pq.ExecStatus) -> None:
    """Take the next result. Raises the server's error if it is one, once all answers are in."""
    server = connection.pgconn
    result = _result(server)
    if result is not None and result.status == status:
        return
    while _result(server) is not None:
        pass
    if result is None or result.status != pq.ExecStatus.FATAL_ERROR:
        raise psycopg.OperationalError(f"COPY: expected {status.name}, found another answer")
    raise error_from_result(result, connection.info.encoding)


def _result(server: pq.abc.PGconn) -> pq.abc.PGresult | None:
    _flush(server)
    while server.is_busy():
        select.select([server.socket], [], [])
        server.consume_input()
    return server.get_result()


def _flush(server: pq.abc.PGconn) -> None:
    """Send what libpq holds; what the server says meanwhile is taken in, or both would wait."""
    while server.flush():
        readable, _, _ = select.select([server.socket], [server.socket], [])
        if readable:
            server.consume_input()
