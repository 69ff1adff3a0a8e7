"""Dumps + target facts + request -> Plan.

Everything is decided here, before anything on the target is touched. The same input, in any order,
gives the same plan.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from restore.core import preflight
from restore.core.dumps import SYSTEM_DATABASES, DumpSet, Format
from restore.core.estimate import Estimate, Load, estimate
from restore.core.facts import DumpFacts, Existing, Findings, TargetFacts
from restore.core.fields import Cell, matches
from restore.core.membership import GrantRole
from restore.core.options import OnExisting, Roles, Script
from restore.core.plan import Check, DatabaseStep, Engine, Plan, sealed, side_name
from restore.core.powers import powers
from restore.core.prediction import predict
from restore.core.preflight import Case, Name, Room, capacity, server
from restore.core.request import RestoreRequest

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
    borrow = _borrow(case, names)
    loads = [_load(case, step) for step in steps]
    expected = _estimate(case, steps, loads)
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
        prediction=predict(loads),
        drops=request.drop,
        creates=tuple(sorted(case.roles - set(target.roles))),
    )
    return sealed(result)


def early(request: RestoreRequest) -> Plan | None:
    """The plan of a request that is refused before the target is asked; None for any other."""
    if refusals := server.early(request):
        return sealed(Plan((), server=request.target.address, refusals=refusals))
    return None


def _load(case: Case, step: DatabaseStep) -> Load:
    fact = next((fact for fact in case.facts if fact.blob == step.blob), None)
    counts = (fact.indexes, fact.constraints) if fact else ()
    return Load(step.engine.value, step.blob.size_bytes, step.tables or 0, *counts)


def _estimate(case: Case, steps: Collection[DatabaseStep], loads: Collection[Load]) -> Estimate:
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
        hooks=tuple(
            hook.sql
            for hook in case.request.before_publish
            if matches(hook.database, fact.database)
        ),
        checks=tuple(
            Check(query.sql, _rows(query.expect))
            for query in case.request.checks
            if matches(query.database, fact.database)
        ),
        side_schema=side_schema,
    )


def _rows(expect: list[list[Cell]] | None) -> tuple[tuple[str | None, ...], ...] | None:
    return None if expect is None else tuple(tuple(map(_cell, row)) for row in expect)


def _cell(value: Cell) -> str | None:
    """As the server writes it."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return None if value is None else str(value)


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
