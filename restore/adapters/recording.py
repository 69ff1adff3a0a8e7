"""Who records spans and metrics: nobody, unless the settings name somebody to send them to."""

from __future__ import annotations

import logging

from restore.adapters.credentials import credential
from restore.settings import Settings
from restore.telemetry import Recorder

log = logging.getLogger("restore.telemetry")


def recorder(settings: Settings, role: str) -> Recorder | None:
    """For a process that is `role`: control or worker. Application Insights goes first.

    Where that is named in a way nobody understands, nothing is recorded: nobody's restore waits
    for it to be corrected.
    """
    if not settings.insights and not settings.has_collector:
        return None
    from restore.adapters import otel  # here: it takes long to load, and few need it

    try:
        if settings.insights:
            exporters = otel.azure_monitor(settings.insights, credential(settings.client_id))
        else:
            exporters = otel.otlp()
    except ValueError as exc:
        about = {"state": "nothing is recorded", "reason": type(exc).__name__}
        log.warning("telemetry", extra=about)
        return None
    return otel.OpenTelemetry(role, exporters)
