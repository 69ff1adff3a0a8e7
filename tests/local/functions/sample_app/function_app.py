"""One function per trigger; each leaves a mark that `GET /api/marks/{trigger}` waits for."""

import json
import os
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

marks: dict[str, list[object]] = {}
marked = threading.Condition()
gate = threading.Event()


def mark(trigger: str, what: object) -> None:
    with marked:
        marks.setdefault(trigger, []).append(what)
        marked.notify_all()


def answer(document: object, status: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(document), status_code=status, mimetype="application/json")


@app.route(route="marks/{trigger}", auth_level=func.AuthLevel.ANONYMOUS)
def marks_of(req: func.HttpRequest) -> func.HttpResponse:
    trigger, wanted = req.route_params["trigger"], int(req.params.get("wanted", "1"))
    with marked:
        marked.wait_for(lambda: len(marks.get(trigger, [])) >= wanted, timeout=20)
        return answer(marks.get(trigger, []))


@app.route(route="echo/{id:int}/{*rest}")
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "query": dict(req.params),
        "params": dict(req.route_params),
        "body": req.get_body().decode("latin-1"),
        "function": context.function_name,
    }
    return func.HttpResponse(
        json.dumps(seen), status_code=201, mimetype="application/json", headers={"X-Seen": "yes"}
    )


@app.route(route="things/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def thing(req: func.HttpRequest) -> func.HttpResponse:
    return answer({"thing": req.route_params["id"]})


@app.route(route="things/newest", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def newest(req: func.HttpRequest) -> func.HttpResponse:
    return answer("newest")


@app.route(route="secret", auth_level=func.AuthLevel.ADMIN)
def secret(req: func.HttpRequest) -> str:
    return "for administrators"


@app.route(route="fail", auth_level=func.AuthLevel.ANONYMOUS)
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("kaput")


@app.route(route="slow", auth_level=func.AuthLevel.ANONYMOUS)
def slow(req: func.HttpRequest) -> func.HttpResponse:
    print("a line on stdout")
    mark("slow", "began")
    gate.wait(float(req.params["seconds"]))
    mark("slow", "ended")
    return answer("done")


@app.route(route="gate/{state}", auth_level=func.AuthLevel.ANONYMOUS)
def turn_gate(req: func.HttpRequest) -> func.HttpResponse:
    if req.route_params["state"] == "open":
        gate.set()
    else:
        gate.clear()
    return answer("turned")


@app.event_grid_trigger(arg_name="event")
def blob_created(event: str) -> None:
    document = json.loads(event)
    if document.get("subject") == "fail":
        raise RuntimeError("no such blob")
    mark("event", document)


@app.event_grid_trigger(arg_name="event")
def typed_event(event: func.EventGridEvent) -> None:
    mark("typed-event", [type(event).__name__, event.id, event.get_json()])


@app.service_bus_queue_trigger(
    arg_name="message",
    queue_name="%QUEUE%",
    connection="BUS",
    data_type=func.DataType.BINARY,
)
def task_reported(message: func.ServiceBusMessage) -> None:
    body = message.get_body()
    mark(
        "message",
        {
            "id": message.message_id,
            "body": body.decode("latin-1"),
            "delivery": message.delivery_count,
            "properties": message.user_properties,
            "correlation": message.correlation_id,
            "content_type": message.content_type,
        },
    )
    mark(f"message-{message.message_id}", message.delivery_count)
    if body == b"hold":
        gate.wait(30)
    if body == b"nap":
        gate.wait(1)
    if body == b"fail":
        raise ValueError("cannot read the report")


@app.service_bus_queue_trigger(arg_name="message", queue_name="text", connection="BUS")
def text_reported(message: func.ServiceBusMessage) -> None:
    mark("text", [message.message_id, message.get_body().decode()])


@app.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    mark("tick", {"past_due": timer.past_due, "pid": os.getpid()})


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def yearly(timer: func.TimerRequest) -> None:
    mark("yearly", timer.past_due)
