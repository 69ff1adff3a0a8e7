"""One storage account for the tests that need any; each has containers of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as storage:
        yield storage


@pytest.fixture(scope="session")
def account(azurite: Azurite) -> Iterator[BlobServiceClient]:
    """The account as a person with its key sees it."""
    with BlobServiceClient.from_connection_string(azurite.connection_string) as client:
        yield client
