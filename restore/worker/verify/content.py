"""Level content: the hash of what the server holds, against that of what the dump held.

The server writes each table as COPY text, with the settings that pg_dump has its sessions write it
with; what else forms its text (time zone, bytea_output) is tried as the dump may have had it: rows
that are equal in any of these forms are equal.
Source: setup_connection and dumpTableData_copy in pg_dump.c, PostgreSQL 13 to 18.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, product
from queue import Empty, SimpleQueue

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.adapters.tools import Child, pick, rows_argv
from restore.core.dumps import Blob
from restore.core.messages import Check
from restore.core.options import Content as Asked
from restore.core.options import Level
from restore.core.plan import DatabaseStep, Engine
from restore.core.rowhash import (
    Content,
    Hashed,
    ObjectHash,
    RowHash,
    TableContent,
    hash_script,
)
from restore.core.rows import copy_parts
from restore.core.toc import Head
from restore.errors import ArchiveError, DataLossError, RestoreError, ScriptError
from restore.worker.job import Job
from restore.worker.load import Loaded
from restore.worker.verify.names import name_of

_OFFLINE = {"LC_ALL": "C", "PATH": ""}
_SETTINGS = (
    "SET datestyle = ISO",
    "SET intervalstyle = postgres",
    "SET extra_float_digits = 3",
    "SET search_path = ''",
    "SET row_security = off",
    "SET synchronize_seqscans = off",
)
_ZONE = re.compile(r"ALTER DATABASE .* SET \"?timezone\"? TO '((?:[^']|'')+)'", re.IGNORECASE)
_ROWS_AT_ONCE = 1000
_OBJECTS_AT_ONCE = 200
_FIRST_BYTES = 64 * 1024
_NEXT_BYTES = 4 * 1024 * 1024
_SHOWN = 5
_OBJECTS = "large objects"
_GRANT_ALL = b"""
DO $$ DECLARE number oid; BEGIN
    FOR number IN SELECT oid FROM pg_catalog.pg_largeobject_metadata
        WHERE pg_catalog.pg_has_role(lomowner, 'USAGE')
    LOOP
        EXECUTE 'GRANT SELECT ON LARGE OBJECT ' || number || ' TO CURRENT_USER';
    END LOOP;
