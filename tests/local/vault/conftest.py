"""A vault with one backup of a small server, and the real client that talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from azure.mgmt.dataprotection import DataProtectionMgmtClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from local.azurite import Azurite
from local.postgres import PostgresServer
from local.vault import Faults, LocalVault, RecoveryPoint
from tests.local.vault.client import NAMES, Restoring, Token


@pytest.fixture(scope="package")
def source() -> Iterator[PostgresServer]:
    with PostgresServer(16) as server:
        with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
            connection.execute("CREATE ROLE app_owner LOGIN PASSWORD 'secret'")
            connection.execute('CREATE DATABASE "a/b_database_=1.sql" OWNER app_owner')
        with psycopg.connect(server.superuser_conninfo("a/b_database_=1.sql")) as connection:
            connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")
        yield server


@pytest.fixture(scope="package")
def shared_vault(source: PostgresServer, azurite: Azurite) -> Iterator[LocalVault]:
    with LocalVault(source, azurite.connection_string) as vault:
        vault.take_backup()
        yield vault


@pytest.fixture
def vault(shared_vault: LocalVault) -> Iterator[LocalVault]:
    yield shared_vault
    shared_vault.faults = Faults()


@pytest.fixture
def point(vault: LocalVault) -> RecoveryPoint:
    return next(point for point in vault.points() if point.complete)


@pytest.fixture
def container(account: BlobServiceClient) -> ContainerClient:
    return account.create_container(f"restore-{uuid4().hex[:8]}")


@pytest.fixture
def client(vault: LocalVault) -> Iterator[DataProtectionMgmtClient]:
    with DataProtectionMgmtClient(
        Token(),
        NAMES.subscription,
        base_url=vault.url,
        credential_scopes=["https://management.azure.com/.default"],
        polling_interval=0,
    ) as client:
        yield client


@pytest.fixture
def restoring(client: DataProtectionMgmtClient) -> Restoring:
    return Restoring(client)
