"""Which link an attach asks for, and whether it may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.servicebus.frames import Attach
from local.servicebus.links import ConsumerLink, Link, ProducerLink, ReplyLink
from local.servicebus.refusal import Refusal
from local.servicebus.requests import CBS, MANAGEMENT, RequestLink
from local.servicebus.session_link import FILTER, SessionLink
from local.servicebus.sessions import SessionQueue

if TYPE_CHECKING:
    from local.servicebus.channel import Channel


def link_for(channel: Channel, request: Attach) -> Link:
    """The link, not yet open. Raises Refusal for an unknown node or one not allowed."""
    node = request.source_address if request.peer_receives else request.target_address
    is_control = node.lower() == CBS or node.lower().endswith(MANAGEMENT)
    if is_control and node.lower() != CBS:
        channel.broker.entity(node[: -len(MANAGEMENT)])
    if is_control:
        kind = ReplyLink if request.peer_receives else RequestLink
        return kind(channel, request, node)
    channel.claims.check(node)
    if not request.peer_receives:
        return ProducerLink(channel, request, node, channel.broker.destination(node))
    return _receiver(channel, request, node)


def _receiver(channel: Channel, request: Attach, node: str) -> Link:
    queue = channel.broker.source(node)
    wants_session = FILTER in request.source_filters
    if isinstance(queue, SessionQueue):
        if not wants_session:
            text = f"'{node}' requires sessions; a receiver without one cannot be created on it."
            raise Refusal("amqp:not-allowed", text)
        return SessionLink(channel, request, node, queue)
    if wants_session:
        text = f"'{node}' does not require sessions; a sessionful receiver cannot be created on it."
        raise Refusal("amqp:not-allowed", text)
    return ConsumerLink(channel, request, node, queue)
