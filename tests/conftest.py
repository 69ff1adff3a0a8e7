"""One storage account for the tests that need any; each has containers of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite

_SHARED_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 8 * 1024**3


def _into_memory() -> None:
    """Servers write much that nobody reads again: into memory, where there is plenty."""
    if "TMPDIR" in os.environ or not _SHARED_MEMORY.is_dir():
        return
    found = os.statvfs(_SHARED_MEMORY)
    if found.f_bavail * found.f_frsize > _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(_SHARED_MEMORY)
        tempfile.tempdir = None  # asked for again


_into_memory()


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
