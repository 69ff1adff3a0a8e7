"""The messages of one queue by sequence number, told to the store whenever they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from local.servicebus.clock import Clock
from local.servicebus.message import Message, State
from local.servicebus.refusal import message_not_found
from local.servicebus.store import MemoryStore, Store


def _nothing() -> None:
    """The default of `Surroundings.on_change`."""


@dataclass(slots=True)
class Surroundings:
    """What queues share: time, where they keep messages, and whom to tell of a change."""

    clock: Clock = field(default_factory=Clock)
    store: Store = field(default_factory=MemoryStore)
    on_change: Callable[[], None] = _nothing


class Shelf:
    """Messages in any state. Every change of one must come through `save` or `drop`."""

    def __init__(self, key: str, around: Surroundings) -> None:
        self.messages: dict[int, Message] = {}
        self._key = key
        self._around = around
        self._next_sequence = around.store.next_sequence(key)

    def __len__(self) -> int:
        return len(self.messages)

    def number(self, message: Message) -> None:
        """Put the message on the shelf under the next sequence number."""
        message.sequence = self._next_sequence
        self._next_sequence += 1
        self._around.store.numbered(self._key, self._next_sequence)
        self.messages[message.sequence] = message

    def admit(self, message: Message) -> None:
        """Put the message on the shelf under the number it has, or another if that is taken."""
        self._next_sequence = max(self._next_sequence, message.sequence + 1)
        if message.sequence in self.messages:
            self.number(message)
        self.messages[message.sequence] = message

    def save(self, message: Message) -> None:
        """Tell that the message has another state, lock, count or property."""
        self._around.store.changed(self._key, message)
        self._around.on_change()

    def drop(self, message: Message) -> None:
        """Take the message off the shelf for good."""
        self.messages.pop(message.sequence, None)
        message.token = None
        self._around.store.gone(self._key, message.sequence)
        self._around.on_change()

    def find(self, sequences: Sequence[int], state: State) -> list[Message]:
        """These messages. Raises Refusal unless all are there and in this state."""
        found = [self.messages.get(sequence) for sequence in sequences]
        fitting = [m for m in found if m is not None and m.state is state]
        if len(fitting) != len(found):
            raise message_not_found()
        return fitting

    def peek(self, start: int, limit: int, session_id: str | None) -> list[Message]:
        """Up to `limit` messages from sequence number `start`, in any state."""
        now = self._around.clock.now()
        found: list[Message] = []
        for sequence in sorted(self.messages):
            message = self.messages[sequence]
            if sequence < start or session_id not in (None, message.session_id):
                continue
            if len(found) >= limit:
                break
            if not message.is_expired(now):
                found.append(message)
        return found

    def restore(self) -> list[Message]:
        """Fill the shelf with what the store kept; the messages, locks by time of expiry."""
        kept = list(self._around.store.messages(self._key))
        self.messages.update((message.sequence, message) for message in kept)
        # A dead letter came with a number of its own, past the counter.
        self._next_sequence = max([self._next_sequence, *(number + 1 for number in self.messages)])
        return kept
