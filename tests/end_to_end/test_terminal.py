"""`python -m restore` against the running app: what it prints, and the codes it ends with."""

from __future__ import annotations

import json

import pytest

from local.stack import Stack
from restore.__main__ import main


@pytest.fixture
def typed(stack: Stack, monkeypatch, capsys):
    """A function that types a command: its exit code, what it printed, and complained of."""
    monkeypatch.setenv("RESTORE_APP", stack.client.url)
    monkeypatch.setenv("RESTORE_KEY", stack.client.key)

    def run(*arguments: str):
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def request_file(stack: Stack, tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps(stack.request()))
    return str(path)


def test_a_restore_from_start_to_report(stack: Stack, typed, request_file):
    code, out, _ = typed("start", "--request", request_file, "--dry-run", "--wait")
    assert code == 0
    assert "Idempotency-Key terminal-" in out
    assert "succeeded in" in out
    restore_id = stack.client.list().body["restores"][0]["id"]
    code, again, _ = typed("start", "--request", request_file, "--dry-run")
    assert (code, restore_id in again) == (0, True)
    assert "watch it: python -m restore watch" in again
    code, out, _ = typed("plan")
    assert (code, out.startswith("Plan for")) == (0, True)
    assert json.loads(typed("plan", "--json")[1])["hash"]
    assert restore_id in typed("list")[1]
    code, out, _ = typed("report", restore_id)
    assert (code, json.loads(out)["report"]["id"]) == (0, restore_id)
    code, out, _ = typed("watch", "--json", restore_id)
    assert (code, json.loads(out)["status"]) == (0, "succeeded")
    assert typed("show", restore_id)[0] == 0


def test_a_plan_is_approved_by_its_hash_or_by_the_targets_name(
    stack: Stack, typed, request_file, monkeypatch
):
    code, out, _ = typed("start", "--request", request_file, "--approval", "--json", "--again")
    restore_id = json.loads(out)["id"]
    stack.wait(restore_id, lambda status: status["status"] == "awaiting_approval")
    code, out, _ = typed("show", restore_id)
    assert (code, f"restore approve {restore_id}" in out) == (0, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert typed("approve", restore_id)[0] == 2
    assert typed("approve", restore_id, "--hash", "0" * 64)[0] == 1
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: "another")
    code, _, errors = typed("approve", restore_id)
    assert (code, "nothing was done" in errors) == (2, True)
    monkeypatch.setattr("builtins.input", lambda prompt: stack.target.host)
    code, out, _ = typed("approve", restore_id)
    assert (code, "approved: it goes on" in out) == (0, True)
    assert typed("cancel", restore_id)[0] == 0
    stack.wait(restore_id)
    assert typed("show", restore_id)[0] in (0, 6)
    code, _, errors = typed("undo", restore_id, "--json")
    assert (code, "refused" in errors) == (1, True)


def test_points_and_alerts(stack: Stack, typed, tmp_path):
    code, out, _ = typed("points", stack.vault.names.server_id)
    assert (code, "Completed" in out) == (0, True)
    assert json.loads(typed("points", stack.vault.names.instance, "--json")[1])["recoveryPoints"]
    path = tmp_path / "alert.json"
    path.write_text("{}")
    code, _, errors = typed("alert", str(path))
    assert (code, "azureMonitorCommonAlertSchema" in errors) == (1, True)
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "nothing.fits"}
    path.write_text(json.dumps({**event, "time": "2026-01-01T00:00:00Z"}))
    code, out, _ = typed("alert", str(path))
    assert (code, out.startswith("none: none of")) == (0, True)
    assert json.loads(typed("alert", "--json", str(path))[1])["alerts"][0]["action"] == "none"


def test_what_is_wrong_is_said_in_a_few_lines(stack: Stack, typed, monkeypatch):
    code, _, errors = typed("start", "--target", "h:x", "--before", "yesterday", "--server", "/x")
    assert code == 1
    assert "/source/recoveryPoint/before: expected" in errors
    assert "/target/user: expected a value, found nothing" in errors
    assert typed("show", "f" * 16)[0] == 1
    code, _, errors = typed("start", "--request", "/no/such/file")
    assert (code, "No such file" in errors) == (2, True)
    monkeypatch.setenv("RESTORE_KEY", "wrong")
    code, _, errors = typed("watch", "f" * 16)
    assert (code, "RESTORE_KEY" in errors) == (1, True)
    code, _, errors = typed("list", "--app", "http://127.0.0.1:1")
    assert (code, "expected an answer" in errors) == (1, True)
    monkeypatch.delenv("RESTORE_APP")
    code, _, errors = typed("list")
    assert (code, "RESTORE_APP" in errors) == (2, True)


def test_without_a_command_it_says_what_to_do_next(typed, monkeypatch):
    code, out, _ = typed()
    assert (code, "list shows the restores" in out) == (2, True)
    monkeypatch.delenv("RESTORE_APP")
    assert "Set RESTORE_APP" in typed()[1]
    assert "complete" in typed("completion", "bash")[1]
