"""A Service Bus namespace on this machine, on a thread of its own: the face of the package."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Self, TypeVar

from local.part import Part
from local.servicebus.broker import Broker
from local.servicebus.config import Counts, DeadLetter
from local.servicebus.listener import Listener

T = TypeVar("T")

_PATIENCE_SECONDS = 30.0
_ANY_KEY = {"RootManageSharedAccessKey": "SAS_KEY_VALUE"}


class ServiceBus(Part):
    """`with ServiceBus(broker) as bus:` the azure-servicebus SDK connects to `connection_string`.

    Every method may be called from any thread but the bus's own.

    `keys` (name to key) turns the check of signatures on; without, every token is welcome.
    `idle_seconds` is how long a client may be silent, `link_idle_seconds` how long a link to an
    entity may be without traffic; Azure's are the defaults.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keys: Mapping[str, str] | None = None,
        idle_seconds: float = 240.0,
        link_idle_seconds: float = 600.0,
    ) -> None:
        self.broker = broker
        self.host = host
        self.port = port
        self._keys = dict(keys or {})
        self._idle = (idle_seconds, link_idle_seconds)
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="servicebus", daemon=True)

    def start(self) -> Self:
        """Listen. Raises OSError if the port is taken."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Cut all connections, store what is left to store, and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @property
    def connection_string(self) -> str:
        """For `ServiceBusClient.from_connection_string`; no TLS, and the port counts."""
        name, key = next(iter((self._keys or _ANY_KEY).items()))
        endpoint = f"Endpoint=sb://{self.host}:{self.port}"
        access = f"SharedAccessKeyName={name};SharedAccessKey={key}"
        return f"{endpoint};{access};UseDevelopmentEmulator=true;"

    @property
    def operations(self) -> dict[str, int]:
        """How often each operation was asked for over `$management` and `$cbs`, by name."""
        return self._call(lambda: dict(self._listener.operations))

    def counts(self, queue: str) -> Counts:
        """Messages of a queue or subscription (`topic/Subscriptions/name`) by state."""
        return self._call(lambda: self.broker.source(queue).counts())

    def dead_letters(self, queue: str) -> list[DeadLetter]:
        """(message_id, reason, description, body) of each dead letter, oldest first."""
        return self._call(lambda: self.broker.dead_letters(queue))

    def wait_for(
        self, queue: str, condition: Callable[[Counts], bool], timeout_seconds: float = 10.0
    ) -> Counts:
        """The counts of the queue as soon as the condition holds. Raises TimeoutError."""
        waiting = self._wait_for(queue, condition, timeout_seconds)
        return self._run(waiting, timeout_seconds + _PATIENCE_SECONDS)

    def advance(self, seconds: float) -> None:
        """Let time pass at once for the broker: locks, schedules, times to live, idle links.

        The clients' clocks stay where they are.
        """
        self._call(lambda: self.broker.clock.advance(seconds))

    # Faults

    def drop_connections(self) -> int:
        """Cut all connections; how many there were. Clients may connect again at once."""
        return self._call(lambda: self._listener.drop_connections())

    def freeze(self) -> None:
        """Hang: sockets stay open, nothing is read or written. Locks go on expiring."""
        self._call(lambda: self._listener.freeze())

    def thaw(self) -> None:
        """Go on where `freeze` stopped."""
        self._call(lambda: self._listener.thaw())

    def stop_listening(self) -> None:
        """Cut all connections and refuse new ones, until `listen_again`."""
        self._run(self._listener.stop_listening())

    def listen_again(self) -> None:
        """Accept connections again, on the same port."""
        self._run(self._listener.listen(self.host, self.port))

    def let_locks_die_with_connection(self) -> None:
        """From now on a lost connection loses its locks; Azure reserves the right to."""
        self._call(lambda: setattr(self._listener, "locks_die_with_connection", True))

    # The thread

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # carried to the thread that waits for this one
            self._failure = error
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._changed = asyncio.Event(), asyncio.Event()
        self._listener = Listener(self.broker, self._keys, *self._idle)
        self.broker.around.on_change = self._changed.set
        try:
            self.port = await self._listener.listen(self.host, self.port)
            self.broker.clock.start(self._loop)
            self._listener.watch_links()
            self._started.set()
            await self._stop.wait()
            await self._listener.stop_listening()
        finally:
            self._listener.close()
            self.broker.clock.stop()
            self.broker.store.close()

    async def _wait_for(
        self, queue: str, condition: Callable[[Counts], bool], timeout_seconds: float
    ) -> Counts:
        async with asyncio.timeout(timeout_seconds):
            while not condition(counts := self.broker.source(queue).counts()):
                self._changed.clear()
                await self._changed.wait()
        return counts

    def _call(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return self._run(run())

    def _run(self, work: Coroutine[Any, Any, T], patience: float = _PATIENCE_SECONDS) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(patience)
