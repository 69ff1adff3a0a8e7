from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.postgres import PostgresServer
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


@pytest.fixture
def database(bulk: Bulk) -> Iterator[str]:
    """An empty one on the server of `bulk`."""
    name = bulk.database()
    yield name
    bulk.drop(name)
