"""What lies in a container: which dump a blob is, by its name; its format, by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, unquote_plus

from restore.errors import DumpSetError

SYSTEM_DATABASES = frozenset(
    {"azure_sys", "azure_maintenance", "template0", "template1", "postgres"}
)
"""Databases of the service and of PostgreSQL: backed up, but refused by a managed server."""

SYSTEM_ROLES = frozenset(
    {"azuresu", "azure_su", "azure_superuser", "azure_pg_admin", "replication"}
)
"""The service's own roles; those of PostgreSQL start with `pg_`.

Source: learn.microsoft.com/azure/postgresql, "Restore to flexible server": roles to leave out.
"""

FORMAT_PREFIX_BYTES = 512
"""What `format_of` wants to see: one tar header."""

_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SET_MEMBER = re.compile(rf"(?:.*?/)??(?P<set>{_GUID})_(?P<rest>.+)", re.IGNORECASE | re.DOTALL)
_DATABASE = re.compile(r"database_(?P<database>.+?)(?:\.sql)?", re.IGNORECASE | re.DOTALL)
_GLOBALS = re.compile(r"(roles|schema|tablespace)s?(?:\.sql)?", re.IGNORECASE)
_TIMESTAMP = re.compile(r"(?:.*/)?backupstarttimestamp", re.IGNORECASE | re.DOTALL)


class Kind(Enum):
    """What a blob holds, as its name says."""

    DATABASE = "database"
    ROLES = "roles"
    SCHEMA = "schema"
    TABLESPACES = "tablespaces"
    TIMESTAMP = "timestamp"
    UNKNOWN = "unknown"


class Format(Enum):
    """How a dump is written, as its first bytes say."""

    ARCHIVE = "archive"  # pg_dump --format=custom
    TAR = "tar"  # pg_dump --format=tar
    SCRIPT = "script"  # plain SQL
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as a listing shows it; a file of a folder has an etag made from its time and size."""

    name: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a blob's name says; `set_id` is the vault's GUID, `database` is empty for the rest."""

    kind: Kind
    set_id: str | None = None
    database: str = ""


@dataclass(frozen=True, slots=True)
class Dump:
    """The dump of one database; `database` is its name as the blob's name spells it."""

    blob: Blob
    database: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A blob that takes no part in the restore, and why."""

    blob: Blob
    reason: str


@dataclass(frozen=True, slots=True)
class DumpSet:
    """One backup: everything in a container that carries one GUID."""

    set_id: str
    databases: tuple[Dump, ...]
    roles: Blob | None = None
    schema: Blob | None = None
    tablespaces: Blob | None = None
    timestamp: Blob | None = None
    skipped: tuple[LeftOut, ...] = ()
    unknown: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A database's name after its archive was asked; `agrees` is false if the two differ."""

    database: str
    agrees: bool
    note: str = ""


def classify(name: str) -> Label:
    """What the blob called `name` is.

    A database's name may hold anything, `_database_` and `.sql` included: it starts after the first
    `_database_` behind the GUID and loses one `.sql`. The three globals come with or without
    `.sql`, in the singular or plural, in any case.
    Source: names seen in containers of vaulted restores, 2025 and 2026.
    """
    if _TIMESTAMP.fullmatch(name):
        return Label(Kind.TIMESTAMP)
    member = _SET_MEMBER.fullmatch(name)
    if member is None:
        return Label(Kind.UNKNOWN)
    set_id, rest = member["set"].lower(), member["rest"]
    if database := _DATABASE.fullmatch(rest):
        return Label(Kind.DATABASE, set_id, database["database"])
    if found := _GLOBALS.fullmatch(rest):
        return Label(_GLOBAL_KINDS[found[1].lower()], set_id)
    return Label(Kind.UNKNOWN, set_id)


_GLOBAL_KINDS = {
    "roles": Kind.ROLES,
    "schema": Kind.SCHEMA,
    "tablespace": Kind.TABLESPACES,
}


