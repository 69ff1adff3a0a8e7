"""JSON -> RestoreRequest. Every problem is named in one go: field, what was expected and found."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from restore.core.backup import Selection
from restore.core.dumps import SYSTEM_DATABASES
from restore.core.fields import (
    STRICT,
    CallbackUrl,
    Cell,
    ContainerUrl,
    HostName,
    Identifier,
    InstanceName,
    Instant,
    PlanHash,
    PointId,
    RegionName,
    SecretName,
    ServerId,
    Sql,
    Text,
    VaultId,
    matches,
    suffixed,
)
from restore.core.options import (
    Approval,
    Content,
    EngineChoice,
    ExistingRoles,
    Level,
    OnExisting,
    Publish,
    Roles,
    Script,
    WhenBusy,
    WithoutPassword,
)
from restore.core.plain_sql import plain_sql
from restore.core.request_error import (
    Problem,
    RequestError,
    TooLargeError,
    problem_of,
    short,
    wrong,
)
from restore.core.shape import shape
from restore.core.tuning import TUNABLE

BODY_LIMIT_BYTES = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Globals:
    """What to do with the three scripts beside the database dumps.

    By default roles only: the schema script repeats what the dumps hold, and a flexible server has
    no tablespaces. `apply` is for other servers, and for databases without a dump.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    roles: Roles = Roles.SANITISE
    schema: Script = Script.SKIP
    tablespaces: Script = Script.SKIP


@dataclass(frozen=True, slots=True)
class PointChoice:
    """`recoveryPoint`: {"id": …} or {"before": instant}; the plain text "latest" for the newest."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    id: PointId | None = None
    before: Instant | None = None

    @model_validator(mode="before")
    @classmethod
    def _latest(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value != "latest":
                raise wrong('"latest", {"id": …} or {"before": …}', short(value))
            return {}
        if isinstance(value, dict) and {"id", "before"} <= value.keys():
            raise wrong('one of "id" and "before"', "both")
        if isinstance(value, dict) and None in value.values():  # a template's empty variable
            raise wrong('a value for "id" or "before"', "null")
        return value


@dataclass(frozen=True, slots=True)
class Source:
    """Where the backup is: in a vault (one of `server`, `instance`), or as files in `container`."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    vault: VaultId | None = None
    server: ServerId | None = None
    instance: InstanceName | None = None
    recovery_point: PointChoice = field(default_factory=PointChoice)
    region: RegionName | None = None
    container: ContainerUrl | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        if isinstance(value, dict):
            named = [name for name in ("server", "instance", "container") if name in value]
            if len(named) != 1:
                found = " and ".join(named) or "none of them"
                raise wrong('one of "server", "instance" and "container"', found)
            others = [name for name in ("vault", "recoveryPoint", "region") if value.get(name)]
            if named == ["container"] and others:
                raise wrong('"container" alone: its files are taken as they are', others[0])
        return value

    @property
    def selection(self) -> Selection:
        return Selection(self.recovery_point.id or "", self.recovery_point.before)


@dataclass(frozen=True, slots=True)
class Target:
    """The server to restore to. Without `secret`, the worker logs in with Microsoft Entra.

    `server` is its ARM id, which is only needed to change its parameters. `storage_gib` is how much
    storage it has, which no SQL tells: the plan then looks whether there is room.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    host: HostName
    user: Identifier
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    secret: SecretName | None = None
    database: Identifier = "postgres"  # where to connect for what belongs to the whole server
    server: ServerId | None = None
    storage_gib: Annotated[int, Field(ge=1, le=65536)] | None = None

    @property
    def address(self) -> str:
        return f"{self.host.lower()}:{self.port}"


def _distinct(renames: dict[str, str]) -> dict[str, str]:
    twice = {new for new in renames.values() if list(renames.values()).count(new) > 1}
    if twice:
        raise wrong("every database under a name of its own", f"{min(twice)!r} twice")
    if system := SYSTEM_DATABASES.intersection(renames.values()):
        raise wrong("names of your own", f"{min(system)!r}, which is a system database's")
    return renames


@dataclass(frozen=True, slots=True)
class Databases:
    """Which databases: all but the system's, unless `include` or `exclude` names some.

    `suffix` is put behind the names of those that `rename` has no other for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    include: Annotated[list[Identifier], Field(min_length=1, max_length=1000)] | None = None
    exclude: Annotated[list[Identifier], Field(max_length=1000)] = field(default_factory=list)
    rename: Annotated[dict[Identifier, Identifier], AfterValidator(_distinct)] = field(
        default_factory=dict
    )
    suffix: Annotated[Identifier, Field(max_length=40)] | None = None

    def wants(self, name: str) -> bool:
        return _chosen(name, self.include, self.exclude)

    def target_name(self, name: str) -> str:
        return self.rename.get(name) or suffixed(name, self.suffix or "")


def _chosen(name: str, include: list[str] | None, exclude: list[str]) -> bool:
    wanted = include is None or any(matches(pattern, name) for pattern in include)
    return wanted and not any(matches(pattern, name) for pattern in exclude)


