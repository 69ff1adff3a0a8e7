"""Peers that speak no proper AMQP, and streams of a real client that were damaged on the way."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.servicebus import Broker, ServiceBus
from local.servicebus.frames import AMQP_HEADER, HEARTBEAT, SASL_HEADER, Performative, write
from local.servicebus.primitives import UInt
from local.servicebus.refusal import Refusal

QUEUE = "restore-tasks"
FUZZ_SECONDS = 2.0


@pytest.fixture
def bus():
    broker = Broker()
    broker.create_queue(QUEUE)
    with ServiceBus(broker) as running:
        yield running


def talk(bus: ServiceBus, data: bytes) -> bytes:
    """What the broker answers to these bytes until it hangs up or has no more to say."""
    with socket.create_connection((bus.host, bus.port), timeout=0.3) as peer:
        answer = b""
        try:
            peer.sendall(data)
            while piece := peer.recv(65_536):
                answer += piece
        except OSError:  # nothing more to say, or cut off
            pass
        return answer


def opening(*frames: bytes) -> bytes:
    return b"".join([AMQP_HEADER, write(0, Performative.OPEN, ["me"]), *frames])


BEGIN = write(0, Performative.BEGIN, [None, UInt(0), UInt(100), UInt(100)])


def test_a_peer_of_another_protocol_is_told_what_is_spoken(bus):
    assert talk(bus, b"GET / HTTP/1.1\r\n\r\n") == SASL_HEADER


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        pytest.param(opening(b"\xff\xff\xff\xff\x02\x00\x00\x00"), b"framing-error", id="huge"),
        pytest.param(opening(b"\x00\x00\x00\x01\x02\x00\x00\x00"), b"framing-error", id="tiny"),
        pytest.param(opening(BEGIN, BEGIN), b"not-allowed", id="channel twice"),
        pytest.param(opening(HEARTBEAT[:4] + b"\xff\x00\x00\x00"), b"", id="data offset"),
        pytest.param(opening(write(0, Performative.BEGIN, ["x", "y"])), b"", id="wrong types"),
        pytest.param(opening(BEGIN, write(0, Performative.ATTACH, [])), b"", id="empty attach"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_cut_off_alone(bus, data, answered):
    with socket.create_connection((bus.host, bus.port), timeout=5) as bystander:
        bystander.sendall(opening())
        assert answered in talk(bus, data)
        bystander.sendall(BEGIN)
        received = b""
        while b"\x00\x53\x11" not in received:
            received += bystander.recv(4096)


def record() -> list[bytes]:
    """What a real client sent on each of its connections."""
    broker = Broker()
    broker.create_queue(QUEUE)
    streams: list[bytearray] = []

    async def tee(reader, writer, log=None):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if log is not None:
                    log += data
                writer.write(data)
        writer.close()

    async def relay(reader, writer):
        up_reader, up_writer = await asyncio.open_connection(bus.host, bus.port)
        streams.append(bytearray())
        await asyncio.gather(tee(reader, up_writer, streams[-1]), tee(up_reader, writer))

    async def main():
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        text = bus.connection_string.replace(str(bus.port), str(port))
        await asyncio.to_thread(exercise, text)
        server.close()
        await asyncio.sleep(0)

    with ServiceBus(broker) as bus:
        asyncio.run(main())
    return [bytes(stream) for stream in streams if len(stream) > 100]


def exercise(connection_string: str) -> None:
    """Use everything once."""
    with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_sender(QUEUE) as sender,
        client.get_queue_receiver(QUEUE) as receiver,
    ):
        for number in range(4):
            own = {"a": number, "b": "text"}
            sender.send_messages(ServiceBusMessage("x" * number, application_properties=own))
        sender.send_messages([ServiceBusMessage("batch"), ServiceBusMessage("batch")])
        done, back, dead, later = receiver.receive_messages(4, 5)
        receiver.renew_message_lock(done)
        receiver.complete_message(done)
        receiver.abandon_message(back)
        receiver.dead_letter_message(dead, reason="r", error_description="d")
        receiver.defer_message(later)
        receiver.peek_messages(3)


def damage(stream: bytes, chance: random.Random) -> bytes:
    """The stream with a few bytes changed, lost or added, or with its end cut off."""
    data = bytearray(stream)
    for _ in range(chance.choice([1, 1, 3, 10])):
        place = chance.randrange(8, len(data))
        match chance.randrange(4):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randrange(1, 20)]
            case 2:
                data[place:place] = chance.randbytes(chance.randrange(1, 20))
            case 3:
                del data[max(place, 20) :]
        if len(data) < 20:
            break
    return bytes(data)


def test_damaged_streams_harm_only_their_own_connection(bus, caplog):
    streams = record()
    caplog.clear()
    chance = random.Random(7)
    deadline = time.monotonic() + FUZZ_SECONDS
    sent = 0
    while time.monotonic() < deadline:
        with socket.create_connection((bus.host, bus.port), timeout=5) as peer:
            peer.settimeout(0.005)
            try:
                peer.sendall(damage(chance.choice(streams), chance))
                peer.recv(65_536)
            except OSError:
                pass
        sent += 1
    assert sent > 50
    bus.drop_connections()
    # asyncio logs what a protocol raised by mistake.
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []
    bus.advance(3600)
    with (
        ServiceBusClient.from_connection_string(bus.connection_string) as client,
        client.get_queue_sender(QUEUE) as sender,
        client.get_queue_receiver(QUEUE, prefetch_count=100) as receiver,
    ):
        sender.send_messages(ServiceBusMessage("after", message_id="after"))
        # Whatever was accepted can be read by the real SDK.
        while bus.counts(QUEUE).ready + bus.counts(QUEUE).locked:
            for message in receiver.receive_messages(100, 1):
                receiver.complete_message(message)


def test_a_taken_port_is_an_error_at_the_start(bus):
    with pytest.raises(OSError, match="in use"), ServiceBus(Broker(), port=bus.port):
        pass


def test_a_wait_that_is_not_met_ends(bus):
    with pytest.raises(TimeoutError):
        bus.wait_for(QUEUE, lambda counts: counts.ready == 1, timeout_seconds=0.05)


def test_an_unknown_queue_cannot_be_counted(bus):
    with pytest.raises(Refusal, match="nope"):
        bus.counts("nope")
