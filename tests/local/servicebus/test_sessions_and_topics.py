"""Message sessions and topics over the SDK."""

from __future__ import annotations

import asyncio

import pytest
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from local.servicebus import Broker, CorrelationFilter, QueueConfig
from tests.local.servicebus.bench import QUEUE, THE_SDK_LEAKS, scenario

pytestmark = THE_SDK_LEAKS

SESSIONS = QueueConfig(requires_session=True)


@scenario
async def test_a_session_goes_to_one_receiver_in_order(bench):
    bus = bench.bus(SESSIONS)
    client = await bench.client(bus.connection_string)
    impatient = await bench.client(bus.connection_string, retry_total=0)
    sender = await bench.sender(client)
    for number in range(3):
        await bench.send(sender, f"a{number}", session_id="a")
        await bench.send(sender, f"b{number}", session_id="b")
    named = await bench.receiver(client, session_id="a")
    following = await bench.receiver(client, session_id=NEXT_AVAILABLE_SESSION)
    assert following.session.session_id == "b"
    refusals = await asyncio.gather(
        bench.receiver(impatient, session_id="a"),
        bench.receiver(impatient, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1),
        return_exceptions=True,
    )
    assert [type(each) for each in refusals] == [SessionCannotBeLockedError, OperationTimeoutError]
    for receiver, name in ((named, "a"), (following, "b")):
        messages = await bench.receive(receiver, 5)
        assert [str(message) for message in messages] == [f"{name}{n}" for n in range(3)]
        for message in messages:
            await bench.do(receiver.complete_message, message)
    assert bus.counts(QUEUE).total == 0


@scenario
async def test_a_session_keeps_a_state(bench):
    client = await bench.client(bench.bus(SESSIONS).connection_string)
    receiver = await bench.receiver(client, session_id="a")
    assert await bench.do(receiver.session.get_state) is None
    await bench.do(receiver.session.set_state, b"half done")
    assert await bench.do(receiver.session.get_state) == b"half done"


@scenario
async def test_a_session_lock_is_renewed_or_lost(bench):
    bus = bench.bus(SESSIONS)
    client = await bench.client(bus.connection_string)
    await bench.send(await bench.sender(client), "x", session_id="a")
    holder = await bench.receiver(client, session_id="a")
    (message,) = await bench.receive(holder)
    before = holder.session.locked_until_utc
    bus.advance(40)
    assert await bench.do(holder.session.renew_lock) > before
    bus.advance(61)
    with pytest.raises(SessionLockLostError):
        await bench.do(holder.session.renew_lock)
    following = await bench.receiver(client, session_id=NEXT_AVAILABLE_SESSION)
    (again,) = await bench.receive(following)
    assert (str(again), again.delivery_count) == ("x", 1)
    assert message.sequence_number == again.sequence_number


@scenario
async def test_a_message_without_a_session_is_refused(bench):
    client = await bench.client(bench.bus(SESSIONS).connection_string)
    sender = await bench.sender(client)
    with pytest.raises(ServiceBusError, match="SessionId"):
        await bench.do(sender.send_messages, ServiceBusMessage("x"))


@scenario
async def test_a_topic_copies_to_the_subscriptions_whose_rule_matches(bench):
    broker = Broker()
    broker.create_topic("events")
    broker.create_subscription("events", "all")
    failed = CorrelationFilter(properties={"state": "failed"})
    broker.create_subscription("events", "failed", rule=failed)
    broker.create_subscription("events", "by-restore", SESSIONS)
    bus = bench.serve(broker)
    client = await bench.client(bus.connection_string)
    sender = await bench.open(client.get_topic_sender("events"))
    for number, state in enumerate(("started", "failed")):
        own = {"state": state}
        await bench.send(sender, str(number), application_properties=own, session_id="r1")

    async def check(name, wanted, **options):
        receiver = await bench.open(client.get_subscription_receiver("events", name, **options))
        messages = await bench.receive(receiver, 5)
        assert [str(message) for message in messages] == wanted
        await bench.do(receiver.dead_letter_message, messages[0], reason="seen")
        assert len(bus.dead_letters(f"events/Subscriptions/{name}")) == 1

    await asyncio.gather(
        check("all", ["0", "1"]),
        check("failed", ["1"]),
        check("by-restore", ["0", "1"], session_id="r1"),
    )
