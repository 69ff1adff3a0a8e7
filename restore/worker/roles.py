"""Tasks roles and tablespaces: what belongs to the whole server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator

import psycopg

from restore.adapters.postgres import Connection
from restore.adapters.target_roles import read_role_target
from restore.core import role_script, roles, script
from restore.core.dumps import Blob
from restore.core.facts import Finding, Findings
from restore.core.membership import GrantRole
from restore.core.messages import TaskResult
from restore.core.password import secret_name
from restore.core.plan import Plan
from restore.core.role_script import (
    PASSWORD,
    AlterRole,
    Attribute,
    CommentOnRole,
    CreateRole,
    RoleStatement,
    SetParameter,
    printed,
)
from restore.core.roles import Sanitised
from restore.core.sql import text_of, tokens
from restore.errors import NotFoundError, ToolError
from restore.worker import fence, psql
from restore.worker.borrowed import borrow
from restore.worker.job import Job


def run(job: Job) -> TaskResult:
    """The roles of the backup, in one transaction; then membership in the owners among them.

    Nothing is taken from roles that exist, so a second run changes nothing. The fences of the
    databases keep two workers from giving one role two passwords.
    """
    connection = fence.hold(job, *job.plan.databases)
    refused: tuple[str, ...] = ()
    with job.using(connection):
        if job.plan.roles is not None:
            job.meter.enter("roles")
            sanitised = _sanitised(job, connection, job.plan.roles)
            passwords = _passwords(job, connection, sanitised.generated)
            statements = (*sanitised.statements, *passwords)
            what = f"roles script {job.plan.roles.name!r}"
            refused = (
                *unplanned(job.plan, sanitised),
                *make(connection, what, statements, job.stop.check),
            )
        return job.done(warnings=(*refused, *borrow(connection, job.plan)))


def _sanitised(job: Job, connection: Connection, blob: Blob) -> Sanitised:
    statements = role_script.parse(chunks(job, blob))
    return roles.sanitise(statements, read_role_target(connection), job.restore.request.roles)


def unplanned(plan: Plan, sanitised: Sanitised) -> tuple[str, ...]:
    """What is lost and the plan does not say: the target has changed since it was made."""
    return tuple(str(found) for found in sanitised.warnings if found not in plan.warnings)


def make(
    connection: Connection,
    what: str,
    statements: Iterable[RoleStatement],
    check: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Run them, all or none; a warning for each setting, comment or membership that is refused.

    Raises ToolError naming `what` for a role or attribute that is, and whatever `check` raises
    between two of them.
    """
    refused = []
    with connection.transaction():
        for statement in statements:
            check()
            try:
                with connection.transaction():
                    connection.execute(printed(statement).encode("utf-8", "surrogateescape"))
            except psycopg.OperationalError:
                raise
            except psycopg.Error as exc:
                # Not chained: the server's answer can quote the statement, which may hold a secret.
                failure = _refusal(what, statement, exc)
                if isinstance(statement, CreateRole | AlterRole):
                    raise failure from None
                refused.append(failure.message)
    return tuple(refused)


def _refusal(what: str, statement: RoleStatement, error: psycopg.Error) -> ToolError:
    """Says which statement, never what is in it: a message can quote a value."""
    found = type(error).__name__
    if isinstance(statement, CreateRole | GrantRole):
        found = error.diag.message_primary or found
    return ToolError(
        f"{what}: {_subject(statement)}, found: {found}",
        'make the roles yourself, and take "globals": {"roles": "skip"}',
    )


def _subject(statement: RoleStatement) -> str:
    match statement:
        case GrantRole(role, member):
            return f"expected to make {member!r} a member of {role!r}"
        case SetParameter(role, parameter):
            return f"expected to set {parameter} for role {role!r}"
        case CreateRole(role) | AlterRole(role) | CommentOnRole(role):
            return f"expected to make role {role!r} as it was"
        case _:
            return "expected to run it"


# ---- passwords nobody knows --------------------------------------------------------------------


def secret_of(job: Job, role: str) -> str:
    """The name of the secret that holds the generated password of `role`."""
    return secret_name(job.restore.request.target.address, role)


def _passwords(
    job: Job, connection: Connection, generated: Iterable[str]
) -> Iterator[RoleStatement]:
    for role in generated:
        yield AlterRole(role, (Attribute(PASSWORD, _verifier(job, connection, role)),))


def _verifier(job: Job, connection: Connection, role: str) -> str:
    """A password for `role`, as the server keeps it; the password itself is in its secret.

    It is there before the server knows it. One that is there already, from an attempt that died,
    is used again: secret and server never differ.
    """
    name = secret_of(job, role)
    try:
        password = job.secrets.get(name)
    except NotFoundError:
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        job.secrets.put(name, password)
    raw = connection.pgconn.encrypt_password(
        password.encode(), role.encode("utf-8", "surrogateescape")
    )
    return raw.decode()


_PASSWORD_BYTES = 24


def findings(job: Job, sanitised: Sanitised) -> Findings:
    """What the plan has to say of the roles."""
    passwords = tuple(
        Finding(
            "login-password",
            f"role {role!r}",
            f"gets a new password, kept as secret {secret_of(job, role)!r}: the backup has none",
        )
        for role in sanitised.generated
    )
    homeless = Finding(
        "no-secrets",
        "generated passwords",
        "expected a place to keep them, found none",
        'set RESTORE_KEY_VAULT_URL for the workers, or take "roles": {"withoutPassword": "keep"}',
    )
    refusals = (homeless,) if passwords and not job.secrets.can_put else ()
    return Findings(refusals, sanitised.warnings, (*sanitised.notes, *passwords))


# ---- scripts -----------------------------------------------------------------------------------


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
