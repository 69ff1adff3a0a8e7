"""JSON -> RestoreRequest. Every problem is named in one go: field, what was expected and found."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from restore.core.backup import Selection
from restore.core.dumps import SYSTEM_DATABASES
from restore.core.tuning import TUNABLE
from restore.errors import InputError

BODY_LIMIT_BYTES = 64 * 1024
NAME_LIMIT_BYTES = 63  # Source: postgresql.org/docs/18/limits.html, identifier length

_STRICT = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9](-?[a-z0-9])*")
_SERVER_ID = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourcegroups/[\w().-]{1,90}"
    r"/providers/microsoft\.dbforpostgresql/flexibleservers/[a-z0-9-]{3,63}"
)
_VAULT_ID = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourcegroups/[\w().-]{1,90}"
    r"/providers/microsoft\.dataprotection/backupvaults/[a-z0-9-]{2,50}"
)
_NAME = re.compile(r"[\w.-]{1,260}")
_REGION = re.compile(r"[a-z0-9]{3,40}")
_SECRET = re.compile(r"[0-9A-Za-z-]{1,127}")  # Source: Key Vault object names
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request. `field` is a JSON pointer (RFC 6901), "" for the whole."""

    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.field or 'request'}: expected {self.expected}, found {self.found}"


class RequestError(InputError):
    """The request cannot be understood; nothing was started."""

    code = "request"

    def __init__(self, *problems: Problem, hint: str = "") -> None:
        super().__init__("; ".join(map(str, problems)), hint)
        self.problems = problems


class TooLargeError(RequestError):
    code = "too-large"


