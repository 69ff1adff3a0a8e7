"""What the real runtime refuses when it indexes an app, for the library that checks almost nothing.

In Azure one refused function leaves the whole app without any.
Source: azure-functions-runtime 1.3.0, functions.py (Registry) and loader.py (index_function_app).
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.decorators.core import BindingDirection

from local.functions.errors import FunctionAppError


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that passed the checks, and how to call it."""

    name: str
    call: Callable[..., Any]
    directory: str
    parameter: str
    trigger_type: str
    raw: bool  # annotated str or bytes: the value arrives as it is
    wants_context: bool
    return_type: str  # binding type of the result, empty when there is none


def only_app(module: Any) -> Any:
    """The one FunctionApp of a module. Raises FunctionAppError for none or several."""
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise refusal("top-level function apps: expected 1", str(len(apps)))
    return apps[0]


def signature(declared: Any) -> Signature:
    """The signature of a declared function (azure.functions.Function).

    Raises FunctionAppError when its parameters are not its bindings, or an annotation does not fit.
    """
    name, call = declared.get_function_name(), declared.get_user_function()
    whose = f"function {name!r}"
    bound = {binding.name: binding for binding in declared.get_bindings()}
    returned = bound.pop("$return", None)
    parameters = set(inspect.signature(call).parameters)
    annotations = typing.get_type_hints(call)
    wants_context = "context" in parameters and "context" not in bound
    if wants_context:
        parameters.remove("context")
        _check_context(whose, annotations)
    if parameters != set(bound):
        raise refusal(f"parameters of {whose}: expected {sorted(bound)}", str(sorted(parameters)))
    for parameter, binding in bound.items():
        _check_parameter(whose, parameter, binding, annotations)
    if returned is not None:
        _check_return(whose, returned.type, annotations)
    trigger = declared.get_trigger()
    return Signature(
        name=name,
        call=call,
        directory=str(Path(inspect.getfile(call)).parent),
        parameter=trigger.name,
        trigger_type=trigger.type,
        raw=annotations.get(trigger.name) in (str, bytes),
        wants_context=wants_context,
        return_type=returned.type if returned is not None else "",
    )


def converter(binding_type: str) -> Any:
    """The library's converter for a binding type, or None."""
    registry: Any = func.get_binding_registry()  # type: ignore[no-untyped-call]
    return registry.get(binding_type)


def refusal(thing_and_expected: str, found: str) -> FunctionAppError:
    """An app that Azure would not index."""
    return FunctionAppError(
        f"{thing_and_expected}, found {found}", "in Azure this app would have no functions at all"
    )


def _check_context(whose: str, annotations: Mapping[str, Any]) -> None:
    # By name, as the runtime does it: its own context is not the library's class.
    annotation = annotations.get("context", func.Context)
    if getattr(annotation, "__name__", "") != "Context":
        raise refusal(f"context of {whose}: expected func.Context", repr(annotation))


def _check_parameter(
    whose: str, parameter: str, binding: Any, annotations: Mapping[str, Any]
) -> None:
    annotation = annotations.get(parameter, str)
    # Output bindings are refused by name in `index`: only the trigger's own type matters here.
    if annotation in (str, bytes) or binding.direction != BindingDirection.IN.value:
        return
    known = converter(binding.type)
    fits = isinstance(annotation, type) and (
        known is None or known.check_input_type_annotation(annotation)
    )
    if not fits:
        what = f"parameter {parameter!r} of {whose}: expected a type that fits {binding.type}"
        raise refusal(what, repr(annotation))


def _check_return(whose: str, binding_type: str, annotations: Mapping[str, Any]) -> None:
    if "return" not in annotations:
        return
    annotation, known = annotations["return"], converter(binding_type)
    fits = isinstance(annotation, type) and (
        known is None or known.check_output_type_annotation(annotation)
    )
    if not fits:
        what = f"result of {whose}: expected a type that fits {binding_type}"
        raise refusal(what, repr(annotation))
