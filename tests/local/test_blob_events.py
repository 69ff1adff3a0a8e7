"""The events of a storage account: what they say, and that they arrive."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from local.azurite import Azurite
from local.blob_events import BlobEvents, Created, Schema, Troubles, event, troubled
from tests.waiting import eventually

# Retyped from learn.microsoft.com/azure/event-grid/event-schema-blob-storage.
EVENT_GRID_SAMPLE = {
    "topic": "/subscriptions/{subscription-id}/resourceGroups/Storage/providers/Microsoft.Storage"
    "/storageAccounts/my-storage-account",
    "subject": "/blobServices/default/containers/test-container/blobs/new-file.txt",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2017-06-26T18:41:00.9584103Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": {
        "api": "PutBlockList",
        "clientRequestId": "6d79dbfb-0e37-4fc4-981f-442c9ca65760",
        "requestId": "831e1650-001e-001b-66ab-eeb76e000000",
        "eTag": '"0x8D4BCC2E4835CD0"',
        "contentType": "text/plain",
        "contentLength": 524288,
        "blobType": "BlockBlob",
        "url": "https://my-storage-account.blob.core.windows.net/testcontainer/new-file.txt",
        "sequencer": "00000000000004420000000000028963",
        "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
    },
    "dataVersion": "",
    "metadataVersion": "1",
}
CLOUD_EVENTS_SAMPLE = {
    "source": EVENT_GRID_SAMPLE["topic"],
    "subject": EVENT_GRID_SAMPLE["subject"],
    "type": "Microsoft.Storage.BlobCreated",
    "time": "2017-06-26T18:41:00.9584103Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": EVENT_GRID_SAMPLE["data"],
    "specversion": "1.0",
}
CREATED = Created(
    account_url="http://127.0.0.1:10000/acct/",
    account="acct",
    container="restore-1",
    name="0b_database_Größe & 100%?.sql",
    etag='"0x8D4BCC2E4835CD0"',
    size_bytes=7,
    content_type="text/plain",
    time=datetime(2026, 4, 15, 10, 59, 20, 123456, UTC),
)


def shape(value):
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return type(value).__name__


@pytest.mark.parametrize(
    ("schema", "sample"),
    [(Schema.EVENT_GRID, EVENT_GRID_SAMPLE), (Schema.CLOUD_EVENTS, CLOUD_EVENTS_SAMPLE)],
)
def test_an_event_has_the_shape_of_the_documented_sample(schema, sample):
    ours = event(CREATED, schema, 1)
    assert shape(ours) == shape(sample)
    assert list(ours) == list(sample)
    moment = ours.get("eventTime") or ours["time"]
    assert moment == "2026-04-15T10:59:20.1234560Z"


def test_an_odd_name_is_encoded_in_the_url_and_plain_in_the_subject():
    ours = event(CREATED, Schema.EVENT_GRID, 1)
    path = urlsplit(ours["data"]["url"]).path
    assert path.startswith("/acct/restore-1/0b_database_Gr%C3%B6%C3%9Fe%20%26%20100%25%3F.sql")
    assert unquote(path).rsplit("/", 1)[-1] == CREATED.name
    assert ours["subject"].endswith(f"/containers/restore-1/blobs/{CREATED.name}")


def test_a_large_blob_was_put_in_blocks():
    large = event(replace(CREATED, size_bytes=5 << 20), Schema.EVENT_GRID, 1)["data"]
    small = event(CREATED, Schema.EVENT_GRID, 1)["data"]
    assert (large["api"], small["api"]) == ("PutBlockList", "PutBlob")


def test_one_blob_told_twice_keeps_its_id_and_a_replaced_one_gets_another():
    first, again = (event(CREATED, Schema.EVENT_GRID, number) for number in (1, 2))
    other = event(replace(CREATED, etag="0x1"), Schema.EVENT_GRID, 3)
    assert first["id"] == again["id"] != other["id"]
    assert first["data"]["sequencer"] < again["data"]["sequencer"]


EVENTS = [{"subject": f"blob {number}"} for number in range(200)]


def test_troubles_are_the_same_for_the_same_seed():
    troubles = Troubles(doubled=0.5, dropped=0.2, shuffled=True, seed=7)
    once, again = (list(troubled(EVENTS, troubles)) for _ in range(2))
    assert once == again != list(troubled(EVENTS, replace(troubles, seed=8)))
    assert 100 < len({one["subject"] for one in once}) < 200
    assert len(once) > len({one["subject"] for one in once})


@pytest.mark.parametrize(
    ("troubles", "count"),
    [(Troubles(), 200), (Troubles(dropped=1.0), 0), (Troubles(doubled=1.0), 400)],
)
def test_a_trouble_can_be_none_or_total(troubles, count):
    assert len(list(troubled(EVENTS, troubles))) == count


class Webhook(ThreadingHTTPServer):
    """Remembers what is posted; answers with the statuses given, then 202."""

    def __init__(self, statuses):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.statuses = list(statuses)
        self.posts = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/events"

    def names(self):
        return [body[0]["subject"].rsplit("/", 1)[-1] for _, body in self.posts]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.append((headers, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 202)
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def webhook(*statuses):
    with Webhook(statuses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def watch(azurite):
    def start(hook, prefix, **options):
        return BlobEvents(
            azurite.connection_string, hook.url, prefix=prefix, poll_seconds=0.02, **options
        )

    return start


@pytest.mark.parametrize("schema", list(Schema))
def test_a_new_blob_is_announced_and_an_old_one_is_not(watch, account, schema):
    prefix = f"new-{schema.name.lower().replace('_', '-')}"
    container = account.create_container(prefix)
    container.upload_blob("old", b"")
    with webhook() as hook, watch(hook, prefix, schema=schema):
        uploaded = container.upload_blob("a&b ü.sql", b"12345")
        assert eventually(lambda: hook.posts)
        etag = uploaded.get_blob_properties().etag
    [(headers, [sent])] = hook.posts
    assert sent["data"]["url"] == uploaded.url
    assert sent["data"]["contentLength"] == 5
    assert sent["data"]["eTag"] == etag.strip('"')
    assert headers["aeg-event-type"] == "Notification"
    assert headers["content-type"].startswith(
        "application/cloudevents-batch+json"
        if schema is Schema.CLOUD_EVENTS
        else "application/json"
    )


def test_containers_outside_the_prefix_and_ignored_ones_are_not_watched(watch, account):
    names = ("watched-1", "watched-state", "other-1")
    with webhook() as hook, watch(hook, "watched-", ignored=["watched-state"]):
        for name in reversed(names):
            account.create_container(name).upload_blob(f"in {name}", b"")
        assert eventually(lambda: hook.posts)
    assert hook.names() == ["in watched-1"]


def test_an_event_is_posted_until_it_is_accepted(watch, account):
    container = account.create_container("refused")
    with webhook(500, 503, 500) as hook, watch(hook, "refused") as events:
        container.upload_blob("a", b"")
        assert eventually(lambda: len(hook.posts) == 4)
    assert {json.dumps(body) for _, body in hook.posts} == {json.dumps(hook.posts[0][1])}
    assert events.undelivered == []


def test_a_bad_request_is_given_up_at_once(watch, account):
    container = account.create_container("hopeless")
    with webhook(400) as hook, watch(hook, "hopeless") as events:
        container.upload_blob("a", b"")
        assert eventually(lambda: events.undelivered)
    assert len(hook.posts) == 1


def test_troubles_reach_the_webhook(watch, account):
    container = account.create_container("troubled")
    with webhook() as hook, watch(hook, "troubled", troubles=Troubles(doubled=1.0)):
        container.upload_blob("a", b"")
        assert eventually(lambda: len(hook.posts) == 2)
    assert hook.names() == ["a", "a"]


def test_an_account_that_went_away_does_not_end_the_watch():
    with Azurite() as storage, webhook() as hook:
        events = BlobEvents(storage.connection_string, hook.url, poll_seconds=0.02)
        with events:
            storage.stop()
            assert not eventually(lambda: not events._thread.is_alive(), seconds=0.2)
