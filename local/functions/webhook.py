"""The Event Grid webhook: handshakes, and events of both schemas for the function it names.

Source: Microsoft.Azure.WebJobs.Extensions.EventGrid, HttpRequestProcessor; for the handshake of
CloudEvents: HTTP 1.1 Web Hooks for Event Delivery, section 4.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from local.functions import keys as function_keys
from local.functions import payloads
from local.functions.app import App
from local.functions.http import read_body
from local.functions.index import Function, TriggerKind
from local.functions.keys import Keys

PATH = "/runtime/webhooks/eventgrid"
_CLOUD_EVENTS = ("application/cloudevents+json", "application/cloudevents-batch+json")


class EventGridWebhook:
    """The Event Grid functions of an app, by name."""

    def __init__(self, app: App, keys: Keys) -> None:
        self._functions = {
            function.name: function for function in app.of_kind(TriggerKind.EVENT_GRID)
        }
        self._app = app
        self._keys = keys

    async def answer(self, request: web.Request) -> web.Response:
        """202 once every event was handled; 500 when one failed, so that all are delivered again.

        401 without the system key, 404 for a function that is not there, 400 for what is no event.
        A CloudEvents content type is enough to be taken for a notification; Event Grid itself
        always sends `aeg-event-type` too.
        """
        if not self._keys.allow_event_grid(function_keys.presented(request.headers, request.query)):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self._functions.get(name)
        if function is None:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _allow_origin(request)
        if request.method != "POST":
            return web.Response(status=400)
        return await self._deliver(function, request)

    async def _deliver(self, function: Function, request: web.Request) -> web.Response:
        kind = request.headers.get("aeg-event-type", "").lower()
        if kind == "unsubscribe":
            return web.Response(status=202)
        try:
            events = _events(await read_body(request))
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        if kind == "subscriptionvalidation":
            return _confirm(events)
        if kind == "notification" or request.content_type in _CLOUD_EVENTS:
            return await self._notify(function, events)
        return web.Response(status=400)

    async def _notify(self, function: Function, events: Sequence[dict[str, Any]]) -> web.Response:
        done = await asyncio.gather(
            *(
                self._app.succeeds(function, payloads.event_grid(event, function.data_type))
                for event in events
            )
        )
        return web.Response(status=202 if all(done) else 500)


def _events(body: bytes) -> list[dict[str, Any]]:
    """One event or an array of them; ValueError for anything else."""
    document = json.loads(body)
    events = document if isinstance(document, list) else [document]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("event: expected a JSON object, found something else")
    return events


def _confirm(events: Sequence[dict[str, Any]]) -> web.Response:
    data = events[0].get("data") if events else None
    if not isinstance(data, dict) or "validationCode" not in data:
        return web.Response(
            status=400, text="validation event: expected a validationCode, found none"
        )
    return web.json_response({"validationResponse": data["validationCode"]})


def _allow_origin(request: web.Request) -> web.Response:
    origin = request.headers.get("WebHook-Request-Origin")
    if origin is None:
        return web.Response(status=400)
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
