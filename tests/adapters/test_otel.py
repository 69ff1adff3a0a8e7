"""Spans and metrics by OpenTelemetry, to a collector over real sockets."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from restore import logs, telemetry
from restore.adapters import otel
from restore.adapters.recording import recorder
from restore.errors import TargetError
from restore.settings import read
from tests.collector import Collector
from tests.test_settings import SMALLEST

PARENT = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    telemetry.use(None)


@pytest.fixture
def collector(monkeypatch):
    with Collector() as found:
        for name, value in found.settings.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def recorded(collector):
    telemetry.use(otel.OpenTelemetry("worker", otel.otlp()))
    return collector


def test_spans_nest_and_go_on_below_who_asked(recorded):
    with telemetry.span("outer", PARENT, telemetry.Kind.CONSUMER, restore_id="0" * 16):
        here = telemetry.here()
        with telemetry.span("inner", PARENT):
            pass
        telemetry.past("phase", here, 100.5, 101.5)
    telemetry.close()
    spans = {span.name: span for span in recorded.spans()}
    _, trace, parent, _ = PARENT.split("-")
    assert {span.trace for span in spans.values()} == {trace}
    assert spans["outer"].parent == parent
    assert spans["inner"].parent == spans["phase"].parent == spans["outer"].id
    assert here == f"00-{trace}-{spans['outer'].id}-01"
    assert spans["outer"].attributes == {"restore.id": "0" * 16}
    assert spans["outer"].service == "restore-worker"


def test_without_a_parent_a_trace_begins(recorded):
    for parent in ("", "nonsense"):
        with telemetry.span("first", parent):
            assert telemetry.here()
    telemetry.close()
    first, second = recorded.spans()
    assert (first.parent, second.parent) == ("", "")
    assert first.trace != second.trace


def test_a_failure_is_told_by_its_code_alone(recorded):
    with pytest.raises(TargetError), telemetry.span("task"):
        raise TargetError("password=hunter2")
    with pytest.raises(ZeroDivisionError), telemetry.span("task"):
        raise ZeroDivisionError("hunter2")
    telemetry.close()
    errors = [span.attributes["error.type"] for span in recorded.spans() if span.is_error]
    assert errors == [TargetError.code, "ZeroDivisionError"]
    assert not any(b"hunter2" in body for _, body in recorded.received)


def test_every_metric_arrives_with_its_unit(recorded):
    for metric in telemetry.METRICS:
        telemetry.measure(metric, 1.5, engine="stream")
    telemetry.close()
    assert recorded.metrics() == {metric.name: metric.unit for metric in telemetry.METRICS}


def test_a_log_line_has_the_ids_of_its_span(recorded):
    record = logging.LogRecord("restore", logging.INFO, "", 0, "task", (), None)
    assert '"trace"' not in logs.JsonFormatter().format(record)
    with telemetry.span("task", PARENT):
        _, trace, span, _ = telemetry.here().split("-")
        line = logs.JsonFormatter().format(record)
    assert f'"trace": "{trace}", "span": "{span}"' in line


def test_a_collector_that_is_away_is_said_once_and_waited_for_by_nobody(
    monkeypatch, caplog, collector
):
    monkeypatch.setattr(otel, "_SPAN_SECONDS", 0.05)
    collector.status = 400
    telemetry.use(otel.OpenTelemetry("worker", otel.otlp()))
    for _ in range(5):
        with telemetry.span("task"):
            pass
        arrived = len(collector.received)
        while len(collector.received) == arrived:
            time.sleep(0.01)
    telemetry.close()
    said = [record for record in caplog.records if record.msg == "telemetry"]
    assert [record.state for record in said if "spans" in record.state] == ["spans are dropped"]


def test_application_insights_is_told_the_same(collector):
    string = (
        f"InstrumentationKey={'0' * 8}-0000-0000-0000-{'0' * 12};IngestionEndpoint={collector.url}"
    )
    telemetry.use(otel.OpenTelemetry("worker", otel.azure_monitor(string, None)))
    with telemetry.span("task database", PARENT, telemetry.Kind.CONSUMER, restore_id="1" * 16):
        telemetry.measure(telemetry.DATABASE_BYTES, 7, engine="stream")
    telemetry.close()
    told = {each["data"]["baseType"]: each for each in collector.envelopes()}
    request = told["RequestData"]
    assert request["tags"]["ai.operation.id"] == PARENT.split("-")[1]
    assert request["tags"]["ai.cloud.role"] == "restore.restore-worker"
    assert request["data"]["baseData"]["properties"]["restore.id"] == "1" * 16
    assert told["MetricData"]["data"]["baseData"]["metrics"][0]["name"] == "restore.database.bytes"


@pytest.mark.parametrize("wrong", ["nonsense", "InstrumentationKey=short"])
def test_what_nobody_understands_is_said_and_nobody_waits_for_it(caplog, wrong):
    settings = read({**SMALLEST, "APPLICATIONINSIGHTS_CONNECTION_STRING": wrong})
    assert recorder(settings, "worker") is None
    said = [record.state for record in caplog.records if record.msg == "telemetry"]
    assert said == ["nothing is recorded"]


def test_where_nobody_listens_nothing_is_recorded():
    with telemetry.span("task", PARENT):
        assert telemetry.here() == ""
    telemetry.measure(telemetry.QUEUE_AGE, 1.0)
    telemetry.past("phase", "", 0, 1)
    telemetry.close()


def test_the_document_names_every_metric_with_its_unit():
    text = (Path(__file__).parents[2] / "docs/telemetry.md").read_text()
    for metric in telemetry.METRICS:
        assert f"| `{metric.name}` | {metric.unit} |" in text
