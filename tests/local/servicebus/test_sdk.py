"""What the SDK does with a queue, over TCP, with its synchronous and its asyncio clients."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

import pytest
from azure.servicebus import (
    ServiceBusMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
)

from local.servicebus import QueueConfig
from tests.local.servicebus.bench import QUEUE, THE_SDK_LEAKS, scenario

pytestmark = THE_SDK_LEAKS

DEAD = ServiceBusSubQueue.DEAD_LETTER


def in_seconds(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def texts(messages) -> list[str]:
    return [str(message) for message in messages]


@scenario
async def test_a_message_arrives_with_all_its_properties(bench):
    bus = bench.bus()
    _, sender, receiver = await bench.connect(bus)
    own = {"s": "x", "i": 7, "f": 1.5, "b": True, "u": uuid.UUID(int=5), "n": None}
    named = {
        "message_id": "m1",
        "subject": "label",
        "content_type": "application/json",
        "correlation_id": "c1",
        "reply_to": "back",
        "to": "there",
    }
    sent = ServiceBusMessage(b"\x00body\xff", application_properties=own, **named)
    await bench.do(sender.send_messages, sent)
    (message,) = await bench.receive(receiver)
    assert b"".join(message.body) == b"\x00body\xff"
    assert {name: getattr(message, name) for name in named} == named
    # The SDK gives keys and texts back as bytes.
    expected = {key.encode(): b"x" if value == "x" else value for key, value in own.items()}
    assert message.application_properties == expected
    assert (message.delivery_count, message.sequence_number) == (0, 1)
    assert isinstance(message.lock_token, uuid.UUID)
    assert in_seconds(30) < message.locked_until_utc <= in_seconds(60)
    assert bus.counts(QUEUE).locked == 1
    await bench.do(receiver.complete_message, message)
    assert bus.counts(QUEUE).total == 0
    with pytest.raises(MessageAlreadySettled):
        await bench.do(receiver.complete_message, message)


@scenario
async def test_batches_and_lists_arrive_in_order(bench):
    bus = bench.bus()
    _, sender, receiver = await bench.connect(bus)
    batch = await bench.do(sender.create_message_batch)
    for number in range(50):
        batch.add_message(ServiceBusMessage(f"b{number}", message_id=f"b{number}"))
    await bench.do(sender.send_messages, batch)
    await bench.send(sender, *[f"l{number}" for number in range(50)])
    received = []
    while len(received) < 100:
        messages = await bench.receive(receiver, 30)
        assert messages
        received += texts(messages)
        for message in messages:
            await bench.do(receiver.complete_message, message)
    wanted = [f"b{number}" for number in range(50)] + [f"l{number}" for number in range(50)]
    assert received == wanted
    with pytest.raises(ValueError, match="too large"):
        await bench.do(sender.create_message_batch, 10_000_000)


@scenario
async def test_an_abandoned_message_comes_again_and_counts(bench):
    _, sender, receiver = await bench.connect(bench.bus())
    await bench.send(sender, "x")
    for count in range(3):
        (message,) = await bench.receive(receiver)
        assert message.delivery_count == count
        await bench.do(receiver.abandon_message, message)


@scenario
async def test_a_dead_letter_carries_its_reason(bench):
    bus = bench.bus()
    client, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "poison", message_id="p", application_properties={"restore": "r1"})
    (message,) = await bench.receive(receiver)
    why = {"reason": "input", "error_description": "no such database"}
    await bench.do(receiver.dead_letter_message, message, **why)
    assert bus.dead_letters(QUEUE) == [("p", "input", "no such database", b"poison")]
    burial = await bench.receiver(client, sub_queue=DEAD)
    (message,) = await bench.receive(burial)
    assert message.dead_letter_reason == "input"
    assert message.dead_letter_error_description == "no such database"
    assert message.application_properties[b"restore"] == b"r1"
    await bench.do(burial.complete_message, message)
    assert bus.counts(QUEUE).dead_letter == 0


@scenario
async def test_a_renewed_lock_outlives_its_first_duration(bench):
    bus = bench.bus(QueueConfig(lock_seconds=60))
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "x")
    (message,) = await bench.receive(receiver)
    for _ in range(3):
        bus.advance(40)
        until = await bench.do(receiver.renew_message_lock, message)
        assert message.locked_until_utc == until
    assert in_seconds(150) < until <= in_seconds(180)
    await bench.do(receiver.complete_message, message)
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_a_lock_that_expires_gives_the_message_to_the_next_receiver(bench):
    bus = bench.bus(QueueConfig(lock_seconds=60))
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "x")
    (lost,) = await bench.receive(receiver)
    bus.advance(61)
    (message,) = await bench.receive(receiver)
    assert (message.delivery_count, message.sequence_number) == (1, lost.sequence_number)
    # The client's own clock says that the lock holds; the broker's answer decides.
    for operation in (receiver.complete_message, receiver.abandon_message):
        with pytest.raises(MessageLockLostError):
            await bench.do(operation, lost)
    with pytest.raises(MessageLockLostError):
        await bench.do(receiver.renew_message_lock, lost)
    await bench.do(receiver.complete_message, message)
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_a_lock_expires_by_the_real_clock_too(bench):
    _, sender, receiver = await bench.connect(bench.bus(QueueConfig(lock_seconds=0.5)))
    await bench.send(sender, "x")
    (first,) = await bench.receive(receiver)
    (second,) = await bench.receive(receiver)
    assert second.lock_token != first.lock_token
    assert second.delivery_count == 1


@scenario
async def test_too_many_deliveries_bury_the_message(bench):
    bus = bench.bus(QueueConfig(max_delivery_count=2))
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "x", message_id="m")
    (message,) = await bench.receive(receiver)
    await bench.do(receiver.abandon_message, message)
    await bench.receive(receiver)
    bus.advance(61)
    ((message_id, reason, _, _),) = bus.dead_letters(QUEUE)
    assert (message_id, reason) == ("m", "MaxDeliveryCountExceeded")


@scenario
async def test_the_sdks_own_renewer_keeps_the_lock(bench):
    bus = bench.bus(QueueConfig(lock_seconds=3))
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "long job")
    (message,) = await bench.receive(receiver)
    renewer = bench.renewer(max_lock_renewal_duration=600)
    renewer.register(receiver, message)
    while "renew-lock" not in bus.operations:
        await asyncio.sleep(0.1)
    await bench.do(receiver.complete_message, message)
    await bench.do(renewer.close)
    assert message.auto_renew_error is None
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_scheduled_messages_wait_and_can_be_cancelled(bench):
    bus = bench.bus()
    _, sender, receiver = await bench.connect(bus)
    batch = [ServiceBusMessage("a"), ServiceBusMessage("b")]
    await bench.do(sender.schedule_messages, batch, in_seconds(50))
    never = ServiceBusMessage("never")
    (number,) = await bench.do(sender.schedule_messages, never, in_seconds(50))
    await bench.send(sender, "c", scheduled_enqueue_time_utc=in_seconds(50))
    assert bus.counts(QUEUE).scheduled == 4
    await bench.do(sender.cancel_scheduled_messages, number)
    with pytest.raises(ServiceBusError):
        await bench.do(sender.cancel_scheduled_messages, number)
    peeked = await bench.do(receiver.peek_messages, 10)
    assert {message.state.name for message in peeked} == {"SCHEDULED"}
    bus.advance(51)
    messages = []
    while len(messages) < 3:
        messages += await bench.receive(receiver, 3)
    assert sorted(texts(messages)) == ["a", "b", "c"]
    assert messages[0].scheduled_enqueue_time_utc is not None


@scenario
async def test_peeking_shows_locked_messages_and_locks_none(bench):
    _, sender, receiver = await bench.connect(bench.bus())
    await bench.send(sender, *"01234")
    assert texts(await bench.do(receiver.peek_messages, 3)) == ["0", "1", "2"]
    assert texts(await bench.do(receiver.peek_messages, 10)) == ["3", "4"]
    (message,) = await bench.receive(receiver)
    assert (str(message), message.delivery_count) == ("0", 0)
    peeked = await bench.do(receiver.peek_messages, 10, sequence_number=1)
    assert [each.sequence_number for each in peeked] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="peek"):
        await bench.do(receiver.complete_message, peeked[0])
    assert await bench.do(receiver.peek_messages, 10, sequence_number=100) == []


@scenario
async def test_a_duplicate_is_dropped_until_the_window_is_over(bench):
    config = QueueConfig(requires_duplicate_detection=True, duplicate_window_seconds=50)
    bus = bench.bus(config)
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "1", message_id="r/t/1")
    await bench.send(sender, "2", message_id="r/t/1")
    (message,) = await bench.receive(receiver)
    await bench.do(receiver.complete_message, message)
    await bench.send(sender, "3", message_id="r/t/1")
    assert bus.counts(QUEUE).total == 0
    bus.advance(51)
    await bench.send(sender, "4", message_id="r/t/1")
    assert texts(await bench.receive(receiver)) == ["4"]


@pytest.mark.parametrize("buried", [False, True])
@scenario
async def test_a_message_past_its_time_does_not_arrive(bench, buried):
    bus = bench.bus(QueueConfig(dead_letter_on_expiration=buried))
    _, sender, receiver = await bench.connect(bus)
    await bench.send(sender, "short", time_to_live=dt.timedelta(seconds=60))
    await bench.send(sender, "long", time_to_live=dt.timedelta(hours=1))
    bus.advance(61)
    (message,) = await bench.receive(receiver, 5)
    assert (str(message), message.time_to_live) == ("long", dt.timedelta(hours=1))
    reasons = [letter.reason for letter in bus.dead_letters(QUEUE)]
    assert reasons == (["TTLExpiredException"] if buried else [])


@scenario
async def test_prefetched_messages_are_locked_and_given_back_on_close(bench):
    bus = bench.bus()
    client, sender, _ = await bench.connect(bus)
    await bench.send(sender, *[str(number) for number in range(10)])
    receiver = await bench.receiver(client, prefetch_count=9)
    (message,) = await bench.receive(receiver)
    assert bus.wait_for(QUEUE, lambda counts: counts.locked >= 9)
    await bench.do(receiver.close)
    # The received one stays locked: it can still be settled elsewhere.
    counts = bus.wait_for(QUEUE, lambda counts: counts.locked == 1)
    assert (counts.ready, message.delivery_count) == (9, 0)


@scenario
async def test_competing_receivers_get_each_message_once(bench):
    bus = bench.bus()
    client, sender, _ = await bench.connect(bus)
    receivers = await asyncio.gather(*[bench.receiver(client) for _ in range(4)])
    await bench.send(sender, *[str(number) for number in range(40)])
    seen = []

    async def work(receiver):
        for _ in range(10):
            (message,) = await bench.receive(receiver)
            seen.append(int(str(message)))
            await bench.do(receiver.complete_message, message)

    await asyncio.gather(*[work(receiver) for receiver in receivers])
    assert sorted(seen) == list(range(40))
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_a_received_and_deleted_message_is_gone(bench):
    bus = bench.bus()
    client, sender, _ = await bench.connect(bus)
    await bench.send(sender, "a", "b")
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    receiver = await bench.receiver(client, receive_mode=mode)
    assert texts(await bench.receive(receiver, 2)) == ["a", "b"]
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_a_deferred_message_comes_by_its_number(bench):
    bus = bench.bus()
    _, sender, receiver = await bench.connect(bus, retry_total=0)
    await bench.send(sender, "later")
    (message,) = await bench.receive(receiver)
    await bench.do(receiver.defer_message, message)
    assert bus.counts(QUEUE).deferred == 1
    (taken,) = await bench.do(receiver.receive_deferred_messages, message.sequence_number)
    assert (str(taken), taken.delivery_count) == ("later", 1)
    await bench.do(receiver.renew_message_lock, taken)
    await bench.do(receiver.complete_message, taken)
    with pytest.raises(ServiceBusError):
        await bench.do(receiver.receive_deferred_messages, message.sequence_number)


@scenario
async def test_bodies_up_to_the_limit_arrive_whole(bench):
    bus = bench.bus(QueueConfig(max_message_bytes=4 * 1024 * 1024))
    _, sender, receiver = await bench.connect(bus)
    for body in (b"", b"x" * 300, b"y" * 70_000, b"z" * 3_000_000):
        await bench.do(sender.send_messages, ServiceBusMessage(body))
        (message,) = await bench.receive(receiver)
        assert b"".join(message.body) == body
        await bench.do(receiver.complete_message, message)
    with pytest.raises(MessageSizeExceededError):
        await bench.do(sender.send_messages, ServiceBusMessage(b"x" * 6_000_000))
    await bench.send(sender, "still works")


@scenario
async def test_an_unknown_queue_is_not_found(bench):
    client = await bench.client(bench.bus().connection_string, retry_total=0)
    refusals = await asyncio.gather(
        bench.sender(client, "nope"), bench.receiver(client, "nope"), return_exceptions=True
    )
    assert [type(each) for each in refusals] == [MessagingEntityNotFoundError] * 2


@scenario
async def test_a_wrong_key_is_refused(bench):
    bus = bench.bus(keys={"worker": "c2VjcmV0"})
    client = await bench.client(bus.connection_string)
    await bench.send(await bench.sender(client), "x")
    forged = bus.connection_string.replace("c2VjcmV0", "d3Jvbmc=")
    intruder = await bench.client(forged, retry_total=0)
    with pytest.raises((ServiceBusAuthenticationError, ServiceBusAuthorizationError)):
        await bench.sender(intruder)
    assert bus.counts(QUEUE).ready == 1