END $$
"""

Name = tuple[str, str]
Form = tuple[str, str]
"""Time zone and bytea_output."""


@dataclass(slots=True)
class _Outcome:
    """What came of comparing: what was equal, what was not, and what could not be compared."""

    equal: dict[str, Content] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def take(self, other: _Outcome) -> None:
        self.equal |= other.equal
        self.different += other.different
        self.unchecked += other.unchecked


def compare(job: Job, step: DatabaseStep, loaded: Loaded, head: Head | None) -> Check:
    """Hash every table that was loaded, and every large object of `step.staging`, and compare.

    What the engine did not hash on its way is read from the dump once more.
    Raises DataLossError naming the tables that differ.
    """
    started = time.monotonic()
    hashed = loaded.hashed
    if hashed is None:
        try:
            hashed = _read_dump(job, step)
        except (ArchiveError, ScriptError) as exc:
            reason = f"the dump cannot be read as text: {exc.message}"
            return Check(Level.CONTENT, 0, "tables", unchecked=(reason,))
    job.meter.enter("comparing content")
    outcome = _Outcome(unchecked=list(hashed.unknown))
    waiting: SimpleQueue[tuple[Name, TableContent]] = SimpleQueue()
    for table in loaded.rows:
        if table in hashed.tables:
            waiting.put((table, hashed.tables[table]))
    zones = [zone for zone in (_zone(head),) if zone]
    encoding = hashed.encoding
    sessions = max(1, min(job.limits.jobs, len(hashed.tables)))
    with ThreadPoolExecutor(sessions) as pool:
        works = [
            pool.submit(_work, job, step.staging, encoding, zones, waiting) for _ in range(sessions)
        ]
        for work in works:
            outcome.take(work.result())
    if not _is_all(job):
        if hashed.objects.rows or hashed.objects.total:
            outcome.unchecked.append(f"{_OBJECTS}: not all of the database was asked for")
    elif not any(_OBJECTS in reason for reason in hashed.unknown):
        _compare_objects(job, step.staging, hashed.objects, outcome)
    if outcome.different:
        raise _difference(outcome)
    return Check(
        Level.CONTENT,
        len(outcome.equal),
        "tables",
        unchecked=tuple(sorted(outcome.unchecked)),
        hash=_digest(outcome.equal),
        rows=sum(found.rows for name, found in outcome.equal.items() if name != _OBJECTS),
        seconds=time.monotonic() - started,
    )


def _is_all(job: Job) -> bool:
    objects = job.restore.request.objects
    return objects.is_all and objects.content is Asked.ALL


def _difference(outcome: _Outcome) -> DataLossError:
    different = sorted(outcome.different)
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    total = len(outcome.equal) + len(different)
    return DataLossError(
        f"content of {len(different)} of {total} tables: {'; '.join(different[:_SHOWN])}{more}",
        "nothing was published; did anything else write to the staging database?",
    )


def _digest(equal: dict[str, Content]) -> str:
    """One number for all: SHA-256 of a line with name, rows and hash for each table, sorted."""
    lines = (f"{name}\t{content.rows}\t{content.hex}\n" for name, content in sorted(equal.items()))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _zone(head: Head | None) -> str:
    """The time zone that the archived database has for itself, if it has one."""
    for entry in head.entries.described("DATABASE PROPERTIES") if head else ():
        if found := _ZONE.search(entry.definition):
            return found[1].replace("''", "'")
    return ""


# ---- what the dump held ------------------------------------------------------------------------


def _read_dump(job: Job, step: DatabaseStep) -> Hashed:
    """By reading it, as pg_restore prints it where it is no script itself."""
    job.meter.enter("hashing the dump", step.blob.size_bytes)
    if step.engine is Engine.SCHEMA:
        return Hashed({}, Content())
    if step.engine is Engine.PSQL:
        return hash_script(_chunks(job, step.blob))
    argv = rows_argv(pick(job.clients, step.client))
    with (
        Child(argv, _OFFLINE, fed=True, read=True) as child,
        job.stop.ending(child.end),
        ThreadPoolExecutor(1) as pool,
    ):
        hashing = pool.submit(_hashed, child)
        for chunk in _chunks(job, step.blob):
            if not child.feed(chunk):
                break
        child.close_input()
        found = hashing.result()
    if isinstance(found, RestoreError):
        raise found
    return found


def _hashed(child: Child) -> Hashed | RestoreError:
    """Whoever prints must not wait for a reader that is gone."""
    chunks = child.output()
    try:
        return hash_script(chunks)
    except RestoreError as exc:
        for _ in chunks:
            pass
        return exc


def _chunks(job: Job, blob: Blob) -> Iterator[bytes]:
    for chunk in job.landing.stream(job.restore.container, blob):
        job.stop.check()
        yield chunk
        job.meter.add(len(chunk))


# ---- what the server holds ---------------------------------------------------------------------


def _work(
    job: Job,
    database: str,
    encoding: str,
    zones: Sequence[str],
    waiting: SimpleQueue[tuple[Name, TableContent]],
) -> _Outcome:
    """One session's share of the tables."""
    outcome = _Outcome()
    with job.session(database) as connection:
        forms = _set_up(connection, encoding, zones)
        while True:
            try:
                name, expected = waiting.get_nowait()
            except Empty:
                return outcome
            job.stop.check()
            _compare_table(connection, forms, name_of(name), expected, outcome)


def _set_up(connection: Connection, encoding: str, zones: Sequence[str]) -> list[Form]:
    """The session as pg_dump has its own; in which forms values may be in the dump."""
    row = connection.execute("SELECT current_setting('timezone')").fetchone()
    assert row is not None, "there is always a time zone"
    for setting in _SETTINGS:
        connection.execute(setting.encode())
    connection.execute(sql.SQL("SET client_encoding = {}").format(sql.Literal(encoding)))
    return list(product(dict.fromkeys([*zones, "UTC", row[0]]), ("hex", "escape")))


