"""The Azure surface: one short function per trigger. Each parses, makes one flow call, answers."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import azure.functions as func

from restore import alerting, drilling, flows, logs, telemetry, ui, wiring
from restore.core import openapi, plan_view, report_page
from restore.core.alert import Handshake
from restore.core.messages import REPORTS
from restore.core.problem import MEDIA_TYPE, problem, status_of
from restore.core.request import idempotency_key, query
from restore.core.request_error import RequestError
from restore.core.status import status
from restore.errors import RestoreError, TransientError
from restore.ports import Summary

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
log = logging.getLogger("restore")
logs.through_host()


@app.route("restores", methods=["POST"])
def start_restore(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """202 with where to look. The same Idempotency-Key gives the same restore."""

    def answer() -> func.HttpResponse:
        key = idempotency_key(req.headers)
        control = wiring.control()
        restore = flows.start(control, req.get_body(), key, _trace(req, context))
        where = f"{_base(req)}/{restore.id}/operation{_code(req)}"
        headers = {"Location": where, "Operation-Location": where, "Retry-After": "10"}
        return _json(status(restore, {}, restore.updated), 202, headers)

    return _answered(answer)


@app.route("restores", methods=["GET"])
def list_restores(req: func.HttpRequest) -> func.HttpResponse:
    def answer() -> func.HttpResponse:
        found = flows.summaries(wiring.control())
        return _json({"restores": [_summary(summary) for summary in found]})

    return _answered(answer)


@app.route("restores/{id}", methods=["GET"])
def show_restore(req: func.HttpRequest) -> func.HttpResponse:
    def answer() -> func.HttpResponse:
        body = flows.show(wiring.control(), req.route_params["id"])
        etag = _etag(body)
        headers = {"ETag": etag, **({} if body["ended"] else {"Retry-After": "10"})}
        if etag in req.headers.get("if-none-match", ""):
            return func.HttpResponse(status_code=304, headers=headers)
        return _json(body, headers=headers)

    return _answered(answer)


@app.route("restores/{id}/operation", methods=["GET"])
def show_operation(req: func.HttpRequest) -> func.HttpResponse:
    """202 until the restore has ended, then 200: Logic Apps and Data Factory wait by themselves."""

    def answer() -> func.HttpResponse:
        body = flows.operation_of(wiring.control(), req.route_params["id"])
        if body["status"] != "Running":
            return _json(body)
        return _json(body, 202, {"Location": f"{_base(req)}{_code(req)}", "Retry-After": "10"})

    return _answered(answer)


@app.route("openapi.json", methods=["GET"])
def openapi_document(req: func.HttpRequest) -> func.HttpResponse:
    return _json(openapi.document(_base(req).rpartition("/")[0]))


@app.route("restores/{id}/cancel", methods=["POST"])
def cancel_restore(req: func.HttpRequest) -> func.HttpResponse:
    def answer() -> func.HttpResponse:
        restore = flows.cancel(wiring.control(), req.route_params["id"])
        return _json(status(restore, {}, restore.updated), 200 if restore.ended else 202)

    return _answered(answer)


@app.route("restores/{id}/plan", methods=["GET"])
def show_plan(req: func.HttpRequest) -> func.HttpResponse:
    """JSON; text for people with `?format=text`."""

    def answer() -> func.HttpResponse:
        plan = flows.plan_of(wiring.control(), req.route_params["id"])
        if req.params.get("format") == "text":
            return func.HttpResponse(plan_view.as_text(plan), mimetype="text/plain")
        return _json(plan_view.as_json(plan))

    return _answered(answer)


@app.route("restores/{id}/approve", methods=["POST"])
def approve_restore(req: func.HttpRequest) -> func.HttpResponse:
    """`{"hash": …}` of the plan that is approved."""

    def answer() -> func.HttpResponse:
        restore = flows.approve(wiring.control(), req.route_params["id"], req.get_body())
        return _json(status(restore, {}, restore.updated), 202)

    return _answered(answer)


@app.route("restores/{id}/undo", methods=["POST"])
def undo_restore(req: func.HttpRequest) -> func.HttpResponse:
    """What was replaced gets its name again, as long as it is kept."""

    def answer() -> func.HttpResponse:
        restore = flows.undo(wiring.control(), req.route_params["id"])
        return _json(status(restore, {}, restore.updated), 202)

    return _answered(answer)


@app.route("restores/{id}/report", methods=["GET"])
def show_report(req: func.HttpRequest) -> func.HttpResponse:
    """JSON, signed where there is a key; a page for people with `?format=html`."""

    def answer() -> func.HttpResponse:
        document = flows.report_of(wiring.control(), req.route_params["id"])
        if req.params.get("format") == "html":
            return func.HttpResponse(report_page.page(document), mimetype="text/html")
        return _json(document)

    return _answered(answer)


@app.route("drills", methods=["GET"])
def list_drills(req: func.HttpRequest) -> func.HttpResponse:
    return _answered(lambda: _json(drilling.histories(wiring.control())))


@app.route("drills/{name}", methods=["POST"])
def start_drill(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """202 as for a restore: it is one."""

    def answer() -> func.HttpResponse:
        with telemetry.span("drill", _trace(req, context)):
            restore = drilling.drill(wiring.control(), req.route_params["name"])
        base = _base(req).rpartition("/drills/")[0]
        where = f"{base}/restores/{restore.id}/operation{_code(req)}"
        headers = {"Location": where, "Operation-Location": where, "Retry-After": "10"}
        return _json(status(restore, {}, restore.updated), 202, headers)

    return _answered(answer)


@app.route("alerts", methods=["POST", "OPTIONS"])
def alerts(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """202 if an alert starts a restore, 200 if none does; `?dryRun=true` only says what would be.

    OPTIONS is how Event Grid asks whether CloudEvents may come.
    Source: github.com/cloudevents/spec, HTTP 1.1 Web Hooks for Event Delivery, section 4.
    """

    def answer() -> func.HttpResponse:
        if req.method == "OPTIONS":
            origin = req.headers.get("webhook-request-origin", "")
            allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
            return func.HttpResponse(status_code=200, headers=allowed)
        dry_run = req.params.get("dryRun", "").lower() == "true"
        with telemetry.span("alert", _trace(req, context)):
            found = alerting.alerted(wiring.control(), req.get_body(), dry_run=dry_run)
        if isinstance(found, Handshake):
            return _json({"validationResponse": found.code})
        started = not dry_run and any(decision.action == "start" for decision in found)
        body: dict[str, Any] = {"alerts": [decision.as_json() for decision in found]}
        if dry_run:
            body["problems"] = alerting.problems(wiring.control())
        if not started:
            return _json(body)
        restore_id = next(d.restore for d in found if d.action == "start")
        place = f"{_base(req).removesuffix('/alerts')}/restores/{restore_id}"
        return _json(body, 202, {"Location": place})

    return _answered(answer)


@app.route("recovery-points", methods=["GET"])
def recovery_points(req: func.HttpRequest) -> func.HttpResponse:
    return _answered(lambda: _json(flows.recovery_points(wiring.control(), query(req.params))))


@app.route("ui", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_list(req: func.HttpRequest) -> func.HttpResponse:
    """The page for people; it holds no data, and asks for the key itself."""
    html, headers = ui.page()
    return func.HttpResponse(html, mimetype="text/html", headers=headers)


@app.route("ui/restores/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_one(req: func.HttpRequest) -> func.HttpResponse:
    """The same page: what it shows is decided by its own address."""
    html, headers = ui.page()
    return func.HttpResponse(html, mimetype="text/html", headers=headers)


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """200 if state and bus can be reached, else 503; counts and no names: nobody needs a key."""
    try:
        return _json(flows.health(wiring.control()))
    except RestoreError as exc:
        log.warning("unhealthy", extra={"code": exc.code, "reason": exc.message})
        return _json({"status": "unavailable", "code": exc.code}, 503)


@app.event_grid_trigger("event")
def blob_created(event: str) -> None:
    """A file landed; both the Event Grid and the CloudEvents schema."""
    flows.file_landed(wiring.control(), event)


@app.service_bus_queue_trigger(
    "message",
    connection="ServiceBusConnection",
    queue_name=REPORTS,
    data_type=func.DataType.BINARY,  # text would let the body overwrite the message's properties
)
def task_reported(message: func.ServiceBusMessage) -> None:
    control = wiring.control()
    properties = message.application_properties or {}
    trace = str(properties.get("traceparent", ""))
    flows.task_reported(control, message.get_body(), trace)


@app.timer_trigger("timer", schedule="%TICK_SCHEDULE%")
def tick(timer: func.TimerRequest) -> None:
    """Carries on with everything that waits; what events only do sooner."""
    with ExitStack() as parts:  # each is carried on with, whatever becomes of the others
        parts.callback(drilling.tick, wiring.control())
        parts.callback(alerting.carry_on, wiring.control())
        parts.callback(flows.tick, wiring.control())


# ---- answers -----------------------------------------------------------------------------------


def _answered(answer: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """What `answer` gives; an error of ours as problem details, any other as a plain 500."""
    try:
        return answer()
    except RestoreError as exc:
        headers = {"Retry-After": "15"} if isinstance(exc, TransientError) else {}
        if not isinstance(exc, RequestError):
            log.warning("refused", extra={"code": exc.code, "reason": exc.message})
        return _json(problem(exc), status_of(exc), headers, MEDIA_TYPE)


def _json(
    body: Mapping[str, Any],
    code: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> func.HttpResponse:
    text = json.dumps(body, ensure_ascii=False, default=_text, allow_nan=False)
    encoded = text.encode(errors="replace")
    return func.HttpResponse(encoded, status_code=code, headers=headers, mimetype=media_type)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "status": summary.phase,
        "created": summary.created,
        "updated": summary.updated,
        "target": summary.target,
    }


def _etag(body: Mapping[str, Any]) -> str:
    """Another one when there is something new to see; seconds alone are not."""
    databases = [_still(one) for one in body["databases"]]
    text = json.dumps({**_still(body), "databases": databases}, sort_keys=True, default=_text)
    return f'"{hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]}"'


def _still(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only the clock moves."""
    moving = ("seconds", "eta", "etaSeconds")
    return {name: value for name, value in body.items() if name not in moving}


def _trace(req: func.HttpRequest, context: func.Context) -> str:
    """The span of the request: the host's own, which it made below the caller's."""
    return context.trace_context.trace_parent or req.headers.get("traceparent", "")


def _code(req: func.HttpRequest) -> str:
    """The key, where the caller had it in the URL: who follows a Location sends no headers."""
    code = req.params.get("code")
    return f"?{urlencode({'code': code})}" if code else ""


def _base(req: func.HttpRequest) -> str:
    return str(req.url).split("?", 1)[0].rstrip("/")
