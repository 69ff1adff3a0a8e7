"""A collector on this machine: takes OTLP by HTTP, and what Azure Monitor is sent."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    id: str
    parent: str  # "" where there is none
    service: str
    kind: int
    is_error: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """`received` is every body; spans and metrics are read of those that are OTLP."""

    status: int = 200
    received: list[tuple[str, bytes]] = field(default_factory=list)

    def __enter__(self) -> Collector:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """What a process has to be told."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}

    def spans(self) -> list[Span]:
        return [
            span for path, body in [*self.received] if path == "/v1/traces" for span in _spans(body)
        ]

    def metrics(self) -> dict[str, str]:
        """Unit by name."""
        found: dict[str, str] = {}
        for path, body in [*self.received]:
            if path == "/v1/metrics":
                request = ExportMetricsServiceRequest.FromString(body)
                for resource in request.resource_metrics:
                    for scope in resource.scope_metrics:
                        found |= {metric.name: metric.unit for metric in scope.metrics}
        return found

    def envelopes(self) -> list[dict[str, Any]]:
        """What Azure Monitor was told."""
        return [
            each for path, body in [*self.received] if "track" in path for each in json.loads(body)
        ]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.received.append((self.path, body))
                count = len(json.loads(body)) if "track" in self.path else 0
                answer = {"itemsReceived": count, "itemsAccepted": count, "errors": []}
                text = json.dumps(answer).encode() if "track" in self.path else b""
                self.send_response(collector.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: Any) -> None:
                """Tests are quiet."""

        return Handler


def _spans(body: bytes) -> list[Span]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = str(_values(resource.resource.attributes).get("service.name"))
        for scope in resource.scope_spans:
            found += [
                Span(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    service,
                    span.kind,
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    _values(span.attributes),
                )
                for span in scope.spans
            ]
    return found


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in attributes}


def _value(pair: KeyValue) -> Any:
    return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
