"""The host: one app, its triggers, one server on the loopback address."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from local.functions import admin, index, invoker, settings, webhook
from local.functions import timers as timer_triggers
from local.functions.admin import Admin
from local.functions.app import App
from local.functions.bus import QueueListener
from local.functions.errors import FunctionAppError
from local.functions.http import MAX_BODY_BYTES, HttpTriggers
from local.functions.index import TriggerKind
from local.functions.keys import Keys
from local.functions.webhook import EventGridWebhook


class Host:
    """A loaded app, ready to be started and stopped once each."""

    def __init__(
        self, app: App, config: settings.HostConfig, environment: Mapping[str, str], keys: Keys
    ) -> None:
        self.app = app
        self._timers = timer_triggers.timers(app)
        self._listeners = [
            QueueListener(app, function, environment[str(function.trigger["connection"])], config)
            for function in app.of_kind(TriggerKind.SERVICE_BUS)
        ]
        self._http = HttpTriggers(app, config.route_prefix, keys)
        self._webhook = EventGridWebhook(app, keys)
        self._admin = Admin(app, self._timers, keys)
        self._stopping = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    @classmethod
    async def load(cls, app_dir: Path, environment: Mapping[str, str], keys: Keys) -> Host:
        """The host of the app in `app_dir`; nothing listens yet.

        Raises FunctionAppError when the app cannot be served: it is said now, not at the first
        call.
        """
        config = settings.read_host_config(app_dir)
        python_side = invoker.choose()
        functions = index.functions(await python_side.index(app_dir), environment)
        return cls(App(functions, python_side), config, environment, keys)

    async def start(self, port: int) -> str:
        """Serve on 127.0.0.1 (`port` 0: a free one), start all triggers, and give the base URL.

        Raises FunctionAppError when the port is taken.
        """
        server = web.Application(client_max_size=MAX_BODY_BYTES)
        server.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            server, access_log=None, shutdown_timeout=0.5, auto_decompress=False
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        except OSError as error:
            raise FunctionAppError(f"port {port}: expected free, found {error.strerror}") from error
        for work in (
            *(timer.run(self._stopping) for timer in self._timers.values()),
            *(listener.run(self._stopping) for listener in self._listeners),
        ):
            self._background.append(asyncio.create_task(work))
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self, grace_seconds: float) -> bool:
        """Take nothing new, let what runs end, and close; whether all of it ended in time."""
        self._stopping.set()
        if self._runner is not None:
            for site in tuple(self._runner.sites):
                await site.stop()
        drained = await self.app.drain(grace_seconds)
        if self._background:
            _, unfinished = await asyncio.wait(self._background, timeout=grace_seconds)
            for task in unfinished:
                task.cancel()
            drained = drained and not unfinished
        if self._runner is not None:
            await self._runner.cleanup()
        return drained

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.lower()
        try:
            if path.startswith(admin.PATH):
                return await self._admin.answer(request)
            if path.rstrip("/") == webhook.PATH:
                return await self._webhook.answer(request)
            return await self._http.answer(request)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
