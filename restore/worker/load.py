"""Who moves a dump's content into a staging database: our engine, or PostgreSQL's own programs.

Whoever does gets an empty database and a dump, and says what the dump held and what did not arrive.
Whether the rows are there is not its word to give: they are counted afterwards.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO

import psycopg

from restore.adapters.postgres import said_by_tool
from restore.adapters.ranges import BlobRanges
from restore.adapters.tools import CHUNK_BYTES, Child, Client, pick, restore_argv, rows_argv
from restore.core import script
from restore.core.complaints import Complaint, Kind, Listener
from restore.core.dumps import FORMAT_PREFIX_BYTES, Blob, Format, format_of
from restore.core.managed import acts_for_others, grants_of, new_owner
from restore.core.options import Level
from restore.core.plan import DatabaseStep, Engine
from restore.core.role_target import is_system
from restore.core.rowhash import Hashed
from restore.core.sql import copy_target, text_of, tokens
from restore.core.toc import Head
from restore.engine.run import Means, finish, restore
from restore.errors import ArchiveError, RestoreError, ScriptError, ToolError
from restore.worker import owners, psql, public
from restore.worker.job import Job
from restore.worker.reading import read_head
from restore.worker.selected import listed, opened, select

_SPARE_BYTES = 64 * 1024 * 1024
_ENCODING = re.compile(rb"SET client_encoding = '(\w+)';")
_OWNER_TO = re.compile(rb"ALTER\b.*\bOWNER TO .+;\s*", re.DOTALL)
_PRIVILEGES = re.compile(rb"(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES)\s.+;\s*", re.DOTALL)
_NEW_SETTING = re.compile(rb"SET transaction_timeout = 0;\s*")
_KNOWS_NEW_SETTING = 17
_START = 1000
_ROWS_END = b"\\.\n"
_OFFLINE = {"LC_ALL": "C", "PATH": ""}

Table = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a dump holds, and what of it did not arrive."""

    rows: Mapping[Table, int]
    all_counted: bool = True  # False: there are INSERT statements, whose rows nobody counted
    encoding: str = "UTF8"  # of the names in `rows`, where they are not UTF-8
    opens_public: bool = False  # a script lets everybody create in schema public
    lost: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()  # refused, as was to be expected; a warning tells of them
    warnings: tuple[str, ...] = ()
    head: Head | None = None
    left_out: Collection[int] = frozenset()  # entries of `head` that were not to be restored
    hashed: Hashed | None = None  # what the dump holds, where that was hashed on its way
    finish: Callable[[], Loaded] | None = None  # the last thing to do there; more of what was lost


def load(job: Job, step: DatabaseStep, notes: tuple[str, ...] = ()) -> Loaded:
    """Bring the content of `step.blob` into the empty database `step.staging`.

    The engine carries on with what it began there; `notes` is what it shall remember till then, and
    gives back as warnings.

    Raises ArchiveError or ScriptError for a dump that cannot be used, ToolError where the programs
    fail, UnreachableError and the like where the server does.
    """
    match step.engine:
        case Engine.STREAM:
            return _stream(job, step, notes)
        case Engine.PG_RESTORE:
            return _load_archive(job, step)
        case Engine.PSQL:
            return _load_script(job, step, f"dump {step.blob.name!r}")
        case Engine.SCHEMA:
            return _load_script(job, step, f"schema of {step.name!r}")


def _chunks(job: Job, blob: Blob) -> Iterator[bytes]:
    """The whole blob; its bytes count as handed on."""
    size_bytes = 0
    for chunk in job.landing.stream(job.restore.container, blob):
        job.stop.check()
        yield chunk
        size_bytes += len(chunk)
        job.meter.add(len(chunk))
    if size_bytes != blob.size_bytes:
        raise ArchiveError(
            f"file {blob.name!r}: expected {blob.size_bytes} bytes, found {size_bytes}"
        )


# ---- by the engine ---------------------------------------------------------------------------


