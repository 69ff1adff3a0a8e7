"""What only real storage can do: break off, refuse, lose metadata, hold what is not ours."""

import base64
import secrets
from urllib.parse import urlsplit

import pytest

from restore.adapters.azure_errors import AccessError
from restore.adapters.storage import STATE_CONTAINER, BlobLanding, BlobRecords, BlobStates
from restore.core.dumps import Blob
from restore.core.messages import Progress
from restore.errors import InputError, MessageError
from restore.settings import Connection
from tests.contract.conftest import NOON, restore
from tests.proxy import proxy


@pytest.fixture
def broken(azurite):
    """A landing account behind a proxy that breaks connections."""
    at = urlsplit(azurite.url)
    with proxy(at.hostname, at.port) as running:
        string = azurite.connection_string.replace(f":{at.port}/", f":{running.port}/")
        landing = BlobLanding(Connection(string))
        yield running, landing
        landing.close()


def test_a_stream_carries_on_after_a_broken_connection(broken, account):
    running, landing = broken
    name, content = f"restore-{secrets.token_hex(8)}", secrets.token_bytes(9_000_000)
    account.create_container(name).upload_blob("big", content)
    (found,) = account.get_container_client(name).list_blobs()
    blob = Blob("big", found.size, found.etag.strip('"'))
    running.cuts, running.cut_bytes = 1, 5_000_000
    assert b"".join(landing.stream(landing.url(name), blob)) == content
    assert running.cut == 1


def test_a_wrong_key_is_refused_with_the_role_to_give_and_without_the_key(azurite):
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    landing = BlobLanding(Connection(azurite.connection_string.replace(azurite.key, key)))
    with pytest.raises(AccessError, match="403") as caught:
        landing.blobs(landing.url("restore-1"))
    landing.close()
    assert "Storage Blob Data Contributor" in caught.value.hint
    assert key not in caught.value.message + caught.value.hint


def test_a_shared_access_signature_is_no_part_of_a_container_s_name():
    string = (
        "BlobEndpoint=https://landing.blob.core.windows.net/;"
        "SharedAccessSignature=sv=2024-01-01&sig=S3CR3T"
    )
    landing = BlobLanding(Connection(string))
    assert landing.url("restore-1") == "https://landing.blob.core.windows.net/restore-1"
    with pytest.raises(InputError) as caught:
        landing.read("https://evil.example/restore-1", Blob("a", 1, "0x1"), 0, 1)
    assert "S3CR3T" not in str(caught.value)


def test_a_state_that_lost_its_metadata_is_still_listed(azurite, account):
    states = BlobStates(Connection(azurite.connection_string))
    new = restore()
    states.create(new)
    blob = account.get_blob_client(STATE_CONTAINER, f"restores/{new.id}.json")
    blob.set_blob_metadata({})
    (found,) = [summary for summary in states.summaries() if summary.id == new.id]
    states.close()
    assert (found.phase, found.created) == ("requested", new.created)


def test_a_state_of_another_release_is_refused_by_name(azurite, account):
    states = BlobStates(Connection(azurite.connection_string))
    new = restore()
    states.create(new)
    blob = account.get_blob_client(STATE_CONTAINER, f"restores/{new.id}.json")
    blob.upload_blob(b'{"version": 99}', overwrite=True)
    with pytest.raises(MessageError, match=new.id):
        states.load(new.id)
    (found,) = [summary for summary in states.summaries() if summary.id == new.id]
    assert found.phase == "unreadable"
    blob.delete_blob()
    states.close()


def test_progress_of_another_release_is_left_out(azurite, account):
    records = BlobRecords(Connection(azurite.connection_string))
    restore_id = secrets.token_hex(8)
    progress = Progress("roles", 1, "running", NOON)
    records.put_progress(restore_id, progress)
    state = account.get_container_client(STATE_CONTAINER)
    state.upload_blob(f"progress/{restore_id}/finish.json", b"{}")
    assert records.progress(restore_id) == {"roles": progress}
    records.close()
