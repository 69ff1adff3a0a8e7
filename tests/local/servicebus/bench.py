"""One scenario, written once, run over the synchronous SDK and over the asyncio one."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from pathlib import Path

import pytest
from azure.servicebus import AutoLockRenewer, ServiceBusClient, ServiceBusMessage
from azure.servicebus import aio as asynchronous

from local.servicebus import Broker, QueueConfig, ServiceBus

QUEUE = "restore-tasks"
# The SDK leaves sockets to the garbage collector when a connection is cut or refused.
THE_SDK_LEAKS = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Bench:
    """A bus, and clients of it that are closed in the end."""

    def __init__(self, *, is_asyncio: bool) -> None:
        self.is_asyncio = is_asyncio
        self._handlers = []
        self._clients = []
        self._buses = []
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)

    def bus(self, config: QueueConfig | None = None, **options) -> ServiceBus:
        """A running bus with one queue."""
        broker = Broker()
        broker.create_queue(QUEUE, config)
        return self.serve(broker, **options)

    def serve(self, broker: Broker, **options) -> ServiceBus:
        """A running bus."""
        bus = ServiceBus(broker, **options)
        bus.start()
        self._buses.append(bus)
        return bus

    def stop(self, bus: ServiceBus) -> None:
        """Let the bus end before the test does."""
        self._buses.remove(bus)
        bus.stop()

    async def do(self, action, *arguments, **options):
        """Call a method of the SDK, whichever it is."""
        if self.is_asyncio:
            result = action(*arguments, **options)
            return await result if inspect.isawaitable(result) else result
        return await asyncio.to_thread(action, *arguments, **options)

    async def open(self, handler):
        """Enter a sender or receiver; it is closed with the bench."""
        await self.do(handler.__aenter__ if self.is_asyncio else handler.__enter__)
        self._handlers.append(handler)
        return handler

    async def client(self, connection_string: str, **options):
        kind = asynchronous.ServiceBusClient if self.is_asyncio else ServiceBusClient
        options = {"retry_backoff_factor": 0.1} | options
        client = kind.from_connection_string(connection_string, **options)
        self._clients.append(client)
        return client

    async def connect(self, bus: ServiceBus, **options):
        """A client, and a sender to and a receiver of the queue."""
        client = await self.client(bus.connection_string, **options)
        handlers = await asyncio.gather(self.sender(client), self.receiver(client))
        return client, *handlers

    async def sender(self, client, queue: str = QUEUE):
        return await self.open(client.get_queue_sender(queue))

    async def receiver(self, client, queue: str = QUEUE, **options):
        return await self.open(client.get_queue_receiver(queue, **options))

    async def receive(self, receiver, count: int = 1, wait: float = 5):
        return await self.do(receiver.receive_messages, max_message_count=count, max_wait_time=wait)

    async def send(self, sender, *bodies: str, **options):
        await self.do(sender.send_messages, [ServiceBusMessage(b, **options) for b in bodies])

    def renewer(self, **options):
        return (asynchronous.AutoLockRenewer if self.is_asyncio else AutoLockRenewer)(**options)

    async def close(self) -> None:
        """Close what was opened, then end the buses."""
        try:
            for opened in (self._handlers, self._clients):
                await asyncio.gather(*[self.do(each.close) for each in opened])
        finally:
            for bus in list(self._buses):
                await asyncio.to_thread(self.stop, bus)
            self._folder.cleanup()


class Stage:
    """Runs the scenarios of a module, each over both SDKs, a few ahead of the test that asks.

    The SDK sleeps through most of a scenario: half a second to open a link, another to close it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._closing: list[asyncio.Task[None]] = []
        self._loop = loop
        self._turns = asyncio.Semaphore(4)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, item: pytest.Function) -> None:
        """Run the scenario of a test when its turn comes."""
        arguments = item.callspec.params if hasattr(item, "callspec") else {}
        self._tasks[item.nodeid] = self._loop.create_task(
            self._run(item.function.scenario, arguments)
        )

    def finish(self, nodeid: str) -> None:
        """Wait for the scenario of a test, and raise what it raised."""
        self._loop.run_until_complete(self._tasks[nodeid])

    async def finish_all(self) -> None:
        """Wait for what still runs, and for all closing; raise what closing raised."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await asyncio.gather(*self._closing)

    async def _run(self, test, arguments) -> None:
        async with self._turns:
            both = [self._over(Bench(is_asyncio=each), test, arguments) for each in (False, True)]
            outcomes = await asyncio.gather(*both, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _over(self, bench: Bench, test, arguments) -> None:
        try:
            await test(bench, **arguments)
        except Exception as error:
            error.add_note("over the asyncio SDK" if bench.is_asyncio else "over the sync SDK")
            raise
        finally:
            self._closing.append(asyncio.create_task(bench.close()))


def scenario(test):
    """Let a test be a coroutine over a bench."""

    def run(stage, request, **arguments):
        stage.finish(request.node.nodeid)

    parameters = list(inspect.signature(test).parameters.values())[1:]
    own = list(inspect.signature(run).parameters.values())[:2]
    run.__signature__ = inspect.Signature([*own, *parameters])
    run.__name__, run.__doc__, run.scenario = test.__name__, test.__doc__, test
    run.pytestmark = getattr(test, "pytestmark", [])
    return run
