"""One restore is one trace, from the request to the last phase; and nothing secret is in it."""

from __future__ import annotations

import json
import urllib.request

import pytest

from local import sample
from local.stack import Stack
from restore import telemetry
from tests.collector import Collector, Span
from tests.waiting import eventually

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PHASES = {"creating", "schema", "data", "indexes", "analyzing"}


def test_one_trace_from_the_request_to_every_phase(stack: Stack, collector: Collector):
    restore_id = _start(stack)
    assert stack.wait(restore_id)["status"].startswith("succeeded")

    def spans() -> list[Span]:
        return [span for span in collector.spans() if span.trace == TRACE]

    def hanging() -> set[str]:
        found = spans()
        return {span.name for span in found if span.parent not in {CALLER, *(s.id for s in found)}}

    # Each process sends its own some seconds later, a phase perhaps before its task.
    assert eventually(lambda: any(span.name == "task finish" for span in spans()), seconds=20)
    assert eventually(lambda: not hanging(), seconds=20), hanging()
    metrics = {metric.name for metric in telemetry.METRICS}
    assert eventually(lambda: collector.metrics().keys() >= metrics, seconds=20)
    by_id = {span.id: span for span in spans()}
    starts = [span for span in by_id.values() if span.parent == CALLER]
    assert [(span.name, span.service) for span in starts] == [("start", "restore-control")]
    tasks = [span for span in by_id.values() if span.name.startswith("task ")]
    assert {span.service for span in tasks} == {"restore-worker"}
    assert {by_id[span.parent].name for span in tasks} == {"send"}
    names = {span.name for span in tasks}
    assert {"task prepare", "task roles", "task database", "task finish"} <= names
    database = next(span for span in tasks if span.name == "task database")
    phases = {span.name for span in by_id.values() if span.parent == database.id}
    assert phases >= PHASES, phases
    reports = {by_id[span.parent].name for span in by_id.values() if span.name == "report"}
    assert reports
    assert reports <= names
    assert {span.attributes["restore.id"] for span in by_id.values()} == {restore_id}


@pytest.mark.parametrize(("name", "path"), [("alert", "alerts"), ("drill", "drills/unknown")])
def test_what_else_may_start_a_restore_goes_on_with_the_callers_trace(
    stack: Stack, collector: Collector, name: str, path: str
):
    trace = TRACE[::-1]
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    assert stack.client.call("POST", f"/api/{path}", b"{}", headers).status in (400, 404)

    def parents() -> set[str]:
        return {s.parent for s in collector.spans() if (s.trace, s.name) == (trace, name)}

    assert eventually(lambda: parents() == {CALLER}, seconds=20)


def test_nothing_secret_is_in_spans_metrics_or_logs(stack: Stack, collector: Collector):
    """Of all that was ever told, by any test of this stack."""
    secrets = {
        "password": stack.target.admin_password,
        "key": stack.host.key,
        "bus": _part(stack.bus.connection_string, "SharedAccessKey="),
        "storage": _part(stack.storage.connection_string, "AccountKey="),
        "row": "Größe 漢字",
    }
    told = b"".join(body for _, body in collector.received)
    told += b"".join(path.read_bytes() for path in stack.log.iterdir() if path.is_file())
    for name, secret in secrets.items():
        assert len(secret) > 5, name
        assert secret.encode() not in told, f"{name} was told"


def _start(stack: Stack) -> str:
    """As a caller that has a trace of its own."""
    request = urllib.request.Request(
        f"{stack.host.url}/api/restores",
        json.dumps(stack.request(databases={"include": [*sample.SMALL_DATABASES][:1]})).encode(),
        {"x-functions-key": stack.host.key, "traceparent": f"00-{TRACE}-{CALLER}-01"},
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["id"])


def _part(connection_string: str, name: str) -> str:
    return connection_string.partition(name)[2].partition(";")[0]