def _compare_table(
    connection: Connection,
    forms: Sequence[Form],
    name: str,
    expected: TableContent,
    outcome: _Outcome,
) -> None:
    if expected.content is None:
        outcome.unchecked.append(f"table {name}: {expected.unknown}")
        return
    found = None
    for zone, output in forms:
        connection.execute(sql.SQL("SET timezone = {}").format(sql.Literal(zone)))
        connection.execute(sql.SQL("SET bytea_output = {}").format(sql.Literal(output)))
        try:
            found = _content(connection, expected.copy)
        except psycopg.errors.InsufficientPrivilege:
            outcome.unchecked.append(f"table {name}: permission denied")
            return
        except psycopg.errors.UndefinedTable:
            outcome.unchecked.append(f"table {name}: not on the server")
            return
        if found == expected.content:
            outcome.equal[name] = found
            return
        if found.rows != expected.content.rows:
            break
    assert found is not None, "there is always a form"
    outcome.different.append(
        f"{name}: expected {expected.content.rows} rows with hash {expected.content.hex},"
        f" found {found.rows} with {found.hex}"
    )


def _content(connection: Connection, copy: bytes) -> Content:
    """What COPY gives of a table; COPY of a query where it is no plain one.

    Forced row security hides rows even from the owner, who may lift it; nothing of that is kept.
    """
    table = copy_parts(copy + b" FROM stdin;")[1]
    columns = copy.removeprefix(b"COPY " + table).strip()[1:-1]
    plain = copy + b" TO STDOUT"
    query = b"COPY (SELECT " + columns + b" FROM " + table + b") TO STDOUT"
    try:
        return _first(connection, (plain, query))
    except psycopg.errors.InsufficientPrivilege:
        with connection.transaction(force_rollback=True):
            connection.execute(b"ALTER TABLE " + table + b" DISABLE ROW LEVEL SECURITY")
            return _first(connection, (plain, query))


def _first(connection: Connection, statements: tuple[bytes, bytes]) -> Content:
    plain, query = statements
    try:
        with connection.transaction():
            return _copied(connection, plain)
    except psycopg.errors.WrongObjectType:
        return _copied(connection, query)


def _copied(connection: Connection, statement: bytes) -> Content:
    rows = RowHash()
    with connection.cursor().copy(statement) as copy:
        texts = iter(copy)
        while group := b"".join(islice(texts, _ROWS_AT_ONCE)):
            rows.update(group)
    return rows.content


# ---- large objects -----------------------------------------------------------------------------


def _compare_objects(job: Job, database: str, expected: Content, outcome: _Outcome) -> None:
    with job.session(database) as connection:
        try:
            found = _readable(job, connection)
        except psycopg.errors.InsufficientPrivilege:
            outcome.unchecked.append(f"{_OBJECTS}: permission denied")
            return
    if found.total != expected.total:
        outcome.different.append(
            f"large objects: expected hash {expected.hex}, found {found.rows} with {found.hex}"
        )
    elif found.rows:
        outcome.equal[_OBJECTS] = found


def _readable(job: Job, connection: Connection) -> Content:
    """Their content; owners may have no right to read, which they may give. Nothing is kept."""
    try:
        return _objects(job, connection)
    except psycopg.errors.InsufficientPrivilege:
        with connection.transaction(force_rollback=True):
            connection.execute(_GRANT_ALL)
            return _objects(job, connection)


def _objects(job: Job, connection: Connection) -> Content:
    """The content of every large object, a few at a time; of long ones a part at a time."""
    hashed = ObjectHash()
    rows = connection.execute("SELECT oid::int8 FROM pg_largeobject_metadata ORDER BY 1").fetchall()
    oids = iter([oid for (oid,) in rows])
    cursor = connection.cursor(binary=True)
    while group := list(islice(oids, _OBJECTS_AT_ONCE)):
        job.stop.check()
        starts = cursor.execute(
            b"SELECT oid::int8, pg_catalog.lo_get(oid, 0, %s) FROM pg_largeobject_metadata"
            b" WHERE oid = ANY(%s::int8[]::oid[])",
            (_FIRST_BYTES, group),
        ).fetchall()
        for oid, start in starts:
            hashed.begin(oid)
            hashed.update(start)
            if len(start) == _FIRST_BYTES:
                _rest(cursor, oid, hashed)
    hashed.end()
    return hashed.content


def _rest(cursor: psycopg.Cursor[tuple[object, ...]], oid: int, hashed: ObjectHash) -> None:
    offset = _FIRST_BYTES
    while True:
        row = cursor.execute(
            b"SELECT pg_catalog.lo_get(%s::int8::oid, %s, %s)", (oid, offset, _NEXT_BYTES)
        ).fetchone()
        data = row[0] if row else b""
        assert isinstance(data, bytes), "lo_get gives bytes"
        hashed.update(data)
        offset += len(data)
        if len(data) < _NEXT_BYTES:
            return
