"""The Azure surface as the Functions host sees it: names, routes, keys, queues."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import function_app
from restore.core import openapi

ROOT = Path(__file__).parents[1]


def triggers():
    """The trigger of each function, by the function's name."""
    found = {}
    for function in function_app.app.get_functions():
        bindings = map(json.loads, function.get_raw_bindings())
        (found[function.get_function_name()],) = (
            binding for binding in bindings if binding["type"].endswith("Trigger")
        )
    return found


TRIGGERS = triggers()
ROUTES = {
    "start_restore": ("POST", "restores"),
    "list_restores": ("GET", "restores"),
    "show_restore": ("GET", "restores/{id}"),
    "cancel_restore": ("POST", "restores/{id}/cancel"),
    "show_operation": ("GET", "restores/{id}/operation"),
    "openapi_document": ("GET", "openapi.json"),
    "show_plan": ("GET", "restores/{id}/plan"),
    "approve_restore": ("POST", "restores/{id}/approve"),
    "undo_restore": ("POST", "restores/{id}/undo"),
    "show_report": ("GET", "restores/{id}/report"),
    "alerts": ("POST", "alerts"),
    "list_drills": ("GET", "drills"),
    "start_drill": ("POST", "drills/{name}"),
    "recovery_points": ("GET", "recovery-points"),
    "show_list": ("GET", "ui"),
    "show_one": ("GET", "ui/restores/{id}"),
    "health": ("GET", "health"),
}


@pytest.mark.parametrize(("name", "route"), ROUTES.items())
def test_every_route_but_health_needs_a_key(name, route):
    trigger = TRIGGERS[name]
    more = ["OPTIONS"] if name == "alerts" else []  # how Event Grid asks whether it may send
    assert ([route[0], *more], route[1]) == (trigger["methods"], trigger["route"])
    free = name in ("health", "show_list", "show_one")  # the page holds no data
    assert trigger["authLevel"] == ("ANONYMOUS" if free else "FUNCTION")


def test_there_are_no_other_functions_than_those_that_are_documented():
    assert TRIGGERS.keys() - ROUTES.keys() == {"blob_created", "task_reported", "tick"}
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for name in TRIGGERS.keys() - ROUTES.keys() | {"start_restore"}:
        assert name in architecture
    for method, route in ROUTES.values():
        assert f"`{method} /api/{route}" in readme


def test_the_openapi_document_has_every_route_and_no_other():
    """Schemathesis asks the running app for each of them."""
    known = {
        (method.upper(), path.removeprefix("/"))
        for path, methods in openapi.PATHS.items()
        for method in methods
    }
    served = {
        (method, trigger["route"])
        for trigger in TRIGGERS.values()
        if trigger["type"] == "httpTrigger" and not trigger["route"].startswith("ui")
        for method in trigger["methods"]
    }
    assert known == served


def test_reports_come_from_their_queue_as_bytes():
    """As text, the host would copy the body's keys over the message's own properties."""
    trigger = TRIGGERS["task_reported"]
    assert trigger["queueName"] == "restore-reports"
    assert trigger["connection"] == "ServiceBusConnection"
    assert trigger["dataType"] == "BINARY"


def test_files_come_from_event_grid_and_ticks_from_a_timer_that_a_setting_turns():
    assert TRIGGERS["blob_created"]["type"] == "eventGridTrigger"
    assert TRIGGERS["tick"]["schedule"] == "%TICK_SCHEDULE%"


def test_the_function_app_brings_neither_psycopg_nor_the_worker_along():
    """They are not deployed with it."""
    program = (
        "import sys, function_app\n"
        "print([name for name in sys.modules"
        " if name.partition('.')[0] == 'psycopg' or name.startswith('restore.worker')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[]"), ran.stderr


def test_importing_it_needs_no_settings():
    """The host indexes functions before anything is configured."""
    ran = subprocess.run(
        [sys.executable, "-c", "import function_app"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_app_loads_nothing_that_few_events_or_only_workers_need():
    """What takes long to load makes every cold start long."""
    heavy = [
        "azure.mgmt",
        "psycopg",
        "restore.core.preflight",
        "restore.worker",
        "restore.engine",
        "isal",
        "lz4",
        "opentelemetry",
        "yaml",
        "rich",
        "local",
    ]
    program = f"import function_app, sys; print([m for m in {heavy} if m in sys.modules])"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
