"""Requests over `$cbs` and `<entity>/$management`, and their answers.

A request is a message; its answer goes out on the receiving link that the same AMQP session has
to the same node, correlated by message id.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.servicebus import management
from local.servicebus.decoder import decode
from local.servicebus.encoder import encode, section
from local.servicebus.frames import Attach, path_of
from local.servicebus.links import CONTROL_BYTES, IncomingLink, ReplyLink
from local.servicebus.message import APPLICATION, PROPERTIES, VALUE
from local.servicebus.primitives import Described, Int, Raw, Symbol, ULong
from local.servicebus.refusal import Refusal

if TYPE_CHECKING:
    from local.servicebus.channel import Channel

CBS = "$cbs"
MANAGEMENT = "/$management"
_CORRELATION_FIELD = 5


@dataclass(slots=True)
class Request:
    """What is asked: the operation, its arguments, and where the answer goes."""

    message_id: Any = None
    reply_to: str = ""
    application: dict[Any, Any] = field(default_factory=dict)
    body: Any = None

    @classmethod
    def parse(cls, payload: bytes) -> Request:
        """The request in a message. Raises DecodeError."""
        request, position = cls(), 0
        while position < len(payload):
            part, position = decode(payload, position)
            match part:
                case Described(descriptor=0x73, value=list(fields)):
                    padded = [*fields, *[None] * 5]
                    request.message_id, request.reply_to = padded[0], path_of(padded[4])
                case Described(descriptor=0x74, value=dict(application)):
                    request.application = application
                case Described(descriptor=0x77, value=body):
                    request.body = body
        return request

    @property
    def operation(self) -> str:
        """Its name, without the vendor's prefix."""
        return str(self.application.get("operation", "")).removeprefix("com.microsoft:")


@dataclass(frozen=True, slots=True)
class _Naming:
    """The two kinds of nodes spell the keys of an answer in two ways."""

    status: str
    description: str
    condition: str


_CBS_NAMING = _Naming("status-code", "status-description", "error-condition")
_MANAGEMENT_NAMING = _Naming("statusCode", "statusDescription", "errorCondition")


class RequestLink(IncomingLink):
    """A client's requests to one node."""

    def __init__(self, channel: Channel, request: Attach, node: str) -> None:
        super().__init__(channel, request, node, CONTROL_BYTES)
        self._is_cbs = node.lower() == CBS

    def accept(self, payload: bytes, message_format: int) -> None:
        """Carry the request out and answer it. Raises DecodeError."""
        request = Request.parse(payload)
        self.channel.operations[request.operation] += 1
        naming = _CBS_NAMING if self._is_cbs else _MANAGEMENT_NAMING
        try:
            status, body = self._carry_out(request)
            said: dict[str, Any] = {naming.status: Int(status), naming.description: "OK"}
        except Refusal as refusal:
            body = None
            said = {naming.status: Int(refusal.status), naming.description: refusal.description}
            said[naming.condition] = Symbol(refusal.condition)
        link = self._way_back(request)
        if link is not None:
            link.answer(_answer(request.message_id, said, body))

    def _carry_out(self, request: Request) -> tuple[int, Mapping[str, Any] | None]:
        if self._is_cbs:
            self.channel.claims.put(request.application.get("name"), request.body)
            return 202, None
        path = self.node[: -len(MANAGEMENT)]
        self.channel.claims.check(path)
        entity = self.channel.broker.entity(path)
        return management.carry_out(entity, request.operation, request.body)

    def _way_back(self, request: Request) -> ReplyLink | None:
        """The link the answer goes out on: the one named, or the latest to this node."""
        links = [link for link in self.channel.links.values() if isinstance(link, ReplyLink)]
        links = [link for link in links if link.node.lower() == self.node.lower()]
        named = [link for link in links if link.request.target_address == request.reply_to]
        fitting = named or links
        return fitting[-1] if fitting else None


def _answer(message_id: object, said: Mapping[str, Any], body: Mapping[str, Any] | None) -> bytes:
    known = isinstance(message_id, str | bytes | uuid.UUID)
    correlation = Raw(encode(message_id)) if known else None
    if type(message_id) is int and message_id >= 0:
        correlation = Raw(encode(ULong(message_id)))
    properties = [*[None] * _CORRELATION_FIELD, correlation]
    parts = [section(PROPERTIES, properties), section(APPLICATION, dict(said))]
    return b"".join([*parts, section(VALUE, None if body is None else dict(body))])
