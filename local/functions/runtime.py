"""The real Python runtime of Azure Functions, driven in this process.

azure-functions-runtime is the library that Azure runs on Python 3.13 and later. It takes the
protobuf module of its gRPC channel as an argument, so plain objects that look like its messages are
enough to drive it.
Source: azure-functions-runtime 1.3.0, handle_event.py (worker_init_request, invocation_request).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

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


class _Message:
    """Looks like any protobuf message: unset fields read as empty."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        # The runtime probes messages for nested types (`.TypedData`) and expects them to be absent.
        if name.startswith("__") or name[0].isupper():
            raise AttributeError(name)
        return ""


class _TypedData(_Message):
    """A oneof: exactly one field is set."""

    def WhichOneof(self, _group: str) -> str | None:
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class _ParameterBinding(_Message):
    def WhichOneof(self, _group: str) -> str:
        return "data"


class _StatusResult(_Message):
    Failure, Success, Cancelled = 0, 1, 2


_DIRECTIONS = {"in": 0, "out": 1, "inout": 2}
_DATA_TYPES = {"undefined": 0, "string": 1, "binary": 2, "stream": 3}
_BindingInfo = type("_BindingInfo", (_Message,), {**_DIRECTIONS, **_DATA_TYPES})

_PROTOS = SimpleNamespace(
    TypedData=_TypedData,
    ParameterBinding=_ParameterBinding,
    StatusResult=_StatusResult,
    BindingInfo=_BindingInfo,
    WorkerInitResponse=_Message,
    WorkerMetadata=_Message,
    FunctionMetadataResponse=_Message,
    RpcFunctionMetadata=_Message,
    RpcRetryOptions=_Message,
    RpcException=_Message,
    RpcHttp=_Message,
    InvocationResponse=_Message,
)


class RuntimeInvoker:
    """Invokes through azure-functions-runtime. Its registry is a global: one app per process."""

    def __init__(self) -> None:
        self._functions: dict[str, Any] = {}
        self._parameters: dict[str, str] = {}

    async def index(self, app_dir: Path) -> Sequence[Declaration]:
        """See Invoker.index."""
        sys.path.insert(0, str(app_dir))
        runtime.start_threadpool_executor()
        request = _Message(capabilities={}, function_app_directory=str(app_dir))
        answer = await runtime.worker_init_request(_request(worker_init_request=request))
        if answer.result.status != _StatusResult.Success:
            raise _refusal(app_dir, answer.result.exception)
        answer = await runtime.functions_metadata_request(
            _request(functions_metadata_request=_Message())
        )
        found = answer.function_metadata_results
        if found is None:
            raise FunctionAppError(
                f"function app: expected {app_dir / 'function_app.py'}, found none"
            )
        self._functions = {function.name: function for function in found}
        self._parameters = {function.name: _trigger_parameter(function) for function in found}
        return [Declaration(function.name, tuple(function.raw_bindings)) for function in found]

    async def invoke(self, name: str, invocation: Invocation) -> Answer:
        """See Invoker.invoke."""
        argument = _ParameterBinding(name=self._parameters[name], data=_typed(invocation.payload))
        request = _Message(
            invocation_id=invocation.id,
            function_id=self._functions[name].function_id,
            trigger_metadata={key: _typed(value) for key, value in invocation.metadata.items()},
            input_data=[argument],
            trace_context=_Message(trace_parent="", trace_state="", attributes={}),
            retry_context=_Message(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await runtime.invocation_request(_request(invocation_request=request))
        if answer.result.status != _StatusResult.Success:
            raise InvocationError(
                answer.result.exception.message, answer.result.exception.stack_trace
            )
        return _answer(answer.return_value)

    def close(self) -> None:
        """See Invoker.close."""
        runtime.stop_threadpool_executor()


def _request(**message: _Message) -> SimpleNamespace:
    return SimpleNamespace(
        request=_Message(**message), properties={"host": "127.0.0.1", "protos": _PROTOS}
    )


def _refusal(app_dir: Path, exception: Any) -> FunctionAppError:
    return FunctionAppError(
        f"function app in {app_dir}: expected to be indexed, found {exception.message}",
        "in Azure this app would have no functions at all",
    )


def _trigger_parameter(function: Any) -> str:
    names = [
        name for name, binding in function.bindings.items() if binding.type.endswith("Trigger")
    ]
    return names[0] if names else ""


def _typed(payload: Payload) -> _TypedData:
    match payload:
        case Text(text):
            return _TypedData(string=text)
        case Binary(data):
            return _TypedData(bytes=data)
        case Json(document):
            return _TypedData(json=document)
        case HttpRequest():
            return _TypedData(
                http=_Message(
                    method=payload.method,
                    url=payload.url,
                    headers=payload.headers,
                    params=payload.params,
                    query=payload.query,
                    body=_TypedData(bytes=payload.body),
                )
            )


def _answer(data: Any) -> Answer:
    kind = data.WhichOneof("data") if data else None
    if kind == "http":
        if data.http.cookies:
            raise InvocationError(
                "answer: expected no cookies, which the local host does not carry, found some"
            )
        body = _answer(data.http.body)
        content = body.value if isinstance(body, Binary) else b""
        return HttpResponse(int(data.http.status_code), dict(data.http.headers), content)
    return _value(kind, data)


def _value(kind: str | None, data: Any) -> Value | None:
    match kind:
        case "string":
            return Text(data.string)
        case "bytes":
            return Binary(data.bytes)
        case "json":
            return Json(data.json)
        case _:
            return None
