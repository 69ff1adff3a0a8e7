"""HTTP triggers: a request finds its function, shows its key, and gets the function's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from local.functions import keys as function_keys
from local.functions import routes
from local.functions.app import App
from local.functions.errors import InvocationError
from local.functions.index import Function, TriggerKind
from local.functions.keys import AuthLevel, Keys
from local.functions.payloads import (
    Answer,
    Binary,
    HttpRequest,
    HttpResponse,
    Invocation,
    Json,
    Text,
)

# Source: learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger, limits.
MAX_BODY_BYTES = 100 * 1024 * 1024


class HttpTriggers:
    """The HTTP functions of an app, by route."""

    def __init__(self, app: App, route_prefix: str, keys: Keys) -> None:
        found = [
            (routes.compile_route(_template(function), route_prefix), function)
            for function in app.of_kind(TriggerKind.HTTP)
        ]
        self._routes = sorted(found, key=lambda entry: entry[0].precedence)
        self._app = app
        self._keys = keys

    async def answer(self, request: web.Request) -> web.Response:
        """The answer of the function at this path and method, or of the host.

        404 also for a method that no function at this path takes (not 405), 401 without the right
        key, 413 (raised) above 100 MB, and 500 with an empty body when the function failed.
        Source: issue azure-functions-host#10098 (open) for 404.
        """
        found = self._find(request)
        if found is None:
            return web.Response(status=404)
        function, params = found
        level = AuthLevel(str(function.trigger.get("authLevel") or "FUNCTION").upper())
        if not self._keys.allow(level, function_keys.presented(request.headers, request.query)):
            return web.Response(status=401)
        payload = _payload(request, params, await read_body(request))
        try:
            return _response(await self._app.invoke(function, Invocation(payload)))
        except InvocationError:
            return web.Response(status=500)

    def _find(self, request: web.Request) -> tuple[Function, Mapping[str, str]] | None:
        path = routes.decode(request.rel_url.raw_path)
        for route, function in self._routes:
            params = route.match(path)
            if params is not None and _takes(function, request.method):
                return function, params
        return None


async def read_body(request: web.Request) -> bytes:
    """The whole body.

    Raises HTTPRequestEntityTooLarge above 100 MB, before reading where the size is announced.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
    return await request.read()


def _template(function: Function) -> str:
    return str(function.trigger.get("route") or function.name)


def _takes(function: Function, method: str) -> bool:
    methods: Sequence[object] = function.trigger.get("methods") or ()
    return not methods or method.upper() in {str(allowed).upper() for allowed in methods}


def _payload(request: web.Request, params: Mapping[str, str], body: bytes) -> HttpRequest:
    """The request as the host passes it on: lower-case header names, no empty query values."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    query = {key: ",".join(request.query.getall(key)) for key in request.query}
    return HttpRequest(
        method=request.method,
        url=str(request.url),
        headers=headers,
        query={key: value for key, value in query.items() if value},
        params=params,
        body=body,
    )


def _response(answer: Answer) -> web.Response:
    match answer:
        case HttpResponse(status, headers, body):
            return web.Response(status=status, headers=headers, body=body)
        case Text(text) | Json(text):
            return web.Response(text=text)
        case Binary(data):
            return web.Response(body=data)
        case None:
            return web.Response(status=204)
