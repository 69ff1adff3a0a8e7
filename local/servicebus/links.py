"""Links, seen from the broker: it sends on some (to receivers), and takes in on others.

A node is an entity path, `$cbs`, or `<entity>/$management`.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from local.servicebus.decoder import DecodeError, decode
from local.servicebus.encoder import described_list
from local.servicebus.frames import Attach, Flow, Outcome, Performative, Transfer, amqp_error
from local.servicebus.message import DATA, Message
from local.servicebus.primitives import Described, Raw, Symbol, UByte, UInt, ULong
from local.servicebus.queue import Queue
from local.servicebus.refusal import Refusal, too_large
from local.servicebus.topic import Topic

if TYPE_CHECKING:
    from local.servicebus.channel import Channel

LARGEST_UINT = 0xFFFFFFFF
# How much a client may send before it hears of more; renewed at the half.
_CREDIT = 2000
# Requests and answers, a list of scheduled messages among them.
CONTROL_BYTES = 16 * 1024 * 1024
# A message that is a batch of encoded messages, one per data section.
_BATCH_FORMAT = 0x80013700
_ACCEPTED = described_list(Outcome.ACCEPTED, [])
_TAG = struct.Struct(">I")


def rejected(refusal: Refusal) -> Raw:
    """The outcome that carries the refusal."""
    return described_list(Outcome.REJECTED, [amqp_error(refusal.condition, refusal.description)])


class Link:
    """What all links have: a place in a channel, a node, and the end of them."""

    is_entity: ClassVar[bool] = False

    def __init__(self, channel: Channel, request: Attach, node: str) -> None:
        self.channel = channel
        self.request = request
        self.node = node
        self.delivery_count = 0
        self.credit = 0
        self.last_used = channel.clock.now()

    def open(self) -> None:
        """Answer the attach; from here on the link works. Raises Refusal."""
        raise NotImplementedError

    def closed(self) -> None:
        """The link is gone: let go of what it holds."""

    def on_flow(self, flow: Flow) -> None:
        """The peer speaks of credit, or wants to hear of it."""
        if flow.echo:
            self.send_flow()

    def pump(self) -> None:
        """Send what waited for room."""

    def send_flow(self, *, drained: bool = False) -> None:
        """Tell the peer where the link stands."""
        numbers = [UInt(self.request.handle), UInt(self.delivery_count), UInt(self.credit)]
        self.channel.send_flow([*numbers, None, drained])

    def reply(
        self,
        *,
        limit_bytes: int,
        source: Raw | None = None,
        properties: Mapping[Symbol, int] | None = None,
    ) -> None:
        """Attach from this side, with the peer's own source and target unless given."""
        request = self.request
        fields = [
            request.name,
            UInt(request.handle),
            not request.peer_receives,
            UByte(request.sender_settles),
            UByte(request.receiver_settles),
            source or request.source_raw,
            request.target_raw,
            None,
            None,
            UInt(0) if request.peer_receives else None,
            ULong(limit_bytes),
            None,
            None,
            None if properties is None else dict(properties),
        ]
        self.channel.send(Performative.ATTACH, fields)


class OutgoingLink(Link):
    """The broker sends on it, as far as the peer gave credit."""

    def __init__(self, channel: Channel, request: Attach, node: str) -> None:
        super().__init__(channel, request, node)
        self._tag = 0

    def on_flow(self, flow: Flow) -> None:
        """Take note of the credit, use it, and give back what is left if asked to drain."""
        if flow.credit is not None:
            ahead = (flow.delivery_count + flow.credit - self.delivery_count) & LARGEST_UINT
            self.credit = ahead if ahead <= LARGEST_UINT // 2 else 0
        self.pump()
        if flow.drain:
            self.delivery_count = (self.delivery_count + self.credit) & LARGEST_UINT
            self.credit = 0
            self.send_flow(drained=True)
        elif flow.echo:
            self.send_flow()

    def transfer(self, payload: bytes, tag: bytes | None, *, settled: bool) -> int:
        """Send a message, in as many frames as it takes; its delivery id."""
        self.last_used = self.channel.clock.now()
        self._tag = (self._tag + 1) & LARGEST_UINT
        self.delivery_count = (self.delivery_count + 1) & LARGEST_UINT
        self.credit -= 1
        tag = tag or _TAG.pack(self._tag)
        return self.channel.transfer(self.request.handle, payload, tag, settled=settled)