def _wrong(expected: str, found: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{expected}", {"expected": expected, "found": found})


def _printable(text: str) -> str:
    if not text.isprintable():
        raise _wrong("printable characters only", f"a control character in {text!r:.80}")
    return text


def _identifier(text: str) -> str:
    size = len(text.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= NAME_LIMIT_BYTES:
        raise _wrong(f"a name of 1 to {NAME_LIMIT_BYTES} bytes", f"{size} bytes")
    return _printable(text)


def _like(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text.lower()):
            raise _wrong(expected, _short(text))
        return text

    return AfterValidator(check)


def _container_url(text: str) -> str:
    """https only (http on this machine); no user, key, token or deeper path can hide in it."""
    expected = "https://<account>/<container>, without a query or credentials"
    try:
        url = urlsplit(text)
        plain = not (url.username or url.password or url.query or url.fragment)
        local = url.hostname in ("127.0.0.1", "localhost")
        host = bool(url.hostname and _HOST.fullmatch(url.hostname)) and url.port != 0
    except ValueError:
        raise _wrong(expected, "an URL that cannot be read") from None
    allowed = url.scheme == "https" or (url.scheme == "http" and local)
    # A local account's name is the first path segment, as in http://127.0.0.1:10000/devstoreaccount1/c
    *account, container = url.path.removeprefix("/").split("/")
    path = len(account) <= local and all(map(_CONTAINER.fullmatch, [*account, container]))
    if not (plain and host and allowed and path):
        raise _wrong(expected, f"{url.scheme or 'no scheme'}://{url.hostname or 'no host'}/…")
    return text


def _no_string(value: Any) -> Any:
    if isinstance(value, str):
        raise _wrong("an ISO 8601 instant with an explicit offset", _short(value))
    return value


def _instant(value: Any) -> Any:
    """Seconds since 1970 are not accepted: nobody reads them right at 3 am."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    return _no_string(value)


Identifier = Annotated[str, AfterValidator(_identifier)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]


class OnExisting(StrEnum):
    """What to do with a database that is already there under its name."""

    REFUSE = "refuse"  # nothing is touched
    SWAP = "swap"  # the old one is kept aside under another name, for as long as it can be undone
    REPLACE = "replace"  # the old one goes, once the new one is proven and has its name


class Publish(StrEnum):
    """When the databases get their names."""

    TOGETHER = "together"  # all in one transaction, when all are proven
    EACH = "each"  # each when it is proven: what fails holds up no other


class Approval(StrEnum):
    """Does a person have to agree to the plan?"""

    NONE = "none"
    REQUIRED = "required"


class Level(StrEnum):
    """How far the result is compared with the dump. Each does what stands before it as well."""

    COUNTS = "counts"  # the rows of each table
    CATALOG = "catalog"  # every object of the table of contents, valid, with its owner and grants
    SCHEMA = "schema"  # what pg_dump says of the result against what the archive says
    CONTENT = "content"  # a hash of every table's rows


class ExistingRoles(StrEnum):
    """What to do with a role of the backup that the target has already."""

    KEEP = "keep"  # it stays as it is
    UPDATE = "update"  # attributes it lacks are added, and it gets the password of the backup


class WithoutPassword(StrEnum):
    """What to do with a login whose password the backup does not tell."""

    KEEP = "keep"  # a role that cannot log in until somebody gives it a password
    GENERATE = "generate"  # a random password, which goes into the key vault and nowhere else
    SKIP = "skip"  # no such role


class Content(StrEnum):
    """What of a database."""

    ALL = "all"
    SCHEMA = "schema"  # no rows
    DATA = "data"  # rows and what they stand in: no indexes, constraints, triggers or the like


class Roles(StrEnum):
    SANITISE = "sanitise"  # what a managed server accepts
    SKIP = "skip"


class Script(StrEnum):
    SKIP = "skip"
    APPLY = "apply"


class EngineChoice(StrEnum):
    """Who moves the content of archives into the server."""

    AUTO = "auto"  # the engine where it can, else pg_restore
    STREAM = "stream"  # the engine; what it cannot restore is refused
    PG_RESTORE = "pg_restore"


@dataclass(frozen=True, slots=True)
class Globals:
    """What to do with the three scripts beside the database dumps.

    By default roles only: the schema script repeats what the dumps hold, and a flexible server has
    no tablespaces. `apply` is for other servers, and for databases without a dump.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    roles: Roles = Roles.SANITISE
    schema: Script = Script.SKIP
    tablespaces: Script = Script.SKIP


@dataclass(frozen=True, slots=True)
class PointChoice:
    """`recoveryPoint`: {"id": …} or {"before": instant}; the plain text "latest" for the newest."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    id: Annotated[str, _like(_NAME, "the id of a recovery point")] | None = None
    before: Instant | None = None

    @model_validator(mode="before")
    @classmethod
    def _latest(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value != "latest":
                raise _wrong('"latest", {"id": …} or {"before": …}', _short(value))
            return {}
        if isinstance(value, dict) and {"id", "before"} <= value.keys():
            raise _wrong('one of "id" and "before"', "both")
        if isinstance(value, dict) and None in value.values():  # a template's empty variable
            raise _wrong('a value for "id" or "before"', "null")
        return value


@dataclass(frozen=True, slots=True)
class Source:
    """Where the backup is: in a vault (one of `server`, `instance`), or as files in `container`."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    vault: Annotated[str, _like(_VAULT_ID, "the ARM id of a backup vault")] | None = None
    server: Annotated[str, _like(_SERVER_ID, "the ARM id of a flexible server")] | None = None
    instance: Annotated[str, _like(_NAME, "the name of a backup instance")] | None = None
    recovery_point: PointChoice = field(default_factory=PointChoice)
    region: Annotated[str, _like(_REGION, "the name of an Azure region")] | None = None
    container: Annotated[str, AfterValidator(_container_url)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        if isinstance(value, dict):
            named = [name for name in ("server", "instance", "container") if name in value]
            if len(named) != 1:
                found = " and ".join(named) or "none of them"
                raise _wrong('one of "server", "instance" and "container"', found)
            others = [name for name in ("vault", "recoveryPoint", "region") if value.get(name)]
            if named == ["container"] and others:
                raise _wrong('"container" alone: its files are taken as they are', others[0])
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

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    host: Annotated[str, _like(_HOST, "a host name or IPv4 address, without a port")]
    user: Identifier
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    secret: Annotated[str, _like(_SECRET, "the name of a Key Vault secret")] | None = None
    database: Identifier = "postgres"  # where to connect for what belongs to the whole server
    server: Annotated[str, _like(_SERVER_ID, "the ARM id of a flexible server")] | None = None
    storage_gib: Annotated[int, Field(ge=1, le=65536)] | None = None

    @property
    def address(self) -> str:
        return f"{self.host.lower()}:{self.port}"


def _distinct(renames: dict[str, str]) -> dict[str, str]:
    twice = {new for new in renames.values() if list(renames.values()).count(new) > 1}
    if twice:
        raise _wrong("every database under a name of its own", f"{min(twice)!r} twice")
    if system := SYSTEM_DATABASES.intersection(renames.values()):
        raise _wrong("names of your own", f"{min(system)!r}, which is a system database's")
    return renames


@dataclass(frozen=True, slots=True)
class Databases:
    """Which databases: all but the system's, unless `include` or `exclude` names some."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    include: Annotated[list[Identifier], Field(min_length=1, max_length=1000)] | None = None
    exclude: Annotated[list[Identifier], Field(max_length=1000)] = field(default_factory=list)
    rename: Annotated[dict[Identifier, Identifier], AfterValidator(_distinct)] = field(
        default_factory=dict
    )

    def wants(self, name: str) -> bool:
        return _chosen(name, self.include, self.exclude)

    def target_name(self, name: str) -> str:
        return self.rename.get(name, name)


def matches(pattern: str, name: str) -> bool:
    """Is `name` meant? A `*` stands for any characters, a `?` for any one of them."""
    parts = ({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return pattern == name or re.fullmatch("".join(parts), name, re.DOTALL) is not None


def _chosen(name: str, include: list[str] | None, exclude: list[str]) -> bool:
    wanted = include is None or any(matches(pattern, name) for pattern in include)
    return wanted and not any(matches(pattern, name) for pattern in exclude)


_Pattern = Annotated[str, AfterValidator(_printable), Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Names:
    """Names or patterns of what is restored (all, if none are given) and of what is not.

    Those of tables are qualified with their schema: `sales.orders`, `audit.*`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    include: Annotated[list[_Pattern], Field(min_length=1, max_length=1000)] | None = None
    exclude: Annotated[list[_Pattern], Field(max_length=1000)] = field(default_factory=list)

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

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
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
            raise _wrong('"tables" beside "sideSchema"', "none")
        return value


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """What happens to roles that are there already, and to logins without a password."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    existing: ExistingRoles = ExistingRoles.KEEP
    without_password: WithoutPassword = WithoutPassword.KEEP


def _tunable(parameters: dict[str, str]) -> dict[str, str]:
    if others := sorted(set(parameters) - TUNABLE):
        raise _wrong(f"some of {', '.join(sorted(TUNABLE))}", _short(others[0]))
    return parameters


_Value = Annotated[str, AfterValidator(_printable), Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What a caller asks for, checked as far as that is possible without asking Azure.

    `server_parameters` of the target are changed while it is restored to, and put back after it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
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
    server_parameters: Annotated[dict[str, _Value], AfterValidator(_tunable)] = field(
        default_factory=dict
    )
    undo_hours: Annotated[float, Field(ge=0, le=24 * 90)] | None = None  # None: the installation's

    @model_validator(mode="before")
    @classmethod
    def _server_of_parameters(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("serverParameters"):
            target = value.get("target")
            if isinstance(target, dict) and not target.get("server"):
                raise _wrong('"target.server" beside "serverParameters"', "none")
        return value


@dataclass(frozen=True, slots=True)
class _Approval:
    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    hash: Annotated[str, _like(re.compile(r"[0-9a-f]{64}"), "the hash of a plan")]


_REQUEST = TypeAdapter(RestoreRequest)
_APPROVAL = TypeAdapter(_Approval)
_SOURCE = TypeAdapter(Source)


def parse(body: bytes) -> RestoreRequest:
    """The request in a JSON body.

    Raises RequestError with every problem found.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise TooLargeError(
            Problem("", f"at most {BODY_LIMIT_BYTES} bytes of JSON", f"{len(body)} bytes")
        )
    try:
        return _REQUEST.validate_json(body.removeprefix(codecs.BOM_UTF8))  # some shells write one
    except ValidationError as exc:
        raise RequestError(*map(_problem, exc.errors(include_url=False))) from exc


def approval(body: bytes) -> str:
    """The hash of the plan that `{"hash": …}` approves.

    Raises RequestError.
    """
    try:
        return _APPROVAL.validate_json(body.removeprefix(codecs.BOM_UTF8)).hash
    except ValidationError as exc:
        raise RequestError(*map(_problem, exc.errors(include_url=False))) from exc


def query(parameters: Mapping[str, str]) -> Source:
    """The source that `?server=` or `?instance=`, with `vault` and `region`, name in a query.

    Raises RequestError.
    """
    names = ("vault", "server", "instance", "region")
    try:
        named = {name: parameters[name] for name in names if name in parameters}
        return _SOURCE.validate_json(json.dumps(named))
    except ValidationError as exc:
        raise RequestError(*map(_problem, exc.errors(include_url=False))) from exc


def fingerprint(request: RestoreRequest) -> str:
    """The same for two requests that ask the same, however they were written."""
    return hashlib.sha256(_REQUEST.dump_json(request)).hexdigest()


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The value of the Idempotency-Key header, or None where there is none.

    Source: draft-ietf-httpapi-idempotency-key-header.
    """
    key = headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        found = f"{len(key)} characters, {_short(key)}"
        raise RequestError(Problem("Idempotency-Key", "1 to 255 visible ASCII characters", found))
    return key


_EXPECTED = {
    "missing": "a value",
    "unexpected_keyword_argument": "no such field",
    "string_type": "a string",
    "int_type": "a whole number",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "list_type": "an array",
    "too_short": "at least one",
    "json_invalid": "JSON",
    "timezone_aware": "an ISO 8601 instant with an explicit offset",
}


def _problem(error: ErrorDetails) -> Problem:
    context: Mapping[str, Any] = error.get("ctx", {})
    kind = error["type"]
    path = "".join(f"/{_escape(part)}" for part in error["loc"] if part != "[key]")
    if kind == "wrong":
        return Problem(path, context["expected"], context["found"])
    if kind == "unexpected_keyword_argument":  # its value may be a secret put in the wrong place
        return Problem(path, _EXPECTED[kind], "one")
    if kind == "json_invalid":
        return Problem(path, "JSON", str(context.get("error", "something else")))
    found = "nothing" if kind == "missing" else _short(error["input"])
    if kind == "enum":
        return Problem(path, f"one of {context['expected']}", found)
    return Problem(path, _EXPECTED.get(kind, error["msg"].removeprefix("Input should be ")), found)


def _escape(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        empty = "" if value else " without anything in it"
        return ("an object" if isinstance(value, dict) else "an array") + empty
    if isinstance(value, datetime):
        return repr(value.isoformat())
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
