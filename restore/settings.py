"""Environment -> one frozen dataclass. Read once, at start; a wrong value stops the start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from restore.errors import InputError

_SSL_MODES = ("verify-full", "verify-ca", "require", "prefer", "allow", "disable")

# Not "system": psycopg's wheel brings an OpenSSL that looks for roots in a folder of its own, and
# clients of 15 do not know the word.
_DEBIAN_ROOTS = "/etc/ssl/certs/ca-certificates.crt"

_MOST_HOURS = 24 * 90.0

_Number = TypeVar("_Number", int, float)


class SettingsError(InputError):
    """The environment lacks a setting, or has one that cannot be used."""

    code = "settings"


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an Azure service: a connection string (local), or an endpoint and an identity.

    Source: the names Azure Functions uses, `<NAME>` or `<NAME>__<property>`.
    """

    string: str = ""
    endpoint: str = ""  # blob service URI, or the Service Bus namespace's host name
    client_id: str = ""  # of a user-assigned identity; "" for the default credential

    def __repr__(self) -> str:
        return f"Connection({self.endpoint or 'by connection string'})"


@dataclass(frozen=True, slots=True)
class Settings:
    """What both deployables are told by their environment."""

    bus: Connection  # ServiceBusConnection
    landing: Connection  # LandingStorage: where Azure Backup puts files
    state: Connection  # StateStorage; the landing account if not set
    landing_account_id: str  # ARM id, for vaults in another subscription; "" if not needed
    guard_tenant: str  # of the vaults; "" where the landing account stays as it is
    vaults: tuple[str, ...]  # ARM ids: the only vaults ever asked
    targets: tuple[str, ...]  # host:port: the only servers ever written to
    arm_endpoint: str
    key_vault_url: str
    secrets_folder: str  # instead of Key Vault: one file per secret, as mounted by Kubernetes
    report_key: str  # name of the secret that reports are signed with; "" for no signature
    client_id: str
    poll_seconds: float
    settle_seconds: float
    retry_seconds: float
    max_attempts: int
    approval_hours: float  # how long a plan waits for somebody to approve it
    undo_hours: float  # how long what was replaced is kept, where the request does not say
    deadline_hours: float  # after which a restore is stopped, where the request does not say
    keep_files_hours: float  # how long the vault's files are kept after the end
    keep_failed_files_hours: float  # the same where nothing was published
    events_topic: str
    rules: str
    drills: str
    callback_hosts: tuple[str, ...]  # host or host:port: who may be told of an end
    callback_secret: str  # name of the secret that callbacks are signed with
    max_databases: int  # of a restore at the same time
    max_connections: int  # of all its databases' engines together
    pg_bindirs: tuple[str, ...]  # folders with psql and pg_restore, before those of Debian
    pg_sslmode: str  # libpq's word; anything below verify-full only for servers nearby
    pg_sslrootcert: str  # a file of root certificates, or "system"
    restore_jobs: int  # pg_restore -j
    insights: str  # connection string of Application Insights, for spans and metrics
    has_collector: bool  # one that speaks OTLP is named, as OpenTelemetry's variables say
    scratch_bytes: int  # dumps up to this size go through a file, larger ones through a pipe


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsError naming every missing or wrong one."""
    reader = _Reader(environment)
    client_id = reader.text("AZURE_CLIENT_ID")
    landing = reader.connection("LandingStorage", "blobServiceUri", client_id)
    settings = Settings(
        bus=reader.connection("ServiceBusConnection", "fullyQualifiedNamespace", client_id),
        landing=landing,
        state=reader.connection("StateStorage", "blobServiceUri", client_id, default=landing),
        landing_account_id=reader.text("RESTORE_LANDING_ACCOUNT_ID"),
        guard_tenant=reader.needs("RESTORE_GUARD_TENANT", "RESTORE_LANDING_ACCOUNT_ID"),
        vaults=reader.words("RESTORE_VAULTS", required=False),
        targets=reader.addresses("RESTORE_TARGETS"),
        arm_endpoint=reader.https("RESTORE_ARM_ENDPOINT", "https://management.azure.com"),
        key_vault_url=reader.text("RESTORE_KEY_VAULT_URL"),
        secrets_folder=reader.text("RESTORE_SECRETS_FOLDER"),
        report_key=reader.text("RESTORE_REPORT_KEY"),
        client_id=client_id,
        poll_seconds=reader.number("RESTORE_POLL_SECONDS", 30),
        settle_seconds=reader.number("RESTORE_SETTLE_SECONDS", 10),
        retry_seconds=reader.number("RESTORE_RETRY_SECONDS", 15),
        max_attempts=reader.whole("RESTORE_MAX_ATTEMPTS", 3, most=100),
        approval_hours=reader.number("RESTORE_APPROVAL_HOURS", 24, most=_MOST_HOURS),
        undo_hours=reader.number("RESTORE_UNDO_HOURS", 72, most=_MOST_HOURS),
        deadline_hours=reader.number("RESTORE_DEADLINE_HOURS", 72),
        keep_files_hours=reader.number("RESTORE_KEEP_FILES_HOURS", 0, most=_MOST_HOURS, least=0),
        keep_failed_files_hours=reader.number(
            "RESTORE_KEEP_FAILED_FILES_HOURS", 72, most=_MOST_HOURS, least=0
        ),
        events_topic=reader.text("RESTORE_EVENTS_TOPIC", "restore-events"),
        rules=reader.text("RESTORE_RULES"),
        drills=reader.text("RESTORE_DRILLS"),
        callback_hosts=reader.words("RESTORE_CALLBACK_HOSTS", required=False),
        callback_secret=reader.text("RESTORE_CALLBACK_SECRET"),
        max_databases=reader.whole("RESTORE_MAX_DATABASES", 8, most=1000),
        max_connections=reader.whole("RESTORE_MAX_CONNECTIONS", 256, most=10_000),
        pg_bindirs=tuple(filter(None, reader.text("RESTORE_PG_BINDIRS").split(":"))),
        pg_sslmode=reader.choice("RESTORE_PGSSLMODE", _SSL_MODES),
        pg_sslrootcert=reader.text("RESTORE_PGSSLROOTCERT", _DEBIAN_ROOTS),
        restore_jobs=reader.whole("RESTORE_JOBS", 2, most=64),
        insights=reader.text("APPLICATIONINSIGHTS_CONNECTION_STRING"),
        has_collector=bool(reader.text("OTEL_EXPORTER_OTLP_ENDPOINT")),
        scratch_bytes=reader.whole("RESTORE_SCRATCH_BYTES", 2 * 1024**3, most=1024**4),
    )
    reader.check()
    return settings


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self._environment.get(name, "").strip() or default

    def needs(self, name: str, other: str) -> str:
        """What makes no sense without `other`."""
        text = self.text(name)
        if text and not self.text(other):
            self._problems.append(f"{name}: expected {other} beside it, found none")
        return text

    def words(self, name: str, required: bool = True) -> tuple[str, ...]:
        """Each once: ARM ids and host names mean the same in any case."""
        words = tuple({w.lower(): w for w in self.text(name).replace(",", " ").split()}.values())
        if required and not words:
            self._problems.append(f"{name}: expected one or more, found none")
        return words

    def addresses(self, name: str) -> tuple[str, ...]:
        """Each as `host:port` in lower case; 5432 where no port is given."""
        found = []
        for word in self.words(name):
            host, _, port = word.lower().partition(":")
            if not host or not re.fullmatch("[0-9]{0,5}", port):
                self._problems.append(f"{name}: expected host or host:port, found {word!r}")
            found.append(f"{host}:{port or 5432}")
        return tuple(found)

    def https(self, name: str, default: str) -> str:
        """A URL that tokens may be sent to, or plain http of this machine."""
        url = self.text(name, default)
        if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            self._problems.append(f"{name}: expected a URL with https, found {url!r}")
        return url

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of `known`, the first by default."""
        text = self.text(name, known[0])
        if text not in known:
            self._problems.append(f"{name}: expected one of {', '.join(known)}, found {text!r}")
        return text

    def number(
        self, name: str, default: float, most: float = 86_400 * 30, least: float | None = None
    ) -> float:
        """Above 0, or from `least` on."""
        return self._parsed(float, name, default, most, "a number", least)

    def whole(self, name: str, default: int, most: int) -> int:
        return self._parsed(int, name, default, most, "a whole number")

    def _parsed(
        self,
        kind: Callable[[str], _Number],
        name: str,
        default: _Number,
        most: float,
        what: str,
        least: float | None = None,
    ) -> _Number:
        text = self.text(name, str(default))
        try:
            number = kind(text)
        except ValueError:
            number = kind("-1")
        if not (0 < number <= most or number == least):
            above = "above 0" if least is None else f"from {least:.0f} on"
            expected = f"{what} {above}, {most:.0f} at most"
            self._problems.append(f"{name}: expected {expected}, found {text!r}")
        return number

    def connection(
        self, name: str, property_name: str, client_id: str, default: Connection | None = None
    ) -> Connection:
        string = self.text(name)
        endpoint = self.text(f"{name}__{property_name}")
        if not string and not endpoint and default is None:
            self._problems.append(f"{name}: expected {name}__{property_name}, found nothing")
        if not string and not endpoint and default is not None:
            return default
        return Connection(string, endpoint, self.text(f"{name}__clientId", client_id))

    def check(self) -> None:
        if self._problems:
            raise SettingsError("; ".join(self._problems), "see docs/operations.md, settings")
