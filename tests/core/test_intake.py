import json

import pytest

from restore.core.intake import Landed, landed
from restore.errors import MessageError

EVENT_GRID = {
    "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acct",
    "subject": "/blobServices/default/containers/restore-1/blobs/backupstarttimestamp",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-04-15T10:59:20.0000000Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": {
        "api": "PutBlockList",
        "eTag": "0x8DD000000000000",
        "contentType": "application/octet-stream",
        "contentLength": 1024,
        "blobType": "BlockBlob",
        "url": "https://acct.blob.core.windows.net/restore-1/backupstarttimestamp",
        "sequencer": "00000000000004420000000000028963",
    },
    "dataVersion": "",
    "metadataVersion": "1",
}
CLOUD = {
    "source": EVENT_GRID["topic"],
    "subject": EVENT_GRID["subject"],
    "type": "Microsoft.Storage.BlobCreated",
    "time": "2026-04-15T10:59:20.0000000Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": EVENT_GRID["data"],
    "specversion": "1.0",
}


@pytest.mark.parametrize("event", [EVENT_GRID, CLOUD])
def test_both_schemas_tell_the_same(event):
    found = landed(json.dumps(event))
    assert found == Landed("https://acct.blob.core.windows.net/restore-1", "backupstarttimestamp")


def test_an_emulator_has_its_account_in_the_path_and_odd_names_stay_whole():
    name = "g_database_We ird/Größe.sql.sql"
    url = "http://127.0.0.1:10000/acct/restore-1/g_database_We%20ird/Gr%C3%B6%C3%9Fe.sql.sql"
    event = {
        **CLOUD,
        "subject": f"/blobServices/default/containers/restore-1/blobs/{name}",
        "data": {**CLOUD["data"], "url": url},
    }
    assert landed(json.dumps(event)) == Landed("http://127.0.0.1:10000/acct/restore-1", name)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Microsoft.Storage.BlobDeleted"},
        {"data": {**CLOUD["data"], "api": "CreateFile"}},
    ],
)
def test_other_events_are_none_of_our_business(changes):
    assert landed(json.dumps({**CLOUD, **changes})) is None


@pytest.mark.parametrize("event", ["", "x", "[]", "7", json.dumps({**CLOUD, "data": 1})])
def test_what_is_no_event_is_refused(event):
    with pytest.raises(MessageError, match="event: expected"):
        landed(event)


def test_an_event_without_a_blob_is_refused():
    with pytest.raises(MessageError, match="expected a blob as its subject"):
        landed(json.dumps({**CLOUD, "subject": "/blobServices/default"}))
