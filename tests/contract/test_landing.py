"""The containers Azure Backup fills, in memory and in storage."""

import secrets

import pytest

from restore.core.dumps import Blob
from restore.errors import ConflictError, InputError, NotFoundError
from tests.contract.conftest import OWNER

ODD = 'b5_database_Größe & 100% "o\'k" a+b?.sql'


def test_a_container_is_created_once_however_often_it_is_asked_for(yard):
    url = yard.container()
    yard.put(url, "one", b"1")
    yard.landing.create(url, OWNER)
    assert [blob.name for blob in yard.landing.blobs(url)] == ["one"]


def test_a_listing_has_every_blob_by_name_with_its_size(yard):
    url = yard.container()
    assert yard.landing.blobs(url) == ()
    for name in ("b", ODD, "a"):
        yard.put(url, name, b"x" * len(name))
    found = yard.landing.blobs(url)
    assert [blob.name for blob in found] == sorted(["b", ODD, "a"])
    assert [blob.size_bytes for blob in found] == [len(name) for name in sorted(["b", ODD, "a"])]


def test_a_container_that_is_not_there_is_not_found(yard):
    url = yard.container()
    yard.delete(url)
    with pytest.raises(NotFoundError):
        yard.landing.blobs(url)
    with pytest.raises(NotFoundError):
        yard.landing.read(url, Blob("a", 1, "0x1"), 0, 1)


@pytest.mark.parametrize(
    ("offset", "size_bytes", "expected"),
    [
        (0, 5, b"PGDMP"),
        (2, 3, b"DMP"),
        (3, 100, b"MP0123"),
        (9, 1, b""),
        (100, 5, b""),
        (0, 0, b""),
    ],
)
def test_a_range_is_shorter_only_at_the_end(yard, offset, size_bytes, expected):
    url = yard.container()
    blob = yard.put(url, ODD, b"PGDMP0123")
    assert yard.landing.read(url, blob, offset, size_bytes) == expected


@pytest.mark.parametrize("offset", [0, 3])
def test_a_blob_that_was_replaced_is_not_read(yard, offset):
    url = yard.container()
    blob = yard.put(url, "a", b"old")
    yard.put(url, "a", b"new")
    with pytest.raises(ConflictError):
        yard.landing.read(url, blob, offset, 3)
    with pytest.raises(ConflictError):
        list(yard.landing.stream(url, blob))


def test_a_stream_is_the_whole_blob_in_pieces_of_bounded_size(yard):
    url = yard.container()
    content = bytes(range(256)) * 40_000  # 10 MB
    blob = yard.put(url, "big", content)
    pieces = list(yard.landing.stream(url, blob))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 4 * 1024 * 1024


def test_an_empty_blob_is_an_empty_stream(yard):
    url = yard.container()
    assert list(yard.landing.stream(url, yard.put(url, "none", b""))) == []


def test_only_containers_of_the_account_are_its_own(yard):
    base = yard.landing.url("restore-1").removesuffix("/restore-1")
    assert yard.landing.owns(f"{base}/restore-1")
    scheme, rest = base.split("://")
    for url in (
        "",
        base,
        f"{base}/",
        f"{base}/restore-1/",
        f"{base}/restore-1/blob",
        f"{base}/restore-1?sv=1",
        f"{base}/restore-1#x",
        f"{base}/../restore-1",
        f"{base}/..",
        f"{base}/%2e%2e",
        f"{base}/restore%2d1",
        f"{base}/x%2frestore-1",
        f"{base}/Restore-1",
        f"{base}/$web",
        f"{base}//restore-1",
        f"{base}\\restore-1",
        f"{scheme}://user@{rest}/restore-1",
        f"{scheme}://{rest}.evil.example/restore-1",
        f"ftp://{rest}/restore-1",
        f"{scheme}://{rest.split('/')[0]}x/restore-1",
        "https://other.blob.core.windows.net/restore-1",
        " " + f"{base}/restore-1",
    ):
        assert not yard.landing.owns(url), url


def test_nothing_is_asked_of_an_account_that_is_not_ours(yard):
    foreign = "https://other.blob.core.windows.net/restore-1"
    with pytest.raises(InputError):
        yard.landing.create(foreign, OWNER)
    with pytest.raises(InputError):
        yard.landing.blobs(foreign)
    with pytest.raises(InputError):
        yard.landing.read(foreign, Blob("a", 1, "0x1"), 0, 1)


def test_a_container_is_deleted_by_the_restore_it_was_made_for_however_often(yard):
    url = yard.container()
    yard.put(url, "one", b"1")
    yard.landing.delete(url, OWNER)
    yard.landing.delete(url, OWNER)
    with pytest.raises(NotFoundError):
        yard.landing.blobs(url)


def test_no_other_restore_can_delete_it(yard):
    url = yard.container()
    yard.put(url, "one", b"1")
    with pytest.raises(ConflictError):
        yard.landing.delete(url, "f" * 16)
    assert [blob.name for blob in yard.landing.blobs(url)] == ["one"]


def test_nothing_outside_of_the_account_is_deleted(yard):
    with pytest.raises(InputError):
        yard.landing.delete("https://other.blob.core.windows.net/restore-1", OWNER)


def test_containers_tell_for_whom_they_were_made(yard):
    restore_id = secrets.token_hex(8)
    yard.container()  # of another name than its mark's
    yard.landing.create(yard.landing.url(f"restore-{restore_id}"), restore_id)
    made = yard.landing.made()
    assert restore_id in made
    assert OWNER not in made
    assert made[restore_id].tzinfo is not None
