"""What runs out, runs away or goes wrong around a restore, on a real server."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql

from local.postgres import PostgresServer
from restore.core.state import Phase
from restore.engine.meter import Meter
from tests.worker.bench import Bench

CRM = "crm_database_archive"
_DONE = (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)


@contextmanager
def small_disk(folder: Path, size: str):
    """`folder` as a file system of its own; a function gives it another size."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to be allowed to mount a file system: run as root")

    def resize(size):
        argv = ["mount", "-o", f"remount,size={size}", str(folder)]
        subprocess.run(argv, check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_worker_whose_disk_is_full(bench, dump, tmp_path, monkeypatch):
    before = bench.databases()
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    with small_disk(tmp_path, "4k") as resize:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        restore = bench.run()
        assert (restore.phase, restore.failure.code) == (Phase.FAILED, "worker-machine")
        assert "No space left on device" in restore.failure.message
        assert len(restore.task("database-0").failures) == bench.control.policy.max_attempts
        assert bench.databases() == before
        assert os.listdir(tmp_path) == []
        resize("64m")
        assert bench.run().phase in _DONE


def test_a_target_whose_disk_is_full(source):
    """The restore says so, takes back what it began, and succeeds on a larger disk."""
    with PostgresServer(18) as server, _on_small_disk(server, "50m") as resize:
        bench = Bench(server)
        bench.put("database_big.sql", _big_dump(source))
        before = bench.databases()
        restore = bench.run()
        assert (restore.phase, restore.failure.code) == (Phase.FAILED, "target-full")
        assert restore.failure.hint
        assert (bench.databases(), restore.debts, bench.sessions()) == (before, (), [])
        resize("200m")
        assert bench.run().phase in _DONE
        assert bench.rows("SELECT count(*) FROM much", "big") == [(250_000,)]


@contextmanager
def _on_small_disk(server: PostgresServer, size: str):
    """Its databases; what it logs ahead stays where it is, so that it lives on."""
    server.halt()
    base, away = server._data / "base", server._data / "base-before"
    base.rename(away)
    base.mkdir(mode=0o700)
    with small_disk(base, size) as resize:
        owner = away.stat()
        shutil.copytree(away, base, dirs_exist_ok=True)
        for path in (base, *base.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        server.start()
        try:
            yield resize
        finally:
            server.halt()


def _big_dump(source: PostgresServer) -> bytes:
    """30 MB once it is restored."""
    bench = Bench(source)
    bench.rows("CREATE DATABASE big")
    try:
        rows = "SELECT n, repeat(md5(n::text), 3) FROM generate_series(1, 250000) AS n"
        bench.rows(f"CREATE TABLE much AS {rows}", "big")
        argv = [source.binaries / "pg_dump", "-Fc", "big"]
        environment = source.superuser_environment()
        return subprocess.run(argv, env=environment, capture_output=True, check=True).stdout
    finally:
        bench.rows("DROP DATABASE big WITH (FORCE)")


class Expiring(Bench):
    """A worker that logs in by Entra tokens, which the server forgets when `expire` is called."""

    token = ""

    @property
    def worker(self):
        return replace(super().worker, token=lambda: self.token)

    def expire(self):
        self.token = secrets.token_hex(8)
        self.set_password(self.token)

    def set_password(self, password):
        change = sql.SQL("ALTER ROLE {} PASSWORD {}")
        self.rows(change.format(sql.Identifier(self.server.admin), sql.Literal(password)))

    def _body(self, request):
        return super()._body(request).replace(b', "secret": "target"', b"")


@pytest.mark.parametrize("engine", ["stream", "pg_restore"])
def test_a_token_that_expires_before_each_phase(target, dump, engine, monkeypatch):
    bench, roles = Expiring(target), Bench(target).roles()
    phases, enter = [], Meter.enter

    def entering(meter, name, *sizes):
        phases.append(name)
        bench.expire()
        enter(meter, name, *sizes)

    monkeypatch.setattr(Meter, "enter", entering)
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    try:
        bench.expire()
        restore = bench.run(engine=engine, verify="content")
        assert restore.phase in _DONE, restore.failure
        assert len(phases) > 5
    finally:
        bench.set_password(target.admin_password)
        bench.wipe(roles)


class Skewed(Bench):
    """A worker whose clock is wrong."""

    skew = timedelta()

    @property
    def worker(self):
        return replace(super().worker, clock=lambda: self.now + self.skew)


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_worker_whose_clock_is_wrong(target, dump, hours):
    bench = Skewed(target)
    bench.skew = timedelta(hours=hours)
    roles = bench.roles()
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    try:
        restore = bench.run()
        assert restore.phase in _DONE
        assert all(task.attempt == 1 for task in restore.tasks)
        assert restore.stuck == ""
        assert restore.updated <= bench.now
    finally:
        bench.wipe(roles)
