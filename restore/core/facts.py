"""What reading the dumps and the target told: the ground a plan stands on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from restore.core.dumps import Blob, Format

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
    extensions: tuple[str, ...] = ()
    tables: int | None = None
    damage: str = ""  # why it cannot be whole
    unsuited: str = ""  # why the engine cannot restore it


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
    """One thing the plan has to say: about what, what is so, and what to do about it."""

    code: str
    subject: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"
