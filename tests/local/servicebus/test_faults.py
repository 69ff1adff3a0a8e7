"""What the SDK meets when the network or the broker fails, and what it can then still do."""

from __future__ import annotations

import asyncio

import pytest
from azure.servicebus.exceptions import (
    MessageLockLostError,
    ServiceBusConnectionError,
    ServiceBusError,
)

from local.servicebus import Broker, QueueConfig
from tests.local.servicebus.bench import QUEUE, THE_SDK_LEAKS, scenario

pytestmark = THE_SDK_LEAKS


@scenario
async def test_a_message_received_on_a_dead_link_is_settled_by_its_token(bench):
    bus = bench.bus()
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "1")
    (first,) = await bench.receive(receiver)
    assert bus.drop_connections() == 2
    await bench.send(sender, "2")
    (second,) = await bench.receive(receiver)
    assert str(second) == "2"
    await bench.do(receiver.complete_message, second)
    await bench.do(receiver.complete_message, first)
    assert bus.counts(QUEUE).total == 0
    assert bus.operations["update-disposition"] >= 1


@scenario
async def test_a_client_goes_on_when_the_listener_is_back(bench):
    bus = bench.bus()
    client, sender, receiver = await bench.connect(bus, retry_total=0)
    await bench.send(sender, "1")
    (message,) = await bench.receive(receiver)
    bus.stop_listening()
    with pytest.raises((ServiceBusConnectionError, ServiceBusError)):
        await bench.send(await bench.sender(client), "lost")
    bus.listen_again()
    fresh = await bench.receiver(client)
    await bench.do(fresh.complete_message, message)
    await bench.send(await bench.sender(client), "2")
    assert bus.counts(QUEUE).ready == 1


@scenario
async def test_a_frozen_broker_goes_on_where_it_stopped(bench):
    bus = bench.bus()
    _, sender, receiver = await bench.connect(bus)
    bus.freeze()
    sending = asyncio.create_task(bench.send(sender, "x"))
    await asyncio.sleep(0.3)
    assert bus.counts(QUEUE).total == 0
    assert not sending.done()
    bus.thaw()
    await sending
    (message,) = await bench.receive(receiver)
    await bench.do(receiver.complete_message, message)
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_locks_outlive_the_connection_unless_told_otherwise(bench):
    bus = bench.bus()
    client, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "1")
    await bench.receive(receiver)
    bus.drop_connections()
    assert bus.counts(QUEUE).locked == 1
    bus.advance(61)
    bus.let_locks_die_with_connection()
    fresh = await bench.receiver(client)
    (message,) = await bench.receive(fresh)
    bus.drop_connections()
    assert bus.wait_for(QUEUE, lambda counts: counts.ready == 1)
    with pytest.raises(MessageLockLostError):
        await bench.do(fresh.complete_message, message)


@scenario
async def test_a_message_held_past_the_idle_limit_is_completed_through_a_fresh_receiver(bench):
    """Azure detaches a link after ten idle minutes, which a long restore always reaches.

    The lock can still be renewed, but the SDK cannot complete on that receiver any more.
    """
    bus = bench.bus(QueueConfig(lock_seconds=300), link_idle_seconds=200)
    client, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "x")
    (message,) = await bench.receive(receiver)
    bus.advance(250)
    await bench.do(receiver.renew_message_lock, message)
    with pytest.raises(ServiceBusError, match="Link already closed"):
        await bench.do(receiver.complete_message, message)
    with pytest.raises(ValueError, match="already been shutdown"):
        await bench.do(receiver.complete_message, message)
    fresh = await bench.receiver(client)
    await bench.do(fresh.complete_message, message)
    assert bus.counts(QUEUE).total == 0
    await bench.send(sender, "the sender opens its link again")
    assert bus.counts(QUEUE).ready == 1


@scenario
async def test_a_restarted_broker_knows_messages_locks_and_ids(bench):
    database = bench.folder / "bus.db"
    config = QueueConfig(requires_duplicate_detection=True, max_delivery_count=5)

    def broker() -> Broker:
        made = Broker(database)
        made.create_queue(QUEUE, config)
        return made

    bus = bench.serve(broker())
    _, sender, receiver = await bench.connect(bus, retry_total=8)
    for number in range(5):
        await bench.send(sender, str(number), message_id=f"id{number}")
    done, buried, given_back, held = await bench.receive(receiver, 4)
    await bench.do(receiver.complete_message, done)
    await bench.do(receiver.dead_letter_message, buried, reason="why", error_description="so")
    await bench.do(receiver.abandon_message, given_back)
    bench.stop(bus)
    again = bench.serve(broker(), port=bus.port)
    counts = again.counts(QUEUE)
    assert (counts.ready, counts.locked, counts.dead_letter) == (2, 1, 1)
    # The same client, with the lock token it had.
    await bench.do(receiver.renew_message_lock, held)
    await bench.do(receiver.complete_message, held)
    await bench.send(sender, "again", message_id="id0")
    received = await bench.receive(receiver, 5)
    assert {str(each): each.delivery_count for each in received} == {"2": 1, "4": 0}
    assert again.dead_letters(QUEUE) == [("id1", "why", "so", b"1")]
