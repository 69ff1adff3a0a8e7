"""What an app is configured with: host.json, and `%SETTING%` expressions in its bindings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.functions import timespan
from local.functions.errors import FunctionAppError

_EXPRESSION = re.compile(r"%([^%\s]+)%")


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The part of host.json that this host obeys, with Azure's defaults.

    Source: learn.microsoft.com/azure/azure-functions/functions-bindings-service-bus, host.json
    settings 5.x.
    """

    route_prefix: str
    max_concurrent_calls: int
    max_lock_renewal: timedelta


def read_host_config(app_dir: Path) -> HostConfig:
    """host.json of the app in `app_dir`.

    Raises FunctionAppError when it is missing, no JSON object, or a value has the wrong type.
    """
    path = app_dir / "host.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        extensions = document.get("extensions", {})
        bus = extensions.get("serviceBus", {})
        return HostConfig(
            route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")),
            max_concurrent_calls=int(bus.get("maxConcurrentCalls", 16 * (os.cpu_count() or 1))),
            max_lock_renewal=timespan.parse(str(bus.get("maxAutoLockRenewalDuration", "00:05:00"))),
        )
    except FileNotFoundError:
        raise FunctionAppError(f"host.json: expected {path}, found none") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise FunctionAppError(f"host.json: expected a valid document, found {error}") from error


def require(settings: Mapping[str, str], name: str, wanted_by: str) -> str:
    """The setting `name`.

    Raises FunctionAppError when it is missing or empty; `wanted_by` says whose start it stops.
    """
    value = settings.get(name, "")
    if not value:
        raise FunctionAppError(
            f"setting {name!r} of {wanted_by}: expected a value, found none",
            f"set {name} in the environment of the host",
        )
    return value


def resolve(
    binding: Mapping[str, Any], settings: Mapping[str, str], wanted_by: str
) -> dict[str, Any]:
    """`binding` with every `%NAME%` in its texts replaced by the setting NAME.

    Raises FunctionAppError when a setting is missing.
    """

    def value_of(found: re.Match[str]) -> str:
        return require(settings, found[1], wanted_by)

    return {
        key: _EXPRESSION.sub(value_of, value) if isinstance(value, str) else value
        for key, value in binding.items()
    }
