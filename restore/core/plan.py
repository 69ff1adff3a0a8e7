"""What a restore will do: what will be created, left out, refused, and why.

Its hash names what will be created, replaced and left out. restore.core.planning makes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from restore.core.dumps import Blob
from restore.core.estimate import Estimate
from restore.core.facts import Finding, Locale
from restore.core.fields import suffixed
from restore.core.membership import GrantRole
from restore.core.powers import Powers
from restore.core.prediction import Prediction
from restore.core.shape import shape


class Engine(StrEnum):
    """Who moves a database's content into the server."""

    STREAM = "stream"  # ours: straight from the blob, on several sessions
    PG_RESTORE = "pg_restore"
    PSQL = "psql"
    SCHEMA = "schema"  # psql, with one database's part of the schema script: no rows


@dataclass(frozen=True, slots=True)
class Check:
    """A query, and the rows it has to give as text; None: only `t`."""

    sql: str
    expect: tuple[tuple[str | None, ...], ...] | None = None


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
    hooks: tuple[str, ...] = ()  # SQL to run in it once it is proven
    checks: tuple[Check, ...] = ()  # what is asked of it after that
    side_schema: str = ""  # where what is restored goes in `target`, which stays as it is


@dataclass(frozen=True, slots=True)
class Plan:
    """What this restore will do. With `refusals` it will do nothing."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

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
    prediction: Prediction | None = None  # None: from a release that made none
    drops: bool = False  # all of it goes once it is proven
    creates: tuple[str, ...] = ()  # roles that are not on the target yet; a cleanup drops them


def sealed(plan: Plan) -> Plan:
    """With the hash of what is agreed to: not of what may be otherwise in a minute, or a guess."""

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
    body = shape(Plan).dump_json(agreed, exclude={"prediction"})
    return replace(plan, hash=hashlib.sha256(body).hexdigest())


def side_name(name: str, purpose: str, restore_id: str) -> str:
    """`<name>__<purpose>_<id8>`, cut to the server's limit of 63 bytes; unique by a hash if cut."""
    return suffixed(name, f"__{purpose}_{restore_id[:8]}")