def read_set(blobs: Iterable[Blob], include: Collection[str] = ()) -> DumpSet:
    """The one backup that `blobs` make up.

    System databases are skipped unless `include` names them. Databases come sorted by name.
    Raises DumpSetError for two backups in one container, for two blobs that claim to be the same,
    and for a container without any database to restore.
    """
    found = [(blob, classify(blob.name)) for blob in sorted(blobs, key=lambda blob: blob.name)]
    members = [(blob, label) for blob, label in found if label.kind is not Kind.UNKNOWN]
    set_id = _only_set(members)
    _refuse_doubles(members)
    single = {label.kind: blob for blob, label in members if label.kind is not Kind.DATABASE}
    dumps = [Dump(blob, label.database) for blob, label in members if label.database]
    system = [d for d in dumps if d.database in SYSTEM_DATABASES and d.database not in include]
    databases = tuple(dump for dump in dumps if dump not in system)
    if not databases:
        raise _no_database(found)
    return DumpSet(
        set_id,
        databases,
        roles=single.get(Kind.ROLES),
        schema=single.get(Kind.SCHEMA),
        tablespaces=single.get(Kind.TABLESPACES),
        timestamp=single.get(Kind.TIMESTAMP),
        skipped=tuple(LeftOut(d.blob, f"system database {d.database!r}") for d in system),
        unknown=tuple(
            LeftOut(blob, "not a name the vault writes")
            for blob, label in found
            if label.kind is Kind.UNKNOWN
        ),
    )


def _only_set(members: list[tuple[Blob, Label]]) -> str:
    sets = sorted({label.set_id for _, label in members if label.set_id})
    if len(sets) > 1:
        raise DumpSetError(
            f"container: expected the files of one backup, found {len(sets)}: {', '.join(sets)}",
            hint="restore each recovery point into a container of its own",
        )
    return sets[0] if sets else ""


def _refuse_doubles(members: list[tuple[Blob, Label]]) -> None:
    first: dict[Label, Blob] = {}
    for blob, label in members:
        if (other := first.setdefault(label, blob)) is not blob:
            what = f"database {label.database!r}" if label.database else label.kind.value
            raise DumpSetError(
                f"{what}: expected one file, found {other.name!r} and {blob.name!r}",
                hint="remove the one that is not the vault's, or use a fresh container",
            )


def _no_database(found: list[tuple[Blob, Label]]) -> DumpSetError:
    names = ", ".join(repr(blob.name) for blob, _ in found[:5]) or "nothing"
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return DumpSetError(
        f"container: expected at least one <guid>_database_<name>.sql, found {names}{more}",
        hint="wait for the vault job to complete; system databases alone are not restored "
        "unless they are asked for by name",
    )


def confirm(dump: Dump, archive_dbname: str) -> Confirmed:
    """The real name of the dumped database: the archive's, if the blob's may be a spelling of it.

    A blob's name can be percent-encoded, the archive's header is not. With an empty
    `archive_dbname` (a plain script) the blob's name stands. Where the two are different names, the
    archive's is given with `agrees=False`: the caller decides, knowing that one of them is wrong.
    """
    named = dump.database
    if archive_dbname in ("", named):
        return Confirmed(named, agrees=True)
    if archive_dbname in (unquote(named), unquote_plus(named)):
        note = f"blob name {named!r} is {archive_dbname!r}, percent-encoded"
        return Confirmed(archive_dbname, agrees=True, note=note)
    note = f"blob name says database {named!r}, its archive says {archive_dbname!r}"
    return Confirmed(archive_dbname, agrees=False, note=note)


def format_of(prefix: bytes) -> Format:
    """How a dump that starts with `prefix` (FORMAT_PREFIX_BYTES, or all of it) is written.

    Never asks the name: the vault calls custom-format archives `.sql`. A zero byte cannot be in a
    script, so anything else that holds one is unknown.
    Source: _discoverArchiveFormat in pg_backup_archiver.c, PostgreSQL 18.
    """
    if not prefix:
        return Format.EMPTY
    if prefix.startswith(b"PGDMP"):
        return Format.ARCHIVE
    if prefix[257:262] == b"ustar" and prefix.startswith(b"toc.dat\0"):
        return Format.TAR
    return Format.UNKNOWN if b"\0" in prefix else Format.SCRIPT
