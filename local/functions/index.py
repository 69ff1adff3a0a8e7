"""A function as the host sees it: its name and its one trigger, of a kind served here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from local.functions import settings as app_settings
from local.functions.errors import FunctionAppError


class TriggerKind(Enum):
    """The triggers that this host serves; the value is the binding's `type`."""

    HTTP = "httpTrigger"
    EVENT_GRID = "eventGridTrigger"
    SERVICE_BUS = "serviceBusTrigger"
    TIMER = "timerTrigger"


@dataclass(frozen=True, slots=True)
class Declaration:
    """A function as its library declares it; `bindings` are texts as in function.json."""

    name: str
    bindings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Function:
    """One function; `trigger` is its trigger binding with all `%SETTING%` expressions resolved."""

    name: str
    kind: TriggerKind
    trigger: Mapping[str, Any]

    @property
    def parameter(self) -> str:
        """The Python parameter that receives the trigger's value."""
        return str(self.trigger["name"])

    @property
    def data_type(self) -> str:
        """`STRING`, `BINARY` or empty when the app leaves it open."""
        return str(self.trigger.get("dataType") or "").upper()


def functions(
    declared: Iterable[Declaration], settings: Mapping[str, str]
) -> Mapping[str, Function]:
    """The functions by name.

    Raises FunctionAppError when there is none, or one has a binding that is not served here.
    """
    found = {one.name: _function(one, settings) for one in declared}
    if not found:
        raise FunctionAppError("function app: expected at least one function, found none")
    return found


def _function(declared: Declaration, settings: Mapping[str, str]) -> Function:
    whose = f"function {declared.name!r}"
    triggers = []
    for text in declared.bindings:
        binding = json.loads(text)
        if _is_http_answer(binding):
            continue
        kinds = [kind for kind in TriggerKind if kind.value == binding["type"]]
        if not kinds:
            expected = ", ".join(kind.value for kind in TriggerKind)
            raise FunctionAppError(
                f"binding of {whose}: expected one of {expected}, found {binding['type']!r}",
                "the local host has no output bindings and no other triggers: use an SDK",
            )
        triggers.append((kinds[0], app_settings.resolve(binding, settings, whose)))
    if len(triggers) != 1:
        raise FunctionAppError(f"triggers of {whose}: expected 1, found {len(triggers)}")
    kind, trigger = triggers[0]
    if kind is TriggerKind.SERVICE_BUS:
        _check_service_bus(trigger, settings, whose)
    return Function(declared.name, kind, trigger)


def _is_http_answer(binding: Mapping[str, Any]) -> bool:
    return (binding["type"], binding["name"]) == ("http", "$return")


def _check_service_bus(trigger: Mapping[str, Any], settings: Mapping[str, str], whose: str) -> None:
    if not trigger.get("queueName"):
        raise FunctionAppError(f"Service Bus trigger of {whose}: expected a queue, found a topic")
    if trigger.get("isSessionsEnabled") or str(trigger.get("cardinality", "ONE")).upper() != "ONE":
        raise FunctionAppError(
            f"Service Bus trigger of {whose}: expected single messages, found batches or sessions"
        )
    app_settings.require(settings, str(trigger.get("connection") or ""), whose)