def _stream(job: Job, step: DatabaseStep, notes: tuple[str, ...]) -> Loaded:
    means = Means(
        ranges=BlobRanges(job.landing, job.restore.container, step.blob),
        connect=lambda: job.server.connect(step.staging),
        client=pick(job.clients, step.client),
        connections=step.connections,
        meter=job.meter,
        check=job.stop.check,
        ending=job.stop.ending,
        keep_owners=step.keep_owners,
        notes=notes,
        unwanted=lambda head: select(job, step, head).left_out,
        hashed=job.restore.request.verify is Level.CONTENT,
    )
    restored = restore(means)
    judged = _judged(job, step, restored.lost, restored.rows)
    return replace(
        judged,
        warnings=(*restored.notes, *judged.warnings),
        head=restored.head,
        left_out=select(job, step, restored.head).left_out,
        hashed=restored.hashed,
        finish=lambda: _judged(job, step, finish(means, restored), {}),
    )


def _judged(
    job: Job, step: DatabaseStep, complaints: Collection[Complaint], rows: Mapping[Table, int]
) -> Loaded:
    lost = tuple(str(c) for c in complaints if c.kind is Kind.LOST)
    unowned = [c for c in complaints if c.kind is Kind.OWNER]
    kept = owners.give(job, step.staging, unowned) if unowned else ()
    expected = tuple(str(c) for c in complaints if c.kind is Kind.EXPECTED)
    return Loaded(
        rows,
        lost=lost,
        expected=expected,
        warnings=(*_owner_warning(step, kept), *_expected_warning(step, expected)),
    )


# ---- archives ----------------------------------------------------------------------------------


