"""The locked messages of one queue by lock token."""

from __future__ import annotations

import uuid
from collections import OrderedDict

from local.servicebus.message import Message
from local.servicebus.refusal import lock_lost


class Locks:
    """Locks in the order they expire in.

    The lock duration of a queue is constant and a renewed lock moves to the end, so that order
    is the order of arrival, and expiry never needs a scan.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[uuid.UUID, Message] = OrderedDict()

    def __contains__(self, token: uuid.UUID) -> bool:
        return token in self._held

    def add(self, token: uuid.UUID, message: Message) -> None:
        """Remember the lock that the message is under."""
        self._held[token] = message

    def get(self, token: uuid.UUID) -> Message | None:
        """The message under this lock, which may just have expired."""
        return self._held.get(token)

    def remove(self, token: uuid.UUID) -> Message | None:
        """Forget the lock; the message that was under it."""
        return self._held.pop(token, None)

    def renew(self, token: uuid.UUID, now: float, seconds: float) -> Message:
        """The message, locked for `seconds` from now. Raises Refusal if the lock is lost."""
        message = self._held.get(token)
        if message is None or message.locked_until <= now:
            raise lock_lost()
        message.locked_until = now + seconds
        self._held.move_to_end(token)
        return message

    def pop_expired(self, now: float) -> Message | None:
        """Forget the first lock if it has expired; the message that was under it."""
        token, message = next(iter(self._held.items()), (None, None))
        if token is None or message is None or message.locked_until > now:
            return None
        return self._held.pop(token)

    def next_expiry(self) -> float | None:
        """When the first lock expires."""
        message = next(iter(self._held.values()), None)
        return None if message is None else message.locked_until