class ConsumerLink(OutgoingLink):
    """A receiver of a queue."""

    is_entity = True

    def __init__(self, channel: Channel, request: Attach, node: str, queue: Queue) -> None:
        super().__init__(channel, request, node)
        self.queue = queue
        self.receive_and_delete = request.sender_settles == 1

    def open(self) -> None:
        """Answer, and take part in the queue."""
        self.reply(limit_bytes=self.queue.config.max_message_bytes)
        self.queue.attach(self)

    def closed(self) -> None:
        """Leave the queue; what the receiver has locked stays locked."""
        self.queue.detach(self)

    def pump(self) -> None:
        """Let the queue look for work again."""
        self.queue.pump()

    def can_take(self) -> bool:
        """Whether there is credit, and room in the session and the socket."""
        return self.credit > 0 and self.channel.has_room()

    def deliver(self, message: Message) -> None:
        """Send the message; its lock token is the delivery tag, as a .NET GUID."""
        if message.token is None:
            self.transfer(message.encode(), None, settled=True)
            return
        delivery_id = self.transfer(message.encode(), message.token.bytes_le, settled=False)
        self.channel.unsettled[delivery_id] = (self, message.token)


class ReplyLink(OutgoingLink):
    """Answers of `$cbs` or a `$management` node."""

    def __init__(self, channel: Channel, request: Attach, node: str) -> None:
        super().__init__(channel, request, node)
        self._waiting: deque[bytes] = deque()

    def open(self) -> None:
        """Answer; there is nothing to hold."""
        self.reply(limit_bytes=CONTROL_BYTES)

    def answer(self, payload: bytes) -> None:
        """Send an answer as soon as there is credit."""
        self._waiting.append(payload)
        self.pump()

    def pump(self) -> None:
        """Send the answers there is credit for."""
        while self._waiting and self.credit > 0:
            self.transfer(self._waiting.popleft(), None, settled=True)


class IncomingLink(Link):
    """The broker takes messages in on it, a frame at a time."""

    def __init__(self, channel: Channel, request: Attach, node: str, limit_bytes: int) -> None:
        super().__init__(channel, request, node)
        self._limit_bytes = limit_bytes
        self._first: Transfer | None = None
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def open(self) -> None:
        """Answer, and let the peer send."""
        batch = {Symbol("com.microsoft:max-message-batch-size"): ULong(self._limit_bytes)}
        self.reply(limit_bytes=self._limit_bytes, properties=batch)
        self.credit = _CREDIT
        self.send_flow()

    def on_transfer(self, transfer: Transfer, piece: bytes) -> None:
        """Put the pieces of a message together; keeps no more of them than it may weigh."""
        self.last_used = self.channel.clock.now()
        first = self._first = self._first or transfer
        self._size_bytes += len(piece)
        if self._size_bytes <= self._limit_bytes:
            self._pieces.append(piece)
        if transfer.more and not transfer.aborted:
            return
        payload, size_bytes = b"".join(self._pieces), self._size_bytes
        self._first, self._pieces, self._size_bytes = None, [], 0
        if transfer.aborted:
            return
        state = self._outcome(payload, size_bytes, first.message_format)
        if not (first.settled or transfer.settled):
            self.channel.send_outcome(first.delivery_id or 0, state)
        self.delivery_count = (self.delivery_count + 1) & LARGEST_UINT
        self.credit -= 1
        if self.credit < _CREDIT // 2:
            self.credit = _CREDIT
            self.send_flow()

    def accept(self, payload: bytes, message_format: int) -> None:
        """Do what the message is for. Raises Refusal or DecodeError."""
        raise NotImplementedError

    def _outcome(self, payload: bytes, size_bytes: int, message_format: int) -> Raw:
        try:
            if size_bytes > self._limit_bytes:
                raise too_large(size_bytes, self._limit_bytes)
            self.accept(payload, message_format)
        except Refusal as refusal:
            return rejected(refusal)
        except DecodeError as error:
            return rejected(Refusal("amqp:decode-error", str(error)))
        return _ACCEPTED


class ProducerLink(IncomingLink):
    """A sender to a queue or topic."""

    is_entity = True

    def __init__(
        self, channel: Channel, request: Attach, node: str, destination: Queue | Topic
    ) -> None:
        super().__init__(channel, request, node, destination.config.max_message_bytes)
        self._destination = destination

    def accept(self, payload: bytes, message_format: int) -> None:
        """Put the message, or all of a batch, into the queue or topic."""
        inner = _batch(payload) if message_format == _BATCH_FORMAT else [payload]
        for message in [Message.parse(each) for each in inner]:
            self._destination.put(message)


def _batch(payload: bytes) -> list[bytes]:
    found, position = [], 0
    while position < len(payload):
        part, position = decode(payload, position)
        if isinstance(part, Described) and part.descriptor == DATA:
            if not isinstance(part.value, bytes):
                raise DecodeError("batch: expected binary data sections")
            found.append(part.value)
    return found
