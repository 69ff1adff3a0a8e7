"""Dumps of the shapes and all that runs on them need, made once and kept for the next time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from bench.engine import contents, floor
from bench.engine.shapes import Script, Shape, script
from local.postgres import PostgresServer
from local.sample.fingerprint import fingerprint

MAJOR = 18

# A dump locks every table it reads, at once.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "max_locks_per_transaction": "2000",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump on disk. `floor` is the folder with its rows as plain files."""

    shape: Shape
    path: Path
    floor: Path
    size_bytes: int
    raw_bytes: int
    contents: contents.Contents


def cache() -> Path:
    """Where dumps are kept; whoever wants the room back may remove it."""
    return Path(tempfile.gettempdir()) / "restore-bench"


def prepare(shape: Shape, scale: float) -> Dump:
    """The dump of `shape`, taken from the cache where it has been made before.

    As a vault's, it went through a pipe, so its table of contents has no offsets.
    """
    statements = script(shape, scale)
    kind = f"{shape.name}-{scale:g}"
    folder = cache() / f"{kind}-{_digest(statements)}"
    if not folder.exists():
        for outdated in cache().glob(f"{kind}-*"):
            shutil.rmtree(outdated)
        _make(shape.name, statements, folder)
    facts = json.loads((folder / "facts.json").read_text())
    return Dump(
        shape,
        folder / "dump",
        folder / "floor",
        (folder / "dump").stat().st_size,
        facts["raw_bytes"],
        facts["contents"],
    )


def _digest(statements: Script) -> str:
    """Of all that decides what is kept: the data, how it is compared, and how it is cut."""
    makers = (contents.read, fingerprint, floor.cut)
    text = [statement.as_string() for statement in statements]
    text += [Path(maker.__code__.co_filename).read_text() for maker in makers]
    return hashlib.sha256("\n".join([str(MAJOR), *text]).encode()).hexdigest()[:12]


def _make(name: str, statements: Script, folder: Path) -> None:
    """Under another name first: a folder with the right name is complete."""
    draft = folder.with_name(f"{folder.name}.draft")
    draft.mkdir(mode=0o755, parents=True)
    try:
        with PostgresServer(MAJOR, settings=SETTINGS) as source:
            _fill(source, name, statements)
            _dump(source, name, draft / "dump")
            found = contents.read(source.superuser_conninfo(name))
            raw_bytes = floor.cut(source, draft / "dump", draft / "floor")
        facts = {"raw_bytes": raw_bytes, "contents": found}
        (draft / "facts.json").write_text(json.dumps(facts))
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fill(source: PostgresServer, name: str, statements: Script) -> None:
    create(source, name)
    with psycopg.connect(source.superuser_conninfo(name), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def create(server: PostgresServer, name: str) -> None:
    """An empty database `name`, instead of the one that may be there."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        database = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(database))


def _dump(source: PostgresServer, name: str, path: Path) -> None:
    with (
        path.open("wb") as target,
        subprocess.Popen(
            [source.binaries / "pg_dump", "-Fc"],
            env=source.superuser_environment(name),
            stdout=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, target, 1 << 20)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "pg_dump")
    path.chmod(0o644)


def environment(server: PostgresServer, database: str, **more: str) -> Mapping[str, str]:
    """For client programs of `server`'s own major; of ours only what an interpreter may need."""
    inherited = {
        name: os.environ[name] for name in ("LD_LIBRARY_PATH", "HOME") if name in os.environ
    }
    known = server.superuser_environment(database)
    return {**inherited, **known, "PATH": f"{server.binaries}:{known['PATH']}", **more}
