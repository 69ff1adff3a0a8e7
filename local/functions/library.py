"""The azure-functions library alone: for Python 3.11 and 3.12, which the real runtime excludes.

The library checks almost nothing when it indexes an app. What the real runtime refuses is refused
here too, by the same rules, because in Azure one refused function leaves the whole app without any.
Source: azure-functions-runtime 1.3.0, functions.py (Registry) and loader.py (index_function_app).
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

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


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A function that passed the checks."""

    name: str
    call: Callable[..., Any]
    directory: str
    parameter: str
    trigger_type: str
    raw: bool  # annotated str or bytes: the value arrives as it is
    wants_context: bool
    return_type: str  # binding type of the result, empty when there is none


class LibraryInvoker:
    """Invokes through the converters of azure-functions; synchronous functions run in threads."""

    def __init__(self) -> None:
        self._functions: dict[str, _Indexed] = {}
        self._threads = ThreadPoolExecutor(thread_name_prefix="function")

    async def index(self, app_dir: Path) -> Sequence[Declaration]:
        """See Invoker.index."""
        if not (app_dir / "function_app.py").exists():
            raise FunctionAppError(
                f"function app: expected {app_dir / 'function_app.py'}, found none"
            )
        sys.path.insert(0, str(app_dir))
        try:
            # Once per app: the library refuses the second call.
            declared = _only_app(importlib.import_module("function_app")).get_functions()
            self._functions = {one.get_function_name(): _indexed(one) for one in declared}
        except FunctionAppError:
            raise
        except Exception as error:  # the app's own code runs here, so it can be anything
            found = f"{type(error).__name__}: {error}"
            whose = f"function app in {app_dir}: expected to be indexed"
            raise _refusal(whose, found) from error
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

    async def _call(self, function: _Indexed, arguments: Mapping[str, Any]) -> Any:
        if inspect.iscoroutinefunction(function.call):
            return await function.call(**arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function.call(**arguments))


class _Context(func.Context):
    """What a function that asks for `context` gets."""

    _local = threading.local()

    def __init__(self, function: _Indexed, invocation_id: str) -> None:
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


def _only_app(module: Any) -> Any:
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise _refusal("top-level function apps: expected 1", str(len(apps)))
    return apps[0]


def _indexed(declared: Any) -> _Indexed:
    """The function, checked as the real runtime checks it.

    Raises FunctionAppError on what that refuses: parameters that are not the bindings', annotations
    that do not fit.
    """
    name, call = declared.get_function_name(), declared.get_user_function()
    whose = f"function {name!r}"
    bound = {
        binding.name: binding for binding in declared.get_bindings() if binding.name != "$return"
    }
    returned = {binding.name: binding for binding in declared.get_bindings()}.get("$return")
    parameters = set(inspect.signature(call).parameters)
    annotations = typing.get_type_hints(call)
    wants_context = "context" in parameters and "context" not in bound
    if wants_context:
        parameters.remove("context")
        if getattr(annotations.get("context", func.Context), "__name__", "") != "Context":
            raise _refusal(
                f"context of {whose}: expected func.Context", repr(annotations["context"])
            )
    if parameters != set(bound):
        raise _refusal(f"parameters of {whose}: expected {sorted(bound)}", str(sorted(parameters)))
    for parameter, binding in bound.items():
        if parameter in annotations:
            _check_parameter(whose, parameter, binding, annotations[parameter])
    if returned is not None and "return" in annotations:
        _check_return(whose, returned.type, annotations["return"])
    trigger = declared.get_trigger()
    return _Indexed(
        name=name,
        call=call,
        directory=str(Path(inspect.getfile(call)).parent),
        parameter=trigger.name,
        trigger_type=trigger.type,
        raw=annotations.get(trigger.name) in (str, bytes),
        wants_context=wants_context,
        return_type=returned.type if returned is not None else "",
    )


def _check_parameter(whose: str, parameter: str, binding: Any, annotation: Any) -> None:
    what = f"parameter {parameter!r} of {whose}: expected a type that fits {binding.type}"
    if annotation in (str, bytes):
        return
    converter = _converter(binding.type)
    # Output bindings are refused later, by name: only the trigger's own type matters here.
    if binding.direction != 0 or converter is None:
        return
    if not isinstance(annotation, type) or not converter.check_input_type_annotation(annotation):
        raise _refusal(what, repr(annotation))


def _check_return(whose: str, binding_type: str, annotation: Any) -> None:
    converter = _converter(binding_type)
    fits = isinstance(annotation, type) and (
        converter is None or converter.check_output_type_annotation(annotation)
    )
    if not fits:
        raise _refusal(
            f"result of {whose}: expected a type that fits {binding_type}", repr(annotation)
        )


def _arguments(function: _Indexed, invocation: Invocation) -> dict[str, Any]:
    if function.raw and not isinstance(invocation.payload, HttpRequest):
        value: Any = invocation.payload.value
    else:
        metadata = {name: _datum(of) for name, of in invocation.metadata.items()}
        value = _converter(function.trigger_type).decode(
            _datum(invocation.payload), trigger_metadata=metadata
        )
    arguments = {function.parameter: value}
    if function.wants_context:
        arguments["context"] = _Context(function, invocation.id)
    return arguments


def _encoded(function: _Indexed, result: Any) -> Answer:
    if not function.return_type:
        if result is not None:
            raise RuntimeError(
                f"function {function.name!r} without a $return binding returned a non-None value"
            )
        return None
    datum = _converter(function.return_type).encode(result, expected_type=None)
    return _answer(datum)


def _converter(binding_type: str) -> Any:
    registry: Any = func.get_binding_registry()  # type: ignore[no-untyped-call]
    return registry.get(binding_type)


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


def _refusal(thing_and_expected: str, found: str) -> FunctionAppError:
    return FunctionAppError(
        f"{thing_and_expected}, found {found}", "in Azure this app would have no functions at all"
    )
