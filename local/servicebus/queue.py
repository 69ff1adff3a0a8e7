"""A queue: what arrives, who gets it, under which lock, and where it goes in the end.

Knows nothing of connections: a receiver is a `Consumer`. Everything runs on the broker's thread.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from local.servicebus.clock import Alarm
from local.servicebus.config import Counts, QueueConfig
from local.servicebus.consumers import Consumer, Rota
from local.servicebus.duplicates import DuplicateHistory
from local.servicebus.locks import Locks
from local.servicebus.message import DESCRIPTION, REASON, Message, State
from local.servicebus.refusal import lock_lost, too_large
from local.servicebus.shelf import Shelf, Surroundings

DEAD_LETTERS = "/$DeadLetterQueue"
# Azure has no limit there either; a dead letter stays until someone takes it.
_NEVER = 1 << 31


class Queue:
    """A queue, a subscription or a dead-letter queue.

    An alarm rings when the first lock, schedule or time to live is over.
    """

    def __init__(
        self, name: str, config: QueueConfig, around: Surroundings, *, is_dead: bool = False
    ) -> None:
        self.name = name
        self.key = name.lower()
        self.config = config
        self.shelf = Shelf(self.key, around)
        self.locks = Locks()
        self.dead_letters: Queue | None = None
        if not is_dead:
            dead = QueueConfig(lock_seconds=config.lock_seconds, max_delivery_count=_NEVER)
            self.dead_letters = Queue(name + DEAD_LETTERS, dead, around, is_dead=True)
        self.clock = around.clock
        self._store = around.store
        self._duplicates = DuplicateHistory(config.duplicate_window_seconds)
        self._rota = Rota()
        self._ready: list[int] = []
        self._timed: list[tuple[float, int]] = []
        self._alarm = Alarm(self.clock, self.tick)
        self._pump_is_due = False

    def restore(self) -> None:
        """Take up what the store kept; a lock goes on with its token, as its holder expects."""
        for message_id, at in self._store.seen_before(self.key):
            self._duplicates.restore(message_id, at)
        for message in self.shelf.restore():
            if message.expires_at is not None:
                self._time(message.expires_at, message)
            self._restore_state(message)
        if self.dead_letters is not None:
            self.dead_letters.restore()

    # Arrival

    def put(self, message: Message) -> int:
        """Take a message in; its sequence number, or 0 for a duplicate, accepted and dropped."""
        if len(message.payload) > self.config.max_message_bytes:
            raise too_large(len(message.payload), self.config.max_message_bytes)
        now = self.clock.now()
        if self._is_duplicate(message, now):
            return 0
        self.shelf.number(message)
        message.enqueued_at = now
        if message.due_at is not None and message.due_at > now:
            message.state = State.SCHEDULED
            self.shelf.save(message)
            self._time(message.due_at, message)
        else:
            self._activate(message)
        return message.sequence

    def cancel(self, sequences: Sequence[int]) -> None:
        """Remove scheduled messages; all of them or none."""
        for message in self.shelf.find(sequences, State.SCHEDULED):
            self.shelf.drop(message)

    # Delivery

    def attach(self, consumer: Consumer) -> None:
        """Let a receiver take part, in turn with the others."""
        self._rota.add(consumer)
        self.wake()

    def detach(self, consumer: Consumer) -> None:
        """Forget a receiver. What it has locked stays locked."""
        self._rota.remove(consumer)

    def wake(self) -> None:
        """Deliver what can be delivered, after what runs now."""
        if not self._pump_is_due:
            self._pump_is_due = True
            self.clock.soon(self._pump_now)

    def pump(self) -> None:
        """Give ready messages, oldest first, to the receivers in turn."""
        while self._ready:
            consumer = self._rota.next()
            if consumer is None:
                return
            message = self._pop(self._ready)
            if message is not None:
                self._hand_over(message, consumer)

    # Settlement by lock token

    def complete(self, token: uuid.UUID) -> None:
        """The message is done with."""
        self.shelf.drop(self._take(token))

    def abandon(self, token: uuid.UUID, properties: Mapping[str, Any] | None = None) -> None:
        """Give the message back as a failed delivery."""
        message = self._take(token)
        message.annotate(properties or {})
        self._give_back(message, failed=True)

    def release(self, token: uuid.UUID) -> None:
        """Give the message back as if it had not been delivered."""
        self._give_back(self._take(token), failed=False)

    def defer(self, token: uuid.UUID, properties: Mapping[str, Any] | None = None) -> None:
        """Set the message aside; only its sequence number gets it back."""
        message = self._take(token)
        message.annotate(properties or {})
        message.delivery_count += 1
        message.was_deferred = True
        self._set_aside(message)

    def dead_letter(
        self,
        token: uuid.UUID,
        reason: str | None,
        description: str | None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Move the message to the dead-letter queue, with the reason among its properties."""
        message = self._take(token)
        message.annotate(properties or {})
        self._bury(message, reason, description)

    def renew(self, token: uuid.UUID) -> float:
        """Lock the message for another lock duration; the time the lock ends now."""
        message = self.locks.renew(token, self.clock.now(), self.config.lock_seconds)
        self.shelf.save(message)
        return message.locked_until

    # Looking and waiting

    def take_deferred(self, sequences: Sequence[int], *, delete: bool) -> list[Message]:
        """Deferred messages by sequence number, locked or removed; all of them or none."""
        found = self.shelf.find(sequences, State.DEFERRED)
        for message in found:
            if delete:
                self.shelf.drop(message)
            else:
                self._lock(message)
        return found

    def counts(self) -> Counts:
        """How many messages are in which state."""
        states = [message.state for message in self.shelf.messages.values()]
        return Counts(
            ready=states.count(State.READY),
            locked=states.count(State.LOCKED),
            deferred=states.count(State.DEFERRED),
            scheduled=states.count(State.SCHEDULED),
            dead_letter=len(self.dead_letters.shelf) if self.dead_letters else 0,
        )

    def tick(self) -> None:
        """Do what time has made due: locks, schedules, times to live."""
        self._expire_locks()
        now = self.clock.now()
        while self._timed and self._timed[0][0] <= now:
            _, sequence = heapq.heappop(self._timed)
            message = self.shelf.messages.get(sequence)
            if message is None:
                continue
            if message.state is State.SCHEDULED:
                self._renumber_and_activate(message)
            elif message.state is State.READY and message.is_expired(now):
                self._expire(message)
        if self._timed:
            self._alarm.set(self._timed[0][0])
        self.wake()

    # What a queue with sessions does otherwise

    def _offer(self, message: Message) -> None:
        heapq.heappush(self._ready, message.sequence)

    def _hold(self, message: Message, token: uuid.UUID) -> float:
        """Until when a lock taken on the message now lasts. Raises Refusal if it may not be."""
        until = self.clock.now() + self.config.lock_seconds
        self._alarm.set(until)
        return until

    def _expire_locks(self) -> None:
        while (message := self.locks.pop_expired(self.clock.now())) is not None:
            self._give_back(message, failed=True)
        expiry = self.locks.next_expiry()
        if expiry is not None:
            self._alarm.set(expiry)

    # Steps

    def _take(self, token: uuid.UUID) -> Message:
        message = self.locks.remove(token)
        if message is None:
            raise lock_lost()
        if message.locked_until <= self.clock.now():
            self._give_back(message, failed=True)
            raise lock_lost()
        return message

    def _is_duplicate(self, message: Message, now: float) -> bool:
        if not self.config.requires_duplicate_detection or message.message_id is None:
            return False
        message_id = str(message.message_id)
        if not self._duplicates.is_new(message_id, now):
            return True
        self._store.seen(self.key, message_id, now)
        return False

    def _renumber_and_activate(self, message: Message) -> None:
        # As in Azure, a scheduled message gets a new sequence number when its time has come.
        self.shelf.drop(message)
        self.shelf.number(message)
        message.enqueued_at = self.clock.now()
        self._activate(message)

    def _activate(self, message: Message) -> None:
        own = None if message.ttl_ms is None else message.ttl_ms / 1000
        limits = [ttl for ttl in (own, self.config.default_ttl_seconds) if ttl is not None]
        if limits:
            message.ttl_ms = int(min(limits) * 1000)
            message.expires_at = message.enqueued_at + min(limits)
            self._time(message.expires_at, message)
        self._make_ready(message)

    def _make_ready(self, message: Message) -> None:
        message.state, message.token = State.READY, None
        if message.is_expired(self.clock.now()):
            self._expire(message)
            return
        self.shelf.save(message)
        self._offer(message)
        self.wake()

    def _pop(self, ready: list[int]) -> Message | None:
        """The oldest message that is still ready; drops what expired meanwhile."""
        while ready:
            message = self.shelf.messages.get(heapq.heappop(ready))
            if message is None or message.state is not State.READY:
                continue
            if not message.is_expired(self.clock.now()):
                return message
            self._expire(message)
        return None

    def _pump_now(self) -> None:
        self._pump_is_due = False
        self.pump()

    def _hand_over(self, message: Message, consumer: Consumer) -> None:
        if consumer.receive_and_delete:
            self.shelf.drop(message)
        else:
            self._lock(message)
        consumer.deliver(message)

    def _lock(self, message: Message) -> None:
        token = uuid.uuid4()
        message.locked_until = self._hold(message, token)
        message.token, message.state = token, State.LOCKED
        self.locks.add(token, message)
        self.shelf.save(message)

    def _give_back(self, message: Message, *, failed: bool) -> None:
        message.delivery_count += failed
        if failed and message.delivery_count >= self.config.max_delivery_count:
            attempts = self.config.max_delivery_count
            text = f"Message could not be consumed after {attempts} delivery attempts."
            self._bury(message, "MaxDeliveryCountExceeded", text)
        elif message.was_deferred:
            self._set_aside(message)
        else:
            self._make_ready(message)

    def _set_aside(self, message: Message) -> None:
        message.state, message.token = State.DEFERRED, None
        self.shelf.save(message)

    def _expire(self, message: Message) -> None:
        if self.config.dead_letter_on_expiration and self.dead_letters is not None:
            text = "The message expired and was dead lettered."
            self._bury(message, "TTLExpiredException", text)
        else:
            self.shelf.drop(message)

    def _bury(self, message: Message, reason: str | None, description: str | None) -> None:
        if self.dead_letters is None:  # this is a dead-letter queue: the message stays
            self._make_ready(message)
            return
        self.shelf.drop(message)
        why = {REASON: reason, DESCRIPTION: description}
        message.annotate({key: text for key, text in why.items() if text is not None})
        message.expires_at = message.ttl_ms = message.due_at = None
        message.was_deferred = False
        self.dead_letters.shelf.admit(message)
        self.dead_letters._make_ready(message)

    def _time(self, when: float, message: Message) -> None:
        heapq.heappush(self._timed, (when, message.sequence))
        self._alarm.set(when)

    def _restore_state(self, message: Message) -> None:
        if message.state is State.SCHEDULED and message.due_at is not None:
            self._time(message.due_at, message)
        elif message.state is State.LOCKED and message.token and not self.config.requires_session:
            self.locks.add(message.token, message)
            self._alarm.set(message.locked_until)
        elif message.state is not State.DEFERRED:
            self._make_ready(message)
