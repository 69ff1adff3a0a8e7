"""Dumps + target facts + request -> Plan: what will be created, left out, refused, and why.

Everything is decided here, before anything on the target is touched. The same input, in any order,
gives the same plan; its hash names what will be created, replaced and left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import TypeAdapter

from restore.core import preflight
from restore.core.dumps import SYSTEM_DATABASES, Blob, DumpSet, Format
from restore.core.estimate import Estimate, Load, estimate
from restore.core.facts import DumpFacts, Existing, Finding, Findings, Locale, TargetFacts
from restore.core.fields import NAME_LIMIT_BYTES
from restore.core.managed import Powers, powers
from restore.core.options import OnExisting, Roles, Script
from restore.core.preflight import Case, Name, Room, capacity, server
from restore.core.request import RestoreRequest
from restore.core.role_script import GrantRole


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
    replaces: int = 0  # oid of the database that has the name now; 0 if none has
    keeps: bool = True  # what is replaced is kept for a while
    powers: Powers = field(default_factory=Powers)  # of the login: what it cannot make is left out
    side_schema: str = ""  # where what is restored goes in `target`, which stays as it is


@dataclass(frozen=True, slots=True)
class Plan:
    """What this restore will do. With `refusals` it will do nothing."""

    databases: tuple[DatabaseStep, ...]  # largest first: it ends last
    roles: Blob | None = None
    tablespaces: Blob | None = None
    schema: Blob | None = None
    borrow: tuple[str, ...] = ()  # roles the login is made a member of while it works
    held: tuple[GrantRole, ...] = ()  # the login's memberships in those before that
    data_as_of: Blob | None = None
    target_version: str = ""
    client: int = 0  # major of the psql for the scripts
    refusals: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    hash: str = ""
    server: str = ""  # host and port of the target
    estimate: Estimate = field(default_factory=Estimate)
    creates: tuple[str, ...] = ()  # roles that are not on the target yet; a cleanup drops them


_NOTHING = Findings()
_ROOM = Room()


def plan(
    restore_id: str,
    request: RestoreRequest,
    dumps: DumpSet,
    facts: Collection[DumpFacts],
    target: TargetFacts,
    created_roles: Collection[str] = (),
    schema_databases: Collection[str] = (),
    found: Findings = _NOTHING,
    room: Room = _ROOM,
) -> Plan:
    """The plan for `request`, with every refusal and warning at once.

    `created_roles` are those the roles script will create; `schema_databases` the databases that
    the schema script knows; `found` is what there is to say of the roles.
    """
    by_name = tuple(sorted(facts, key=lambda fact: (fact.database, fact.blob.name)))
    case = Case(request, dumps, by_name, target, frozenset(created_roles), room)
    steps = [_step(case, fact, restore_id) for fact in case.chosen]
    steps += _schema_steps(case, schema_databases, restore_id)
    names = [Name(step.name, step.target, bool(step.before)) for step in steps]
    borrow, expected = _borrow(case, names), _estimate(case, steps)
    result = Plan(
        databases=tuple(steps),
        roles=dumps.roles if request.globals.roles is Roles.SANITISE else None,
        tablespaces=dumps.tablespaces if request.globals.tablespaces is Script.APPLY else None,
        schema=dumps.schema if request.globals.schema is Script.APPLY else None,
        borrow=borrow,
        held=_held(target, borrow),
        data_as_of=dumps.timestamp,
        target_version=target.version,
        client=max(target.clients, default=0),
        refusals=(*preflight.refusals(case, names, expected), *found.refusals),
        warnings=(*preflight.warnings(case, expected), *found.warnings),
        notes=(*preflight.notes(case, names, expected), *found.notes),
        server=request.target.address,
        estimate=expected,
        creates=tuple(sorted(case.roles - set(target.roles))),
    )
    return replace(result, hash=_hash(result))


def early(request: RestoreRequest) -> Plan | None:
    """The plan of a request that is refused before the target is asked; None for any other."""
    if refusals := server.early(request):
        refused = Plan((), server=request.target.address, refusals=refusals)
        return replace(refused, hash=_hash(refused))
    return None


_PLAN = TypeAdapter(Plan)


def _hash(plan: Plan) -> str:
    """Of what is agreed to: not of what may be otherwise in a minute, nor of what is guessed."""

    def lasting(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        return tuple(finding for finding in findings if not finding.passing)

    agreed = replace(
        plan,
        databases=tuple(replace(step, connections=0) for step in plan.databases),
        refusals=lasting(plan.refusals),
        warnings=lasting(plan.warnings),
        notes=lasting(plan.notes),
        estimate=Estimate(),
        hash="",
    )
    return hashlib.sha256(_PLAN.dump_json(agreed)).hexdigest()


def _estimate(case: Case, steps: Collection[DatabaseStep]) -> Estimate:
    loads = [Load(step.engine.value, step.blob.size_bytes, step.tables or 0) for step in steps]
    replaced = {step.target for step in steps if step.before}
    return estimate(
        loads, sum(there.size_bytes for there in case.target.existing if there.name in replaced)
    )


def _step(case: Case, fact: DumpFacts, restore_id: str) -> DatabaseStep:
    name = case.request.databases.target_name(fact.database)
    side_schema = case.request.objects.side_schema or ""
    taken = name in case.target.databases and not side_schema
    existing = next((e for e in case.target.existing if e.name == name), Existing(name, 0))
    return DatabaseStep(
        name=fact.database,
        target=name,
        staging=side_name(name, "restoring", restore_id),
        before=side_name(name, "before", restore_id) if taken else "",
        blob=fact.blob,
        engine=_engine(case, fact),
        client=case.target.client_for(fact.archive) or 0,
        owner=fact.owner if fact.owner in case.roles and case.request.objects.owners else None,
        locale=fact.locale,
        keep_owners=case.request.objects.owners and not case.missing_owners(fact),
        tables=fact.tables,
        connections=capacity.sessions(case),
        replaces=0 if side_schema else existing.oid,
        keeps=case.request.on_existing is not OnExisting.REPLACE,
        powers=powers(case.target),
        side_schema=side_schema,
    )


def _engine(case: Case, fact: DumpFacts) -> Engine:
    if fact.format is Format.SCRIPT:
        return Engine.PSQL
    return Engine.PG_RESTORE if preflight.left_to_pg_restore(case, fact) else Engine.STREAM


def _schema_steps(case: Case, known: Collection[str], restore_id: str) -> list[DatabaseStep]:
    """Databases that only the schema script knows: created without rows, where that is asked."""
    script = case.dumps.schema
    if script is None or case.request.globals.schema is not Script.APPLY:
        return []
    alone = set(known) - {fact.database for fact in case.facts} - SYSTEM_DATABASES
    facts = [DumpFacts(name, script, Format.SCRIPT) for name in sorted(alone)]
    wanted = [fact for fact in facts if case.request.databases.wants(fact.database)]
    return [replace(_step(case, fact, restore_id), engine=Engine.SCHEMA) for fact in wanted]


def _borrow(case: Case, names: Collection[Name]) -> tuple[str, ...]:
    """Owners the login cannot act for yet: it becomes a member, and gives that back.

    Of what it restores, and of the databases that get out of the way.
    """
    if case.target.superuser:
        return ()
    owners = {owner for fact in case.chosen for owner in (*fact.owners, fact.owner) if owner}
    own = {*case.target.settable_roles, case.target.login}
    beside = case.request.objects.side_schema is not None
    taken = {name.target for name in names if name.taken or beside}
    replaced = {e.owner for e in case.target.existing if e.name in taken and not e.is_ours}
    return tuple(sorted(((owners & case.roles) - own) | replaced))


def _held(target: TargetFacts, borrow: Collection[str]) -> tuple[GrantRole, ...]:
    held = (own for own in target.memberships if own.role in borrow)
    return tuple(sorted(held, key=lambda own: (own.role, own.grantor)))


def side_name(name: str, purpose: str, restore_id: str) -> str:
    """`<name>__<purpose>_<id8>`, cut to the server's limit of 63 bytes; unique by a hash if cut."""
    suffix = f"__{purpose}_{restore_id[:8]}"
    room = NAME_LIMIT_BYTES - len(suffix)
    raw = name.encode()
    if len(raw) > room:
        mark = "~" + hashlib.sha256(raw).hexdigest()[:6]
        name = raw[: room - len(mark)].decode(errors="ignore") + mark
    return name + suffix
