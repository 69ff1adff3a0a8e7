"""One connection: bytes to frames, the SASL and AMQP greetings, heartbeats, frames to bytes."""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import TYPE_CHECKING, cast

from local.servicebus.authorization import Claims
from local.servicebus.channel import Channel
from local.servicebus.decoder import DecodeError
from local.servicebus.frames import (
    AMQP_HEADER,
    HEARTBEAT,
    SASL_HEADER,
    Frame,
    Open,
    Performative,
    amqp_error,
    write,
)
from local.servicebus.primitives import Array, Kind, Symbol, UByte, UInt, UShort
from local.servicebus.refusal import Refusal

if TYPE_CHECKING:
    from local.servicebus.listener import Listener

log = logging.getLogger(__name__)

# What Azure announces in its own open frame.
_FRAME_BYTES = 65_536
_CHANNELS = 4_999
_MECHANISMS = ["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"]
# Beyond this much unsent, deliveries wait.
_BACKLOG_BYTES = 4 * 1024 * 1024
_SIZE = struct.Struct(">I")
_HEADER_BYTES = 8


class Connection(asyncio.Protocol):
    """Speaks AMQP with one client. A peer that breaks the protocol loses its connection."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.claims = Claims(listener.keys)
        self.peer_frame_bytes = 512
        self.channels: dict[int, Channel] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._incoming = bytearray()
        self._outgoing: list[bytes] = []
        self._flush_is_due = False
        self._is_paused = False
        self._is_greeted = False
        self._is_ending = False
        self._last_heard = self._loop.time()
        self._heartbeat: asyncio.TimerHandle | None = None

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_BACKLOG_BYTES)
        self.listener.connections.add(self)
        if self.listener.is_frozen:
            self.freeze()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or was cut off."""
        self._transport = None
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        for channel in self.channels.values():
            channel.end(lose_locks=self.listener.locks_die_with_connection)
        self.channels.clear()
        self.listener.forget(self)

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The client caught up."""
        self._is_paused = False
        for channel in self.channels.values():
            channel.pump()

    def data_received(self, data: bytes) -> None:
        """Take in as many frames as are complete."""
        self._last_heard = self._loop.time()
        self._incoming += data
        try:
            while not self._is_ending and self._take_next():
                pass
        except Refusal as refusal:
            error = amqp_error(refusal.condition, refusal.description)
            self._hang_up([error])
        except DecodeError as error:
            log.warning("connection aborted: %s", error)
            self.abort()

    # What channels and the listener call

    def send(self, data: bytes) -> None:
        """Send a frame at the end of this turn of the loop, with all others of the turn."""
        self._outgoing.append(data)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def has_room(self) -> bool:
        """Whether deliveries may be sent."""
        return self._transport is not None and not self._is_paused

    def abort(self) -> None:
        """Cut the connection off without a word."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()

    def freeze(self) -> None:
        """Read nothing any more; `_flush` writes nothing either."""
        if self._transport is not None:
            self._transport.pause_reading()

    def thaw(self) -> None:
        """Go on where it froze."""
        self._last_heard = self._loop.time()
        if self._transport is not None:
            self._transport.resume_reading()
        self._flush()

    def detach_idle(self, before: float) -> None:
        """End the links to entities on which nothing happened since `before`, as Azure does."""
        for channel in self.channels.values():
            for link in list(channel.links.values()):
                if link.is_entity and link.last_used <= before:
                    text = "The link is force detached: IdleTimerExpired."
                    channel.detach(link, Refusal("amqp:link:detach-forced", text))

    # Bytes to frames

    def _take_next(self) -> bool:
        """Take one greeting or frame; whether there was a complete one."""
        if len(self._incoming) < _HEADER_BYTES:
            return False
        if not self._is_greeted:
            self._greet(self._cut(_HEADER_BYTES))
            return True
        size = _SIZE.unpack_from(self._incoming)[0]
        if not _HEADER_BYTES <= size <= _FRAME_BYTES:
            raise Refusal("amqp:connection:framing-error", f"bad frame size {size}")
        if len(self._incoming) < size:
            return False
        frame = Frame.parse(self._cut(size))
        if frame is not None:
            self._receive(frame)
        return True

    def _cut(self, size: int) -> bytes:
        data = bytes(self._incoming[:size])
        del self._incoming[:size]
        return data

    def _greet(self, header: bytes) -> None:
        self._is_greeted = True
        if header == SASL_HEADER:
            mechanisms = Array(Kind.SYMBOL, _MECHANISMS)
            self.send(header + write(0, Performative.SASL_MECHANISMS, [mechanisms], sasl=True))
        elif header == AMQP_HEADER:
            self.send(header)
        else:
            self.send(SASL_HEADER)
            self._end()

    def _receive(self, frame: Frame) -> None:
        channel = self.channels.get(frame.channel)
        match frame.code:
            case Performative.SASL_INIT:
                # Anyone may come in; the tokens put to $cbs are what counts.
                self.send(write(0, Performative.SASL_OUTCOME, [UByte(0)], sasl=True))
                self._is_greeted = False
            case Performative.OPEN:
                self._on_open(Open.read(frame))
            case Performative.BEGIN if channel is not None:
                raise Refusal("amqp:not-allowed", f"channel {frame.channel} is in use")
            case Performative.BEGIN:
                self.channels[frame.channel] = Channel(self, frame)
            case Performative.CLOSE:
                self._hang_up([])
            case Performative.END if channel is not None:
                channel.end(lose_locks=False)
                del self.channels[frame.channel]
                self.send(write(frame.channel, Performative.END, []))
            case _ if channel is not None:
                channel.receive(frame)

    def _on_open(self, opening: Open) -> None:
        self.peer_frame_bytes = min(opening.max_frame_bytes, _FRAME_BYTES)
        idle_ms = UInt(int(self.listener.idle_seconds * 1000))
        product = {Symbol("product"): "local.servicebus"}
        fields = ["local", opening.hostname, UInt(_FRAME_BYTES), UShort(_CHANNELS), idle_ms]
        self.send(write(0, Performative.OPEN, [*fields, None, None, None, None, product]))
        self._beat(opening.idle_seconds)

    # Frames to bytes

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._transport is None or self.listener.is_frozen:
            return
        self.listener.broker.store.commit()  # what is acknowledged is stored
        frames, self._outgoing = self._outgoing, []
        if frames:
            self._transport.write(b"".join(frames))

    def _hang_up(self, fields: list[bytes]) -> None:
        self.send(write(0, Performative.CLOSE, fields))
        self._end()

    def _end(self) -> None:
        """Send what is to be sent, hear no more, and close."""
        self._is_ending = True
        self._loop.call_soon(self._close)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _beat(self, peer_idle_seconds: float) -> None:
        """Send a heartbeat, give a silent peer up, and come again.

        Runs on the machine's time: a test that advances the broker's clock loses no connection.
        """
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if peer_idle_seconds:
            self.send(HEARTBEAT)
        ours = self.listener.idle_seconds
        frozen = self.listener.is_frozen
        if self._loop.time() - self._last_heard > ours * 1.5 and not frozen:
            self.abort()
            return
        period = min(max(peer_idle_seconds / 2, 0.1) if peer_idle_seconds else ours, ours / 4)
        self._heartbeat = self._loop.call_later(period, self._beat, peer_idle_seconds)
