"""The files Azure Backup makes of a server: an archive per database, the globals as scripts."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from local.postgres import PostgresServer
from restore.errors import ToolError

_GLOBALS = {
    "roles": "--roles-only",
    "schema": "--schema-only",
    "tablespaces": "--tablespaces-only",
}
_PARALLEL = 2

MARKER = "backupstarttimestamp"


@dataclass(frozen=True, slots=True)
class File:
    """One blob to be: a database's name may hold what a file's name on disk may not."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """One backup. `time` is when it was done; the data is as of `started` at the earliest."""

    id: str
    started: datetime
    time: datetime
    complete: bool
    files: tuple[File, ...]


def dump(
    server: PostgresServer, folder: Path, started: datetime, *, complete: bool = True
) -> tuple[File, ...]:
    """Back `server` up into `folder`: what Azure Backup would write, under the names it uses.

    The system's databases are included, as they are in the field. A backup that is not
    `complete` lacks the last database. Raises ToolError when a client program fails.
    """
    backup_name = uuid.uuid4()
    began = marker(folder, started)
    databases = _databases(server)
    jobs: list[tuple[File, list[str], str]] = [
        (File(f"{backup_name}_database_{name}.sql", folder / f"{number}"), ["pg_dump", "-Fc"], name)
        for number, name in enumerate(databases if complete else databases[:-1])
    ]
    for kind, option in _GLOBALS.items():
        file = File(f"{backup_name}_{kind}.sql", folder / kind)
        jobs.append((file, ["pg_dumpall", option], "postgres"))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(lambda job: _pipe(server, job[1], job[2], job[0].path), jobs))
    return (began, *(file for file, _, _ in jobs))


def marker(folder: Path, started: datetime) -> File:
    """The file that tells when a backup began, written into `folder`."""
    file = File(MARKER, folder / uuid.uuid4().hex)
    file.path.write_text(f"{started:%Y-%m-%dT%H:%M:%S.%f}0Z")
    return file


def adopt(folder: Path) -> tuple[File, ...]:
    """The files in `folder`, as if a backup had made them; their names are kept."""
    return tuple(File(path.name, path) for path in sorted(folder.iterdir()) if path.is_file())


def _databases(server: PostgresServer) -> list[str]:
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
        )
        return [name for (name,) in rows]


def _pipe(server: PostgresServer, argv: Sequence[str], database: str, path: Path) -> None:
    """Run a client program, its output through a pipe into `path`.

    Written to a file, an archive would get the offsets of its data filled in; Azure Backup's
    archives have none. The database goes by environment: as an argument, a name with "=" in it
    would be read as a connection string.
    """
    errors = path.with_suffix(".errors")
    with (
        path.open("wb") as target,
        errors.open("wb") as messages,
        subprocess.Popen(
            [server.binaries / argv[0], *argv[1:]],
            env=server.superuser_environment(database),
            stdout=subprocess.PIPE,
            stderr=messages,
        ) as process,
    ):
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, target, 1 << 20)
    if process.returncode:
        raise ToolError(
            f"{argv[0]} of {database!r}: expected exit 0, found {process.returncode}: "
            f"{errors.read_text(errors='replace').strip()[-400:]}"
        )
    errors.unlink()
