"""The sample app, served by a real host process beside a real broker, and a way to call it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.functions import FunctionsHost
from local.servicebus import Broker, QueueConfig, ServiceBus

SAMPLE_APP = Path(__file__).parent / "sample_app"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Call = Callable[..., Reply]


@pytest.fixture(scope="session")
def call() -> Call:
    """`call(method, url, body=..., headers=...)`; a body that is no bytes is sent as JSON."""

    def send(
        method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        parts = urlsplit(url)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.request(method, url.split(parts.netloc, 1)[1], content, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    return send


@pytest.fixture(scope="session")
def sample_app() -> Path:
    return SAMPLE_APP


@pytest.fixture(scope="session")
def bus() -> Iterator[ServiceBus]:
    broker = Broker()
    broker.create_queue("reports", QueueConfig(max_delivery_count=3))
    broker.create_queue("text", QueueConfig())
    with ServiceBus(broker) as running:
        yield running


@pytest.fixture(scope="session")
def sample_environment(bus: ServiceBus) -> Mapping[str, str]:
    return {
        "BUS": bus.connection_string,
        "QUEUE": "reports",
        "TICK_SCHEDULE": "* * * * * *",
    }


@pytest.fixture(scope="session")
def host(sample_environment: Mapping[str, str]) -> Iterator[FunctionsHost]:
    with FunctionsHost(SAMPLE_APP, sample_environment) as running:
        yield running


@pytest.fixture
def marks(host: FunctionsHost, call: Call) -> Callable[..., Any]:
    """What functions left behind: waits inside the app until `wanted` marks are there."""

    def read(trigger: str, wanted: int = 1) -> Any:
        return call("GET", f"{host.url}/api/marks/{trigger}?wanted={wanted}").json

    return read
