"""Azure Service Bus: tickets and reports out; tickets in, one at a time, held while worked on."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from azure.core.exceptions import AzureError
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus import exceptions as foreign
from azure.servicebus.amqp import AmqpMessageBodyType

from restore import telemetry
from restore.adapters import azure_errors
from restore.adapters.credentials import credential
from restore.adapters.lock import LockKeeper
from restore.core.announcements import MEDIA_TYPE
from restore.core.messages import (
    EVENTS,
    POISON,
    REPORTS,
    TASKS,
    Report,
    Ticket,
    decode_ticket,
    encode_report,
    encode_ticket,
)
from restore.errors import (
    ConflictError,
    InputError,
    MessageError,
    NotFoundError,
    RestoreError,
    TransientError,
)
from restore.ports import Hold
from restore.settings import Connection

_SEND_SECONDS = 30.0
_COUNTED = 100
_TRACE = "traceparent"
_REASON_CHARACTERS = 4096  # Source: learn.microsoft.com, Service Bus dead-letter queues

_ACCESS_HINT = (
    "the identity needs the roles Azure Service Bus Data Sender and Data Receiver on the namespace "
    "(a new assignment takes up to ten minutes)"
)


class BusError(InputError):
    """The queue takes no messages, or not this one, until someone changes something."""

    code = "bus"


ERRORS: Mapping[type[Exception], type[RestoreError]] = {
    foreign.ServiceBusError: TransientError,
    foreign.ServiceBusConnectionError: TransientError,
    foreign.ServiceBusAuthenticationError: azure_errors.AccessError,
    foreign.ServiceBusAuthorizationError: azure_errors.AccessError,
    foreign.OperationTimeoutError: TransientError,
    foreign.MessageSizeExceededError: BusError,
    foreign.MessageAlreadySettled: ConflictError,
    foreign.MessageLockLostError: ConflictError,
    foreign.SessionLockLostError: ConflictError,
    foreign.MessageNotFoundError: ConflictError,
    foreign.MessagingEntityNotFoundError: NotFoundError,
    foreign.MessagingEntityDisabledError: BusError,
    foreign.MessagingEntityAlreadyExistsError: ConflictError,
    foreign.ServiceBusQuotaExceededError: TransientError,
    foreign.ServiceBusServerBusyError: TransientError,
    foreign.ServiceBusCommunicationError: TransientError,
    foreign.SessionCannotBeLockedError: TransientError,
    foreign.AutoLockRenewFailed: TransientError,
    foreign.AutoLockRenewTimeout: TransientError,
}

_HINTS: Mapping[type[RestoreError], str] = {
    azure_errors.AccessError: _ACCESS_HINT,
    BusError: "is the queue enabled, and as the deployment made it?",
    NotFoundError: "the deployment makes the queues; was the setting ServiceBusConnection changed?",
    TransientError: "Service Bus is busy or cannot be reached: tried again by itself",
}


def translate(exc: Exception, what: str) -> RestoreError:
    """Ours for `exc`; its own text may hold addresses and tokens, so its name must do."""
    ours = next((ERRORS[base] for base in type(exc).__mro__ if base in ERRORS), None)
    if ours is None:
        return azure_errors.translate(exc, what, _ACCESS_HINT)
    message = f"{what}: expected success, found {type(exc).__name__}"
    return ours(message, _HINTS.get(ours, ""))


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (AzureError, foreign.MessageAlreadySettled) as exc:
        raise translate(exc, what) from exc


class ServiceBus:
    """Both ends of the queues: what the control plane sends by, and workers take from.

    Senders are kept open, shared by the threads of the function app one at a time, and built anew
    after a failure. Receivers are closed as soon as they have received: one that stays open keeps
    asking, and takes messages that nobody works on.
    """

    def __init__(
        self, connection: Connection, counted_seconds: float = 15.0, events: str = EVENTS
    ) -> None:
        """A count of dead letters may be `counted_seconds` old: everybody may ask for it.

        `events` is the name of the topic.
        """
        self._connection = connection
        self._events = events
        self._counted_seconds = counted_seconds
        self._client: ServiceBusClient | None = None
        self._senders: dict[str, ServiceBusSender] = {}
        self._sending = threading.Lock()
        self._counting = threading.Lock()
        self._counts: Mapping[str, int] = {}
        self._counted_until = 0.0

    def close(self) -> None:
        with self._sending:
            self._drop_senders()

    def send_ticket(self, ticket: Ticket, not_before: datetime | None = None) -> None:
        self._send(TASKS, encode_ticket(ticket), ticket.message_id, not_before)

    def send_report(self, report: Report) -> None:
        self._send(REPORTS, encode_report(report), report.message_id)

    def set_aside(self, queue: str, body: bytes, why: RestoreError) -> None:
        message_id = hashlib.sha256(body).hexdigest()
        reason = why.message[:_REASON_CHARACTERS]
        about: dict[str | bytes, Any] = {"queue": queue, "code": why.code, "reason": reason}
        self._send(POISON, body, message_id, properties=about)

    def announce(self, restore_id: str, event: Mapping[str, Any]) -> None:
        body = json.dumps(event, ensure_ascii=False).encode(errors="replace")
        message = ServiceBusMessage(
            body,
            message_id=str(event["id"]),
            session_id=restore_id,
            subject=str(event["type"]),
            content_type=MEDIA_TYPE,
        )
        self._send_message(self._events, message, ServiceBusClient.get_topic_sender)

    def dead_letters(self) -> Mapping[str, int]:
        with self._counting:
            if time.monotonic() >= self._counted_until:
                self._counts = {queue: self._count(queue) for queue in (TASKS, REPORTS, POISON)}
                self._counted_until = time.monotonic() + self._counted_seconds
            return self._counts

    def _count(self, queue: str) -> int:
        """Without taking any. What was set aside is not dead: it lies in a queue of its own."""
        part = None if queue == POISON else ServiceBusSubQueue.DEAD_LETTER
        with (
            _translated(f"queue {queue}"),
            self._connect() as client,
            client.get_queue_receiver(queue, sub_queue=part) as receiver,
        ):
            return len(receiver.peek_messages(_COUNTED))

    @contextmanager
    def take(self, wait_seconds: float) -> Iterator[Hold | None]:
        with _translated(f"queue {TASKS}"):
            taken = self._receive(wait_seconds)
        if taken is None:
            yield None
            return
        ticket, message = taken
        if message.enqueued_time_utc is not None:
            age = datetime.now(UTC) - message.enqueued_time_utc
            telemetry.measure(telemetry.QUEUE_AGE, max(0.0, age.total_seconds()))
        hold = TicketHold(self._connect, ticket, message)
        try:
            yield hold
        finally:
            hold.release()

    def _send(
        self,
        queue: str,
        body: bytes,
        message_id: str,
        not_before: datetime | None = None,
        properties: Mapping[str | bytes, Any] | None = None,
    ) -> None:
        message = ServiceBusMessage(
            body,
            message_id=message_id,
            content_type="application/json",
            scheduled_enqueue_time_utc=not_before,
            application_properties={**(properties or {}), **_traced()},
        )
        self._send_message(queue, message, ServiceBusClient.get_queue_sender)

    def _send_message(
        self,
        name: str,
        message: ServiceBusMessage,
        sender: Callable[[ServiceBusClient, str], ServiceBusSender],
    ) -> None:
        """To the queue or topic of that name."""
        with self._sending, _translated(f"{name} of the bus"):
            try:
                if self._client is None:
                    self._client = self._connect()
                if name not in self._senders:
                    self._senders[name] = sender(self._client, name)
                self._senders[name].send_messages(message, timeout=_SEND_SECONDS)
            except BaseException:
                self._drop_senders()
                raise

    def _drop_senders(self) -> None:
        client, self._client = self._client, None
        self._senders.clear()
        if client is not None:
            client.close()  # with its senders

    def _receive(self, wait_seconds: float) -> tuple[Ticket, ServiceBusReceivedMessage] | None:
        """A ticket and the message it came in. What is no ticket is dead-lettered on the way."""
        end = time.monotonic() + wait_seconds
        with _receiver(self._connect) as receiver:
            while (left := end - time.monotonic()) > 0:
                received = receiver.receive_messages(max_message_count=1, max_wait_time=left)
                if not received:
                    return None  # early, too, where the SDK could not read what came
                if ticket := _ticket(receiver, received[0]):
                    return ticket, received[0]
        return None

    def _connect(self, **options: Any) -> ServiceBusClient:
        if self._connection.string:
            return ServiceBusClient.from_connection_string(self._connection.string, **options)
        identity = credential(self._connection.client_id)
        return ServiceBusClient(self._connection.endpoint, identity, **options)


@contextmanager
def _receiver(connect: Callable[..., ServiceBusClient]) -> Iterator[ServiceBusReceiver]:
    """A receiver on a connection of its own, closed by a thread of its own.

    The SDK waits up to a second in `close` for its keep-alive thread; a worker with small databases
    would spend most of its time there. Interpreter exit waits for the thread.
    """
    client = connect()
    try:
        yield client.get_queue_receiver(TASKS).__enter__()
    finally:
        threading.Thread(target=client.close, name="bus-closer").start()  # with its receiver


def _traced() -> dict[str | bytes, Any]:
    """Source: w3.org/TR/trace-context-amqp, the property `traceparent`."""
    trace = telemetry.here()
    return {_TRACE: trace} if trace else {}


def trace_of(properties: Mapping[str | bytes, Any] | None) -> str:
    """The span that a message with these application properties was sent in, or ""."""
    found = (properties or {}).get(_TRACE.encode()) or (properties or {}).get(_TRACE, "")
    return found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)


def _ticket(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> Ticket | None:
    try:
        if message.body_type is not AmqpMessageBodyType.DATA:
            raise MessageError(f"message body: expected bytes, found {message.body_type.value}")
        return decode_ticket(b"".join(message.body))
    except MessageError as exc:
        why = f"{exc.message}; {exc.hint}" if exc.hint else exc.message
        receiver.dead_letter_message(message, reason=exc.code, error_description=why)
        return None


class TicketHold:
    """A ticket in hand; the lock on its message is renewed until it is settled or let go."""

    def __init__(
        self,
        connect: Callable[..., ServiceBusClient],
        ticket: Ticket,
        message: ServiceBusReceivedMessage,
    ) -> None:
        self.ticket = ticket
        self.trace = trace_of(message.application_properties)
        self._connect = connect
        self._message = message
        # The keeper has a deadline to meet, so it rather tries again itself than wait for the SDK.
        self._keeper = LockKeeper(partial(connect, retry_total=0), TASKS, message)
        self._keeper.start()

    @property
    def lost(self) -> bool:
        """Whether a copy of the message may be with another worker by now. Changes nothing here."""
        return self._keeper.lost

    def complete(self) -> None:
        self._settle(ServiceBusReceiver.complete_message)

    def give_back(self) -> None:
        self._settle(ServiceBusReceiver.abandon_message)

    def refuse(self, code: str, reason: str) -> None:
        self._settle(
            partial(
                ServiceBusReceiver.dead_letter_message,
                reason=code,
                error_description=reason[:_REASON_CHARACTERS],
            )
        )

    def release(self) -> None:
        """Renew no more. Safe to repeat."""
        self._keeper.stop()

    def _settle(
        self, settle: Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], Any]
    ) -> None:
        """Through a fresh receiver: the one a message came by may be detached hours later.

        An answer of "lock lost" is no news: it also comes if the message was settled, and the
        answer to that got lost.
        Source: measured with azure-servicebus 7.15.0; it then settles by lock token.
        """
        self._keeper.stop()
        with (
            _translated(f"message {self.ticket.message_id}"),
            _receiver(self._connect) as receiver,
        ):
            try:
                settle(receiver, self._message)
            except (
                foreign.MessageLockLostError,
                foreign.MessageNotFoundError,
                foreign.MessageAlreadySettled,
            ):
                return
