"""Tasks roles and tablespaces: what belongs to the whole server; and power that is borrowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.adapters.target import read_role_target, settable_roles
from restore.core import role_script, roles, script
from restore.core.dumps import Blob
from restore.core.messages import TaskResult
from restore.core.plan import Plan
from restore.core.sql import text_of, tokens
from restore.worker import psql
from restore.worker.job import Job

_WITH_OPTIONS = 160000


def run(job: Job) -> TaskResult:
    """The roles of the backup, in one transaction; then membership in the owners among them.

    Roles that exist stay as they are, so a second run changes nothing.
    """
    plan = job.plan
    if plan.roles is not None:
        job.meter.enter("roles")
        statements = role_script.parse(chunks(job, plan.roles))
        with job.session() as connection:
            sanitised = roles.sanitise(statements, read_role_target(connection))
        _feed(job, f"roles script {plan.roles.name!r}", sanitised.sql, single_transaction=True)
    with job.session() as connection:
        return job.done(warnings=borrow(connection, plan))


def chunks(job: Job, blob: Blob) -> Iterator[bytes]:
    for chunk in job.landing.stream(job.restore.container, blob):
        job.stop.check()
        yield chunk


def _feed(job: Job, what: str, statements: Iterable[str], *, single_transaction: bool) -> None:
    psql.run(
        job,
        what,
        (statement.encode("utf-8", "surrogateescape") + b"\n" for statement in statements),
        major=job.plan.client,
        database=job.restore.request.target.database,
        single_transaction=single_transaction,
    )


# ---- tablespaces -------------------------------------------------------------------------------


def run_tablespaces(job: Job) -> TaskResult:
    """The tablespaces of the backup; those that exist stay as they are.

    Not in a transaction, which CREATE TABLESPACE does not allow.
    """
    blob = job.plan.tablespaces
    if blob is None:
        return job.done()
    job.meter.enter("tablespaces")
    parts = [text_of(part) for part in script.safe(chunks(job, blob)) if part]
    with job.session() as connection:
        existing = {name for (name,) in connection.execute("SELECT spcname FROM pg_tablespace")}
    kept = [part for part in parts if _created(part) not in existing]
    _feed(job, f"tablespaces script {blob.name!r}", kept, single_transaction=False)
    return job.done()


def _created(statement: str) -> str | None:
    """The name in CREATE TABLESPACE, None for any other statement."""
    words = list(tokens(statement))[:3]
    if len(words) == 3 and words[0].is_word("create") and words[1].is_word("tablespace"):
        return words[2].text
    return None


# ---- borrowed power ----------------------------------------------------------------------------


def borrow(connection: Connection, plan: Plan) -> tuple[str, ...]:
    """Make the login a member of `plan.borrow`; a warning for each that it may not have.

    The plan is the record of the debt: finish and cleanup pay it back. Safe to repeat.
    Since 16, who creates a role may grant it, but cannot act for it until the grant says so.
    Source: postgresql.org/docs/18/sql-grant.html, Notes on roles.
    """
    form = "GRANT {} TO CURRENT_USER"
    if connection.info.server_version >= _WITH_OPTIONS:
        form += " WITH INHERIT TRUE, SET TRUE"
    refused = []
    for role in sorted(set(plan.borrow) - set(settable_roles(connection))):
        try:
            connection.execute(sql.SQL(form).format(sql.Identifier(role)))
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as exc:
            refused.append(f"owner {role!r}: what it owns will belong to us: {_said(exc)}")
        except psycopg.errors.UndefinedObject:
            refused.append(f"owner {role!r}: what it owns will belong to us: there is no such role")
    return tuple(refused)


def give_back(connection: Connection, plan: Plan) -> tuple[str, ...]:
    """Give back every membership in `plan.borrow`; a warning for each that stays. Repeatable."""
    kept = []
    for role in sorted(set(plan.borrow) & set(settable_roles(connection))):
        try:
            connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(role)))
        except psycopg.errors.InsufficientPrivilege as exc:
            kept.append(f"membership in {role!r}: expected to give it back, found: {_said(exc)}")
    return tuple(kept)


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or "no reason"
