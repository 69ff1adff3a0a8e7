"""`python -m bench.control`: events a second, latency, state growth, import time.

Writes bench/results/control.json, and its figures into docs/performance.md. Storage is Azurite and
Service Bus the local one, so that only comparisons between runs on one machine mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient

from bench.page import DOCS, put
from local import sample
from local.azurite import Azurite
from local.servicebus import Broker, QueueConfig
from local.servicebus import ServiceBus as LocalBus
from local.stack import Stack
from local.vault import Faults
from restore import flows
from restore.adapters.servicebus import ServiceBus
from restore.adapters.storage import BlobLanding, BlobRecords, BlobStates
from restore.control import Control
from restore.core import messages
from restore.core.dumps import Blob
from restore.core.messages import (
    POISON,
    REPORTS,
    TASKS,
    DatabaseResult,
    Report,
    Result,
    TaskResult,
)
from restore.core.plan import DatabaseStep, Engine, Plan
from restore.core.policy import Policy
from restore.core.state import Restore, encode
from restore.settings import Connection

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results/control.json"
_HOST = "pg.example.com"
_SETTLE = timedelta(hours=1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.control", description=__doc__)
    parser.add_argument("--databases", type=int, default=100)
    parser.add_argument("--restores", type=int, default=10, help="whose latency is measured")
    parser.add_argument("--scale", type=float, default=3, help="of the sample that is cancelled")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found: dict[str, Any] = {"date": f"{datetime.now(UTC):%Y-%m-%d}"}
    for name, measure in (
        ("import", imports),  # first: what the others leave behind takes its time to end
        ("events", lambda: events(options.databases)),
        ("latency", lambda: latency(options.restores)),
        ("cancel", lambda: cancels(options.scale)),
    ):
        found[name] = measure()
        print(name, json.dumps(found[name]), flush=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if options.out == RESULTS:
        put(DOCS / "performance.md", "control", "\n".join(table(found)))
    return 0


def table(found: dict[str, Any]) -> Iterator[str]:
    """The figures for people."""
    events, latency, start = found["events"], found["latency"], found["import"]
    figures = {
        "`blob_created`, one after the other": f"{events['blob_created_per_second']} a second",
        f"`task_reported` of a restore with {events['databases']} databases": (
            f"{events['task_reported_per_second']} a second"
        ),
        "what a database adds to the state": f"{events['state_bytes_per_database']} B",
        "what a file that lands adds": f"{events['state_bytes_per_landed_file']} B",
        "last file landed → first byte that a worker reads, p50": f"{latency['p50_seconds']} s",
        "… p95": f"{latency['p95_seconds']} s",
        "… of which is a chosen wait": f"{latency['of_it_settling_seconds']} s",
        **{
            f"cancelled while {phase}, until all is taken back": f"{seconds['worst']} s"
            for phase, seconds in found["cancel"].items()
        },
        "`import function_app`": f"{start['function_app_seconds']:.2f} s",
        "… its packages alone": f"{start['packages_alone_seconds']:.2f} s",
    }
    yield f"Measured on 2 cores, {found['date']}, with Azurite and the local Service Bus.\n"
    yield "| | |\n|---|--:|"
    yield from (f"| {name} | {value} |" for name, value in figures.items())


def events(databases: int) -> dict[str, Any]:
    """Through the two flows that events come by, each a function call with real ports."""
    broker = Broker()
    for queue in (TASKS, REPORTS, POISON):
        broker.create_queue(queue, QueueConfig(requires_duplicate_detection=True))
    with Azurite() as storage, LocalBus(broker) as bus:
        connection = Connection(storage.connection_string)
        with (
            closing(BlobStates(connection)) as states,
            closing(BlobRecords(connection)) as records,
            closing(BlobLanding(connection)) as landing,
            closing(ServiceBus(Connection(bus.connection_string))) as queues,
        ):
            clock = _Clock()
            control = Control(
                clock=lambda: datetime.now(UTC) + clock.ahead,
                states=states,
                records=records,
                landing=landing,
                vault=None,  # type: ignore[arg-type]
                parameters=None,  # type: ignore[arg-type]
                bus=queues,
                policy=Policy(settle_seconds=_SETTLE.total_seconds(), max_databases=databases),
                vaults=(),
                targets=(f"{_HOST}:5432",),
            )
            return _events(control, clock, storage, databases)


@dataclass
class _Clock:
    """So that all files land before the first is looked at, and nobody waits afterwards."""

    ahead: timedelta = timedelta()


def _events(control: Control, clock: _Clock, storage: Azurite, databases: int) -> dict[str, Any]:
    url = control.landing.url("files")
    control.landing.create(url, "0" * 16)
    with BlobServiceClient.from_connection_string(storage.connection_string) as client:
        files = client.get_container_client("files")
        for name in ("x_roles.sql", *(f"file-{number}" for number in range(databases))):
            files.upload_blob(name, b"--")
    body = json.dumps(
        {"source": {"container": url}, "target": {"host": _HOST, "user": "a", "secret": "s"}}
    ).encode()
    restore_id = flows.start(control, body).id
    ours = control.landing.url(f"restore-{restore_id}")
    news = [_landed(ours, f"file-{number}") for number in range(databases)]
    landed = _rate(lambda number: flows.file_landed(control, news[number]), databases)
    while control.states.load(restore_id).restore.task("prepare") is None:
        clock.ahead += _SETTLE
        flows.tick(control)
    _tell(control, restore_id, TaskResult("prepare", 1, Result.DONE, plan=_plan(databases)))
    before = control.states.load(restore_id).restore
    sizes = [len(encode(before))]

    def reported(number: int) -> None:
        proven = DatabaseResult(f"database_{number}", 100, 1000, 1000)
        task = f"database-{number}"
        _tell(control, restore_id, TaskResult(task, 1, Result.DONE, database=proven))

    done = _rate(reported, databases)
    after = control.states.load(restore_id).restore
    sizes.append(len(encode(after)))
    return {
        "databases": databases,
        "blob_created_per_second": landed,
        "task_reported_per_second": done,
        "state_bytes_per_database": round(sizes[1] / databases),
        "state_bytes_per_landed_file": _bytes_per_landed(before),
    }


def _tell(control: Control, restore_id: str, result: TaskResult) -> None:
    """What a worker does, and then the trigger."""
    control.records.put_result(restore_id, result)
    report = Report(restore_id, result.task, result.attempt)
    flows.task_reported(control, messages.encode_report(report))


def _bytes_per_landed(restore: Restore) -> int:
    more = replace(restore, landed=tuple(f"file-{number:04}" for number in range(100)))
    return round((len(encode(more)) - len(encode(replace(restore, landed=())))) / 100)


def _rate(call: Callable[[int], None], times: int) -> float:
    began = time.monotonic()
    for number in range(times):
        call(number)
    return round(times / (time.monotonic() - began), 1)


def _landed(url: str, name: str) -> str:
    container = url.rpartition("/")[2]
    return json.dumps(
        {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
            "data": {"api": "PutBlockList", "url": f"{url}/{name}"},
        }
    )


def _plan(databases: int) -> Plan:
    steps = tuple(
        DatabaseStep(
            name=f"database_{number}",
            target=f"database_{number}",
            staging=f"database_{number}__restoring_00000000",
            before="",
            blob=Blob(f"x_database_{number}.sql", 1000, "0x1"),
            engine=Engine.STREAM,
            client=18,
        )
        for number in range(databases)
    )
    return Plan(databases=steps, roles=None, tablespaces=None, target_version="18")


def latency(restores: int) -> dict[str, Any]:
    """From the last file the vault wrote to the first sign of the worker that reads it."""
    waits: list[float] = []
    with Stack(workers=1) as stack:
        assert stack.source is not None
        sample.fill_small(stack.source)
        stack.vault.take_backup()
        with BlobServiceClient.from_connection_string(stack.storage.connection_string) as client:
            for _ in range(restores):
                answer = stack.client.start(stack.request(dryRun=True))
                waits.append(_wait(client, str(answer.body["id"])))
                stack.wait(str(answer.body["id"]))
    return {
        "restores": restores,
        "p50_seconds": round(statistics.median(waits), 2),
        "p95_seconds": round(sorted(waits)[max(0, round(0.95 * len(waits)) - 1)], 2),
        "of_it_settling_seconds": 1.0,
    }


def _wait(client: BlobServiceClient, restore_id: str) -> float:
    """Both ends are watched: a blob's own time is whole seconds."""
    files = client.get_container_client(f"restore-{restore_id}")
    news = client.get_blob_client("restore-state", f"progress/{restore_id}/prepare.json")
    last, count = time.monotonic(), -1
    while not news.exists():
        found = _count(files)
        if found > count:
            last, count = time.monotonic(), found
        time.sleep(0.02)
    return time.monotonic() - last


