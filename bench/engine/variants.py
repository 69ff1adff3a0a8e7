"""The ways to restore that are compared, as the commands one would type."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bench.engine.dumps import Dump, environment
from local.postgres import PostgresServer


@dataclass(frozen=True, slots=True)
class Variant:
    """A command for bash. A `serial` one is the same for any number of connections."""

    name: str
    about: str
    command: str
    serial: bool = False


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            "documented",
            "download piped into pg_restore",
            'curl -sSf "$URL" | pg_restore --dbname="$PGDATABASE"',
            serial=True,
        ),
        Variant(
            "download",
            "download, then pg_restore -j",
            'curl -sSf -o "$TMPDIR/dump" "$URL" &&'
            ' pg_restore --jobs="$CONNECTIONS" --dbname="$PGDATABASE" "$TMPDIR/dump"',
        ),
        Variant(
            "ours",
            "the engine",
            'exec "$PYTHON" -m restore.engine "$URL" --connections "$CONNECTIONS" --json'
            ' --target "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"',
        ),
        Variant(
            "floor",
            "rows from the server's own plain files, nothing downloaded or unpacked",
            'exec "$PYTHON" -m bench.engine.floor "$DUMP" "$FLOOR" "$CONNECTIONS"',
        ),
        Variant(
            "pgcopydb",
            "pgcopydb clone from a live server",
            'exec pgcopydb clone --dir "$TMPDIR/pgcopydb" --table-jobs "$CONNECTIONS"'
            ' --index-jobs "$CONNECTIONS" --split-tables-larger-than "$((DUMP_MB / 8 + 1))MB"',
        ),
    )
}

USUAL = ("documented", "download", "ours", "floor")


def variables(
    dump: Dump,
    url: str,
    connections: int,
    target: PostgresServer,
    source: PostgresServer | None,
    scratch: str,
) -> Mapping[str, str]:
    """What a variant's command finds in its environment; holds passwords.

    `scratch` is its folder for temporary files.
    """
    name = dump.shape.name
    live = {"PGCOPYDB_SOURCE_PGURI": _uri(source, name)} if source else {}
    return environment(
        target,
        name,
        **live,
        PGCOPYDB_TARGET_PGURI=_uri(target, name),
        URL=url,
        DUMP=str(dump.path),
        DUMP_MB=str(dump.size_bytes // 1_000_000),
        FLOOR=str(dump.floor),
        CONNECTIONS=str(connections),
        PYTHON=sys.executable,
        TMPDIR=scratch,
        RESTORE_PG_BINDIRS=str(target.binaries),
    )


def _uri(server: PostgresServer, database: str) -> str:
    """All that is in the password is good in a URI as it is."""
    user = f"{server.superuser}:{server.superuser_password}"
    return f"postgresql://{user}@{server.host}:{server.port}/{database}"
