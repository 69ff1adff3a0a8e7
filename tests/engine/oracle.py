"""Stock pg_dump and pg_restore on real servers, and what tells two restored databases apart.

Whatever stock pg_restore makes of an archive is right; the engine has to make the same of it.
"""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from local.postgres import PostgresServer
from local.sample.fingerprint import fingerprint

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data"
FEATURES = "features"

_SCRIPTS = ("schema", "statistics")

# Statistics that a dump brings stay as they came only where nothing else gathers any.
_SETTINGS = {"autovacuum": "off", "wal_level": "logical"}

Snapshot = dict[str, dict[str, Any]]
"""Section -> object -> what is to be equal."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What stock pg_restore made of an archive, and the statements it could not carry out."""

    database: Snapshot
    lost: list[str]


class Oracle:
    """Servers of several majors, each with the features database, and the archives made of it.

    Servers start when they are first asked for, archives are made once. A context manager ends all.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is where archives go."""
        self._folder = folder
        self._servers: dict[int, PostgresServer] = {}
        self._dumps: dict[tuple[object, ...], Path] = {}
        self._stock: dict[tuple[object, ...], Expected] = {}
        self._names = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.__exit__()

    def server(self, major: int) -> PostgresServer:
        """The server of that major; it holds the features database. 15 is Debian's."""
        if major not in self._servers:
            server = PostgresServer(major, settings=_SETTINGS).start()
            self._servers[major] = server
            _psql(server, "postgres", DATA / "engine/roles.sql")
            with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {FEATURES} TEMPLATE template0")
            _psql(server, FEATURES, DATA / "engine/features.sql")
        return self._servers[major]

    def dump(self, major: int, *options: str, pipe: bool = True, database: str = FEATURES) -> Path:
        """An archive of `database` by that major's pg_dump; through a pipe it has no offsets."""
        key = (major, options, pipe, database)
        if key not in self._dumps:
            server = self.server(major)
            path = self._folder / f"{len(self._dumps)}-pg{major}.dump"
            argv = [str(server.binaries / "pg_dump"), "--format=custom", *options, database]
            environment = server.superuser_environment(database)
            if pipe:
                made = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True)
                path.write_bytes(made.stdout)
            else:
                subprocess.run([*argv, f"--file={path}"], env=environment, check=True)
            self._dumps[key] = path
        return self._dumps[key]

    def database(self, major: int, *, template: str = "template0") -> str:
        """A new database on that major's server: an empty one, or like `template`."""
        name = f"restored_{next(self._names)}"
        with psycopg.connect(self.server(major).superuser_conninfo(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def load(self, major: int, database: str, script: Path) -> None:
        """Run `script` in a database of that major's server."""
        _psql(self.server(major), database, script)

    def expected(self, dump: Path, major: int, *, statistics: bool = False) -> Expected:
        """What stock pg_restore makes of `dump` on that major's server; restored only once."""
        key = (dump, major, statistics)
        if key not in self._stock:
            database = self.database(major)
            lost = stock(dump, self.server(major), database)
            found = snapshot(self.server(major), database, statistics=statistics)
            self._stock[key] = Expected(found, lost)
        return self._stock[key]


@dataclass(frozen=True, slots=True)
class Restored:
    """How the engine ended: its exit code, its report, and what else it said."""

    code: int
    report: Mapping[str, Any]
    stderr: str


_AS_IF_BIG = """
import functools
from restore.core import post
from restore.engine import __main__, loading, targets
post.SMALL_BYTES = loading._SMALL_BYTES = loading._WHOLE_BYTES = loading._JOIN_BYTES = 0
targets.SLICE_BYTES = 2000
targets.slices = functools.partial(targets.slices, slice_bytes=2000)
raise SystemExit(__main__.main())
"""


def ours(
    dump: Path,
    server: PostgresServer,
    database: str,
    connections: int = 2,
    *options: str,
    as_if_big: bool = False,
) -> Restored:
    """`dump` restored by the engine as a user calls it. Exit codes: 0 all, 3 objects were lost.

    `as_if_big`: with every table big enough to be shared by sessions, and to have its keys and
    foreign keys made in steps.
    """
    target = f"host={server.host} port={server.port} user={server.superuser} dbname={database}"
    engine = ["-c", _AS_IF_BIG] if as_if_big else ["-m", "restore.engine"]
    argv = [sys.executable, *engine, str(dump), "--target", target]
    done = subprocess.run(
        [*argv, f"--connections={connections}", "--json", *options],
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "PGPASSWORD": server.superuser_password,
            "RESTORE_PG_BINDIRS": str(server.binaries),
        },
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout) if done.returncode in (0, 3) else {}
    return Restored(done.returncode, report, done.stderr)


def stock(dump: Path, server: PostgresServer, database: str, *options: str) -> list[str]:
    """`dump` restored by the pg_restore of the server's major; the statements that it lost.

    One process: several may deadlock where indexes of partitions are attached.
    """
    argv = [str(server.binaries / "pg_restore"), f"--dbname={database}", *options, str(dump)]
    environment = server.superuser_environment(database)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, errors="replace")
    lost = re.findall(r"^(?:Command was: |pg_restore: error: COPY failed )(.*)", done.stderr, re.M)
    assert (done.returncode == 0) == (lost == []), done.stderr
    return lost