def _count(container: Any) -> int:
    return sum(1 for _ in container.list_blobs()) if container.exists() else 0


def cancels(scale: float, times: int = 3) -> dict[str, Any]:
    """From POST …/cancel to the end, files and staging databases gone, by what it was at.

    Workers look as seldom as they do by default.
    """
    found: dict[str, list[float]] = {"extracting": [], "preparing": [], "restoring": []}
    with Stack(workers=1) as stack:
        assert stack.source is not None
        sample.fill(stack.source, scale)
        stack.vault.take_backup()
        stack.vault.faults = Faults(seconds_per_blob=0.2)
        for phase, seconds in found.items():
            while len(seconds) < times:
                restore_id = str(stack.client.start(stack.request()).body["id"])
                status = stack.wait(restore_id, partial(_is_at, phase))
                if status["status"] != phase:
                    raise AssertionError(f"{restore_id} was never {phase}: {status['status']}")
                began = time.monotonic()
                stack.client.cancel(restore_id)
                ended = stack.wait(restore_id)
                if ended["status"] != "cancelled":
                    raise AssertionError(f"{restore_id} was not cancelled: {ended['status']}")
                seconds.append(round(time.monotonic() - began, 1))
    return {phase: {"seconds": seconds, "worst": max(seconds)} for phase, seconds in found.items()}


