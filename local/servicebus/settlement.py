"""What a receiver decided about a delivery, carried out on the queue.

The same decision comes as an outcome on the link, or by name over `$management`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from local.servicebus.frames import Disposition, Outcome
from local.servicebus.message import DESCRIPTION, REASON
from local.servicebus.primitives import Described
from local.servicebus.queue import Queue
from local.servicebus.refusal import argument


def settle(queue: Queue, token: uuid.UUID, disposition: Disposition) -> None:
    """Do what the outcome says. Raises Refusal if the lock is lost."""
    match disposition.outcome:
        case Outcome.ACCEPTED:
            queue.complete(token)
        case Outcome.REJECTED:
            _reject(queue, token, disposition.arguments)
        case Outcome.MODIFIED:
            _modify(queue, token, disposition.arguments)
        case _:  # released, or settled without an outcome
            queue.release(token)


def settle_by_name(queue: Queue, token: uuid.UUID, status: object, body: Mapping[Any, Any]) -> None:
    """Do what the `disposition-status` of a request says. Raises Refusal if the lock is lost."""
    properties = properties_in(body.get("properties-to-modify"))
    match status:
        case "completed":
            queue.complete(token)
        case "abandoned":
            queue.abandon(token, properties)
        case "defered":  # the protocol's own spelling
            queue.defer(token, properties)
        case "suspended":
            reason = _text(body.get("deadletter-reason"))
            description = _text(body.get("deadletter-description"))
            queue.dead_letter(token, reason, description, properties)
        case _:
            raise argument(f"disposition-status {status!r:.40}")


def properties_in(value: object) -> dict[str, Any]:
    """The map with its keys as plain text; empty if it is none.

    Raises Refusal for anything nested, which a property of an application must not be.
    """
    entries = value.items() if isinstance(value, dict) else ()
    if any(isinstance(item, list | dict | Described) for _, item in entries):
        raise argument("properties: expected simple types")
    return {str(key): item for key, item in entries}


def _reject(queue: Queue, token: uuid.UUID, arguments: list[Any]) -> None:
    """Rejected is to dead-letter; the reason travels in the info map of the error."""
    error = arguments[0] if arguments else None
    listed = isinstance(error, Described) and isinstance(error.value, list)
    fields = [*(error.value if isinstance(error, Described) and listed else []), None, None, None]
    info = properties_in(fields[2])
    reason = _text(info.pop(REASON, None))
    description = _text(info.pop(DESCRIPTION, None) or fields[1])
    queue.dead_letter(token, reason, description, info)


def _modify(queue: Queue, token: uuid.UUID, arguments: list[Any]) -> None:
    """Modified is to abandon, or to defer if the message is undeliverable here."""
    failed, elsewhere, properties = [*arguments, None, None, None][:3]
    if elsewhere:
        queue.defer(token, properties_in(properties))
    elif failed or failed is None:
        queue.abandon(token, properties_in(properties))
    else:
        queue.release(token)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
