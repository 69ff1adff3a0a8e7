"""The entities of one namespace by name; what is sent and received where."""

from __future__ import annotations

from pathlib import Path

from local.servicebus.clock import Clock
from local.servicebus.config import DeadLetter, QueueConfig
from local.servicebus.message import DESCRIPTION, REASON
from local.servicebus.queue import Queue
from local.servicebus.refusal import not_found
from local.servicebus.sessions import SessionQueue
from local.servicebus.shelf import Surroundings
from local.servicebus.store import MemoryStore, SqliteStore
from local.servicebus.topic import CorrelationFilter, Topic


class Broker:
    """Queues, topics and subscriptions. Names are matched without regard to case, as in Azure.

    With a `database`, an entity created again under its old name has its old messages and locks.
    Create the entities before a `ServiceBus` serves them; once it does, the broker is its thread's.
    """

    def __init__(self, database: Path | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store = SqliteStore(database) if database else MemoryStore()
        self.around = Surroundings(self.clock, self.store)
        self._queues: dict[str, Queue] = {}
        self._topics: dict[str, Topic] = {}

    def create_queue(self, name: str, config: QueueConfig | None = None) -> Queue:
        """A queue and its dead-letter queue."""
        config = config or QueueConfig()
        kind = SessionQueue if config.requires_session else Queue
        queue = kind(name, config, self.around)
        queue.restore()
        self._queues[queue.key] = queue
        if queue.dead_letters is not None:
            self._queues[queue.dead_letters.key] = queue.dead_letters
        return queue

    def create_topic(self, name: str, config: QueueConfig | None = None) -> Topic:
        """A topic without subscriptions; of `config` only the largest message counts."""
        topic = Topic(name, config or QueueConfig())
        self._topics[name.lower()] = topic
        return topic

    def create_subscription(
        self,
        topic: str,
        name: str,
        config: QueueConfig | None = None,
        rule: CorrelationFilter | None = None,
    ) -> Queue:
        """A subscription of the topic, to every message unless a rule is given."""
        queue = self.create_queue(f"{topic}/Subscriptions/{name}", config)
        found = self._topics.get(topic.lower())
        if found is None:
            raise not_found(topic)
        found.subscriptions.append((queue, rule or CorrelationFilter()))
        return queue

    def source(self, path: str) -> Queue:
        """What can be received from. Raises Refusal for an unknown name."""
        queue = self._queues.get(path.lower())
        if queue is None:
            raise not_found(path)
        return queue

    def destination(self, path: str) -> Queue | Topic:
        """What can be sent to. Raises Refusal for an unknown name, or a dead-letter queue."""
        topic = self._topics.get(path.lower())
        if topic is not None:
            return topic
        queue = self.source(path)
        if queue.dead_letters is None:
            raise not_found(path)
        return queue

    def entity(self, path: str) -> Queue | Topic:
        """Anything of this name. Raises Refusal for an unknown one."""
        return self._topics.get(path.lower()) or self.source(path)

    def dead_letters(self, path: str) -> list[DeadLetter]:
        """What lies in the dead-letter queue of a queue or subscription, oldest first."""
        dead = self.source(path).dead_letters
        found = []
        for message in dead.shelf.peek(0, len(dead.shelf), None) if dead else []:
            why = message.application_properties
            letter = DeadLetter(
                str(message.message_id or ""),
                str(why.get(REASON, "")),
                str(why.get(DESCRIPTION, "")),
                message.content,
            )
            found.append(letter)
        return found
