"""The lock on a message over hours, made short: it is held, or its loss is known."""

import gc
import threading
import time

import pytest

from local.servicebus import Broker, QueueConfig
from local.servicebus import ServiceBus as LocalBus
from restore.adapters.servicebus import ServiceBus
from restore.core.messages import REPORTS, TASKS, Ticket
from restore.settings import Connection
from tests.waiting import eventually

TICKET = Ticket("0123456789abcdef", "database-0", 1)

# The SDK leaves the sockets of broken connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture
def local():
    broker = Broker()
    broker.create_queue(TASKS, QueueConfig(lock_seconds=5, requires_duplicate_detection=True))
    broker.create_queue(REPORTS)
    with LocalBus(broker) as local:
        yield local


@pytest.fixture
def bus(local):
    bus = ServiceBus(Connection(local.connection_string))
    bus.send_ticket(TICKET)
    yield bus
    bus.close()
    gc.collect()


def renewals(local):
    return local.operations.get("renew-lock", 0)


def test_a_lock_is_held_longer_than_it_lasts_and_through_cut_connections(local, bus):
    with bus.take(10) as hold:
        assert eventually(lambda: renewals(local) >= 1)
        local.drop_connections()
        assert eventually(lambda: renewals(local) >= 3)
        assert not hold.lost
        assert local.counts(TASKS).locked == 1
        hold.complete()
    assert local.counts(TASKS).total == 0


def test_a_lock_survives_a_bus_that_cannot_be_reached_for_a_while(local, bus):
    with bus.take(10) as hold:
        assert eventually(lambda: renewals(local) >= 1)
        local.stop_listening()
        time.sleep(1.5)
        local.listen_again()
        assert eventually(lambda: renewals(local) >= 2)
        assert not hold.lost
        hold.complete()
    assert local.counts(TASKS).total == 0


def test_a_lost_lock_is_known_and_completing_is_no_error(local, bus):
    with bus.take(10) as hold:
        local.advance(6)
        assert eventually(lambda: hold.lost)
        hold.complete()
    assert local.counts(TASKS).ready == 1


def test_a_message_is_settled_after_its_links_were_detached(local, bus):
    """Azure detaches links without traffic after ten minutes; here they are cut."""
    with bus.take(10) as hold:
        local.drop_connections()
        hold.complete()
        assert local.operations["update-disposition"] == 1
    assert local.counts(TASKS).total == 0


def test_whoever_has_settled_or_let_go_renews_no_more(local, bus):
    with bus.take(10) as hold:
        assert hold.ticket == TICKET
    assert not [t for t in threading.enumerate() if t.name == "lock-keeper"]


def test_a_sender_is_built_anew_after_its_connection_was_cut(local, bus):
    local.drop_connections()
    bus.send_ticket(Ticket(TICKET.restore, "finish", 1))
    assert local.counts(TASKS).ready == 2
