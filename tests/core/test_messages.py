import json
from datetime import UTC, datetime

import pytest

from restore.core import messages
from restore.core.messages import Progress, Report, Result, TaskResult, Ticket
from restore.errors import MessageError, NotFoundError, TransientError

TICKET = Ticket("0123456789abcdef", "database-12", 2)
REPORT = Report("0123456789abcdef", "prepare", 1)


def test_what_is_encoded_is_decoded():
    result = TaskResult("roles", 1, Result.DONE, warnings=("w",), seconds=1.5)
    progress = Progress("roles", 1, "schema", datetime(2026, 11, 20, tzinfo=UTC), 1, 2, 0.5)
    assert messages.decode_ticket(messages.encode_ticket(TICKET)) == TICKET
    assert messages.decode_report(messages.encode_report(REPORT)) == REPORT
    assert messages.decode_result(messages.encode_result(result)) == result
    assert messages.decode_progress(messages.encode_progress(progress)) == progress


def test_ids_are_derived_so_that_a_repeated_send_is_dropped():
    assert TICKET.message_id == "0123456789abcdef/database-12/2"
    assert REPORT.message_id == "0123456789abcdef/prepare/1/report"


def test_no_top_level_key_can_pass_for_a_property_of_the_message():
    """The Functions host copies top-level keys over MessageId, DeliveryCount, State and others."""
    assert set(json.loads(messages.encode_ticket(TICKET))) == {"ticket", "version"}
    assert set(json.loads(messages.encode_report(REPORT))) == {"report", "version"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        messages.encode_report(REPORT),
        b'{"ticket":{"restore":"0123456789abcdef","task":"prepare","attempt":1},"version":2}',
        b'{"ticket":{"restore":"../../etc","task":"prepare","attempt":1},"version":1}',
        b'{"ticket":{"restore":"0123456789abcdef","task":"a/../b","attempt":1},"version":1}',
        b'{"ticket":{"restore":"0123456789abcdef","task":"prepare","attempt":0},"version":1}',
    ],
)
def test_what_is_no_ticket_of_a_known_version_is_refused(body):
    with pytest.raises(MessageError, match="ticket: expected"):
        messages.decode_ticket(body)


@pytest.mark.parametrize("error", [NotFoundError("x", "look"), TransientError("x", "wait")])
def test_an_error_becomes_a_failure_that_remembers_whether_it_may_pass(error):
    found = messages.failure(error)
    assert (found.code, found.message, found.hint) == (error.code, "x", error.hint)
    assert found.transient is isinstance(error, TransientError)
