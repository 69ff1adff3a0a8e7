"""What a Service Bus trigger owes its messages when things go wrong: locks, outages, crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.functions import FunctionsHost
from local.servicebus import Broker, QueueConfig, ServiceBus

Send = Callable[..., None]


@pytest.fixture(scope="module")
def frail_bus() -> Iterator[ServiceBus]:
    broker = Broker()
    broker.create_queue("reports", QueueConfig(lock_seconds=2))
    broker.create_queue("text", QueueConfig())
    with ServiceBus(broker) as running:
        yield running


@pytest.fixture(scope="module")
def module_host(frail_bus: ServiceBus, sample_app: Path) -> Iterator[FunctionsHost]:
    environment = {
        "BUS": frail_bus.connection_string,
        "QUEUE": "reports",
        "TICK_SCHEDULE": "0 0 0 1 1 *",
    }
    with FunctionsHost(sample_app, environment, grace_seconds=5) as running:
        yield running


@pytest.fixture
def frail_host(
    module_host: FunctionsHost, frail_bus: ServiceBus, call: Any
) -> Iterator[FunctionsHost]:
    """The host with its gate closed; every test leaves an empty queue behind."""
    turn_gate(call, module_host, "closed")
    yield module_host
    assert frail_bus.wait_for("reports", lambda counts: counts.total == 0).total == 0


@pytest.fixture
def send(frail_bus: ServiceBus) -> Send:
    """A connection for each sending: the SDK leaks the socket of one that was cut."""

    def put(body: bytes, *message_ids: str) -> None:
        with (
            ServiceBusClient.from_connection_string(frail_bus.connection_string) as client,
            client.get_queue_sender("reports") as sender,
        ):
            sender.send_messages([ServiceBusMessage(body, message_id=one) for one in message_ids])

    return put


def deliveries(call: Any, host: FunctionsHost, message_id: str, wanted: int = 1) -> list[int]:
    """The delivery count of each call for this message, once there are `wanted` of them."""
    counts: list[int] = call(
        "GET", f"{host.url}/api/marks/message-{message_id}?wanted={wanted}"
    ).json
    return counts


def turn_gate(call: Any, host: FunctionsHost, state: str) -> None:
    assert call("POST", f"{host.url}/api/gate/{state}").status == 200


def renewals(bus: ServiceBus) -> int:
    return sum(count for name, count in bus.operations.items() if "renew-lock" in name)


def test_no_more_messages_are_taken_than_may_run_at_once(
    frail_bus: ServiceBus, frail_host: FunctionsHost, send: Send, call: Any
) -> None:
    send(b"hold", "a", "b", "c", "d")
    assert deliveries(call, frail_host, "a") == deliveries(call, frail_host, "b") == [1]
    counts = frail_bus.counts("reports")
    assert (counts.locked, counts.ready) == (2, 2)
    turn_gate(call, frail_host, "open")
    assert deliveries(call, frail_host, "c") == deliveries(call, frail_host, "d") == [1]


def test_the_lock_is_renewed_as_long_as_the_function_runs(
    frail_bus: ServiceBus, frail_host: FunctionsHost, send: Send, call: Any
) -> None:
    before, pause = renewals(frail_bus), threading.Event()
    send(b"hold", "long")
    while renewals(frail_bus) < before + 3:  # each after half the lock: 3 s of a lock of 2 s
        pause.wait(0.05)
    turn_gate(call, frail_host, "open")
    frail_bus.wait_for("reports", lambda counts: counts.total == 0)
    assert deliveries(call, frail_host, "long") == [1]


def test_a_lost_connection_costs_a_second_delivery_and_no_message(
    frail_bus: ServiceBus, frail_host: FunctionsHost, send: Send, call: Any
) -> None:
    send(b"hold", "cut")
    assert deliveries(call, frail_host, "cut") == [1]
    frail_bus.stop_listening()
    turn_gate(call, frail_host, "open")
    frail_bus.advance(3)
    frail_bus.listen_again()
    assert deliveries(call, frail_host, "cut", 2) == [1, 2]
    send(b"", "after")
    assert deliveries(call, frail_host, "after") == [1]


def test_a_host_that_stops_settles_what_it_is_handling(
    frail_bus: ServiceBus, frail_host: FunctionsHost, send: Send, call: Any
) -> None:
    send(b"nap", "last")
    assert deliveries(call, frail_host, "last") == [1]
    assert frail_host.stop() == 0
    assert frail_bus.counts("reports").total == 0
    frail_host.start()


def test_a_message_outlives_a_host_that_is_killed(
    frail_bus: ServiceBus, frail_host: FunctionsHost, send: Send, call: Any
) -> None:
    send(b"hold", "kept")
    assert deliveries(call, frail_host, "kept") == [1]
    frail_host.kill()
    frail_bus.advance(3)
    frail_host.start()
    turn_gate(call, frail_host, "open")
    [delivery] = deliveries(call, frail_host, "kept")
    assert delivery > 1
