"""Restores that cannot work: the reason and a hint in the status, nothing changed on the target."""

import os
import signal

import psycopg
import pytest

from local import processes, sample
from local.stack import Stack
from local.vault import Denial, Faults
from tests.end_to_end import troubles
from tests.end_to_end.conftest import snapshot
from tests.end_to_end.test_restore import DATABASES, assert_equal, restore


def assert_failed(status, code):
    assert status["status"] == "failed", status
    assert status["error"]["code"] == code, status["error"]
    assert status["error"]["message"]
    assert status["error"]["hint"]


def source(stack, **changes):
    return {"server": stack.vault.names.server_id, **changes}


@pytest.mark.parametrize("denial", list(Denial))
def test_a_vault_without_permission(stack: Stack, denial):
    before = snapshot(stack.target)
    stack.vault.faults = Faults(permission_missing=denial)
    status = restore(stack)
    assert_failed(status, "vault-identity")
    assert "Storage Blob Data Contributor" in status["error"]["hint"]
    assert snapshot(stack.target) == before


@pytest.mark.parametrize(
    "point", [{"id": "0123456789abcdef0123456789abcdef"}, {"before": "2020-01-01T00:00:00Z"}]
)
def test_a_recovery_point_that_does_not_exist(stack: Stack, point):
    before = snapshot(stack.target)
    assert_failed(restore(stack, source=source(stack, recoveryPoint=point)), "not-found")
    assert snapshot(stack.target) == before


def test_a_vault_job_that_fails(stack: Stack):
    before = snapshot(stack.target)
    stack.vault.faults = Faults(job_failed="UserErrorStorageAccountInLockedState")
    status = restore(stack)
    assert status["status"] == "failed"
    assert "UserErrorStorageAccountInLockedState" in status["error"]["message"]
    assert "lock" in status["error"]["hint"]
    assert snapshot(stack.target) == before


def test_a_truncated_dump(stack: Stack):
    before = snapshot(stack.target)
    stack.vault.faults = Faults(truncated=DATABASES[0])
    assert_failed(restore(stack), "dump-damaged")
    assert snapshot(stack.target) == before


@pytest.mark.soak
def test_a_target_that_cannot_be_reached(stack: Stack):
    port = processes.free_port()
    settings = {"RESTORE_TARGETS": f"127.0.0.1:{stack.target.port} 127.0.0.1:{port}"}
    with troubles.settings_changed(stack, settings):
        target = {**stack.request()["target"], "port": port}
        status = restore(stack, target=target)
    assert status["status"] == "failed"
    assert status["error"]["hint"]
    assert f"127.0.0.1:{port}" in status["error"]["message"]


def test_a_target_that_is_not_on_the_allow_list_is_refused_at_once(stack: Stack):
    target = {**stack.request()["target"], "host": "production.example.com"}
    answer = stack.client.start(stack.request(target=target))
    assert answer.status == 403
    assert answer.body["type"] == "urn:restore:problem:target-not-allowed"
    assert "RESTORE_TARGETS" in answer.body["hint"]


@pytest.mark.soak
def test_a_target_that_only_the_worker_does_not_allow(stack: Stack):
    before = snapshot(stack.target)
    with troubles.worker_settings(stack, {"RESTORE_TARGETS": "127.0.0.1:1"}):
        status = restore(stack)
    assert_failed(status, "target-not-allowed")
    assert snapshot(stack.target) == before


def test_a_database_that_is_already_there(stack: Stack):
    name = DATABASES[2]
    with psycopg.connect(stack.target.admin_conninfo(), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        )
    before = snapshot(stack.target)
    status = restore(stack)
    assert_failed(status, "database-exists")
    assert "swap" in status["error"]["hint"]
    assert snapshot(stack.target) == before


def test_a_wrong_password(stack: Stack):
    before = snapshot(stack.target)
    with troubles.secret(stack, "not the password"):
        status = restore(stack)
    assert status["status"] == "failed"
    assert status["error"]["hint"]
    assert snapshot(stack.target) == before


@pytest.mark.soak
def test_a_worker_killed_in_the_middle_of_a_database(stack: Stack):
    """Its ticket comes back when the lock expires, and another worker does it again."""
    troubles.replace_workers(stack, 1)
    with troubles.slow_target(stack):
        restore_id = stack.client.start(stack.request()).body["id"]
        stack.wait(restore_id, lambda status: any(map(_working, status["databases"])))
        os.kill(stack.workers[0].pid, signal.SIGKILL)
    stack.add_worker()
    status = stack.wait(restore_id)
    assert status["status"] == "succeeded", status
    assert_equal(stack)
    after = snapshot(stack.target)
    assert after.databases >= set(sample.SMALL_DATABASES)
    assert not [name for name in after.databases if "__restoring_" in name]
    assert (after.locks, after.sessions) == (0, ())


def _working(database):
    return database["phase"] not in ("waiting", "queued", "proven", "published")


def test_a_function_app_killed_in_the_middle(stack: Stack):
    stack.vault.faults = Faults(seconds_per_blob=0.1)
    restore_id = stack.client.start(stack.request()).body["id"]
    stack.host.kill()
    stack.host.start()
    assert stack.wait(restore_id)["status"] == "succeeded"
    assert_equal(stack)