@dataclass(frozen=True, slots=True)
class Names:
    """Names or patterns of what is restored (all, if none are given) and of what is not.

    Those of tables are qualified with their schema: `sales.orders`, `audit.*`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    include: Annotated[list[Text], Field(min_length=1, max_length=1000)] | None = None
    exclude: Annotated[list[Text], Field(max_length=1000)] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        return _chosen(name, self.include, self.exclude)

    @property
    def is_all(self) -> bool:
        return self.include is None and not self.exclude


@dataclass(frozen=True, slots=True)
class Objects:
    """What of each database. By default all of it, as it was.

    `side_schema`: the chosen tables go into a new schema of that name in the database that is
    there already, and touch nothing else of it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    schemas: Names = field(default_factory=Names)
    tables: Names = field(default_factory=Names)
    content: Content = Content.ALL
    owners: bool = True
    privileges: bool = True
    side_schema: Identifier | None = None

    @property
    def is_all(self) -> bool:
        """Is no object chosen or left out by name?"""
        return self.schemas.is_all and self.tables.is_all

    @model_validator(mode="before")
    @classmethod
    def _side_of_something(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("sideSchema") and not value.get("tables"):
            raise wrong('"tables" beside "sideSchema"', "none")
        return value


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """What happens to roles that are there already, and to logins without a password."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    existing: ExistingRoles = ExistingRoles.KEEP
    without_password: WithoutPassword = WithoutPassword.KEEP


@dataclass(frozen=True, slots=True)
class Hook:
    """SQL that changes databases before they are published: masks, erases."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    sql: Annotated[Sql, AfterValidator(plain_sql)]
    database: Identifier = "*"  # name in the backup, or pattern


@dataclass(frozen=True, slots=True)
class Query:
    """A question to restored databases, and the rows it has to give; all of them are `true` if

    nothing else is expected.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    sql: Sql
    database: Identifier = "*"
    expect: Annotated[list[list[Cell]], Field(max_length=1000)] | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """Who is told at the end."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    url: CallbackUrl


def _tunable(parameters: dict[str, str]) -> dict[str, str]:
    if others := sorted(set(parameters) - TUNABLE):
        raise wrong(f"some of {', '.join(sorted(TUNABLE))}", short(others[0]))
    return parameters


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What a caller asks for, checked as far as that is possible without asking Azure.

    `server_parameters` of the target are changed while it is restored to, and put back after it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    source: Source
    target: Target
    databases: Databases = field(default_factory=Databases)
    objects: Objects = field(default_factory=Objects)
    on_existing: OnExisting = OnExisting.REFUSE
    publish: Publish = Publish.TOGETHER
    globals: Globals = field(default_factory=Globals)
    roles: RolePolicy = field(default_factory=RolePolicy)
    engine: EngineChoice = EngineChoice.AUTO
    connections: Annotated[int, Field(ge=1, le=64)] | None = None  # for each database
    verify: Level = Level.CATALOG
    dry_run: bool = False  # ends with the plan
    approval: Approval = Approval.NONE
    leave_seconds: Annotated[int, Field(ge=0, le=3600)] = 30  # for sessions in what is replaced
    server_parameters: Annotated[dict[str, Text], AfterValidator(_tunable)] = field(
        default_factory=dict
    )
    when_busy: WhenBusy = WhenBusy.QUEUE
    before_publish: Annotated[list[Hook], Field(max_length=100)] = field(default_factory=list)
    checks: Annotated[list[Query], Field(max_length=100)] = field(default_factory=list)
    callback: Callback | None = None
    drop: bool = False  # proven, and then dropped: nothing is published
    # None: what the installation's settings say.
    undo_hours: Annotated[float, Field(ge=0, le=24 * 90)] | None = None
    keep_files: Annotated[float, Field(ge=0, le=24 * 90)] | None = None  # hours after the end
    deadline_hours: Annotated[float, Field(gt=0, le=24 * 30)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _server_of_parameters(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("serverParameters"):
            target = value.get("target")
            if isinstance(target, dict) and not target.get("server"):
                raise wrong('"target.server" beside "serverParameters"', "none")
        return value


@dataclass(frozen=True, slots=True)
class _Approval:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    hash: PlanHash


def parse(body: bytes) -> RestoreRequest:
    """The request in a JSON body.

    Raises RequestError with every problem found.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise TooLargeError(
            Problem("", f"at most {BODY_LIMIT_BYTES} bytes of JSON", f"{len(body)} bytes")
        )
    text = body.removeprefix(codecs.BOM_UTF8)  # some shells write one
    try:
        return shape(RestoreRequest).validate_json(text)
    except ValidationError as exc:
        raise RequestError(*map(problem_of, exc.errors(include_url=False))) from exc


def schema() -> dict[str, Any]:
    """The JSON Schema of requests; what depends on several fields only `parse` knows."""
    return shape(RestoreRequest).json_schema(by_alias=True)


def approval(body: bytes) -> str:
    """The hash of the plan that `{"hash": …}` approves.

    Raises RequestError.
    """
    try:
        return shape(_Approval).validate_json(body.removeprefix(codecs.BOM_UTF8)).hash
    except ValidationError as exc:
        raise RequestError(*map(problem_of, exc.errors(include_url=False))) from exc


def query(parameters: Mapping[str, str]) -> Source:
    """The source that `?server=` or `?instance=`, with `vault` and `region`, name in a query.

    Raises RequestError.
    """
    names = ("vault", "server", "instance", "region")
    try:
        named = {name: parameters[name] for name in names if name in parameters}
        return shape(Source).validate_json(json.dumps(named))
    except ValidationError as exc:
        raise RequestError(*map(problem_of, exc.errors(include_url=False))) from exc


def fingerprint(request: RestoreRequest) -> str:
    """The same for two requests that ask the same, however they were written."""
    return hashlib.sha256(shape(RestoreRequest).dump_json(request)).hexdigest()


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The value of the Idempotency-Key header, or None where there is none.

    Source: draft-ietf-httpapi-idempotency-key-header.
    """
    key = headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        found = f"{len(key)} characters, {short(key)}"
        raise RequestError(Problem("Idempotency-Key", "1 to 255 visible ASCII characters", found))
    return key
