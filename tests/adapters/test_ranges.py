"""What an archive is read from: a file, an URL, a blob; and what only one of them has."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from local.processes import free_port
from restore.adapters.ranges import (
    BlobRanges,
    FileRanges,
    HttpRanges,
    SourceError,
    SourceRefusedError,
)
from restore.adapters.storage import BlobLanding
from restore.errors import ArchiveError, ConflictError, NotFoundError
from restore.ports import Ranges
from restore.settings import Connection
from tests.proxy import proxy
from tests.range_server import QUERY, Fault, range_server

CONTENT = bytes(range(256)) * 4_000 + b"the end"


@dataclass
class Source:
    """Something to read from, and how its owner replaces what is there."""

    ranges: Ranges
    replace: Callable[[bytes], None]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.dump"
    path.write_bytes(CONTENT)

    def replace(content):
        path.write_bytes(content)
        os.utime(path, ns=(0, 0))  # clocks of file systems are coarse

    with FileRanges(path) as ranges:
        yield Source(ranges, replace)


@pytest.fixture
def server():
    with range_server(CONTENT) as server:
        yield server


@pytest.fixture
def http(server):
    def replace(content):
        server.content, server.etag = content, '"2"'

    with HttpRanges(server.url) as ranges:
        yield Source(ranges, replace)


@pytest.fixture
def between(azurite):
    """What breaks off on the way to the blob."""
    at = urlsplit(azurite.url)
    with proxy(at.hostname, at.port) as between:
        yield between


@pytest.fixture
def blob(azurite, account, between):
    string = azurite.connection_string.replace(
        f":{urlsplit(azurite.url).port}/", f":{between.port}/"
    )
    landing = BlobLanding(Connection(string))
    name = f"restore-{secrets.token_hex(8)}"
    container = account.create_container(name)

    def replace(content):
        container.upload_blob("x.dump", content, overwrite=True)

    replace(CONTENT)
    (listed,) = landing.blobs(landing.url(name))
    yield Source(BlobRanges(landing, landing.url(name), listed), replace)
    landing.close()


@pytest.fixture(params=["file", "http", "blob"])
def source(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("offset", "size_bytes"),
    [(0, 1), (0, 5), (255, 2), (1, 300_000), (0, len(CONTENT)), (len(CONTENT) - 3, 3), (7, 0)],
)
def test_a_range_is_what_was_asked_for(source, offset, size_bytes):
    assert source.ranges.read(offset, size_bytes) == CONTENT[offset : offset + size_bytes]


def test_its_size_is_known_and_its_version_while_it_stays_the_same(source):
    assert source.ranges.size_bytes == len(CONTENT)
    version = source.ranges.version
    source.ranges.read(0, 10)
    assert source.ranges.version == version != ""


def test_several_threads_read_at_once(source):
    offsets = range(0, 1_000_000, 50_000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda offset: source.ranges.read(offset, 50_000), offsets))
    assert b"".join(found) == CONTENT[:1_000_000]


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT + b"more", CONTENT[:100], b""], ids=len)
def test_what_was_replaced_is_not_read(source, content):
    source.ranges.read(0, 10)
    source.replace(content)
    for offset in (0, len(CONTENT) - 10):
        with pytest.raises(ConflictError, match=r"x\.dump|file\.dump"):
            source.ranges.read(offset, 10)


def test_a_range_behind_the_end_is_an_error(source):
    with pytest.raises((ArchiveError, ConflictError)):
        source.ranges.read(len(CONTENT) - 1, 2)


def test_a_blob_carries_on_after_a_broken_connection(blob, between):
    between.cut_each([(400_000, False)])
    assert blob.ranges.read(0, len(CONTENT)) == CONTENT
    assert between.cut == 1


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"gone\.dump.*No such file"):
        FileRanges(tmp_path / "gone.dump")
    with pytest.raises(NotFoundError, match="Is a directory"):
        FileRanges(tmp_path)


# ---- by http -----------------------------------------------------------------------------------

BREAKING = [
    Fault(silent=True),
    Fault(after_bytes=0),
    Fault(after_bytes=300_000),
    Fault(after_bytes=0, resets=True),
    Fault(after_bytes=300_000, resets=True),
    Fault(after_bytes=0, length=False),
    Fault(after_bytes=300_000, length=False),
    Fault(status=429),
    Fault(status=503),
]


@pytest.mark.parametrize("fault", BREAKING, ids=str)
def test_what_broke_off_is_asked_for_from_there_on(server, http, fault):
    server.faults.append(fault)
    assert http.ranges.read(100, 900_000) == CONTENT[100:900_100]
    first, last = server.asked[-1]
    assert last == 900_099
    # With a reset, what is on its way is lost.
    assert first == 100 + max(0, fault.after_bytes) or (fault.resets and first >= 100)


def test_as_long_as_something_comes_it_is_not_given_up(server):
    with HttpRanges(server.url, tries=1) as ranges:
        server.always = Fault(after_bytes=100_000)
        assert ranges.read(0, 900_000) == CONTENT[:900_000]


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Fault(silent=True), "MaxRetryError"),
        (Fault(after_bytes=0), "ProtocolError"),
        (Fault(after_bytes=0, resets=True), "MaxRetryError|ProtocolError"),
        (Fault(after_bytes=0, length=False), "none"),
        (Fault(after_bytes=0, stalls=True), "ReadTimeoutError"),
        (Fault(status=503), "status 503"),
    ],
    ids=str,
)
def test_a_server_that_gives_nothing_is_given_up(server, fault, found):
    with HttpRanges(server.url, tries=1, patience_seconds=0.2) as ranges:
        server.always = fault
        with pytest.raises(SourceError, match=f"file.dump.*{found}") as caught:
            ranges.read(0, 900_000)
    assert QUERY not in f"{caught.value}{caught.value.hint}"


def test_nobody_there_is_an_error_without_the_key():
    port = free_port()
    with pytest.raises(SourceError, match=r"file\.dump") as caught:
        HttpRanges(f"http://127.0.0.1:{port}/file.dump?{QUERY}", tries=1)
    assert QUERY not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Fault(whole=True), "the whole file"),
        (Fault(status=404), "status 404"),
        (Fault(status=403), "status 403"),
        (Fault(shift_bytes=1), "another range"),
        (Fault(longer_bytes=1), "another range"),
    ],
    ids=str,
)
def test_a_server_that_gives_something_else_is_refused(server, http, fault, found):
    server.always = fault
    with pytest.raises(SourceRefusedError, match=found) as caught:
        http.ranges.read(10, 100)
    assert QUERY not in f"{caught.value}{caught.value.hint}"
    with pytest.raises(SourceRefusedError, match=found):
        HttpRanges(server.url)


def test_an_empty_file_is_refused(server):
    server.content = b""
    with pytest.raises(SourceRefusedError, match="status 416"):
        HttpRanges(server.url)


@pytest.mark.parametrize(
    ("etag", "modified"),
    [('"1"', ""), ('W/"1"', ""), ("", "Wed, 01 Jan 2026 00:00:00 GMT"), ("", "")],
)
def test_without_conditions_the_answer_itself_tells_of_a_change(server, etag, modified):
    """Of a server that knows no If-Match, no strong ETag, or none: as much as it says."""
    server.matches, server.etag, server.modified = False, etag, modified
    with HttpRanges(server.url) as ranges:
        assert ranges.read(0, 10) == CONTENT[:10]
        if etag:
            server.etag = etag.replace("1", "2")
        elif modified:
            server.modified = modified.replace("00:00:00", "00:00:01")
        else:
            server.content = CONTENT[:-1]
        with pytest.raises(ConflictError, match="unchanged"):
            ranges.read(0, 10)