def _load_archive(job: Job, step: DatabaseStep) -> Loaded:
    """Through a file where it is small enough, which allows parallel jobs; else through a pipe."""
    client = pick(job.clients, step.client)
    head, warnings = _head(job, step)
    chosen = _chosen(job, step, head)
    loaded = _through_either(job, step, client, chosen)
    job.meter.enter("granting")
    apart = _made_apart(job, step, chosen)
    return replace(
        loaded,
        lost=(*loaded.lost, *apart),
        warnings=(*warnings, *loaded.warnings),
        head=head,
        left_out=chosen.left_out,
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What of an archive pg_restore is to restore; all, where there is no table of contents.

    `apart` are grants it would lose, and row security, behind which an owner may see less than it
    has to for foreign keys and materialized views: they are made afterwards.
    """

    head: Head | None
    left_out: Collection[int]
    apart: Collection[int] = ()

    @property
    def unlisted(self) -> frozenset[int]:
        return frozenset(self.left_out).union(self.apart)


def _chosen(job: Job, step: DatabaseStep, head: Head | None) -> _Chosen:
    left_out = select(job, step, head).left_out
    if head is None or step.powers.superuser:
        return _Chosen(head, left_out)
    apart = [
        entry.dump_id
        for entry in head.entries.described("ACL", "ROW SECURITY")
        if entry.dump_id not in left_out
        if entry.description == "ROW SECURITY" or acts_for_others(entry)
    ]
    return _Chosen(head, left_out, apart)


def _head(job: Job, step: DatabaseStep) -> tuple[Head | None, tuple[str, ...]]:
    """The archive's table of contents; None, and a warning, where there is none to read."""
    try:
        return read_head(job.landing, job.restore.container, step.blob), ()
    except ArchiveError:  # a tar archive: pg_restore reads it, we do not
        return None, (f"database {step.name!r}: a tar archive's own settings are left out",)


def _through_either(job: Job, step: DatabaseStep, client: Client, chosen: _Chosen) -> Loaded:
    size_bytes = step.blob.size_bytes
    room_bytes = shutil.disk_usage(tempfile.gettempdir()).free - _SPARE_BYTES
    if size_bytes > min(job.limits.scratch_bytes, room_bytes):
        with listed(chosen.head, chosen.unlisted) as list_file:
            return _through_pipe(job, step, client, list_file)
    # Without a name: nothing is left behind whatever happens to us.
    with tempfile.TemporaryFile() as file:
        job.meter.enter("downloading", size_bytes)
        for chunk in _chunks(job, step.blob):
            file.write(chunk)
        file.flush()
        with listed(chosen.head, chosen.unlisted) as list_file:
            return _through_file(job, step, client, file, list_file)


def _through_file(
    job: Job, step: DatabaseStep, client: Client, file: IO[bytes], list_file: int
) -> Loaded:
    # Each job opens the file anew, and so has its own position in it.
    path, chosen = opened(file.fileno()), opened(list_file)
    kept = tuple(number for number in (file.fileno(), list_file) if number >= 0)
    file.seek(0)
    archive = format_of(file.read(FORMAT_PREFIX_BYTES)) is Format.ARCHIVE
    jobs = job.limits.jobs if archive else 1  # a tar archive cannot be read in parallel
    if not job.restore.request.target.secret:
        # With jobs it logs in once more at its end, when a Microsoft Entra token may have expired.
        # Source: restore_toc_entries_postfork in src/bin/pg_dump/pg_backup_archiver.c.
        jobs = 1
    into = restore_argv(
        client,
        step.staging,
        jobs=jobs,
        file=path,
        keep_owners=step.keep_owners,
        keep_privileges=job.restore.request.objects.privileges,
        listed=chosen,
    )
    listener = Listener()
    job.meter.enter("restoring")
    with ExitStack() as children:
        restoring = children.enter_context(
            Child(into, job.server.environment(), files=kept, on_line=listener.hear)
        )
        counting = children.enter_context(
            Child(rows_argv(client, path, chosen), _OFFLINE, files=kept, read=True)
        )
        children.enter_context(job.stop.ending(restoring.end))
        children.enter_context(job.stop.ending(counting.end))
        counter = children.enter_context(_Counter(counting.output()))
        return _concluded(job, step, listener, restoring, counting, counter)


def _through_pipe(job: Job, step: DatabaseStep, client: Client, list_file: int) -> Loaded:
    chosen, kept = opened(list_file), (list_file,) if list_file >= 0 else ()
    into = restore_argv(
        client,
        step.staging,
        keep_owners=step.keep_owners,
        keep_privileges=job.restore.request.objects.privileges,
        listed=chosen,
    )
    listener = Listener()
    job.meter.enter("restoring", step.blob.size_bytes)
    with ExitStack() as children:
        restoring = children.enter_context(
            Child(into, job.server.environment(), fed=True, files=kept, on_line=listener.hear)
        )
        counting = children.enter_context(
            Child(rows_argv(client, listed=chosen), _OFFLINE, files=kept, fed=True, read=True)
        )
        children.enter_context(job.stop.ending(restoring.end))
        children.enter_context(job.stop.ending(counting.end))
        counter = children.enter_context(_Counter(counting.output()))
        readers = [restoring, counting]
        for chunk in _chunks(job, step.blob):
            readers = [child for child in readers if child.feed(chunk)]
            if not readers:
                break
        for child in readers:
            child.close_input()
        return _concluded(job, step, listener, restoring, counting, counter)


def _concluded(
    job: Job,
    step: DatabaseStep,
    listener: Listener,
    restoring: Child,
    counting: Child,
    counter: _Counter,
) -> Loaded:
    """What came of both passes. The counting one needs no server: if it fails, the dump is bad."""
    verdict = listener.verdict(restoring.wait())
    if verdict.fatal and (broken := said_by_tool(restoring.said, f"dump {step.blob.name!r}")):
        raise broken
    rows = counter.result()
    if counting.wait() or isinstance(rows, RestoreError):
        reason = verdict.fatal or " ".join(counting.said[-1:]) or str(rows)
        raise ArchiveError(
            f"dump {step.blob.name!r}: expected a whole archive, found: {reason}",
            "restore this recovery point again into a fresh container, or choose another point",
        )
    if verdict.fatal:
        raise ToolError(
            f"dump {step.blob.name!r}: expected pg_restore to reach its end, found: {verdict.fatal}"
        )
    judged = _judged(job, step, verdict.complaints, rows.copied)
    return replace(judged, all_counted=not rows.inserts, encoding=counter.encoding)


def _owner_warning(step: DatabaseStep, complaints: tuple[Complaint, ...]) -> tuple[str, ...]:
    """What should have an owner of one's own. That the service's own roles own nothing of ours is
    as it must be.
    """
    owners = [str(c) for c in complaints if not is_system(new_owner(c.command, c.message))]
    if not owners:
        return ()
    return (
        f"database {step.name!r}: {len(owners)} objects keep the restoring login as their owner,"
        f" the first: {owners[0]}",
    )


def _expected_warning(step: DatabaseStep, expected: tuple[str, ...]) -> tuple[str, ...]:
    if not expected:
        return ()
    return (
        f"database {step.name!r}: {len(expected)} objects are left out, since only a superuser can"
        f" create them, the first: {expected[0]}",
    )


def _made_apart(job: Job, step: DatabaseStep, chosen: _Chosen) -> tuple[str, ...]:
    """Make what pg_restore was not given, one by one; what of it was refused."""
    if chosen.head is None or not chosen.apart:
        return ()
    refused = []
    with job.session(step.staging) as connection:
        for dump_id in sorted(chosen.apart):
            entry = chosen.head.entry(dump_id)
            for statement in grants_of(entry):
                try:
                    connection.execute(statement)
                except psycopg.OperationalError:
                    raise
                except psycopg.Error as exc:
                    message = exc.diag.message_primary or type(exc).__name__
                    refused.append(f"{entry.description} of {entry.tag}: {message}")
    return tuple(refused)


class _Counter:
    """Counts the rows of a script in a thread of its own, as fast as it is printed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._result: script.RowCounts | RestoreError | None = None
        self._thread = threading.Thread(target=self._count, daemon=True)
        self.encoding = "UTF8"

    def __enter__(self) -> _Counter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The program that prints is ended after this: it must not wait for us."""

    def _count(self) -> None:
        try:
            self._result = script.count_rows(self._watched())
        except RestoreError as exc:
            self._result = exc
            for _ in self._chunks:  # whoever prints must not wait for a reader that is gone
                pass

    def _watched(self) -> Iterator[bytes]:
        found = None
        seen_bytes = 0
        for chunk in self._chunks:
            if found is None and seen_bytes < CHUNK_BYTES and (found := _ENCODING.search(chunk)):
                self.encoding = found[1].decode()
            seen_bytes += len(chunk)
            yield chunk

    def result(self) -> script.RowCounts | RestoreError:
        """Waits until the script has ended."""
        self._thread.join()
        assert self._result is not None, "the thread ends with a result"
        return self._result


# ---- scripts -----------------------------------------------------------------------------------


def _load_script(job: Job, step: DatabaseStep, what: str) -> Loaded:
    """Plain SQL, in one transaction: committed only once its trailer was seen.

    Of the schema script only the part of this database, which brings no rows.
    """
    job.meter.enter("restoring", step.blob.size_bytes)
    passing = _Passing(job, step)
    psql.run(
        job,
        what,
        passing.parts(),
        major=step.client,
        database=step.staging,
        single_transaction=True,
    )
    return Loaded(
        dict(passing.rows),
        all_counted=not passing.inserts,
        encoding=passing.encoding,
        opens_public=passing.opens_public,
    )


class _Passing:
    """A script on its way to psql: counted, and without what this server would stumble over."""

    def __init__(self, job: Job, step: DatabaseStep) -> None:
        self._chunks = _chunks(job, step.blob)
        self._database = step.name if step.engine is Engine.SCHEMA else ""
        self._keep_owners = step.keep_owners
        self._keep_privileges = job.restore.request.objects.privileges
        self._old_server = int(re.split(r"\D", job.plan.target_version)[0]) < _KNOWS_NEW_SETTING
        self.rows: Counter[Table] = Counter()
        self.inserts = 0
        self.encoding = "UTF8"
        self.opens_public = False

    def parts(self) -> Iterator[bytes]:
        """The script in pieces. Behind a COPY come its rows, and then the line that ends them."""
        table: Table | None = None
        for part in script.safe(self._chunks, self._database):
            if table is not None:
                table = self._in_copy(table, part)
            elif part[:5].upper() == b"COPY ":
                table = _copied_table(part)
                self.rows[table] += 0
            elif self._left_out(part):
                continue
            else:
                self._note(part)
            yield part

    def _in_copy(self, table: Table, part: bytes) -> Table | None:
        if part == _ROWS_END:
            return None
        self.rows[table] += part.count(b"\n")
        return table

    def _left_out(self, statement: bytes) -> bool:
        owner = not self._keep_owners and _OWNER_TO.fullmatch(statement)
        privilege = not self._keep_privileges and _PRIVILEGES.fullmatch(statement)
        return bool(owner or privilege or (self._old_server and _NEW_SETTING.fullmatch(statement)))

    def _note(self, statement: bytes) -> None:
        self.inserts += statement[:6].upper() == b"INSERT"
        self.opens_public = self.opens_public or public.is_opened_by(text_of(statement[:_START]))
        if encoding := _ENCODING.match(statement):
            self.encoding = encoding[1].decode()


def _copied_table(statement: bytes) -> Table:
    target = copy_target(list(tokens(text_of(statement))))
    if target is None:
        raise ScriptError("script: expected COPY … FROM stdin, found another COPY")
    return target.schema, target.table
