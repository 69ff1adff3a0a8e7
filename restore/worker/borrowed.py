"""Borrowed power: membership in the owners, as long as a restore works for them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.adapters.target import settable_roles
from restore.adapters.target_roles import own_memberships
from restore.core.membership import GrantRole
from restore.core.plan import Plan
from restore.core.role_target import OPTIONS_SINCE


def borrow(connection: Connection, plan: Plan) -> tuple[str, ...]:
    """Make the login a member of `plan.borrow`; a warning for each that it may not have.

    The plan is the record of the debt, and of what the login had before: finish and cleanup pay it
    back. Safe to repeat.
    Since 16, who creates a role may grant it, but cannot act for it until the grant says so.
    Source: postgresql.org/docs/18/sql-grant.html, Notes on roles.
    """
    form = "GRANT {} TO CURRENT_USER"
    if connection.info.server_version // 10000 >= OPTIONS_SINCE:
        form += " WITH INHERIT TRUE, SET TRUE"
    refused = []
    for role in sorted(set(plan.borrow) - set(settable_roles(connection))):
        try:
            connection.execute(sql.SQL(form).format(sql.Identifier(role)))
        except _NOT_GRANTED as exc:
            refused.append(f"owner {role!r}: what it owns will belong to us: {_said(exc)}")
        except psycopg.errors.UndefinedObject:
            refused.append(f"owner {role!r}: what it owns will belong to us: there is no such role")
    return tuple(refused)


_NOT_GRANTED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidGrantOperation,  # the owner is a member of the login
)


def give_back(connection: Connection, plan: Plan) -> tuple[str, ...]:
    """Make every membership in `plan.borrow` what it was; a warning for each that is not.

    Safe to repeat. Each grantor's is a membership of its own since 16: one that somebody else
    gave, such as the ADMIN OPTION of who created the role, is not touched.
    """
    before = {(held.role, held.grantor): held for held in _held(connection, plan)}
    kept = []
    # One that is owed to another borrowed role goes before the role itself does.
    by_us_last = sorted(own_memberships(connection), key=lambda own: own.grantor == own.member)
    for own in by_us_last:
        if own.role not in plan.borrow:
            continue
        try:
            for statement in _payments(own, before.get((own.role, own.grantor))):
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as exc:
            kept.append(
                f"membership in {own.role!r}: expected to give it back, found: {_said(exc)}"
            )
    return tuple(kept)


def _held(connection: Connection, plan: Plan) -> Iterator[GrantRole]:
    """What the login had, and what it would have by now of roles that it has created.

    Source: postgresql.org/docs/18/runtime-config-client.html, createrole_self_grant; since 16.
    """
    yield from plan.held
    row = connection.execute(
        "SELECT current_user, current_setting('createrole_self_grant', true)"
    ).fetchone()
    assert row is not None, "a SELECT without FROM gives one row"
    login, options = row
    for role in plan.creates if options else ():
        inherit, settable = "inherit" in options, "set" in options
        yield GrantRole(role, login, inherit=inherit, settable=settable, grantor=login)


def _payments(own: GrantRole, before: GrantRole | None) -> Iterator[sql.Composed]:
    """What makes a membership of the login what it was: nothing, or gone, or lesser."""
    role = sql.Identifier(own.role)
    by = sql.SQL(" GRANTED BY {}" if own.grantor else "").format(sql.Identifier(own.grantor))
    if before is None:
        yield sql.SQL("REVOKE {} FROM CURRENT_USER{}").format(role, by)
        return
    for option, now, then in (
        (sql.SQL("INHERIT"), own.inherit, before.inherit),
        (sql.SQL("SET"), own.settable, before.settable),
    ):
        if now and not then:
            form = sql.SQL("REVOKE {} OPTION FOR {} FROM CURRENT_USER{}")
            yield form.format(option, role, by)


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or "no reason"