def difference(server: PostgresServer, expected: str, found: str) -> list[str]:
    """What tells two databases of one server apart, a line each; none when nothing does."""
    return compare(snapshot(server, expected), snapshot(server, found))


def snapshot(server: PostgresServer, database: str, *, statistics: bool = False) -> Snapshot:
    """All of `database` that a restore brings back; with the planner's `statistics` if asked.

    Every table's content as a hash, every object's properties, the catalogue's own flags, what
    depends on what, and the schema as pg_dump writes it. Only names the server makes up from
    object ids are evened out.
    """
    found = fingerprint(server.superuser_conninfo(), database)
    with psycopg.connect(server.superuser_conninfo(database)) as connection:
        connection.execute("SET search_path = ''")
        for section, query in _CATALOGUE.items():
            found[section] = _multiset(connection.execute(query.encode()).fetchall())
        found["sequence values"] = _sequence_values(connection)
    found["schema"] = {"script": _script(server, database, "--schema-only")}
    if statistics:
        found["statistics"] = {"script": _script(server, database, "--statistics-only")}
    return found


def compare(expected: Snapshot, found: Snapshot) -> list[str]:
    """What is missing, surplus or different, a line each; of scripts, the lines that differ."""
    lines = []
    for section in sorted({*expected, *found}):
        left, right = expected.get(section, {}), found.get(section, {})
        if section in _SCRIPTS:
            scripts = (left.get("script", []), right.get("script", []))
            changes = difflib.unified_diff(*scripts, "expected", "found", n=1, lineterm="")
            lines += [f"{section} {change}" for change in changes]
            continue
        for name in sorted({*left, *right}):
            if left.get(name) != right.get(name):
                lines.append(f"{section} {name}: {_tell(left.get(name), right.get(name))}")
    return lines


def _tell(expected: Any, found: Any) -> str:
    """Of two lists only what they do not share."""
    if not isinstance(expected, list) or not isinstance(found, list):
        return f"expected {expected}, found {found}"
    pairs: list[tuple[Any, Any]] = [(expected, found)]
    if len(expected) == len(found):
        pairs = [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]]
    if len(pairs) == 1 and all(isinstance(side, dict) for side in pairs[0]):
        left, right = pairs[0]
        keys = sorted(key for key in {*left, *right} if left.get(key) != right.get(key))
        pairs = [({key: left.get(key) for key in keys}, {key: right.get(key) for key in keys})]
    return "; ".join(f"expected {left}, found {right}" for left, right in pairs)


