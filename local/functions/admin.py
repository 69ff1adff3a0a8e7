"""The host's own API for its administrator (master key): run a function once, see what is there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.functions import keys as function_keys
from local.functions import payloads
from local.functions.app import App
from local.functions.http import read_body
from local.functions.index import Function, TriggerKind
from local.functions.keys import AuthLevel, Keys
from local.functions.payloads import Binary, Invocation, Text, Value
from local.functions.timers import Timer

PATH = "/admin/"
_RUN = re.compile(r"/admin/functions/([^/]+)/?", re.IGNORECASE)


class Admin:
    """Serves /admin/…; the shapes of its answers are those of Azure's host, shortened."""

    def __init__(self, app: App, timers: Mapping[str, Timer], keys: Keys) -> None:
        self._app = app
        self._timers = timers
        self._keys = keys
        self._started: set[asyncio.Task[Any]] = set()

    async def answer(self, request: web.Request) -> web.Response:
        """401 without the master key; 202 for a run that was started, whatever becomes of it."""
        if not self._keys.allow(
            AuthLevel.ADMIN, function_keys.presented(request.headers, request.query)
        ):
            return web.Response(status=401)
        run = _RUN.fullmatch(request.path)
        if run is not None and request.method == "POST":
            return await self._run(run[1], request)
        match request.method, request.path.lower().rstrip("/"):
            case "GET", "/admin/host/status":
                names = {
                    function.name: function.kind.value for function in self._app.functions.values()
                }
                return web.json_response({"id": "local", "state": "Running", "functions": names})
            case "GET", "/admin/functions":
                return web.json_response(
                    [_described(function) for function in self._app.functions.values()]
                )
            case _:
                return web.Response(status=404)

    async def _run(self, name: str, request: web.Request) -> web.Response:
        function = self._app.functions.get(name)
        if function is None:
            return web.Response(status=404)
        if function.kind is TriggerKind.HTTP:
            return web.Response(status=400, text="HTTP functions are called at their own route")
        try:
            given = _input(await read_body(request))
            work = (
                self._timers[name].fire() if name in self._timers else self._call(function, given)
            )
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        task = asyncio.create_task(work)
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        return web.Response(status=202)

    def _call(self, function: Function, given: str) -> Any:
        if function.kind is TriggerKind.EVENT_GRID:
            return self._app.succeeds(
                function, payloads.event_grid(json.loads(given), function.data_type)
            )
        body: Value = Binary(given.encode()) if function.data_type == "BINARY" else Text(given)
        metadata = {"UserProperties": payloads.value({})}
        return self._app.succeeds(function, Invocation(body, metadata))


def _input(body: bytes) -> str:
    """The `input` of the request's JSON object, as text; ValueError for any other body."""
    document = json.loads(body or b"{}")
    if not isinstance(document, dict):
        raise ValueError('body: expected {"input": ...}, found something else')
    given = document.get("input", "")
    return given if isinstance(given, str) else json.dumps(given)


def _described(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "isDisabled": False,
        "config": {"bindings": [dict(function.trigger)]},
    }
