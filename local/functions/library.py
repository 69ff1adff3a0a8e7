"""The azure-functions library alone: for Python 3.11 and 3.12, which the real runtime excludes."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

from local.functions import checks
from local.functions.checks import Signature
from local.functions.errors import FunctionAppError, InvocationError
from local.functions.index import Declaration
from local.functions.payloads import (
    Answer,
    Binary,
    HttpRequest,
    HttpResponse,
    Invocation,
    Json,
    Payload,
    Text,
    Value,
)


class LibraryInvoker:
    """Invokes through the converters of azure-functions; synchronous functions run in threads."""

    def __init__(self) -> None:
        self._functions: dict[str, Signature] = {}
        self._threads = ThreadPoolExecutor(thread_name_prefix="function")

    async def index(self, app_dir: Path) -> Sequence[Declaration]:
        """See Invoker.index."""
        if not (app_dir / "function_app.py").exists():
            raise FunctionAppError(
                f"function app: expected {app_dir / 'function_app.py'}, found none"
            )
        sys.path.insert(0, str(app_dir))
        try:
            app = checks.only_app(importlib.import_module("function_app"))
            declared = app.get_functions()  # once per app: the library refuses the second call
            self._functions = {one.get_function_name(): checks.signature(one) for one in declared}
        except FunctionAppError:
            raise
        except Exception as error:  # the app's own code runs here, so it can be anything
            found = f"{type(error).__name__}: {error}"
            whose = f"function app in {app_dir}: expected to be indexed"
            raise checks.refusal(whose, found) from error
        return [
            Declaration(one.get_function_name(), tuple(one.get_raw_bindings())) for one in declared
        ]

    async def invoke(self, name: str, invocation: Invocation) -> Answer:
        """See Invoker.invoke."""
        function = self._functions[name]
        try:
            result = await self._call(function, _arguments(function, invocation))
            return _encoded(function, result)
        except Exception as error:  # whatever the app raises is the outcome of the invocation
            raise InvocationError(
                f"{type(error).__name__}: {error}", traceback.format_exc()
            ) from error

    def close(self) -> None:
        """See Invoker.close."""
        self._threads.shutdown()

    async def _call(self, function: Signature, arguments: Mapping[str, Any]) -> Any:
        if inspect.iscoroutinefunction(function.call):
            return await function.call(**arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function.call(**arguments))


class _Context(func.Context):
    """What a function that asks for `context` gets."""

    _local = threading.local()

    def __init__(self, function: Signature, invocation_id: str) -> None:
        self._function = function
        self._invocation_id = invocation_id

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def function_name(self) -> str:
        return self._function.name

    @property
    def function_directory(self) -> str:
        return self._function.directory

    @property
    def thread_local_storage(self) -> Any:
        return self._local

    @property
    def trace_context(self) -> Any:
        return SimpleNamespace(trace_parent="", trace_state="", attributes={})

    @property
    def retry_context(self) -> Any:
        return SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


def _arguments(function: Signature, invocation: Invocation) -> dict[str, Any]:
    if function.raw and not isinstance(invocation.payload, HttpRequest):
        value: Any = invocation.payload.value
    else:
        metadata = {name: _datum(of) for name, of in invocation.metadata.items()}
        value = checks.converter(function.trigger_type).decode(
            _datum(invocation.payload), trigger_metadata=metadata
        )
    arguments = {function.parameter: value}
    if function.wants_context:
        arguments["context"] = _Context(function, invocation.id)
    return arguments


def _encoded(function: Signature, result: Any) -> Answer:
    if not function.return_type:
        if result is not None:
            raise RuntimeError(
                f"function {function.name!r} without a $return binding returned a non-None value"
            )
        return None
    datum = checks.converter(function.return_type).encode(result, expected_type=None)
    return _answer(datum)


def _datum(payload: Payload) -> Datum:
    match payload:
        case Text(text):
            return Datum(text, "string")
        case Binary(data):
            return Datum(data, "bytes")
        case Json(document):
            return Datum(document, "json")
        case HttpRequest():
            fields = {
                "method": Datum(payload.method, "string"),
                "url": Datum(payload.url, "string"),
                "headers": _strings(payload.headers),
                "query": _strings(payload.query),
                "params": _strings(payload.params),
                "body": Datum(payload.body, "bytes"),
            }
            return Datum(fields, "http")


def _strings(of: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in of.items()}


def _answer(datum: Any) -> HttpResponse | Value | None:
    if datum.type == "http":
        headers = {name: value.value for name, value in datum.value["headers"].items()}
        if datum.value.get("cookies"):
            raise ValueError(
                "answer: expected no cookies, which the local host does not carry, found some"
            )
        return HttpResponse(
            int(datum.value["status_code"].value), headers, datum.value["body"].value
        )
    if datum.type == "bytes":
        return Binary(datum.value)
    return Text(datum.value) if datum.type == "string" else None