def _psql(server: PostgresServer, database: str, script: Path) -> None:
    argv = [str(server.binaries / "psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"]
    environment = server.superuser_environment(database)
    subprocess.run([*argv, f"--file={script}"], env=environment, check=True)


def _script(server: PostgresServer, database: str, *options: str) -> list[str]:
    """The lines of a dump in the order pg_dump gives them, without its one-time key."""
    argv = [str(server.binaries / "pg_dump"), *options, database]
    environment = server.superuser_environment(database)
    said = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return [line for line in said.stdout.splitlines() if not re.match(r"\\(un)?restrict ", line)]


# Object ids in names that the server makes up: of toast tables, of the triggers behind constraints.
_EVEN = r"regexp_replace({}, '(pg_toast_|_ConstraintTrigger_(a_|c_)?)[0-9]+', '\1N', 'g')"
_OURS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
_WITHOUT = "to_jsonb({}) - string_to_array('{}', ' ')"

# The catalogue's rows as they are, but for ids, sizes, and what other sections have in words;
# relhastriggers stays true where a trigger was taken back.
_CATALOGUE = {
    "pg_class": f"""
        SELECT c.oid::regclass::text, {
        _WITHOUT.format(
            "c",
            "oid relnamespace reltype reloftype relowner relam relfilenode relpages reltuples"
            " relallvisible relallfrozen reltoastrelid relfrozenxid relminmxid relacl relpartbound"
            " relhastriggers",
        )
    }, (SELECT amname FROM pg_am WHERE oid = relam), reloftype::regtype::text, reltoastrelid > 0
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {_OURS}""",
    "pg_attribute": f"""
        SELECT attrelid::regclass || '.' || attname, {
        _WITHOUT.format("a", "attrelid atttypid attcollation attcacheoff attacl")
    }
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
            JOIN pg_namespace n ON n.oid = relnamespace
        WHERE {_OURS} AND attnum > 0""",
    "pg_index": f"""
        SELECT indexrelid::regclass::text, {
        _WITHOUT.format("i", "indexrelid indrelid indcollation indclass indexprs indpred")
    } FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
            JOIN pg_namespace n ON n.oid = relnamespace WHERE {_OURS}""",
    "pg_constraint": f"""
        SELECT conrelid::regclass || ' ' || contypid::regtype || ' ' || conname, {
        _WITHOUT.format(
            "o",
            "oid connamespace conrelid contypid conindid conparentid confrelid conpfeqop conppeqop"
            " conffeqop conexclop conbin",
        )
    }, conindid::regclass::text, confrelid::regclass::text,
            (SELECT conname FROM pg_constraint p WHERE p.oid = o.conparentid)
        FROM pg_constraint o JOIN pg_namespace n ON n.oid = connamespace WHERE {_OURS}""",
    "pg_trigger": f"""
        SELECT tgrelid::regclass || ' ' || {_EVEN.format("tgname")}, {
        _WITHOUT.format(
            "t",
            "oid tgrelid tgparentid tgname tgfoid tgconstrrelid tgconstrindid tgconstraint tgqual",
        )
    }, tgfoid::regproc::text, tgconstrrelid::regclass::text, tgconstrindid::regclass::text
        FROM pg_trigger t""",
    "pg_depend": f"""
        SELECT {_EVEN.format("pg_describe_object(classid, objid, objsubid)")},
            {_EVEN.format("pg_describe_object(refclassid, refobjid, refobjsubid)")}, deptype::text
        FROM pg_depend WHERE objid >= 16384""",
    "pg_event_trigger": """
        SELECT evtname, evtevent, evtenabled::text, evtfoid::regproc::text FROM pg_event_trigger""",
    "pg_publication_tables": """
        SELECT pubname || ' ' || tablename, to_jsonb(p) FROM pg_publication_tables p""",
}


def _multiset(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """By name, which need not be unique: what belongs to it, in a fixed order."""
    found: dict[str, list[Any]] = {}
    for name, *rest in sorted(rows, key=str):
        found.setdefault(name, []).append(rest)
    return {name: every[0] if len(every) == 1 else every for name, every in found.items()}


def _sequence_values(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    query = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S'"
    values = {}
    for (name,) in connection.execute(query).fetchall():
        read = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.SQL(name))
        values[name] = list(connection.execute(read).fetchone() or ())
    return values
