"""Service Bus messages are built here as the SDK builds what it received, without a broker."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from local.functions import payloads
from local.functions.payloads import Binary, Json, Text

ABSENT = dict.fromkeys(
    [
        *("delivery_count", "sequence_number", "enqueued_sequence_number", "lock_token"),
        *("locked_until_utc", "content_type", "correlation_id", "subject", "to", "reply_to"),
        *("partition_key", "enqueued_time_utc", "expires_at_utc", "dead_letter_source"),
        "application_properties",
    ]
)


def message(body: bytes, **fields: Any) -> Any:
    return SimpleNamespace(body=[body], **{**ABSENT, "message_id": "m1", **fields})


def test_a_binary_trigger_gets_the_bytes_and_leaves_the_metadata_alone() -> None:
    made = payloads.service_bus(message(b'{"messageId": "evil"}\xff'), "BINARY")
    assert made.payload == Binary(b'{"messageId": "evil"}\xff')
    assert made.metadata["MessageId"] == Text("m1")


@pytest.mark.parametrize("key", ["messageId", "MESSAGEID", "MessageId"])
def test_a_json_text_overwrites_the_metadata_of_the_same_name(key: str) -> None:
    made = payloads.service_bus(message(json.dumps({key: "evil"}).encode()), "")
    assert made.metadata["MessageId"] == Text("evil")
    assert "messageId" not in made.metadata


def test_lists_and_nulls_overwrite_nothing_and_unknown_keys_are_added() -> None:
    body = b'{"messageId": null, "to": [1], "extra": {"a": 1}, "State": "queued"}'
    made = payloads.service_bus(message(body), "")
    assert made.metadata["MessageId"] == Text("m1")
    assert "To" not in made.metadata
    assert made.metadata["extra"] == Json('{"a": 1}')
    assert made.metadata["State"] == Text("queued")


@pytest.mark.parametrize("body", [b"plain", b"[1]", b'"text"', b"{broken"])
def test_a_text_that_is_no_json_object_changes_nothing(body: bytes) -> None:
    made = payloads.service_bus(message(body), "")
    assert made.payload == Text(body.decode())
    assert made.metadata["MessageId"] == Text("m1")


def test_bytes_that_are_no_utf8_are_mangled_by_a_text_trigger() -> None:
    assert payloads.service_bus(message(b"a\xffb"), "").payload == Text("a\ufffdb")


def test_the_first_delivery_counts_as_one() -> None:
    made = payloads.service_bus(message(b"", delivery_count=0), "BINARY")
    assert made.metadata["DeliveryCount"] == Json("1")


def test_application_properties_come_twice_and_as_text() -> None:
    made = payloads.service_bus(
        message(b"", application_properties={b"kind": b"plan", b"n": 5}), "BINARY"
    )
    assert made.metadata["UserProperties"] == Json('{"kind": "plan", "n": 5}')
    assert made.metadata["ApplicationProperties"] == made.metadata["UserProperties"]


def test_an_event_is_json_unless_the_trigger_asks_for_a_string() -> None:
    assert payloads.event_grid({"id": "é"}, "").payload == Json('{"id": "é"}')
    assert payloads.event_grid({"id": "é"}, "STRING").payload == Text('{"id": "é"}')
