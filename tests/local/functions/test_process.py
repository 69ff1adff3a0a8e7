"""The host as a process: how it starts, refuses, ends, and that it leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.functions import FunctionAppError, FunctionsHost, HostProcessError, Keys

PING = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
@app.route(route="ping")
def ping(req: func.HttpRequest) -> str:
    return "pong"
"""
ENDLESS = """
import threading
@app.route(route="endless", auth_level=func.AuthLevel.ANONYMOUS)
def endless(req: func.HttpRequest) -> str:
    print("endless began", flush=True)
    threading.Event().wait()
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def make_app(tmp_path: Path) -> Callable[[str], Path]:
    def make(source: str) -> Path:
        (tmp_path / "host.json").write_text('{"version": "2.0"}')
        (tmp_path / "function_app.py").write_text(source)
        return tmp_path

    return make


def wait_for_line(path: Path, text: str) -> None:
    """Until `text` is in the growing file; the test's own timeout bounds it."""
    with subprocess.Popen(
        ["tail", "-n", "+1", "-f", str(path)], stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        assert any(text in line for line in tail.stdout)
        tail.kill()


def test_it_keeps_its_address_and_keys_when_it_is_killed_and_started_again(
    make_app: Callable[[str], Path], call: Any
) -> None:
    with FunctionsHost(make_app(PING), {}) as host:
        address, key = f"{host.url}/api/ping", {"x-functions-key": host.key}
        assert call("GET", address, headers=key).body == b"pong"
        assert host.kill() == -signal.SIGKILL
        assert not host.running
        with pytest.raises(ConnectionRefusedError):
            call("GET", address)
        host.start()
        assert call("GET", address, headers=key).body == b"pong"
        host.restart()
        assert call("GET", address, headers=key).body == b"pong"
        assert host.stop() == 0
    assert host.stop() == 0


def test_given_keys_are_used(make_app: Callable[[str], Path], call: Any) -> None:
    keys = Keys(default="d" * 20, master="m" * 20, event_grid="e" * 20)
    with FunctionsHost(make_app(PING), {}, keys=keys) as host:
        assert call("GET", f"{host.url}/api/ping?code={'d' * 20}").status == 200


def test_a_running_function_comes_to_its_end_before_the_host_does(
    sample_app: Path, sample_environment: Mapping[str, str], call: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with FunctionsHost(sample_app, sample_environment, log_path=log) as host:
        replies: list[Any] = []
        caller = threading.Thread(
            target=lambda: replies.append(call("GET", f"{host.url}/api/slow?seconds=1"))
        )
        caller.start()
        wait_for_line(log, "a line on stdout")
        assert host.stop() == 0
        caller.join(30)
    assert [reply.json for reply in replies] == ["done"]


def test_a_function_that_never_ends_is_given_up_after_the_grace(
    make_app: Callable[[str], Path], call: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    app = make_app(PING + ENDLESS)
    with FunctionsHost(app, {}, log_path=log, grace_seconds=0.2) as host:
        failures: list[type[BaseException]] = []

        def endless() -> None:
            try:
                call("GET", f"{host.url}/api/endless")
            except (OSError, http.client.HTTPException) as error:
                failures.append(type(error))

        caller = threading.Thread(target=endless)
        caller.start()
        wait_for_line(log, "endless began")
        assert host.stop() == 3
        caller.join(30)
    assert len(failures) == 1
    assert "functions still running" in log.read_text()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PING.replace("-> str", "-> dict"), "expected to be indexed|expected a type that fits"),
        (PING.replace('"ping"', '"{id:even}"'), "route template: expected a constraint"),
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
    ],
)
def test_an_app_that_cannot_be_served_is_refused_at_the_start(
    source: str, message: str, make_app: Callable[[str], Path]
) -> None:
    host = FunctionsHost(make_app(source), {})
    with pytest.raises(FunctionAppError, match=message):
        host.start()
    assert not host.running


def test_a_missing_setting_is_named_at_the_start(sample_app: Path) -> None:
    with pytest.raises(FunctionAppError, match=r"setting '(BUS|QUEUE)'") as caught:
        FunctionsHost(sample_app, {}).start()
    assert "environment" in caught.value.hint


def test_a_taken_port_is_refused_at_the_start(make_app: Callable[[str], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FunctionAppError, match=rf"port {port}: expected free"):
            FunctionsHost(make_app(PING), {}, port=port).start()


def test_a_host_that_ends_before_it_is_ready_is_told_from_a_refusal(
    make_app: Callable[[str], Path], tmp_path: Path
) -> None:
    host = FunctionsHost(make_app("import os; os._exit(7)"), {}, log_path=tmp_path / "log")
    with pytest.raises(HostProcessError, match="exit code 7") as caught:
        host.start()
    assert str(tmp_path / "log") in caught.value.hint
    assert not host.running


def test_the_address_of_the_webhook_escapes_the_key(sample_app: Path) -> None:
    keys = Keys(default="d", master="m", event_grid="k==&/")
    url = FunctionsHost(sample_app, {}, port=7071, keys=keys).event_grid_url("blob_created")
    expected = "/runtime/webhooks/EventGrid?functionName=blob_created&code=k%3D%3D%26%2F"
    assert url == f"http://127.0.0.1:7071{expected}"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_it_ends_when_its_parent_is_killed(make_app: Callable[[str], Path]) -> None:
    """The host inherits the pipe's write end: the pipe ends only when host and parent are gone."""
    parent_code = (
        "import sys, time; from pathlib import Path; from local.functions import FunctionsHost\n"
        "host = FunctionsHost(Path(sys.argv[1]), {}).start(); print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_code, str(make_app(PING))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        assert b"Traceback" not in parent.stderr.read()


def test_what_an_app_prints_stays_out_of_the_protocol(make_app: Callable[[str], Path]) -> None:
    app = make_app("print('noise')\n" + PING)
    command = [sys.executable, "-m", "local.functions", str(app), "--keys", '{"default": "k"}']
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=dict(os.environ)
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        select.select([child.stdout], [], [], 60)
        ready = json.loads(child.stdout.readline())
        child.send_signal(signal.SIGINT)
        assert child.stdout.read() == b""
        assert b"noise" in child.stderr.read()
    assert child.returncode == 0
    assert ready["keys"]["default"] == "k"
    assert ready["functions"] == {"ping": "httpTrigger"}
