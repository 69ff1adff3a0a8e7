"""The receivers of a queue, and whose turn it is."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from local.servicebus.message import Message


class Consumer(Protocol):
    """One receiver on a queue."""

    receive_and_delete: bool

    def can_take(self) -> bool:
        """Whether the receiver asked for another message and could be sent one."""

    def deliver(self, message: Message) -> None:
        """Send the message; its `token` is the lock, None if it is no longer in the queue."""


class Rota:
    """Receivers in turn, so that none starves."""

    def __init__(self) -> None:
        self._consumers: deque[Consumer] = deque()

    def add(self, consumer: Consumer) -> None:
        """Let the receiver take part."""
        self._consumers.append(consumer)

    def remove(self, consumer: Consumer) -> None:
        """Forget the receiver, if it takes part."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)

    def next(self) -> Consumer | None:
        """The next receiver that can take a message; None if none can."""
        for _ in range(len(self._consumers)):
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            if consumer.can_take():
                return consumer
        return None
