"""Small documents, in memory and in blobs."""

from __future__ import annotations

import secrets
from contextlib import closing

import pytest

from restore.adapters.storage import BlobDocuments
from restore.errors import ConflictError, NotFoundError
from restore.settings import Connection
from tests.fakes import MemoryDocuments


@pytest.fixture(params=["fake", "azurite"])
def documents(request):
    if request.param == "fake":
        yield MemoryDocuments()
        return
    storage = request.getfixturevalue("azurite")
    with closing(BlobDocuments(Connection(storage.connection_string))) as found:
        yield found


def test_a_document_is_replaced_by_who_read_it_last(documents):
    name = f"marks/{secrets.token_hex(8)}.json"
    with pytest.raises(NotFoundError):
        documents.read(name)
    first = documents.write(name, b"one", None)
    assert documents.read(name) == first
    with pytest.raises(ConflictError):
        documents.write(name, b"two", None)
    second = documents.write(name, b"two", first.etag)
    with pytest.raises(ConflictError):
        documents.write(name, b"three", first.etag)
    assert documents.read(name) == second
    assert second.body == b"two"
