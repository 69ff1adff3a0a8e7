"""What the broker says no with: an AMQP error condition, words, and a status for `$management`."""

from __future__ import annotations


class Refusal(Exception):
    """The broker will not do what the client asked.

    `condition` is the AMQP error condition the SDK maps to its exception class, `status` the
    HTTP-like code of an answer over `$management` or `$cbs`.
    """

    def __init__(self, condition: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description
        self.status = status


def not_found(what: str) -> Refusal:
    """No such queue, topic or subscription."""
    text = f"The messaging entity '{what}' could not be found."
    return Refusal("amqp:not-found", text, 404)


def message_not_found() -> Refusal:
    """No message with such a sequence number, or not in the state asked for."""
    text = "Failed to find one or more specified messages. The message does not exist."
    return Refusal("com.microsoft:message-not-found", text, 404)


def lock_lost() -> Refusal:
    """The lock token is unknown: expired, or the message is settled."""
    text = (
        "The lock supplied is invalid. Either the lock expired, or the message has already been"
        " removed from the queue."
    )
    return Refusal("com.microsoft:message-lock-lost", text, 410)


def session_lock_lost() -> Refusal:
    """The message session is no longer the receiver's."""
    text = "The session lock has expired on the session."
    return Refusal("com.microsoft:session-lock-lost", text, 410)


def too_large(size_bytes: int, limit_bytes: int) -> Refusal:
    """The message exceeds what its destination takes."""
    text = f"The received message (size {size_bytes}) exceeds the limit ({limit_bytes})."
    return Refusal("amqp:link:message-size-exceeded", text)


def argument(text: str) -> Refusal:
    """A request over `$management` lacks something, or has it in the wrong type."""
    return Refusal("com.microsoft:argument-error", text)


def unauthorized(text: str) -> Refusal:
    """The connection presented no valid token for what it wants."""
    return Refusal("amqp:unauthorized-access", text, 401)


def not_implemented(what: str) -> Refusal:
    """Azure can do this; this broker cannot."""
    return Refusal("amqp:not-implemented", f"{what} is not supported", 501)
