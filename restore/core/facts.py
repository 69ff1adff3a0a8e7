"""What reading the dumps and the target told: the ground a plan stands on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from restore.core.dumps import Blob, Format
from restore.core.membership import GrantRole

# The newest archive version each client major reads; older ones are always read.
# Source: pg_dump 13 to 18, K_VERS_* in src/bin/pg_dump/pg_backup_archiver.h.
_READS = {13: (1, 14), 14: (1, 14), 15: (1, 14), 16: (1, 15), 17: (1, 16), 18: (1, 16)}
_READS_ANY = (2**31, 0)  # a client newer than this list: it says itself what it cannot read


@dataclass(frozen=True, slots=True)
class Locale:
    """How a database orders and classifies text, as CREATE DATABASE takes it."""

    encoding: str = ""
    provider: str = ""  # libc, icu, builtin; "" for the server's default
    collate: str = ""
    ctype: str = ""
    locale: str = ""  # of the icu or builtin provider


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object of a dump that cannot be made on the target, and why."""

    kind: str  # as the table of contents says it: EVENT TRIGGER
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class DumpFacts:
    """What reading a dump's first and last bytes told."""

    database: str
    blob: Blob
    format: Format
    archive: tuple[int, int] | None = None  # version of the archive format
    dump_major: int | None = None  # of the pg_dump that wrote it
    owner: str | None = None
    locale: Locale = Locale()
    owners: tuple[str, ...] = ()  # every role that owns something in it
    system_owners: tuple[str, ...] = ()  # of those, what are PostgreSQL's or the service's own
    extensions: tuple[str, ...] = ()
    tables: int | None = None
    indexes: int = 0
    constraints: int = 0
    damage: str = ""  # why it cannot be whole
    unsuited: str = ""  # why the engine cannot restore it
    left_out: tuple[LeftOut, ...] = ()
    left_out_more: int = 0  # how many are not in `left_out`, where they are very many
    scope: Findings | None = None  # what there is to say of what the request chooses


@dataclass(frozen=True, slots=True)
class Existing:
    """A database that is on the target already.

    `is_ours`: the login has the rights of its owner; `may_be`: it could grant itself those.
    """

    name: str
    oid: int
    size_bytes: int = 0  # 0 where the login may not know it
    owner: str = ""
    is_ours: bool = True
    may_be: bool = True


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What the worker found on the target, reading only."""

    major: int
    version: str
    login: str
    createdb: bool
    createrole: bool
    superuser: bool
    databases: tuple[str, ...]
    roles: tuple[str, ...]
    settable_roles: tuple[str, ...]  # roles the login can SET ROLE to already
    extensions: tuple[str, ...]  # that could be created
    clients: tuple[int, ...]  # majors of psql and pg_restore beside the worker
    cores: int = 2  # as its memory lets one guess
    free_connections: int = 100  # that nobody uses now, and the login may
    existing: tuple[Existing, ...] = ()  # the databases, once more
    memberships: tuple[GrantRole, ...] = ()  # the login's own
    available: Mapping[str, str] = field(default_factory=dict)  # extension -> version it would have
    allow_list: str | None = None  # azure.extensions; None where the server has no such parameter
    preloaded: tuple[str, ...] | None = None  # shared_preload_libraries; None if hidden from us
    locales: Mapping[str, str] = field(default_factory=dict)  # of libc -> encoding, "" for any
    has_icu: bool = True
    default_locale: Locale = Locale()  # of template0
    settings: Mapping[str, str] = field(default_factory=dict)  # as our sessions have them
    port: int | None = None  # that the server itself listens on; None if not by TCP
    is_replica: bool = False
    idle_slots: tuple[str, ...] = ()  # replication slots that nobody reads

    def client_for(self, archive: tuple[int, int] | None) -> int | None:
        """The client major for an archive of that version (None: a script), or None."""
        return client_for(archive, self.clients, self.major)


def client_for(
    archive: tuple[int, int] | None, clients: Collection[int], server_major: int
) -> int | None:
    """Which of the majors `clients` to use for an archive of that version (None: a script).

    The newest that fits; but one that does not send `SET transaction_timeout` (17 and newer do) to
    a server that refuses it (16 and older), where such a client reads the archive.
    """
    readers = sorted(
        major
        for major in clients
        if archive is None or archive <= _READS.get(major, _READS_ANY if major > 18 else (0, 0))
    )
    polite = [major for major in readers if major <= 16]
    fit = polite if polite and server_major <= 16 else readers
    return fit[-1] if fit else None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the plan has to say: about what, what will happen, and what to do about it."""

    code: str
    subject: str
    message: str
    hint: str = ""
    fix: tuple[str, ...] = ()  # commands to copy: az or SQL
    passing: bool = False  # it may be otherwise in a minute: no part of the plan's hash

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"

    @property
    def cure(self) -> str:
        """The hint and the first command in one line; the plan has all of them."""
        return ": ".join((self.hint, *self.fix[:1])) if self.hint else "".join(self.fix[:1])


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found before a plan is made, and belongs into it."""

    refusals: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
