from __future__ import annotations

import subprocess

import pytest

from local.postgres import PostgresServer, majors
from local.sample.fill import fill_small
from tests.worker.bench import Bench


@pytest.fixture(scope="session")
def target():
    with PostgresServer(18) as server:
        yield server


@pytest.fixture(scope="session")
def source():
    """PostgreSQL 16 with the small sample."""
    with PostgresServer(16) as server:
        fill_small(server)
        yield server


class Servers(dict[int, PostgresServer]):
    """Empty servers by major, started when they are asked for."""

    def __missing__(self, major: int) -> PostgresServer:
        if major not in majors():
            pytest.skip(f"needs PostgreSQL {major}: apt-get install postgresql-{major}")
        self[major] = PostgresServer(major).start()
        return self[major]


@pytest.fixture(scope="session")
def servers():
    """For what concerns all of a server; each test tidies up."""
    started = Servers()
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture
def bench(target):
    bench = Bench(target)
    roles, memberships = bench.roles(), bench.memberships()
    yield bench
    sessions = bench.sessions_left(patience_seconds=10)
    bench.wipe(roles)
    assert sessions == []
    assert bench.memberships() == memberships


@pytest.fixture(scope="session")
def dump(source):
    """pg_dump and pg_dumpall as the provider runs them: into a pipe."""
    made = {}

    def run(tool: str, *arguments: str) -> bytes:
        if (tool, *arguments) not in made:
            argv = [source.binaries / tool, *arguments]
            done = subprocess.run(
                argv, env=source.superuser_environment(), stdout=subprocess.PIPE, check=True
            )
            made[tool, *arguments] = done.stdout
        return made[tool, *arguments]

    return run
