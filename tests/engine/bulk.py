"""A database of some size, dumped, and the engine restoring it in processes of their own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from local.postgres import PostgresServer
from local.sample.fingerprint import differences, fingerprint
from tests.engine.oracle import DATA, ROOT
from tests.waiting import eventually

BULK = "bulk"
LEDGER = "_restore_ledger"

Event = dict[str, Any]
"""A line that `once.py` prints."""


class Bulk:
    """A server with the database, archives of it, and databases to restore them into.

    All of it belongs to the customer's admin, who restores.
    """

    def __init__(self, server: PostgresServer, folder: Path, scale: float = 1) -> None:
        """`server` is new; `folder` is where archives go; `scale` multiplies most of the rows."""
        self.server = server
        self._folder = folder
        self._names = itertools.count(1)
        self.rows("CREATE ROLE app_ro")
        self.rows(f"CREATE DATABASE {BULK} TEMPLATE template0")
        script = (DATA / "engine/bulk.sql").read_bytes()
        self.rows(f"SET bulk.scale = {scale};".encode() + script, BULK)
        self.dumps = {
            "pipe": self.dump("pipe", "--compress=1"),  # without offsets
            "file": self.dump("file", "--compress=1", f"--file={folder / 'file'}"),
            "plain": self.dump("plain", "--compress=0"),
        }
        self._expected = fingerprint(server.superuser_conninfo(), BULK)
        tables = [name for name, about in self._expected["relations"].items() if about[0] == "r"]
        rows = sum(int(self._expected["rows"][name][0]) for name in tables)
        self.done: Event = {"done": True, "rows": rows, "lost": []}

    def dump(self, name: str, *options: str) -> Path:
        """By the admin's pg_dump."""
        path = self._folder / name
        argv = [str(self.server.binaries / "pg_dump"), "--format=custom", *options, BULK]
        environment = self.server.admin_environment()
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True)
        if done.stdout:
            path.write_bytes(done.stdout)
        return path

    def rows(self, statement: str | bytes, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What the admin gets for it."""
        query = statement.encode() if isinstance(statement, str) else statement
        with psycopg.connect(self.server.admin_conninfo(database), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def configure(self, statement: str) -> None:
        """By the superuser."""
        with psycopg.connect(self.server.superuser_conninfo(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def database(self) -> str:
        """A new, empty one."""
        name = f"restored_{next(self._names)}"
        self.rows(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def drop(self, database: str) -> None:
        """By the superuser, whose own sessions may not have ended yet."""
        self.configure(f"DROP DATABASE {database} WITH (FORCE)")

    @property
    def environment(self) -> dict[str, str]:
        """Of the engine as a program of its own; holds the password."""
        return {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "PGPASSWORD": self.server.admin_password,
            "RESTORE_PG_BINDIRS": str(self.server.binaries),
        }

    def target(self, database: str, port: int = 0) -> str:
        """How to connect, without the password."""
        server = self.server
        return (
            f"host={server.host} port={port or server.port} user={server.admin} dbname={database}"
        )

    def differences(self, database: str) -> list[str]:
        """What tells a restored database from the source; none when nothing does, nor is left."""
        return self.unlike(self.server, database)

    def unlike(self, server: PostgresServer, database: str) -> list[str]:
        """The same of a database on any server."""
        return differences(self._expected, fingerprint(server.superuser_conninfo(), database))

    def sessions(self, database: str) -> list[int]:
        """The processes of the sessions in it."""
        found = self.rows(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")
        return [pid for (pid,) in found]

    @contextmanager
    def running(self, database: str, dump: str = "pipe", **options: Any) -> Iterator[Running]:
        """The engine restoring into `database`; killed if it still runs at the end."""
        target = self.target(database, options.pop("port", 0))
        settings = {
            "dump": str(self.dumps.get(dump, dump)),
            "target": target,
            "folder": str(self.server.binaries),
            **options,
        }
        argv = [sys.executable, "-m", "tests.engine.once", json.dumps(settings)]
        with subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            running = Running(process)
            try:
                yield running
            finally:
                running.kill()

    def restore(self, database: str, dump: str = "pipe", **options: Any) -> Event:
        """The same to its end, which should be `done`."""
        with self.running(database, dump, **options) as running:
            return running.end()

    def is_left_alone(self, database: str) -> bool:
        """Whether what sessions a killed engine had end within some time."""
        return eventually(lambda: self.sessions(database) == [])


class Running:
    """An engine in a process of its own, and what it has told so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._events: list[Event] = []
        self._ended = False
        self._told = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._told:
                self._events.append(json.loads(line))
                self._told.notify_all()
        with self._told:
            self._ended = True
            self._told.notify_all()

    def _until(self, is_met: Callable[[Event], bool]) -> Event | None:
        """The first event that is, as soon as it is there; None if it ends without one."""
        with self._told:
            self._told.wait_for(lambda: self._ended or any(map(is_met, self._events)), 100)
            return next(filter(is_met, self._events), None)

    def has_told(self, **wanted: Any) -> bool:
        """Waits for it, or for the end."""
        return self._until(lambda event: wanted.items() <= event.items()) is not None

    def go_on(self) -> None:
        """From where it is held."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> Event:
        """How it ended: `done` or `error`."""
        found = self._until(lambda event: "done" in event or "error" in event)
        assert found is not None, f"ended without a word after {self._events}"
        return found

    def stop(self) -> None:
        """As if its machine was hung: its sessions stay."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """By SIGKILL; safe to repeat."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
