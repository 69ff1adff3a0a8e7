"""Level counts: the rows of each table, counted on the server, against those of the dump."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.encoding import reader
from restore.core.messages import TableCount
from restore.errors import DataLossError
from restore.worker.job import Job
from restore.worker.load import Loaded, Table
from restore.worker.verify.names import name_of

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Counted:
    """What counting found. `lost` are tables of the dump that are not on the server."""

    tables: int
    rows_expected: int | None
    rows_found: int
    lost: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def count(job: Job, database: str, loaded: Loaded) -> Counted:
    """Count the rows of every table that the dump brings rows for.

    Raises DataLossError naming the tables whose counts differ.
    """
    job.meter.enter("counting")
    expected = _named(loaded)
    with job.session(database) as connection:
        there = _tables(connection)
    ordinary = [] if loaded.all_counted else [t for t, kind in there.items() if kind == "r"]
    wanted = dict.fromkeys([*expected, *ordinary])
    found = _count(job, database, {table: there[table] for table in wanted if table in there})
    counts = [
        TableCount(name_of(table), rows, expected.get(table) if loaded.all_counted else None)
        for table, rows in found.items()
        if rows is not None
    ]
    missing = [table for table in expected if table not in there]
    counts += [TableCount(name_of(table), 0, expected[table]) for table in missing]
    different = [c for c in counts if c.expected is not None and c.expected != c.found]
    if different:
        raise _difference(different, len(counts), loaded.lost)
    return Counted(
        tables=len(found),
        rows_expected=sum(expected.values()) if loaded.all_counted else None,
        rows_found=sum(count.found for count in counts),
        lost=tuple(f"table {name_of(table)}: not on the server" for table in missing),
        warnings=tuple(
            f"table {name_of(table)}: its rows could not be counted: permission denied"
            for table, rows in found.items()
            if rows is None
        ),
    )


def _named(loaded: Loaded) -> dict[Table, int]:
    """The tables by their names as text; a script's names are in the script's own encoding."""
    read = reader(loaded.encoding)

    def text(name: str) -> str:
        raw = name.encode("utf-8", "surrogateescape")
        return name if name.isascii() or raw == name.encode("utf-8", "replace") else read(raw)

    return {(text(schema), text(name)): rows for (schema, name), rows in loaded.rows.items()}


def _difference(different: list[TableCount], tables: int, lost: tuple[str, ...]) -> DataLossError:
    shown = "; ".join(
        f"{count.table}: expected {count.expected} rows, found {count.found}"
        for count in different[:_SHOWN]
    )
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    why = f"; pg_restore said: {'; '.join(lost[:_SHOWN])}" if lost else ""
    return DataLossError(
        f"{len(different)} of {tables} tables: {shown}{more}{why}",
        "nothing was published; see what the server refused, then restore again",
    )


def _tables(connection: Connection) -> dict[Table, str]:
    """Every table that can hold rows of a dump, with its kind."""
    rows = connection.execute(
        "SELECT n.nspname, c.relname, c.relkind::text FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' "
        " AND n.nspname <> 'information_schema'"
    )
    return {(schema, name): kind for schema, name, kind in rows}


def _count(job: Job, database: str, tables: dict[Table, str]) -> dict[Table, int | None]:
    """Rows by table, over a few sessions; None where they may not be read."""
    waiting: SimpleQueue[tuple[Table, str]] = SimpleQueue()
    for item in tables.items():
        waiting.put(item)

    def work() -> list[tuple[Table, int | None]]:
        with job.session(database) as connection:
            connection.execute("SET row_security = off")
            return [
                (table, _rows(connection, table, kind == "p")) for table, kind in _drain(waiting)
            ]

    sessions = max(1, min(job.limits.jobs, len(tables)))
    with ThreadPoolExecutor(sessions) as pool:
        counted = [pool.submit(work) for _ in range(sessions)]
        return dict(pair for future in counted for pair in future.result())


def _drain(queue: SimpleQueue[tuple[Table, str]]) -> Iterator[tuple[Table, str]]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _rows(connection: Connection, table: Table, partitioned: bool) -> int | None:
    """Of a partitioned table the rows of all its parts: a dump may load them through the root."""
    scope = sql.SQL("") if partitioned else sql.SQL("ONLY ")
    identifier = sql.Identifier(*table)
    statement = sql.SQL("SELECT count(*) FROM {}{}").format(scope, identifier)
    try:
        return _one(connection, statement)
    except psycopg.errors.InsufficientPrivilege:
        pass
    try:  # forced row security hides rows even from the owner, who may lift it; nothing is kept
        with connection.transaction(force_rollback=True):
            connection.execute(
                sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(identifier)
            )
            return _one(connection, statement)
    except psycopg.errors.InsufficientPrivilege:
        return None


def _one(connection: Connection, statement: sql.Composed) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None, "count(*) gives one row"
    return int(row[0])