def _is_at(phase: str, status: dict[str, Any]) -> bool:
    return bool(status["ended"]) or status["status"] == phase


def imports(times: int = 9) -> dict[str, float]:
    """Of fresh processes, in turns: the app, its modules compiled or not, and its packages alone.

    Packages are compiled, as pip leaves them. Without aiohttp and yarl, which only the local stack
    installs, and which the Azure SDK loads if it can.
    """
    with tempfile.TemporaryDirectory() as folder:
        compiled = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        ways = {
            "function_app_seconds": (_APP, compiled),
            "uncompiled_seconds": (_APP, {"PYTHONDONTWRITEBYTECODE": "1"}),
            "packages_alone_seconds": (_PACKAGES, compiled),
        }
        for what, environment in ways.values():
            _import_seconds(what, environment)
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(times):
            for name, (what, environment) in ways.items():
                found[name].append(_import_seconds(what, environment))
    return {name: round(statistics.median(seconds), 3) for name, seconds in found.items()}


_APP = "function_app"
_PACKAGES = "azure.functions, azure.identity, azure.servicebus, azure.storage.blob, pydantic, yaml"
_IMPORT = """
import sys, time
sys.modules["aiohttp"] = sys.modules["yarl"] = None
began = time.perf_counter()
import {}
print(time.perf_counter() - began)
"""


def _import_seconds(what: str, environment: dict[str, str]) -> float:
    found = subprocess.run(
        [sys.executable, "-c", _IMPORT.format(what)],
        cwd=ROOT,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(found.stdout)


if __name__ == "__main__":
    sys.exit(main())
