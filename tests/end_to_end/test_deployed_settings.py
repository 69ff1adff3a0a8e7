"""What Bicep sets starts both deployables: only the places of Azure are replaced by local ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from local.azurite import Azurite
from local.functions import FunctionsHost
from local.servicebus import Broker, QueueConfig, ServiceBus
from restore.core.messages import EVENTS, POISON, REPORTS, TASKS
from tests.infra import policy
from tests.infra.policy import INFRA, ROOT
from tests.infra.test_infra import value_of


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """Local ones that nobody else uses, for the settings that name places of Azure."""
    broker = Broker()
    queue = QueueConfig(lock_seconds=10, requires_duplicate_detection=True)
    for name in (TASKS, REPORTS, POISON):
        broker.create_queue(name, queue)
    broker.create_topic(EVENTS)
    with ServiceBus(broker) as bus, Azurite() as azurite:
        yield {
            "ServiceBusConnection": bus.connection_string,
            "LandingStorage": azurite.connection_string,
            "StateStorage": azurite.connection_string,
        }


def _environment(who: str, places: dict[str, str]) -> dict[str, str]:
    values = dict(zip(("app", "worker"), policy.given(INFRA), strict=True))[who]
    given = {name: value_of(name, text) for name, text in values.items()}
    return {"PATH": os.environ["PATH"], **given, **places}


def test_the_function_app_starts_under_the_functions_host_and_is_healthy(places, tmp_path):
    """With its own timer, and the trigger of its queue."""
    deployed = FunctionsHost(ROOT, _environment("app", places), log_path=tmp_path / "log")
    with deployed as host, urllib.request.urlopen(f"{host.url}/api/health") as answer:
        assert json.load(answer)["status"] == "ok"


def test_a_worker_starts_and_ends(places):
    command = [sys.executable, "-m", "restore.worker", "--once", "--wait", "0.5"]
    environment = _environment("worker", places)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
