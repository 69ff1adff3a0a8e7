"""Service Bus triggers: receive under a lock, run the function, then complete or abandon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from local.functions import payloads
from local.functions.app import App
from local.functions.index import Function
from local.functions.settings import HostConfig

log = logging.getLogger("local.functions")

# How long one receive waits: also how long an idle listener takes to notice that it should stop.
_RECEIVE_SECONDS = 0.5
_SHORTEST_RENEWAL_SECONDS = 0.2
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0


class QueueListener:
    """Feeds one function from its queue."""

    def __init__(
        self, app: App, function: Function, connection_string: str, config: HostConfig
    ) -> None:
        self._app = app
        self._function = function
        self._connection_string = connection_string
        self._max_lock_renewal = config.max_lock_renewal
        self._slots = asyncio.Semaphore(config.max_concurrent_calls)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Listen until `stopping`, then until the messages being handled are settled.

        A receiver that dies, for whatever reason, is replaced: the broker restarts, the network
        fails, and the functions must not stay deaf for it. The pauses between attempts double up to
        5 s.
        """
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not stopping.is_set():
            try:
                async with (
                    self._client() as client,
                    client.get_queue_receiver(self._queue) as receiver,
                ):
                    pause_seconds = _FIRST_PAUSE_SECONDS
                    await self._listen(receiver, stopping)
            except Exception as error:
                log.warning(
                    "listener rebuilt queue=%s error=%s: %s",
                    self._queue,
                    type(error).__name__,
                    error,
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    @property
    def _queue(self) -> str:
        return str(self._function.trigger["queueName"])

    def _client(self) -> ServiceBusClient:
        return ServiceBusClient.from_connection_string(self._connection_string, retry_total=1)

    async def _listen(self, receiver: ServiceBusReceiver, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            async with self._slots:
                # One at a time: a batch would keep early messages waiting for late ones.
                messages = await receiver.receive_messages(1, _RECEIVE_SECONDS)
            for message in messages:
                await self._slots.acquire()
                task = asyncio.create_task(self._handle(receiver, message))
                self._running.add(task)
                task.add_done_callback(self._finished)
        if self._running:
            await asyncio.wait(self._running)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _handle(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage
    ) -> None:
        invocation = payloads.service_bus(message, self._function.data_type)
        call = asyncio.create_task(self._app.succeeds(self._function, invocation))
        await self._hold_lock(receiver, message, call)
        try:
            if call.result():
                await receiver.complete_message(message)
            else:
                await receiver.abandon_message(message)
        except (ServiceBusError, ValueError) as error:
            # The lock is lost or the link is gone: the message comes again, as it would in Azure.
            log.warning("message not settled %s error=%s", self._named(message), error)

    async def _hold_lock(
        self,
        receiver: ServiceBusReceiver,
        message: ServiceBusReceivedMessage,
        call: asyncio.Task[bool],
    ) -> None:
        """Wait for the end of `call`, renewing the lock whenever half of it has passed.

        Ours instead of the SDK's AutoLockRenewer, which lets a lock of 2 s expire: it sleeps whole
        seconds, and rounds down before it takes three quarters (azure-servicebus 7.15.0).
        """
        renew_until = _now() + self._max_lock_renewal
        while not call.done():
            left_seconds = (_lock_end(message) - _now()).total_seconds()
            if left_seconds <= 0 or _now() >= renew_until:
                await asyncio.wait({call})
                return
            await asyncio.wait({call}, timeout=max(left_seconds / 2, _SHORTEST_RENEWAL_SECONDS))
            if not call.done():
                await self._renew(receiver, message)

    async def _renew(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage
    ) -> None:
        try:
            await receiver.renew_message_lock(message)
        except (ServiceBusError, ValueError) as error:
            # Tried again for as long as the lock lasts; the function is never interrupted.
            log.warning("lock not renewed %s error=%s", self._named(message), error)

    def _named(self, message: ServiceBusReceivedMessage) -> str:
        return f"queue={self._queue} id={message.message_id}"


def _lock_end(message: ServiceBusReceivedMessage) -> datetime:
    return message.locked_until_utc or datetime.max.replace(tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)
