"""Who records spans and metrics: nobody, unless the settings name somebody to send them to."""

from __future__ import annotations

from restore.adapters.credentials import credential
from restore.settings import Settings
from restore.telemetry import Recorder


def recorder(settings: Settings, role: str) -> Recorder | None:
    """For a process that is `role`: control or worker. Application Insights goes first."""
    if not settings.insights and not settings.has_collector:
        return None
    from restore.adapters import otel  # here: it takes long to load, and few need it

    if settings.insights:
        exporters = otel.azure_monitor(settings.insights, credential(settings.client_id))
    else:
        exporters = otel.otlp()
    return otel.OpenTelemetry(role, exporters)
