"""Tickets and reports, in memory and over AMQP."""

from datetime import UTC, datetime, timedelta

import pytest

from restore import telemetry
from restore.core.messages import POISON, REPORTS, TASKS, Report, Ticket
from restore.errors import MessageError
from tests.contract.conftest import LOCK_SECONDS

# The SDK leaves the sockets of connections that were idle too long to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

FIRST = Ticket("0123456789abcdef", "database-0", 1)
SECOND = Ticket("0123456789abcdef", "database-1", 1)
TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
SOON = 10.0


def test_a_ticket_is_taken_by_one_and_gone_when_completed(line):
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as hold:
        assert hold.ticket == FIRST
        with line.inbox.take(0.2) as other:
            assert other is None
        hold.complete()
    with line.inbox.take(0.2) as nothing:
        assert nothing is None


class Here:
    """A recorder that is always in the same span."""

    def here(self) -> str:
        return TRACE

    def measure(self, *_: object) -> None:
        """Nobody asks."""


def test_a_ticket_brings_the_span_it_was_sent_in(line):
    telemetry.use(Here())
    try:
        line.bus.send_ticket(FIRST)
        with line.inbox.take(SOON) as hold:
            assert hold.trace == TRACE
            hold.complete()
    finally:
        telemetry.use(None)
    line.bus.send_ticket(SECOND)
    with line.inbox.take(SOON) as hold:
        assert hold.trace == ""
        hold.complete()


def test_a_ticket_that_is_sent_twice_within_ten_minutes_is_taken_once(line):
    line.bus.send_ticket(FIRST)
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as hold:
        hold.complete()
    line.bus.send_ticket(FIRST)
    with line.inbox.take(0.2) as nothing:
        assert nothing is None
    line.advance(601)
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as again:
        assert again.ticket == FIRST
        again.complete()


def test_a_ticket_given_back_is_anothers_at_once(line):
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as hold:
        hold.give_back()
    with line.inbox.take(SOON) as other:
        assert other.ticket == FIRST
        other.complete()


def test_a_ticket_left_unsettled_comes_back_when_its_lock_expires(line):
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as hold:
        assert hold.ticket == FIRST
    with line.inbox.take(0.2) as too_early:
        assert too_early is None
    line.advance(LOCK_SECONDS + 1)
    with line.inbox.take(SOON) as again:
        assert again.ticket == FIRST
        again.complete()


def test_a_ticket_cannot_be_taken_before_its_time(line):
    line.bus.send_ticket(FIRST, datetime.now(UTC) + timedelta(days=365))
    with line.inbox.take(0.2) as too_early:
        assert too_early is None
    line.advance(366 * 86_400)
    with line.inbox.take(SOON) as hold:
        assert hold.ticket == FIRST
        hold.complete()


def test_what_is_no_ticket_is_set_aside_with_its_reason_and_the_next_one_taken(line):
    line.send(b"\x00 not JSON")
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as hold:
        assert hold.ticket == FIRST
        hold.complete()
    assert line.dead_letters() == [(b"\x00 not JSON", "message")]


def test_reports_have_a_queue_of_their_own(line):
    report = Report(FIRST.restore, FIRST.task, FIRST.attempt)
    line.bus.send_report(report)
    line.bus.send_report(report)
    with line.inbox.take(0.2) as nothing:
        assert nothing is None
    assert line.reports() == 1


def test_a_ticket_that_is_refused_is_dead_lettered_with_its_reason(line):
    line.bus.send_ticket(FIRST)
    with line.inbox.take(SOON) as hold:
        hold.refuse("not-found", "restore: expected one, found none")
    with line.inbox.take(0.2) as nothing:
        assert nothing is None
    assert [reason for _, reason in line.dead_letters()] == ["not-found"]
    assert line.bus.dead_letters()[TASKS] == 1


def test_what_is_set_aside_is_counted_once(line):
    assert set(line.bus.dead_letters()) == {TASKS, REPORTS, POISON}
    why = MessageError("report: expected one, found something else")
    line.bus.set_aside(REPORTS, b"\x00 not JSON", why)
    line.bus.set_aside(REPORTS, b"\x00 not JSON", why)
    assert line.bus.dead_letters()[POISON] == 1


def test_what_is_told_of_a_restore_is_heard_in_its_order(line):
    events = [
        {"id": f"{FIRST.restore}-{number}", "type": "restore.requested", "data": {"name": "€"}}
        for number in range(1, 4)
    ]
    other = {"id": "f" * 16 + "-1", "type": "restore.requested"}
    line.bus.announce(FIRST.restore, events[0])
    line.bus.announce("f" * 16, other)
    line.bus.announce(FIRST.restore, events[1])
    line.bus.announce(FIRST.restore, events[2])
    assert line.told(FIRST.restore) == events
    assert line.told("f" * 16) == [other]
