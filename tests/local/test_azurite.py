"""The stand-in for a storage account."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from local import azurite
from local.azurite import Azurite

LOCAL = Path(azurite.__file__).parent


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    with Azurite() as storage:
        yield storage


def test_a_blob_with_an_odd_name_comes_back_as_it_was(storage):
    name = '0b5_database_Größe & 100% "o\'k" a+b?.sql'
    with BlobServiceClient.from_connection_string(storage.connection_string) as client:
        container = client.create_container("restore-1")
        container.upload_blob(name, b"PGDMP")
        assert [blob.name for blob in container.list_blobs()] == [name]
        assert container.download_blob(name, offset=2, length=2).readall() == b"DM"
        with pytest.raises(ResourceExistsError):
            container.upload_blob(name, b"again", overwrite=False)


def test_two_accounts_run_side_by_side_with_keys_of_their_own(storage):
    with Azurite() as other:
        assert other.url != storage.url
        assert (other.account, other.key) != (storage.account, storage.key)


def test_stopping_removes_process_and_folder():
    storage = Azurite().start()
    assert storage._process
    assert storage._folder
    pid, folder = storage._process.pid, storage._folder.path
    storage.stop()
    storage.stop()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_lock_file_holds_hashes_and_no_addresses():
    """The addresses would be those of whoever made it; npm asks its own registry instead."""
    lock = json.loads((LOCAL / "package-lock.json").read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages["node_modules/azurite"]["version"] == "3.37.0"
    assert all("resolved" not in package for package in packages.values())
    assert all("integrity" in package for package in packages.values())
