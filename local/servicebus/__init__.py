"""An AMQP 1.0 broker with the semantics of Azure Service Bus, for development and tests.

The unmodified azure-servicebus SDK talks to it. It has no transactions, auto-forwarding, SQL
filters, quotas or TLS.

    broker = Broker()
    broker.create_queue("tasks", QueueConfig(lock_seconds=5, max_delivery_count=3))
    with ServiceBus(broker) as bus:
        ServiceBusClient.from_connection_string(bus.connection_string)

Layers: primitives, decoder, encoder, frames (bytes) · message, shelf, queue, sessions, topic,
broker (semantics, no network) · links, channel, connection, listener, server (network).
"""

from local.servicebus.broker import Broker
from local.servicebus.clock import Clock
from local.servicebus.config import Counts, DeadLetter, QueueConfig
from local.servicebus.server import ServiceBus
from local.servicebus.topic import CorrelationFilter

__all__ = [
    "Broker",
    "Clock",
    "CorrelationFilter",
    "Counts",
    "DeadLetter",
    "QueueConfig",
    "ServiceBus",
]
