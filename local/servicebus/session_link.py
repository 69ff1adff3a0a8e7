"""A receiver of a message session: its attach is answered only once it holds one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.servicebus.encoder import described_list
from local.servicebus.frames import Attach, milliseconds
from local.servicebus.links import ConsumerLink
from local.servicebus.primitives import Described, Raw, Symbol
from local.servicebus.refusal import Refusal
from local.servicebus.sessions import Session, SessionQueue

if TYPE_CHECKING:
    from local.servicebus.channel import Channel

FILTER = "com.microsoft:session-filter"
_SOURCE = 0x28
_FILTER_FIELD = 7
_TIMEOUT_SECONDS = 60.0
# .NET counts time in 100 ns from the year 1.
_TICKS_AT_EPOCH = 621_355_968_000_000_000
_TICKS_PER_SECOND = 10_000_000


class SessionLink(ConsumerLink):
    """Waits for a session, by name or the next that is free, for as long as the client said."""

    queue: SessionQueue

    def __init__(self, channel: Channel, request: Attach, node: str, queue: SessionQueue) -> None:
        super().__init__(channel, request, node, queue)
        self._session: Session | None = None
        self._is_open = True

    def open(self) -> None:
        """Ask the queue for the session. Raises Refusal if another receiver holds it."""
        wanted = self.request.source_filters.get(FILTER)
        session_id = wanted.value if isinstance(wanted, Described) else wanted
        self.queue.accept(self, None if session_id is None else str(session_id))
        if self._session is None:
            timeout_ms = milliseconds(self.request.properties.get("com.microsoft:timeout"))
            seconds = _TIMEOUT_SECONDS if timeout_ms is None else timeout_ms / 1000
            self.channel.clock.at(self.channel.clock.now() + seconds, self._give_up)

    def closed(self) -> None:
        """Give the session back, with what it holds."""
        self._is_open = False
        super().closed()

    def granted(self, session: Session) -> None:
        """Answer the attach with the session's id as the filter, and how long it is locked."""
        self._session = session
        fields: list[Any] = [*self.request.source, *[None] * _FILTER_FIELD][:_FILTER_FIELD]
        source = described_list(_SOURCE, [*fields, {Symbol(FILTER): session.id}])
        ticks = int(session.locked_until * _TICKS_PER_SECOND) + _TICKS_AT_EPOCH
        self.reply(
            limit_bytes=self.queue.config.max_message_bytes,
            source=Raw(source),
            properties={Symbol("com.microsoft:locked-until-utc"): ticks},
        )

    def revoked(self, refusal: Refusal) -> None:
        """The lock on the session has expired: the receiver is told by a detach."""
        self._session = None
        self.channel.detach(self, refusal)

    def _give_up(self) -> None:
        if self._is_open and self._session is None:
            text = "The operation did not complete within the allotted timeout: no session."
            self.channel.refuse(self.request, Refusal("com.microsoft:timeout", text))
