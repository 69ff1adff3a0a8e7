from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from local.postgres import PostgresServer
from restore.engine.__main__ import main
from tests.engine.bulk import Bulk
from tests.engine.oracle import Oracle


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with Oracle(tmp_path_factory.mktemp("dumps")) as oracle:
        yield oracle


@pytest.fixture(scope="session")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bulk]:
    with PostgresServer(18, settings={"autovacuum": "off"}) as server:
        yield Bulk(server, tmp_path_factory.mktemp("bulk"))


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bulk]:
    """The same with fewer rows, of which the biggest table still has some slices."""
    with PostgresServer(18, settings={"autovacuum": "off"}) as server:
        yield Bulk(server, tmp_path_factory.mktemp("little"), scale=0.2)


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(
    little: Bulk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """`python -m restore.engine`, inside of this process, with the password of the little server.

    Its arguments; a database of that server instead of `--target`.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name, value in little.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object, database: str = "") -> Said:
        target = [f"--target={little.target(database)}"] if database else []
        capsys.readouterr()
        try:
            code = main([*map(str, arguments), *target])
        except SystemExit as exc:
            code = int(exc.code or 0)
        return Said(code, *capsys.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def empty(little: Bulk) -> Iterator[str]:
    """An empty database on the little server."""
    name = little.database()
    yield name
    little.drop(name)


@pytest.fixture
def database(bulk: Bulk) -> Iterator[str]:
    """An empty one on the server of `bulk`."""
    name = bulk.database()
    yield name
    bulk.drop(name)
