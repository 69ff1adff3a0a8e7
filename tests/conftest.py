"""One storage account for the tests that need any; each has containers of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """More of what is tested anyway waits for a soak."""
    if not os.environ.get("SOAK"):
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(
                    pytest.mark.skip(reason="takes long, and others like it run: make soak")
                )


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as storage:
        yield storage


@pytest.fixture(scope="session")
def account(azurite: Azurite) -> Iterator[BlobServiceClient]:
    """The account as a person with its key sees it."""
    with BlobServiceClient.from_connection_string(azurite.connection_string) as client:
        yield client
