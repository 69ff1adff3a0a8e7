"""Service Bus triggers: receive under a lock, run the function, then complete or abandon."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from local.functions import payloads
from local.functions.app import App
from local.functions.index import Function
from local.functions.settings import HostConfig

log = logging.getLogger("local.functions")

# How long one receive waits: also how long an idle listener takes to notice that it should stop.
_RECEIVE_SECONDS = 0.5
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0


class QueueListener:
    """Feeds one function from its queue."""

    def __init__(
        self, app: App, function: Function, connection_string: str, config: HostConfig
    ) -> None:
        self._app = app
        self._function = function
        self._connection_string = connection_string
        self._renewal_seconds = config.max_lock_renewal.total_seconds()
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
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(stopping.wait(), pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    @property
    def _queue(self) -> str:
        return str(self._function.trigger["queueName"])

    def _client(self) -> ServiceBusClient:
        return ServiceBusClient.from_connection_string(self._connection_string, retry_total=1)

    async def _listen(self, receiver: ServiceBusReceiver, stopping: asyncio.Event) -> None:
        async with AutoLockRenewer() as renewer:
            while not stopping.is_set():
                async with self._slots:
                    # One at a time: a batch would keep early messages waiting for late ones.
                    messages = await receiver.receive_messages(1, _RECEIVE_SECONDS)
                for message in messages:
                    await self._start(receiver, renewer, message)
            if self._running:
                await asyncio.wait(self._running)

    async def _start(
        self,
        receiver: ServiceBusReceiver,
        renewer: AutoLockRenewer,
        message: ServiceBusReceivedMessage,
    ) -> None:
        await self._slots.acquire()
        if self._renewal_seconds > 0:
            renewer.register(receiver, message, max_lock_renewal_duration=self._renewal_seconds)
        task = asyncio.create_task(self._handle(receiver, message))
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _handle(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage
    ) -> None:
        done = await self._app.succeeds(
            self._function, payloads.service_bus(message, self._function.data_type)
        )
        try:
            if done:
                await receiver.complete_message(message)
            else:
                await receiver.abandon_message(message)
        except (ServiceBusError, ValueError) as error:
            # The lock is lost or the link is gone: the message comes again, as it would in Azure.
            log.warning(
                "message not settled queue=%s id=%s error=%s",
                self._queue,
                message.message_id,
                error,
            )
