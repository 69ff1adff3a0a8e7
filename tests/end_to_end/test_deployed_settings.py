"""What Bicep sets starts both deployables: only the places of Azure are replaced by local ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local.azurite import Azurite
from local.servicebus import Broker, QueueConfig, ServiceBus
from restore.core.messages import EVENTS, POISON, REPORTS, TASKS
from tests.infra import policy
from tests.infra.policy import INFRA, ROOT
from tests.infra.test_infra import value_of

CONTROL = """
import function_app
from restore import flows, wiring
print(flows.health(wiring.control())["status"])
"""


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


def _run(who: str, places: dict[str, str], *command: str) -> str:
    values = dict(zip(("app", "worker"), policy.given(INFRA), strict=True))[who]
    environment = {name: value_of(name, text) for name, text in values.items()}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment, **places},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_function_app_starts_and_is_healthy(places):
    assert _run("app", places, "-c", CONTROL).splitlines()[-1] == "ok"


def test_a_worker_starts_and_ends(places):
    _run("worker", places, "-m", "restore.worker", "--once", "--wait", "0.5")
