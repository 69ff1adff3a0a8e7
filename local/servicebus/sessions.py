"""A queue with message sessions: the messages of one session go, in order, to one receiver.

The lock is on the session; the locks of its messages begin and end with it.
"""

from __future__ import annotations

import heapq
import uuid
from dataclasses import dataclass, field
from typing import Protocol

from local.servicebus.config import QueueConfig
from local.servicebus.consumers import Consumer
from local.servicebus.message import Message, State
from local.servicebus.queue import Queue
from local.servicebus.refusal import Refusal, session_lock_lost
from local.servicebus.shelf import Surroundings


class SessionConsumer(Consumer, Protocol):
    """A receiver that holds, or waits for, a session."""

    def granted(self, session: Session) -> None:
        """The session is the receiver's; deliveries follow."""

    def revoked(self, refusal: Refusal) -> None:
        """The session no longer is."""


@dataclass(slots=True, eq=False)
class Session:
    """One message session: who holds it until when, and the state receivers keep in it."""

    id: str
    owner: SessionConsumer | None = None
    locked_until: float = 0.0
    state: bytes | None = None
    ready: list[int] = field(default_factory=list)
    tokens: set[uuid.UUID] = field(default_factory=set)


class SessionQueue(Queue):
    """A queue whose every message names its session. Session locks and states are not stored."""

    def __init__(self, name: str, config: QueueConfig, around: Surroundings) -> None:
        super().__init__(name, config, around)
        self.sessions: dict[str, Session] = {}
        self._waiting: list[SessionConsumer] = []

    def put(self, message: Message) -> int:
        """Take a message in. Raises Refusal for one without a session."""
        if not message.session_id:
            text = "The SessionId was not set on a message, and it cannot be sent to the entity."
            raise Refusal("amqp:not-allowed", text)
        return super().put(message)

    def session(self, session_id: str) -> Session:
        """The session of this id, which exists as soon as someone speaks of it."""
        return self.sessions.setdefault(session_id, Session(session_id))

    def session_ids(self) -> list[str]:
        """The sessions that have a message or a state."""
        with_messages = {m.session_id for m in self.shelf.messages.values()}
        known = self.sessions.values()
        return [s.id for s in known if s.state is not None or s.id in with_messages]

    def accept(self, consumer: SessionConsumer, session_id: str | None) -> None:
        """Lock this session for the receiver; without an id the next one that has messages.

        The receiver hears of it by `granted`, now or when there is one.
        Raises Refusal if another receiver holds the session.
        """
        if session_id is None:
            self._waiting.append(consumer)
            self.wake()
            return
        session = self.session(session_id)
        if session.owner is not None:
            text = f"The requested session '{session_id}' cannot be accepted. It may be locked."
            raise Refusal("com.microsoft:session-cannot-be-locked", text, 410)
        self._grant(session, consumer)

    def detach(self, consumer: Consumer) -> None:
        """Forget a receiver; what it held goes to the next."""
        self._waiting = [waiting for waiting in self._waiting if waiting is not consumer]
        for session in self.sessions.values():
            if session.owner is consumer:
                self._release(session)

    def renew_session(self, session_id: str) -> float:
        """Lock the session for another lock duration; the time the lock ends now."""
        session = self.sessions.get(session_id)
        if session is None or not self._is_held(session):
            raise session_lock_lost()
        session.locked_until = self.clock.now() + self.config.lock_seconds
        for token in session.tokens:
            message = self.locks.get(token)
            if message is not None:
                message.locked_until = session.locked_until
        return session.locked_until

    def pump(self) -> None:
        """Give out free sessions, then deliver within those that are held."""
        while self._waiting:
            free = next((s for s in self.sessions.values() if self._is_free(s)), None)
            if free is None:
                break
            self._grant(free, self._waiting.pop(0))
        for session in self.sessions.values():
            owner = session.owner
            while owner is not None and session.ready and owner.can_take():
                message = self._pop(session.ready)
                if message is not None:
                    self._hand_over(message, owner)

    def renew(self, token: uuid.UUID) -> float:
        """Message locks live and die with the session: renewing one renews that."""
        message = self.locks.get(token)
        if message is None:
            raise session_lock_lost()
        return self.renew_session(str(message.session_id))

    def _offer(self, message: Message) -> None:
        heapq.heappush(self.session(str(message.session_id)).ready, message.sequence)

    def _hold(self, message: Message, token: uuid.UUID) -> float:
        session = self.session(str(message.session_id))
        if not self._is_held(session):
            raise session_lock_lost()
        session.tokens.add(token)
        return session.locked_until

    def _take(self, token: uuid.UUID) -> Message:
        message = self.locks.get(token)
        if message is not None:
            self.session(str(message.session_id)).tokens.discard(token)
        return super()._take(token)

    def _expire_locks(self) -> None:
        for session in self.sessions.values():
            if session.owner is None:
                continue
            if session.locked_until > self.clock.now():
                self._alarm.set(session.locked_until)
                continue
            owner = session.owner
            self._release(session)
            owner.revoked(session_lock_lost())

    def _grant(self, session: Session, consumer: SessionConsumer) -> None:
        session.owner = consumer
        session.locked_until = self.clock.now() + self.config.lock_seconds
        self._alarm.set(session.locked_until)
        consumer.granted(session)
        self.wake()

    def _release(self, session: Session) -> None:
        session.owner, session.locked_until = None, 0.0
        tokens, session.tokens = session.tokens, set()
        for token in tokens:
            message = self.locks.remove(token)
            if message is not None:
                self._give_back(message, failed=True)
        self.wake()

    def _is_held(self, session: Session) -> bool:
        return session.owner is not None and session.locked_until > self.clock.now()

    def _is_free(self, session: Session) -> bool:
        messages = (self.shelf.messages.get(sequence) for sequence in session.ready)
        return session.owner is None and any(m and m.state is State.READY for m in messages)
