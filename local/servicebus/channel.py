"""One AMQP session of a connection: its links, its windows, its unsettled deliveries.

Called a channel here, after the number it goes by, because `session` means a message session.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from local.servicebus.attach import link_for
from local.servicebus.encoder import described_list
from local.servicebus.frames import (
    Attach,
    Disposition,
    Flow,
    Frame,
    Outcome,
    Performative,
    Transfer,
    amqp_error,
    write,
)
from local.servicebus.links import LARGEST_UINT, ConsumerLink, IncomingLink, Link, rejected
from local.servicebus.primitives import Raw, UByte, UInt, ULong, UShort
from local.servicebus.refusal import Refusal
from local.servicebus.settlement import settle

if TYPE_CHECKING:
    from local.servicebus.connection import Connection

_WINDOW = UInt(0x7FFFFFFF)
_LARGEST_HANDLE = UInt(255)
# Room in a frame for the transfer performative in front of the payload.
_TRANSFER_HEAD_BYTES = 128


class Channel:
    """Answers the frames of one AMQP session."""

    def __init__(self, connection: Connection, frame: Frame) -> None:
        self.links: dict[int, Link] = {}
        self.unsettled: dict[int, tuple[ConsumerLink, uuid.UUID]] = {}
        self.broker = connection.listener.broker
        self.clock = self.broker.clock
        self.claims = connection.claims
        self.operations: Counter[str] = connection.listener.operations
        self._connection = connection
        self._number = frame.channel
        self._next_incoming_id = frame.number(1) or 0
        self._peer_window = frame.number(2) or 0
        self._next_outgoing_id = 1
        # Handles detached from this side, until the peer has answered.
        self._closing: set[int] = set()
        fields = [UShort(frame.channel), UInt(1), _WINDOW, _WINDOW, _LARGEST_HANDLE]
        self.send(Performative.BEGIN, fields)

    def receive(self, frame: Frame) -> None:
        """Take one frame in. Raises DecodeError or Refusal, either of which ends the connection."""
        match frame.code:
            case Performative.ATTACH:
                self._on_attach(Attach.read(frame))
            case Performative.FLOW:
                self._on_flow(Flow.read(frame))
            case Performative.TRANSFER:
                self._on_transfer(Transfer.read(frame), frame.payload)
            case Performative.DISPOSITION:
                self._on_disposition(Disposition.read(frame))
            case Performative.DETACH:
                self._on_detach(frame.required(0), is_closing=frame.flag(1))

    def end(self, *, lose_locks: bool) -> None:
        """The session is over. Locks outlive it, unless a test wants the volatile kind."""
        held = list(self.unsettled.values()) if lose_locks else []
        for receiver, token in held:
            if token in receiver.queue.locks:
                receiver.queue.abandon(token)
        for link in list(self.links.values()):
            self._forget(link)

    # Sending

    def send(self, performative: Performative, fields: Sequence[Any], payload: bytes = b"") -> None:
        """Send one frame of this session."""
        self._connection.send(write(self._number, performative, fields, payload))

    def send_flow(self, of_link: Sequence[Any] = ()) -> None:
        """Tell the peer where the session stands, and where one of its links does."""
        ours = [UInt(self._next_incoming_id), _WINDOW, UInt(self._next_outgoing_id), _WINDOW]
        self.send(Performative.FLOW, [*ours, *of_link])

    def send_outcome(
        self, delivery_id: int, state: Raw | None, *, as_receiver: bool = True
    ) -> None:
        """Settle a delivery, saying what became of it."""
        number = UInt(delivery_id)
        self.send(Performative.DISPOSITION, [as_receiver, number, number, True, state])

    def transfer(self, handle: int, payload: bytes, tag: bytes, *, settled: bool) -> int:
        """Send a message in as many frames as the peer's frame size asks for; its delivery id."""
        delivery_id = self._next_outgoing_id
        self._next_outgoing_id = (delivery_id + 1) & LARGEST_UINT
        room = self._connection.peer_frame_bytes - _TRANSFER_HEAD_BYTES
        head: list[Any] = [UInt(handle), UInt(delivery_id), tag, UInt(0), settled]
        for start in range(0, max(1, len(payload)), room):
            more = start + room < len(payload)
            self.send(Performative.TRANSFER, [*head, more], payload[start : start + room])
            self._peer_window -= 1
            head = [UInt(handle), None, None, None, settled]
        return delivery_id

    def has_room(self) -> bool:
        """Whether another message may be sent now."""
        return self._peer_window > 0 and self._connection.has_room()

    def pump(self) -> None:
        """Send what waited for room."""
        for link in list(self.links.values()):
            link.pump()

    # Links

    def refuse(self, request: Attach, refusal: Refusal) -> None:
        """Answer an attach with no: attached without its terminus, then detached with the error."""
        link = self.links.get(request.handle)
        if link is not None:
            self._forget(link)
        source, target = request.source_raw, request.target_raw
        ends = [None, target] if request.peer_receives else [source, None]
        settle_modes = [UByte(request.sender_settles), UByte(request.receiver_settles)]
        first_count = UInt(0) if request.peer_receives else None
        fields = [request.name, UInt(request.handle), not request.peer_receives]
        tail = [None, None, first_count, ULong(0)]
        self.send(Performative.ATTACH, [*fields, *settle_modes, *ends, *tail])
        self._send_detach(request.handle, refusal)

    def detach(self, link: Link, refusal: Refusal) -> None:
        """End a link from this side."""
        self._forget(link)
        self._send_detach(link.request.handle, refusal)

    def _send_detach(self, handle: int, refusal: Refusal) -> None:
        error = amqp_error(refusal.condition, refusal.description)
        self.send(Performative.DETACH, [UInt(handle), True, error])
        self._closing.add(handle)

    def _forget(self, link: Link) -> None:
        self.links.pop(link.request.handle, None)
        # The locks outlive the link: they end by settlement or expiry.
        gone = [number for number, (owner, _) in self.unsettled.items() if owner is link]
        for number in gone:
            del self.unsettled[number]
        link.closed()

    # Receiving

    def _on_attach(self, request: Attach) -> None:
        if request.handle in self.links:
            text = f"handle {request.handle} is attached"
            raise Refusal("amqp:session:handle-in-use", text)
        self._closing.discard(request.handle)
        try:
            link = self.links[request.handle] = link_for(self, request)
            link.open()
        except Refusal as refusal:
            self.refuse(request, refusal)

    def _on_flow(self, flow: Flow) -> None:
        # Before it has seen our begin, the peer counts from nothing.
        start = self._next_outgoing_id if flow.next_incoming_id is None else flow.next_incoming_id
        self._peer_window = (start + flow.incoming_window - self._next_outgoing_id) & LARGEST_UINT
        if flow.handle is None:
            if flow.echo:
                self.send_flow()
            self.pump()
            return
        link = self.links.get(flow.handle)
        if link is not None:
            link.last_used = self.clock.now()
            link.on_flow(flow)

    def _on_transfer(self, transfer: Transfer, piece: bytes) -> None:
        self._next_incoming_id = (self._next_incoming_id + 1) & LARGEST_UINT
        link = self.links.get(transfer.handle)
        if isinstance(link, IncomingLink):
            link.on_transfer(transfer, piece)

    def _on_disposition(self, disposition: Disposition) -> None:
        undecided = disposition.outcome is None and not disposition.settled
        if not disposition.from_receiver or undecided:
            return
        # The range is the peer's to choose: what is walked is what we keep.
        first, last = disposition.first, disposition.last
        numbers = [first] if first == last else [n for n in self.unsettled if first <= n <= last]
        for number in numbers:
            delivery = self.unsettled.pop(number, None)
            if delivery is not None:
                self._settle(number, *delivery, disposition)

    def _settle(
        self, number: int, link: ConsumerLink, token: uuid.UUID, disposition: Disposition
    ) -> None:
        link.last_used = self.clock.now()
        state = disposition.state
        try:
            settle(link.queue, token, disposition)
            if disposition.outcome == Outcome.REJECTED:
                # The peer's own error, echoed, would read as a refusal.
                state = described_list(Outcome.REJECTED, [None])
        except Refusal as refusal:
            state = rejected(refusal)
        if not disposition.settled:  # the peer waits for the answer
            self.send_outcome(number, state, as_receiver=False)

    def _on_detach(self, handle: int, *, is_closing: bool) -> None:
        if handle in self._closing:
            self._closing.discard(handle)
            return
        link = self.links.get(handle)
        if link is not None:
            self._forget(link)
            self.send(Performative.DETACH, [UInt(handle), is_closing])
