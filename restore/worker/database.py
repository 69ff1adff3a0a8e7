"""Task database-<n>: one dump into a fresh staging database, verified. Never into a live one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.facts import Locale
from restore.core.messages import DatabaseResult, TaskResult
from restore.core.plan import DatabaseStep, Engine
from restore.engine import ledger
from restore.errors import RestoreError, TransientError
from restore.worker import fence, hooks, properties, public, role_settings
from restore.worker.borrowed import borrow
from restore.worker.digest import DigestingFiles
from restore.worker.job import Job
from restore.worker.load import Loaded, load
from restore.worker.stop import StoppedError
from restore.worker.verify import levels

# What servers answer to a locale or encoding they have not, or to an option newer than they are.
_NO_SUCH_LOCALE = (
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.WrongObjectType,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.SyntaxError,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidObjectDefinition,
)
_WITH_PROVIDER = 150000


def run(job: Job) -> TaskResult:
    """The engine carries on where an earlier attempt stopped. For others that goes first: no row
    comes twice.
    """
    started = time.monotonic()
    step = job.step
    landing = DigestingFiles(job.landing)
    job = replace(job, landing=landing)
    connection = fence.hold(job, step)
    with job.using(connection):
        borrow(connection, job.plan)
        warnings = _stage(job, connection, step)
    try:
        proven, warnings = _restore(job, step, connection, warnings)
    except StoppedError:
        raise  # the next worker carries on, or the cleanup drops it
    except RestoreError as exc:
        if not (step.engine is Engine.STREAM and isinstance(exc, TransientError)):
            with suppress(psycopg.Error):  # the fence may be gone; whoever comes next sees to it
                fence.drop(connection, step.staging)
        raise
    uncounted = f"database {step.name!r}: its rows come by INSERT: nothing says how many to expect"
    return job.done(
        database=replace(
            proven, seconds=time.monotonic() - started, sha256=landing.sha256(step.blob)
        ),
        warnings=warnings,
        notes=(uncounted,) if proven.rows_expected is None else (),
    )


def _stage(job: Job, connection: Connection, step: DatabaseStep) -> tuple[str, ...]:
    """A staging database: the one that the engine has begun, or a new one; warnings."""
    job.meter.enter("creating")
    if _exists(connection, step.staging):
        properties.reopen(connection, step.staging)
        if step.engine is Engine.STREAM and _is_begun(job, step.staging):
            fence.end_sessions(connection, step.staging)
            return ()
    fence.drop(connection, step.staging)
    return _create(connection, step)


def _exists(connection: Connection, database: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
    return found.fetchone() is not None


def _is_begun(job: Job, staging: str) -> bool:
    with job.session(staging) as inside:
        return ledger.exists(inside)


def _restore(
    job: Job, step: DatabaseStep, connection: Connection, notes: tuple[str, ...]
) -> tuple[DatabaseResult, tuple[str, ...]]:
    """Load, compare the rows, ANALYZE; at last what may keep everybody out; compare the rest."""
    with job.session(step.staging) as inside:
        lent = public.lend(inside)
    loaded = load(job, step, notes)
    head, warnings = loaded.head, notes if step.engine is not Engine.STREAM else ()
    verified, rows = levels.rows(job, step, loaded, head)
    job.meter.enter("analyzing")
    with job.session(step.staging) as inside:
        if lent and not (loaded.opens_public or (head and public.is_opened_in(head))):
            public.take_back(inside)
        inside.execute("SET client_min_messages = error")  # tables of others are passed over
        inside.execute("ANALYZE")
    late = loaded.finish() if loaded.finish else Loaded({})
    with job.session(step.staging) as inside:
        oid, size_bytes = _identity(inside)
    if not step.side_schema:
        with job.using(connection):
            if head is not None:
                privileges = job.restore.request.objects.privileges
                warnings += properties.apply(connection, head, step.staging, privileges)
            warnings += role_settings.apply(job, connection, step, head)
    lost = (*loaded.lost, *late.lost, *rows.lost)
    owners = any("as their owner" in said for said in (*loaded.warnings, *late.warnings))
    told = (*lost, *loaded.expected, *late.expected)
    objects = levels.objects(job, step, head, told, loaded.left_out, owners_known=owners)
    hooks.run(job, connection, step)
    if head is not None and not step.side_schema:
        with job.using(connection):
            warnings += properties.close(connection, head, step.staging)
    proven = DatabaseResult(
        name=step.name,
        tables=verified.tables,
        rows_expected=verified.rows_expected,
        rows_found=verified.rows_found,
        lost=(*lost, *objects.lost),
        size_bytes=size_bytes,
        oid=oid,
        checks=(*rows.checks, *objects.checks),
    )
    compared = (*verified.warnings, *rows.warnings, *objects.warnings)
    return proven, (*warnings, *loaded.warnings, *late.warnings, *compared)


def _identity(connection: Connection) -> tuple[int, int]:
    """Oid and size in bytes of the database we are in."""
    row = connection.execute(
        "SELECT oid, pg_database_size(oid) FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None, "the current database exists"
    return row[0], row[1]


def _create(connection: Connection, step: DatabaseStep) -> tuple[str, ...]:
    """The empty staging database, as much like the archived one as the server can; warnings."""
    refused = ""
    for locale in _choices(step.locale):
        statement = create_statement(step.staging, locale, connection.info.server_version)
        try:
            connection.execute(statement)
        except _NO_SUCH_LOCALE as exc:
            if locale == Locale():
                raise
            refused = refused or exc.diag.message_primary or "not accepted"
            continue
        break
    if not refused:
        return ()
    chosen = locale.encoding or "the server's default"
    return (
        f"database {step.name!r}: expected the locale of the backup, found {refused};"
        f" its encoding is {chosen}, its locale the server's default",
    )


def _choices(locale: Locale) -> Iterator[Locale]:
    """What is tried: all of it; its encoding alone; the server's default."""
    choices = (locale, Locale(encoding=locale.encoding), Locale())
    yield from dict.fromkeys(choices)


def create_statement(name: str, locale: Locale, server_version: int) -> sql.Composed:
    """CREATE DATABASE from template0, the only one that takes any encoding and locale.

    Source: postgresql.org/docs/18/sql-createdatabase.html
    """
    options: dict[str, str] = {
        "ENCODING": locale.encoding,
        "LC_COLLATE": locale.collate,
        "LC_CTYPE": locale.ctype,
    }
    if server_version >= _WITH_PROVIDER and (locale.provider or locale.collate):
        options["LOCALE_PROVIDER"] = locale.provider or "libc"
    if locale.locale:
        builtin = locale.provider == "builtin"
        options["BUILTIN_LOCALE" if builtin else "ICU_LOCALE"] = locale.locale
    clauses = [
        sql.SQL("{} {}").format(sql.SQL(option), sql.Literal(value))
        for option, value in options.items()
        if value
    ]
    return sql.SQL(" ").join(
        [
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)),
            *clauses,
        ]
    )
