"""A topic: every subscription whose filter matches gets a copy of the message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.servicebus.config import QueueConfig
from local.servicebus.message import Message
from local.servicebus.queue import Queue
from local.servicebus.refusal import not_implemented


@dataclass(frozen=True, slots=True)
class CorrelationFilter:
    """Matches a message that has this subject (if one is given) and all of these properties."""

    subject: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, message: Message) -> bool:
        """Whether the subscription gets the message; equality only, as in Azure."""
        if self.subject is not None and message.subject != self.subject:
            return False
        found = message.application_properties
        return all(key in found and found[key] == want for key, want in self.properties.items())


@dataclass(slots=True)
class Topic:
    """A name to send to, and the subscriptions behind it."""

    name: str
    config: QueueConfig = field(default_factory=QueueConfig)
    subscriptions: list[tuple[Queue, CorrelationFilter]] = field(default_factory=list)

    def put(self, message: Message) -> int:
        """Copy the message to the subscriptions; the largest sequence number given to a copy."""
        copies = [queue for queue, rule in self.subscriptions if rule.matches(message)]
        return max([queue.put(Message.parse(message.payload)) for queue in copies], default=0)

    def cancel(self, sequences: Sequence[int]) -> None:
        """Raises Refusal: copies of a scheduled message have numbers of their own."""
        raise not_implemented("cancelling a message scheduled on a topic")
