"""The kinds of fields of requests, each checked as far as that goes without asking Azure."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from restore.core.request_error import short, wrong

NAME_LIMIT_BYTES = 63  # Source: postgresql.org/docs/18/limits.html, identifier length

STRICT = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, defer_build=True)

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
_HASH = re.compile(r"[0-9a-f]{64}")
_CALLBACK = re.compile(
    r"https://(?=[^/]{1,253}/)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?"
    r"(:[1-9][0-9]{0,3})?/[a-z0-9._~/-]{0,500}"
)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise wrong("printable characters only", f"a control character in {text!r:.80}")
    return text


def _identifier(text: str) -> str:
    size = len(text.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= NAME_LIMIT_BYTES:
        raise wrong(f"a name of 1 to {NAME_LIMIT_BYTES} bytes", f"{size} bytes")
    return _printable(text)


def _like(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text.lower()):
            raise wrong(expected, short(text))
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
        raise wrong(expected, "an URL that cannot be read") from None
    allowed = url.scheme == "https" or (url.scheme == "http" and local)
    # A local account's name is the first path segment, as in http://127.0.0.1:10000/devstoreaccount1/c
    *account, container = url.path.removeprefix("/").split("/")
    path = len(account) <= local and all(map(_CONTAINER.fullmatch, [*account, container]))
    if not (plain and host and allowed and path):
        raise wrong(expected, f"{url.scheme or 'no scheme'}://{url.hostname or 'no host'}/…")
    return text


def _callback_url(text: str) -> str:
    """No address instead of a name, no user, and no query: the state would keep what it hides."""
    if not _CALLBACK.fullmatch(text.lower()):
        raise wrong("https://<host>/<path>, without a query or credentials", "another")
    return text


def _no_string(value: Any) -> Any:
    if isinstance(value, str):
        raise wrong("an ISO 8601 instant with an explicit offset", short(value))
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
Text = Annotated[str, AfterValidator(_printable), Field(min_length=1, max_length=200)]
Sql = Annotated[str, Field(min_length=1, max_length=20_000)]
Cell = bool | int | float | str | None  # of a row, as JSON has it
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
ContainerUrl = Annotated[str, AfterValidator(_container_url)]
CallbackUrl = Annotated[str, AfterValidator(_callback_url)]
HostName = Annotated[str, _like(_HOST, "a host name or IPv4 address, without a port")]
ServerId = Annotated[str, _like(_SERVER_ID, "the ARM id of a flexible server")]
VaultId = Annotated[str, _like(_VAULT_ID, "the ARM id of a backup vault")]
PointId = Annotated[str, _like(_NAME, "the id of a recovery point")]
InstanceName = Annotated[str, _like(_NAME, "the name of a backup instance")]
RegionName = Annotated[str, _like(_REGION, "the name of an Azure region")]
SecretName = Annotated[str, _like(_SECRET, "the name of a Key Vault secret")]
PlanHash = Annotated[str, _like(_HASH, "the hash of a plan")]


def matches(pattern: str, name: str) -> bool:
    """Is `name` meant? A `*` stands for any characters, a `?` for any one of them."""
    parts = ({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return pattern == name or re.fullmatch("".join(parts), name, re.DOTALL) is not None


def suffixed(name: str, suffix: str) -> str:
    """`name` and `suffix`, cut to the server's limit of 63 bytes; unique by a hash if cut."""
    room = NAME_LIMIT_BYTES - len(suffix.encode())
    raw = name.encode()
    if len(raw) > room:
        mark = "~" + hashlib.sha256(raw).hexdigest()[:6]
        name = raw[: room - len(mark)].decode(errors="ignore") + mark
    return name + suffix
