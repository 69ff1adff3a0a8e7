"""A whole restore on one machine: the real life and flows, a real worker, a real server."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from local.postgres import binaries
from restore import control, flows
from restore.adapters.postgres import Tls
from restore.adapters.tools import find_clients
from restore.core.policy import Policy
from restore.worker.job import Limits
from restore.worker.worker import Worker, work
from tests.fakes import (
    MemoryBus,
    MemoryHold,
    MemoryLanding,
    MemoryRecords,
    MemorySecrets,
    MemoryStates,
)

DATA = Path(__file__).parents[1] / "data"
CHUNK_BYTES = 4096  # small enough that every dump comes in several
SET_ID = "d98a8d0a-89c8-4b84-9c58-c6c8743e8478"
KEPT_DATABASES = ("postgres", "template0", "template1", "azure_sys", "azure_maintenance")


class Bench:
    def __init__(self, server, clients=None, **limits):
        self.server = server
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        # Nothing sent twice is dropped: a test sees all that a worker sends.
        self.bus = MemoryBus(clock=lambda: self.now, duplicate_seconds=0)
        self.states = MemoryStates()
        self.records = MemoryRecords()
        self.secrets = MemorySecrets({"target": server.admin_password})
        self.landing = MemoryLanding()
        self.landing.chunk_bytes = CHUNK_BYTES
        self.container = self.landing.url("files")
        self.landing.create(self.container, "files")
        self.clients = clients or find_clients([str(binaries(16)), str(binaries(18))])
        self.limits = Limits(**limits)
        self.port = server.port
        self.allowed = ()
        self.last = None

    @property
    def control(self):
        return control.Control(
            clock=lambda: self.now,
            states=self.states,
            records=self.records,
            landing=self.landing,
            vault=None,
            parameters=None,
            bus=self.bus,
            policy=Policy(),
            vaults=(),
            targets=(f"127.0.0.1:{self.port}",),
        )

    @property
    def worker(self):
        return Worker(
            clock=lambda: self.now,
            states=self.states,
            records=self.records,
            landing=self.landing,
            bus=self.bus,
            inbox=self.bus,
            secrets=self.secrets,
            token=lambda: "",
            targets=self.allowed or (f"127.0.0.1:{self.port}",),
            tls=Tls("disable"),
            clients=self.clients,
            limits=self.limits,
            round_seconds=0.05,
        )

    def put(self, name: str, content: bytes) -> None:
        self.landing.put(self.container, f"{SET_ID}_{name}", content)

    def start(self, **request):
        """The id of a restore that is about to be prepared."""
        self.last = flows.start(self.control, self._body(request)).id
        while not self.bus.tickets and not self.restore.ended:
            self.pass_time()
        return self.last

    def _body(self, request):
        body = {
            "source": {"container": self.container},
            "target": {
                "host": "127.0.0.1",
                "port": self.port,
                "user": self.server.admin,
                "secret": "target",
            },
            **request,
        }
        return json.dumps(body).encode()

    @property
    def restore(self):
        return self.states.load(self.last).restore

    def pass_time(self, seconds=60):
        self.now += timedelta(seconds=seconds)
        flows.tick(self.control)

    def step(self):
        """The reports heard, or one ticket done, or some time passed."""
        if self.hear():
            return
        with self.bus.take(wait_seconds=0) as hold:
            if hold is None:
                self.pass_time()
            else:
                work(self.worker, hold)

    def hear(self):
        """Whether there were reports."""
        reports = self.bus.reports()
        for body in reports:
            flows.task_reported(self.control, body)
        return bool(reports)

    def deliver(self, ticket):
        """Work on `ticket` as when it comes twice; how it was settled: True is completed."""
        settled = []
        work(self.worker, MemoryHold(ticket, settled.append, settled.append))
        return settled

    def until(self, task: str):
        """Everything before the first ticket for `task`, which is returned but not done."""
        while not self.restore.ended:
            self.hear()
            if self.bus.tickets and self.bus.tickets[0].task == task:
                return self.bus.tickets[0]
            self.step()
        raise AssertionError(f"ended before {task}: {self.restore.failure}")

    def finish(self):
        """The restore after its end."""
        while not self.restore.ended:
            self.step()
        return self.restore

    def run(self, **request):
        self.start(**request)
        return self.finish()

    # ---- what is on the server

    def rows(self, statement, database="postgres", parameters=None):
        with psycopg.connect(
            self.server.superuser_conninfo(database), autocommit=True
        ) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def databases(self):
        rows = self.rows("SELECT datname FROM pg_database")
        return sorted({name for (name,) in rows} - set(KEPT_DATABASES))

    def roles(self):
        rows = self.rows("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")
        return {name for (name,) in rows}

    def memberships(self):
        return set(
            self.rows(
                "SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text"
                " FROM pg_auth_members"
            )
        )

    def sessions(self):
        return self.rows(
            "SELECT application_name FROM pg_stat_activity WHERE application_name ~ '^restore/'"
        )

    def sessions_left(self, patience_seconds):
        """Of closed sessions the server takes a moment to take notice."""
        end = time.monotonic() + patience_seconds
        while (found := self.sessions()) and time.monotonic() < end:
            time.sleep(0.02)
        return found

    def wipe(self, roles_before):
        for name in self.databases():
            self.rows(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in self.roles() - roles_before:
            self.rows(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            self.rows(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
