"""What can be asked of an entity beside sending and receiving.

Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from local.servicebus.decoder import DecodeError
from local.servicebus.message import Message
from local.servicebus.primitives import Array, Int, Kind, Timestamp
from local.servicebus.queue import Queue
from local.servicebus.refusal import argument, not_implemented
from local.servicebus.sessions import Session, SessionQueue
from local.servicebus.settlement import settle_by_name
from local.servicebus.topic import Topic

Answer = tuple[int, Mapping[str, Any]]
T = TypeVar("T")

_OK, _NO_CONTENT = 200, 204
_RECEIVE_AND_DELETE = 0
_MANY = 100


class Arguments:
    """The map a request carries. Every getter raises Refusal for what is not as it should be."""

    def __init__(self, body: object) -> None:
        self.values: Mapping[Any, Any] = body if isinstance(body, dict) else {}

    def get(self, name: str, kind: type[T]) -> T:
        """One value."""
        value = self.values.get(name)
        if not isinstance(value, kind):
            raise argument(f"{name}: expected {kind.__name__}, found {type(value).__name__}")
        return value

    def each(self, name: str, kind: type[T]) -> list[T]:
        """A list of values of one type."""
        values = self.get(name, list)
        if not all(isinstance(value, kind) for value in values):
            raise argument(f"{name}: expected a list of {kind.__name__}")
        return values

    def optional_text(self, name: str) -> str | None:
        """Text, or none."""
        return None if self.values.get(name) is None else self.get(name, str)


def carry_out(entity: Queue | Topic, operation: str, body: object) -> Answer:
    """Status and body of the answer. Raises Refusal."""
    arguments = Arguments(body)
    if operation in _FOR_ALL:
        return _FOR_ALL[operation](entity, arguments)
    if operation in _FOR_QUEUES and isinstance(entity, Queue):
        return _FOR_QUEUES[operation](entity, arguments)
    if operation in _FOR_SESSIONS and isinstance(entity, SessionQueue):
        return _FOR_SESSIONS[operation](entity, arguments)
    raise not_implemented(f"the operation '{operation:.60}' on '{entity.name}'")


def _schedule(entity: Queue | Topic, arguments: Arguments) -> Answer:
    try:
        payloads = [entry.get("message") for entry in arguments.each("messages", dict)]
        messages = [Message.parse(bytes(payload or b"")) for payload in payloads]
    except (DecodeError, TypeError) as error:
        raise argument(f"messages: {error}") from error
    numbers = [entity.put(message) for message in messages]
    return _OK, {"sequence-numbers": Array(Kind.LONG, numbers)}


def _cancel(entity: Queue | Topic, arguments: Arguments) -> Answer:
    entity.cancel(arguments.each("sequence-numbers", int))
    return _OK, {}


def _renew(queue: Queue, arguments: Arguments) -> Answer:
    ends = [queue.renew(token) for token in arguments.each("lock-tokens", uuid.UUID)]
    return _OK, {"expirations": Array(Kind.TIMESTAMP, [int(end * 1000) for end in ends])}


def _peek(queue: Queue, arguments: Arguments) -> Answer:
    start, limit = arguments.get("from-sequence-number", int), arguments.get("message-count", int)
    found = queue.shelf.peek(start, limit, arguments.optional_text("session-id"))
    if not found:
        return _NO_CONTENT, {}
    return _OK, {"messages": [{"message": message.encode()} for message in found]}


def _receive_deferred(queue: Queue, arguments: Arguments) -> Answer:
    delete = arguments.values.get("receiver-settle-mode") == _RECEIVE_AND_DELETE
    numbers = arguments.each("sequence-numbers", int)
    found = []
    for message in queue.take_deferred(numbers, delete=delete):
        entry: dict[str, Any] = {"message": message.encode()}
        if message.token is not None:
            entry["lock-token"] = message.token
        found.append(entry)
    return _OK, {"messages": found}


def _settle(queue: Queue, arguments: Arguments) -> Answer:
    status = arguments.get("disposition-status", str)
    for token in arguments.each("lock-tokens", uuid.UUID):
        settle_by_name(queue, token, status, arguments.values)
    return _OK, {}


def _session(queue: SessionQueue, arguments: Arguments) -> Session:
    return queue.session(arguments.get("session-id", str))


def _renew_session(queue: SessionQueue, arguments: Arguments) -> Answer:
    end = queue.renew_session(arguments.get("session-id", str))
    return _OK, {"expiration": Timestamp(end * 1000)}


def _get_state(queue: SessionQueue, arguments: Arguments) -> Answer:
    return _OK, {"session-state": _session(queue, arguments).state}


def _set_state(queue: SessionQueue, arguments: Arguments) -> Answer:
    empty = arguments.values.get("session-state") is None
    _session(queue, arguments).state = None if empty else arguments.get("session-state", bytes)
    return _OK, {}


def _list_sessions(queue: SessionQueue, arguments: Arguments) -> Answer:
    skip = arguments.get("skip", int) if "skip" in arguments.values else 0
    limit = arguments.get("top", int) if "top" in arguments.values else _MANY
    ids = queue.session_ids()[skip : skip + limit]
    if not ids:
        return _NO_CONTENT, {}
    return _OK, {"skip": Int(skip + len(ids)), "sessions-ids": ids}


_FOR_ALL: dict[str, Callable[[Queue | Topic, Arguments], Answer]] = {
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
}
_FOR_QUEUES: dict[str, Callable[[Queue, Arguments], Answer]] = {
    "renew-lock": _renew,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive_deferred,
    "update-disposition": _settle,
}
_FOR_SESSIONS: dict[str, Callable[[SessionQueue, Arguments], Answer]] = {
    "renew-session-lock": _renew_session,
    "get-session-state": _get_state,
    "set-session-state": _set_state,
    "get-message-sessions": _list_sessions,
}
