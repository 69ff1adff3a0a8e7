"""Dumps + target facts + request -> Plan: what will be created, left out, refused, and why.

Everything is decided here, before anything on the target is touched; the same input gives the same
plan, whose hash names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import TypeAdapter

from restore.core import preflight
from restore.core.dumps import SYSTEM_DATABASES, Blob, DumpSet, Format
from restore.core.facts import DumpFacts, Finding, Locale, TargetFacts
from restore.core.preflight import Case, Name
from restore.core.request import NAME_LIMIT_BYTES, RestoreRequest, Roles, Script


class Engine(StrEnum):
    """Who moves a database's content into the server."""

    STREAM = "stream"  # ours: straight from the blob, on several sessions
    PG_RESTORE = "pg_restore"
    PSQL = "psql"
    SCHEMA = "schema"  # psql, with one database's part of the schema script: no rows


@dataclass(frozen=True, slots=True)
class DatabaseStep:
    """One database's way from a blob to its final name."""

    name: str  # in the backup
    target: str  # on the server
    staging: str  # where it is restored and proven first
    before: str  # where a database already under `target` is kept; "" if there is none
    blob: Blob
    engine: Engine
    client: int  # major of the tools to use
    owner: str | None = None
    locale: Locale = field(default_factory=Locale)
    keep_owners: bool = True
    tables: int | None = None
    connections: int = 1  # of the engine; one more watches over the others


@dataclass(frozen=True, slots=True)
class Plan:
    """What this restore will do. With `refusals` it will do nothing."""

    databases: tuple[DatabaseStep, ...]  # largest first: it ends last
    roles: Blob | None = None
    tablespaces: Blob | None = None
    schema: Blob | None = None
    borrow: tuple[str, ...] = ()  # roles the login is made a member of while it works
    data_as_of: Blob | None = None
    target_version: str = ""
    client: int = 0  # major of the psql for the scripts
    refusals: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    hash: str = ""
    creates: tuple[str, ...] = ()  # roles that are not on the target yet; a cleanup drops them


def plan(
    restore_id: str,
    request: RestoreRequest,
    dumps: DumpSet,
    facts: Collection[DumpFacts],
    target: TargetFacts,
    created_roles: Collection[str] = (),
    schema_databases: Collection[str] = (),
) -> Plan:
    """The plan for `request`, with every refusal and warning at once.

    `created_roles` are those the roles script will create; `schema_databases` the databases that
    the schema script knows.
    """
    case = Case(request, dumps, tuple(facts), target, frozenset(created_roles))
    steps = [_step(case, fact, restore_id) for fact in case.chosen]
    steps += _schema_steps(case, schema_databases, restore_id)
    names = [Name(step.name, step.target, bool(step.before)) for step in steps]
    result = Plan(
        databases=tuple(steps),
        roles=dumps.roles if request.globals.roles is Roles.SANITISE else None,
        tablespaces=dumps.tablespaces if request.globals.tablespaces is Script.APPLY else None,
        schema=dumps.schema if request.globals.schema is Script.APPLY else None,
        borrow=_borrow(case),
        data_as_of=dumps.timestamp,
        target_version=target.version,
        client=max(target.clients, default=0),
        refusals=tuple(preflight.refusals(case, names)),
        warnings=tuple(preflight.warnings(case)),
        notes=tuple(preflight.notes(case, names)),
        creates=tuple(sorted(case.roles - set(target.roles))),
    )
    return replace(result, hash=hashlib.sha256(_PLAN.dump_json(result)).hexdigest())


_PLAN = TypeAdapter(Plan)


def _step(case: Case, fact: DumpFacts, restore_id: str) -> DatabaseStep:
    name = case.request.databases.target_name(fact.database)
    taken = name in case.target.databases
    return DatabaseStep(
        name=fact.database,
        target=name,
        staging=side_name(name, "restoring", restore_id),
        before=side_name(name, "before", restore_id) if taken else "",
        blob=fact.blob,
        engine=_engine(case, fact),
        client=case.target.client_for(fact.archive) or 0,
        owner=fact.owner if fact.owner in case.roles else None,
        locale=fact.locale,
        keep_owners=not case.missing_owners(fact),
        tables=fact.tables,
        connections=_connections(case),
    )


def _engine(case: Case, fact: DumpFacts) -> Engine:
    if fact.format is Format.SCRIPT:
        return Engine.PSQL
    return Engine.PG_RESTORE if preflight.left_to_pg_restore(case, fact) else Engine.STREAM


def _connections(case: Case) -> int:
    """As many sessions as the server has cores, unless the request or the server allows less.

    Databases are restored side by side, and each has one session more, which watches.
    """
    side_by_side = min(len(case.chosen), _MOST_SIDE_BY_SIDE)
    room = case.target.free_connections // 2 // max(1, side_by_side) - 1
    return max(1, min(case.request.connections or case.target.cores, room))


_MOST_SIDE_BY_SIDE = 8


def _schema_steps(case: Case, known: Collection[str], restore_id: str) -> list[DatabaseStep]:
    """Databases that only the schema script knows: created without rows, where that is asked."""
    script = case.dumps.schema
    if script is None or case.request.globals.schema is not Script.APPLY:
        return []
    alone = set(known) - {fact.database for fact in case.facts} - SYSTEM_DATABASES
    facts = [DumpFacts(name, script, Format.SCRIPT) for name in sorted(alone)]
    wanted = [fact for fact in facts if case.request.databases.wants(fact.database)]
    return [replace(_step(case, fact, restore_id), engine=Engine.SCHEMA) for fact in wanted]


def _borrow(case: Case) -> tuple[str, ...]:
    """Owners the login cannot act for yet: it becomes a member, and gives that back."""
    if case.target.superuser:
        return ()
    owners = {owner for fact in case.chosen for owner in (*fact.owners, fact.owner) if owner}
    own = {*case.target.settable_roles, case.target.login}
    return tuple(sorted((owners & case.roles) - own))


def side_name(name: str, purpose: str, restore_id: str) -> str:
    """`<name>__<purpose>_<id8>`, cut to the server's limit of 63 bytes; unique by a hash if cut."""
    suffix = f"__{purpose}_{restore_id[:8]}"
    room = NAME_LIMIT_BYTES - len(suffix)
    raw = name.encode()
    if len(raw) > room:
        mark = "~" + hashlib.sha256(raw).hexdigest()[:6]
        name = raw[: room - len(mark)].decode(errors="ignore") + mark
    return name + suffix
