"""The sample app end to end: real sockets, the real bus SDK, a real host process."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSender

from local.functions import FunctionsHost
from local.servicebus import ServiceBus

Marks = Callable[..., Any]
EVENT = {"id": "e1", "subject": "a", "eventType": "Microsoft.Storage.BlobCreated", "data": {"é": 1}}
CLOUD_EVENT = {"specversion": "1.0", "id": "c1", "source": "/s", "type": "t", "data": {"n": 1}}
NOTIFICATION = {"aeg-event-type": "Notification"}


@pytest.fixture
def key(host: FunctionsHost) -> dict[str, str]:
    return {"x-functions-key": host.key}


@pytest.fixture
def master(host: FunctionsHost) -> dict[str, str]:
    return {"x-functions-key": host.master_key}


# HTTP


def test_a_function_sees_the_request_as_azure_hands_it_on(host: FunctionsHost, call: Any) -> None:
    url = f"{host.url}/API/echo/5/a%20b/c%2Fd?x=1&empty=&x=2&code={host.key}"
    reply = call("POST", url, b"\x00\xff", {"X-Upper": "Kept", "Content-Type": "a/b"})
    seen = reply.json
    assert (reply.status, reply.headers["X-Seen"]) == (201, "yes")
    assert reply.headers["content-type"] == "application/json"
    assert (seen["method"], seen["function"]) == ("POST", "echo")
    assert seen["body"] == "\x00\xff"
    assert seen["headers"]["x-upper"] == "Kept"
    assert all(name == name.lower() for name in seen["headers"])
    assert seen["params"] == {"id": "5", "rest": "a b/c%2Fd"}
    assert seen["query"] == {"x": "1,2", "code": host.key}


def test_a_body_is_handed_on_as_it_came_whatever_its_encoding(
    host: FunctionsHost, call: Any
) -> None:
    url = f"{host.url}/api/echo/5/a?code={host.key}"
    reply = call("POST", url, b"not compressed", {"Content-Encoding": "gzip"})
    assert (reply.status, reply.json["body"]) == (201, "not compressed")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_route_without_methods_takes_them_all(
    method: str, host: FunctionsHost, call: Any, key: dict[str, str]
) -> None:
    assert call(method, f"{host.url}/api/echo/5", headers=key).json["method"] == method


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/things/newest", 404),
        ("GET", "/api/echo/five", 404),
        ("POST", "/api/things/x", 404),
        ("HEAD", "/api/things/x", 404),
        ("GET", "/api/things/x", 200),
        ("GET", "/api/Things/NEWEST/", 200),
    ],
)
def test_a_path_or_method_without_a_function_is_not_found(
    method: str, path: str, status: int, host: FunctionsHost, call: Any
) -> None:
    assert call(method, host.url + path).status == status


def test_the_exact_route_comes_before_the_parameter(host: FunctionsHost, call: Any) -> None:
    assert call("GET", f"{host.url}/api/things/newest").json == "newest"
    assert call("GET", f"{host.url}/api/things/oldest").json == {"thing": "oldest"}


def test_a_function_opens_only_with_its_key(host: FunctionsHost, call: Any) -> None:
    url = f"{host.url}/api/echo/5"
    wrong = {"x-functions-key": "wrong"}
    assert call("GET", url).status == 401
    assert call("GET", f"{url}?code=wrong").status == 401
    assert call("GET", f"{url}?code={host.system_key}").status == 401
    assert call("GET", f"{url}?code={host.key}", headers=wrong).status == 401
    assert call("GET", f"{url}?code={host.key}").status == 201
    assert call("GET", url, headers={"x-functions-key": host.master_key}).status == 201


def test_an_admin_function_opens_with_the_master_key_only(host: FunctionsHost, call: Any) -> None:
    url = f"{host.url}/api/secret"
    assert call("GET", url, headers={"x-functions-key": host.key}).status == 401
    reply = call("GET", url, headers={"x-functions-key": host.master_key})
    assert (reply.status, reply.body) == (200, b"for administrators")


def test_an_exception_is_a_500_that_tells_nothing(host: FunctionsHost, call: Any) -> None:
    reply = call("GET", f"{host.url}/api/fail")
    assert (reply.status, reply.body) == (500, b"")


def test_a_body_above_100_mb_is_refused_before_it_is_read(host: FunctionsHost) -> None:
    parts = urlsplit(host.url)
    head = (
        f"POST /api/echo/5?code={host.key} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**30}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


# Event Grid


def test_the_subscription_handshake_returns_the_code(host: FunctionsHost, call: Any) -> None:
    events = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}]
    events[0]["data"] = {"validationCode": "abc"}  # type: ignore[assignment]
    headers = {"aeg-event-type": "SubscriptionValidation"}
    reply = call("POST", host.event_grid_url("blob_created"), events, headers)
    assert (reply.status, reply.json) == (200, {"validationResponse": "abc"})


def test_the_cloud_events_handshake_allows_the_origin(host: FunctionsHost, call: Any) -> None:
    url = host.event_grid_url("blob_created")
    reply = call("OPTIONS", url, headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert reply.status == 200
    assert reply.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert call("OPTIONS", url).status == 400


@pytest.mark.parametrize(
    ("name", "body", "headers", "arrives"),
    [
        ("array", [EVENT, {**EVENT, "id": "e2"}], NOTIFICATION, ["e1", "e2"]),
        ("one", CLOUD_EVENT, {"Content-Type": "application/cloudevents+json"}, ["c1"]),
        (
            "batch",
            [CLOUD_EVENT, {**CLOUD_EVENT, "id": "c2"}],
            {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"},
            ["c1", "c2"],
        ),
        ("both", CLOUD_EVENT, NOTIFICATION, ["c1"]),
    ],
)
def test_each_event_becomes_one_invocation(
    name: str,
    body: Any,
    headers: Any,
    arrives: list[str],
    host: FunctionsHost,
    call: Any,
    marks: Marks,
) -> None:
    sent = [{**one, "case": name} for one in (body if isinstance(body, list) else [body])]
    reply = call(
        "POST",
        host.event_grid_url("blob_created"),
        sent if isinstance(body, list) else sent[0],
        headers,
    )
    assert (reply.status, reply.body) == (202, b"")
    seen = [event for event in marks("event") if event["case"] == name]
    assert sorted(event["id"] for event in seen) == arrives
    assert all(event in sent for event in seen)


def test_one_failed_event_fails_the_delivery_so_that_it_comes_again(
    host: FunctionsHost, call: Any
) -> None:
    url = host.event_grid_url("blob_created")
    assert call("POST", url, [EVENT, {**EVENT, "subject": "fail"}], NOTIFICATION).status == 500
    assert call("POST", url, [EVENT], NOTIFICATION).status == 202


def test_a_typed_parameter_gets_the_type_of_the_schema(
    host: FunctionsHost, call: Any, marks: Marks
) -> None:
    url = host.event_grid_url("typed_event")
    assert call("POST", url, [EVENT, CLOUD_EVENT], NOTIFICATION).status == 202
    seen = sorted(marks("typed-event", 2))
    assert seen == [["CloudEvent", "c1", {"n": 1}], ["EventGridEvent", "e1", {"é": 1}]]


@pytest.mark.parametrize(
    ("change", "body", "headers", "status"),
    [
        (("code=", "code=x"), b"[]", NOTIFICATION, 401),
        (("blob_created", "nobody"), b"[]", NOTIFICATION, 404),
        (("blob_created", "echo"), b"[]", NOTIFICATION, 404),
        (("EventGrid", "eventgrid"), b"[]", NOTIFICATION, 202),
        (("", ""), b"not json", NOTIFICATION, 400),
        (("", ""), b"[1]", NOTIFICATION, 400),
        (("", ""), b"[]", {}, 400),
        (("", ""), b"[]", {"aeg-event-type": "SubscriptionValidation"}, 400),
        (("", ""), b"", {"aeg-event-type": "Unsubscribe"}, 202),
    ],
)
def test_the_webhook_answers_what_is_no_delivery(
    change: tuple[str, str], body: bytes, headers: Any, status: int, host: FunctionsHost, call: Any
) -> None:
    url = host.event_grid_url("blob_created").replace(*change)
    assert call("POST", url, body, headers).status == status


# Service Bus


@pytest.fixture(scope="module")
def sender(bus: ServiceBus) -> Iterator[Callable[[str], ServiceBusSender]]:
    with ServiceBusClient.from_connection_string(bus.connection_string) as client:
        opened: dict[str, ServiceBusSender] = {}

        def of(queue: str) -> ServiceBusSender:
            if queue not in opened:
                opened[queue] = client.get_queue_sender(queue)
            return opened[queue]

        yield of
        for one in opened.values():
            one.close()


def test_a_message_arrives_with_its_bytes_and_metadata(
    sender: Callable[[str], ServiceBusSender], marks: Marks
) -> None:
    sent = ServiceBusMessage(
        b'{"messageId": "evil"}\xff',
        message_id="m1",
        correlation_id="r1",
        content_type="application/json",
        application_properties={"kind": "plan"},
    )
    sender("reports").send_messages(sent)
    [seen] = [mark for mark in marks("message") if mark["id"] == "m1"]
    assert seen == {
        "id": "m1",
        "body": '{"messageId": "evil"}\xff',
        "delivery": 1,
        "properties": {"kind": "plan"},
        "correlation": "r1",
        "content_type": "application/json",
    }


def test_a_failed_function_gets_the_message_again_until_it_is_dead_lettered(
    sender: Callable[[str], ServiceBusSender], marks: Marks, bus: ServiceBus
) -> None:
    before = len(marks("message", 0))
    sender("reports").send_messages(ServiceBusMessage(b"fail", message_id="m2"))
    seen = [mark for mark in marks("message", before + 3) if mark["id"] == "m2"]
    assert [mark["delivery"] for mark in seen] == [1, 2, 3]
    bus.wait_for("reports", lambda counts: counts.dead_letter == 1)
    assert [dead.message_id for dead in bus.dead_letters("reports")] == ["m2"]


def test_a_text_trigger_lets_the_body_overwrite_the_metadata(
    sender: Callable[[str], ServiceBusSender], marks: Marks
) -> None:
    sender("text").send_messages(ServiceBusMessage('{"messageId":"evil"}', message_id="m3"))
    assert marks("text") == [["evil", '{"messageId":"evil"}']]


# Timers and administration


def test_a_timer_runs_at_the_start_and_then_on_its_schedule(marks: Marks) -> None:
    seen = marks("tick", 3)
    assert {mark["past_due"] for mark in seen} == {False}


def test_an_administrator_runs_a_function_once(
    host: FunctionsHost, call: Any, marks: Marks, master: dict[str, str]
) -> None:
    before = len(marks("event", 0))
    assert call("POST", f"{host.url}/admin/functions/yearly", {}, master).status == 202
    assert marks("yearly") == [False]
    event = {"input": json.dumps({**EVENT, "case": "admin"})}
    assert call("POST", f"{host.url}/admin/functions/blob_created", event, master).status == 202
    assert marks("event", before + 1)[-1]["case"] == "admin"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("functions/nobody", {}, 404),
        ("functions/echo", {}, 400),
        ("functions/blob_created", {"input": "not json"}, 400),
        ("functions/yearly", [], 400),
        ("elsewhere", {}, 404),
    ],
)
def test_the_admin_api_refuses_what_it_cannot_run(
    path: str, body: Any, status: int, host: FunctionsHost, call: Any, master: dict[str, str]
) -> None:
    assert call("POST", f"{host.url}/admin/{path}", body, master).status == status


def test_the_admin_api_lists_the_functions_to_the_master_key_only(
    host: FunctionsHost, call: Any, key: dict[str, str], master: dict[str, str]
) -> None:
    status = call("GET", f"{host.url}/admin/host/status", headers=master).json
    assert status["state"] == "Running"
    assert status["functions"] == host.functions
    assert host.functions["tick"] == "timerTrigger"
    listed = call("GET", f"{host.url}/admin/functions", headers=master).json
    bindings = {one["name"]: one["config"]["bindings"][0] for one in listed}
    assert bindings["task_reported"]["queueName"] == "reports"
    assert bindings["task_reported"]["dataType"] == "BINARY"
    assert call("GET", f"{host.url}/admin/functions", headers=key).status == 401
