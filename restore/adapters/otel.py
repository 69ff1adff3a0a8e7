"""Spans and metrics by OpenTelemetry: to Azure Monitor, or to a collector that speaks OTLP.

Loaded only where one of them is named. What cannot be delivered is dropped and said once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from azure.core.credentials import TokenCredential
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from restore import __version__
from restore.errors import RestoreError
from restore.telemetry import METRICS, Attributes, Kind, Metric

log = logging.getLogger("restore.telemetry")

_Result = TypeVar("_Result")

_SPAN_SECONDS = 2
_PATIENCE_SECONDS = 5
_PROPAGATOR = TraceContextTextMapPropagator()
_KINDS = {
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.PRODUCER: trace.SpanKind.PRODUCER,
    Kind.CONSUMER: trace.SpanKind.CONSUMER,
}
_LOUD = ("opentelemetry", "azure.monitor.opentelemetry", "azure.core.pipeline.policies")


@dataclass(frozen=True, slots=True)
class Exporters:
    """Where to."""

    spans: SpanExporter
    metrics: MetricExporter


def azure_monitor(connection_string: str, identity: TokenCredential | None) -> Exporters:
    """To Application Insights, by the identity. Nothing is kept on disk, nothing told to others."""
    os.environ.setdefault("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    from azure.monitor.opentelemetry.exporter import (
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    options: dict[str, Any] = {
        "connection_string": connection_string,
        "disable_offline_storage": True,
        "credential": identity,
    }
    return Exporters(AzureMonitorTraceExporter(**options), AzureMonitorMetricExporter(**options))


def otlp() -> Exporters:
    """To OTEL_EXPORTER_OTLP_ENDPOINT; the other variables of that kind count as well.

    Source: opentelemetry.io/docs/specs/otel/protocol/exporter
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return Exporters(
        OTLPSpanExporter(timeout=_PATIENCE_SECONDS), OTLPMetricExporter(timeout=_PATIENCE_SECONDS)
    )


class OpenTelemetry:
    """A Recorder. `role` is what this process is: control or worker."""

    def __init__(self, role: str, exporters: Exporters) -> None:
        for name in _LOUD:  # they tell every failure, and some of them the whole request
            logging.getLogger(name).setLevel(logging.CRITICAL)
        resource = Resource.create(
            {
                "service.namespace": "restore",
                "service.name": f"restore-{role}",
                "service.version": __version__,
                "service.instance.id": os.environ.get("HOSTNAME", ""),
            }
        )
        # Always: the Functions host marks what it starts itself as not sampled.
        sampler = None if "OTEL_TRACES_SAMPLER" in os.environ else ALWAYS_ON
        self._spans = TracerProvider(sampler, resource, shutdown_on_exit=False)
        self._spans.add_span_processor(
            BatchSpanProcessor(
                _Spans(exporters.spans),
                schedule_delay_millis=_SPAN_SECONDS * 1000,
                export_timeout_millis=_PATIENCE_SECONDS * 1000,
            )
        )
        reader = PeriodicExportingMetricReader(
            _Metrics(exporters.metrics),
            export_timeout_millis=_PATIENCE_SECONDS * 1000,
        )
        self._metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tracer = self._spans.get_tracer("restore", __version__)
        meter = self._metrics.get_meter("restore", __version__)
        self._sums = {
            each: meter.create_counter(each.name, each.unit, each.what)
            for each in METRICS
            if each.sums
        }
        self._others = {
            each: meter.create_histogram(each.name, each.unit, each.what)
            for each in METRICS
            if not each.sums
        }

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str, attributes: Attributes
    ) -> Iterator[trace.Span]:
        """What it fails of is told by its code: texts may be of others, and say too much."""
        is_within = trace.get_current_span().get_span_context().is_valid
        with self._tracer.start_as_current_span(
            name,
            context=None if is_within else _below(parent),
            kind=_KINDS[kind],
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as opened:
            try:
                yield opened
            except Exception as exc:
                code = exc.code if isinstance(exc, RestoreError) else type(exc).__name__
                opened.set_attribute("error.type", code)
                opened.set_status(trace.StatusCode.ERROR, code)
                raise

    def past(
        self, name: str, parent: str, began: float, ended: float, attributes: Attributes
    ) -> None:
        self._tracer.start_span(
            name,
            context=_below(parent),
            attributes=dict(attributes),
            start_time=int(began * 1e9),
        ).end(int(ended * 1e9))

    def measure(self, metric: Metric, value: float, attributes: Attributes) -> None:
        if metric.sums:
            self._sums[metric].add(value, dict(attributes))
        else:
            self._others[metric].record(value, dict(attributes))

    def here(self) -> str:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent", "")

    def close(self) -> None:
        """Both at once, for a few seconds: nobody waits for a collector that is away."""
        ends = (self._spans.shutdown, self._metrics.shutdown)
        threads = [threading.Thread(target=end, daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE_SECONDS)


def _below(parent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": parent}, Context())


class _Outage:
    """Says once that nothing can be delivered, and that it can again."""

    def __init__(self, what: str) -> None:
        self._what, self._is_out = what, False

    def tell(self, is_delivered: bool, why: str = "") -> None:
        if not is_delivered and not self._is_out:
            log.warning("telemetry", extra={"state": f"{self._what} are dropped", "reason": why})
        elif is_delivered and self._is_out:
            log.info("telemetry", extra={"state": f"{self._what} are delivered again"})
        self._is_out = not is_delivered


class _Spans(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self._outage = exporter, _Outage("spans")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        found, why = _tried(lambda: self._exporter.export(spans), SpanExportResult.FAILURE)
        self._outage.tell(found is SpanExportResult.SUCCESS, why)
        return found

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Metrics(MetricExporter):
    def __init__(self, exporter: MetricExporter) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._exporter, self._outage = exporter, _Outage("metrics")

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        found, why = _tried(
            lambda: self._exporter.export(metrics_data, timeout_millis, **kwargs),
            MetricExportResult.FAILURE,
        )
        self._outage.tell(found is MetricExportResult.SUCCESS, why)
        return found

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._exporter.shutdown(timeout_millis, **kwargs)


def _tried(export: Callable[[], _Result], failed: _Result) -> tuple[_Result, str]:
    """What came of it, and why where it went wrong: by its name, as texts may hold addresses."""
    try:
        return export(), "the collector did not take them"
    except Exception as exc:  # of whatever kind: nobody's restore fails of it
        return failed, type(exc).__name__
