"""The listening socket and its connections, on the thread of one event loop; faults for tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from local.servicebus.broker import Broker
from local.servicebus.connection import Connection


class Listener:
    """Serves a broker on a port of the loopback interface."""

    def __init__(
        self,
        broker: Broker,
        keys: Mapping[str, str],
        idle_seconds: float,
        link_idle_seconds: float,
    ) -> None:
        self.broker = broker
        self.keys = keys
        self.idle_seconds = idle_seconds
        self.link_idle_seconds = link_idle_seconds
        self.locks_die_with_connection = False
        self.is_frozen = False
        self.connections: set[Connection] = set()
        self.operations: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._quiet = asyncio.Event()
        self._watches_links = True

    async def listen(self, host: str, port: int) -> int:
        """Accept connections; the port, which is a free one for 0."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port)
        self._server_port = int(self._server.sockets[0].getsockname()[1])
        return self._server_port

    async def stop_listening(self) -> None:
        """Accept no connection any more, and cut those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_connections()
        while self.connections:
            self._quiet.clear()
            await self._quiet.wait()

    def forget(self, connection: Connection) -> None:
        """The connection is lost."""
        self.connections.discard(connection)
        if not self.connections:
            self._quiet.set()

    def drop_connections(self) -> int:
        """Cut all connections; how many there were."""
        dropped = list(self.connections)
        for connection in dropped:
            connection.abort()
        return len(dropped)

    def freeze(self) -> None:
        """Hang: sockets stay open, nothing is read or written."""
        self.is_frozen = True
        for connection in self.connections:
            connection.freeze()

    def thaw(self) -> None:
        """Go on where it froze."""
        self.is_frozen = False
        for connection in self.connections:
            connection.thaw()

    def watch_links(self) -> None:
        """Detach idle links, now and again by the broker's clock."""
        if not self._watches_links:
            return
        clock = self.broker.clock
        for connection in list(self.connections):
            connection.detach_idle(clock.now() - self.link_idle_seconds)
        clock.at(clock.now() + self.link_idle_seconds / 4, self.watch_links)

    def close(self) -> None:
        """Let the clock of the broker forget this listener."""
        self._watches_links = False
