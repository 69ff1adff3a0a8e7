"""From POST to a restored, verified server, on real parts, through the real HTTP route."""

import psycopg
import pytest

from local import sample
from local.blob_events import Schema
from local.stack import Stack
from local.vault import Faults
from restore.adapters.signing import verify
from restore.adapters.storage import BlobDocuments
from restore.core import history
from restore.settings import Connection
from tests.end_to_end import troubles
from tests.end_to_end.conftest import snapshot
from tests.waiting import eventually

DATABASES = tuple(sample.SMALL_DATABASES)


def restore(stack, **changes):
    """The last status of a restore that is posted now."""
    answer = stack.client.start(stack.request(**changes))
    assert answer.status == 202, answer.body
    return stack.wait(answer.body["id"])


def roles(server):
    """The customer's roles: attributes, passwords, settings, and memberships in each other."""
    system = {"azuresu", "azure_pg_admin", "replication", server.admin}
    found = sample.fingerprint_roles(server.superuser_conninfo())
    return {
        name: [
            [r for r in part if r not in system] if isinstance(part, list) else part
            for part in parts
        ]
        for name, parts in found.items()
        if name not in system
    }


def assert_equal(stack):
    """Source and target hold the same, by content; owners, grants and roles included."""
    for name in sample.SMALL_DATABASES:
        expected = sample.fingerprint(stack.source.superuser_conninfo(name), name)
        found = sample.fingerprint(stack.target.superuser_conninfo(name), name)
        assert sample.differences(expected, found) == [], name
        assert found["rows"], name


def test_a_backup_travels_the_whole_way(stack: Stack):
    before = snapshot(stack.target)
    status = restore(stack)
    assert status["status"] == "succeeded", status
    assert {database["name"] for database in status["databases"]} == set(sample.SMALL_DATABASES)
    for database in status["databases"]:
        assert database["phase"] == "published"
        assert database["rows"]["expected"] == database["rows"]["found"] > 0
    assert_equal(stack)
    assert roles(stack.target) == roles(stack.source)
    document = stack.client.report(status["id"]).body
    assert verify(document).report["status"] == "succeeded"
    for database in document["report"]["databases"]:
        done = [check["level"] for check in database["checks"] if check["done"]]
        assert done == ["counts", "catalog"]
    assert_remembered(stack, status["id"])
    told = [event["type"] for event in stack.events(status["id"])]
    assert told[0] == "restore.requested"
    assert told[-1] == "restore.succeeded"
    assert told.count("restore.database.published") == len(sample.SMALL_DATABASES)
    page = stack.client.report(status["id"], "html")
    assert page.headers["content-type"].startswith("text/html")
    assert document["signature"]["keyId"] in page.text
    assert_nothing_else(before, snapshot(stack.target))


def assert_remembered(stack, restore_id):
    """What each database took is in the target's history, and was foretold in the plan."""
    plan = stack.client.plan(restore_id).body
    foretold = {one["name"]: one for one in plan["prediction"]["databases"]}
    assert foretold.keys() == set(sample.SMALL_DATABASES)
    documents = BlobDocuments(Connection(stack.storage.connection_string))
    known = history.decode(documents.read(history.name(plan["server"])).body)
    (run,) = [run for run in known.runs if run.restore == restore_id]
    assert run.complete
    assert {one.load.size_bytes for one in run.databases} == {d["bytes"] for d in plan["databases"]}
    assert all(one.seconds > 0 and one.load.indexes > 0 for one in run.databases)
    assert run.phases["restoring"] > 0


def assert_nothing_else(before, after):
    """Nothing is left behind but what was restored."""
    assert after.databases - before.databases == set(sample.SMALL_DATABASES)
    assert after.locks == 0
    assert after.sessions == ()
    assert after.borrowed == before.borrowed == ()


@pytest.mark.parametrize(
    "troubles",
    [
        pytest.param({"doubled": 1.0, "shuffled": True}, id="doubled", marks=pytest.mark.soak),
        pytest.param({"dropped": 0.5, "shuffled": True}, id="half lost", marks=pytest.mark.soak),
        pytest.param({"dropped": 1.0}, id="all lost"),
    ],
)
def test_events_may_come_twice_never_or_in_any_order(stack: Stack, troubles):
    stack.watch_blobs(Schema.CLOUD_EVENTS, **troubles)
    assert restore(stack)["status"] == "succeeded"
    assert_equal(stack)


@pytest.mark.soak
def test_files_that_land_after_the_job_said_completed_are_waited_for(stack: Stack):
    stack.vault.faults = Faults(late_blobs=4, late_seconds=0.5)
    assert restore(stack)["status"] == "succeeded"
    assert_equal(stack)


@pytest.mark.soak
def test_a_vault_that_stumbles_is_asked_again_and_triggered_once(stack: Stack):
    jobs = len(list(stack.vault.jobs()))
    stack.vault.faults = Faults(throttled=2, lost_answers=1)
    assert restore(stack)["status"] == "succeeded"
    assert len(list(stack.vault.jobs())) == jobs + 1


@pytest.mark.soak
def test_the_copy_in_the_paired_region_is_restored_where_that_is_asked(stack: Stack):
    names = stack.vault.names
    status = restore(stack, source={"server": names.server_id, "region": names.paired_region})
    assert status["status"] == "succeeded", status
    assert_equal(stack)


def test_a_landing_account_that_is_shut_is_opened_for_the_vault_alone(stack: Stack):
    stack.vault.account.shut()
    before = stack.vault.account.properties
    assert restore(stack, dryRun=True)["status"] == "succeeded"
    assert stack.vault.account.properties == before


def test_files_already_in_a_container_are_adopted(stack: Stack):
    first = restore(stack, keepFiles=1, dryRun=True)
    again = restore(
        stack,
        source={"container": first["container"]},
        databases={"rename": {name: f"{name} 2" for name in sample.SMALL_DATABASES}},
    )
    assert again["status"] == "succeeded", again
    assert again["container"] == first["container"]
    assert {d["target"] for d in again["databases"]} == {f"{n} 2" for n in sample.SMALL_DATABASES}


@pytest.mark.soak
def test_a_swap_keeps_the_old_database_aside(stack: Stack):
    name = DATABASES[0]
    with psycopg.connect(stack.target.admin_conninfo(), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        )
    with psycopg.connect(stack.target.admin_conninfo(name)) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 42 AS answer")
    status = restore(stack, onExisting="swap", leaveSeconds=0)
    assert status["status"] == "succeeded", status
    assert_equal(stack)
    kept = f"{name}__before_{status['id'][:8]}"
    with psycopg.connect(stack.target.admin_conninfo(kept)) as connection:
        assert connection.execute("SELECT answer FROM precious").fetchone() == (42,)


def test_a_plan_is_read_approved_carried_out_and_undone(stack: Stack):
    name = DATABASES[0]
    with psycopg.connect(stack.target.admin_conninfo(), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        )
    with psycopg.connect(stack.target.admin_conninfo(name)) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 42 AS answer")
    request = stack.request(
        databases={"include": [name]}, onExisting="swap", approval="required", leaveSeconds=0
    )
    before = snapshot(stack.target)
    restore_id = stack.client.start(request).body["id"]
    status = stack.wait(restore_id, lambda status: status["status"] == "awaiting_approval")
    plan = stack.client.plan(restore_id).body
    text = stack.client.call("GET", f"/api/restores/{restore_id}/plan?format=text").text
    assert plan["hash"] == status["plan"]["hash"]
    assert plan["hash"] in text
    assert f"{name}__before_{restore_id[:8]}" in text
    assert snapshot(stack.target) == before
    assert stack.client.undo(restore_id).status == 409
    assert stack.client.approve(restore_id, "0" * 64).status == 409
    assert stack.client.approve(restore_id, plan["hash"]).status == 202
    status = stack.wait(restore_id)
    assert status["status"].startswith("succeeded"), status
    assert status["plan"]["approved"]
    expected = sample.fingerprint(stack.source.superuser_conninfo(name), name)
    found = sample.fingerprint(stack.target.superuser_conninfo(name), name)
    assert sample.differences(expected, found) == []
    assert (stack.client.undo(restore_id).status, stack.client.undo(restore_id).status) == (
        202,
    ) * 2
    stack.wait(restore_id, lambda status: status["undo"]["state"] == "done")
    with psycopg.connect(stack.target.admin_conninfo(name)) as connection:
        assert connection.execute("SELECT answer FROM precious").fetchone() == (42,)
    after = snapshot(stack.target)
    assert after.databases - before.databases == {f"{name}__restoring_{restore_id[:8]}"}
    assert (after.borrowed, after.locks, after.sessions) == (before.borrowed, 0, ())


def test_a_dry_run_changes_nothing_on_the_target(stack: Stack):
    before = snapshot(stack.target)
    status = restore(stack, dryRun=True)
    assert (status["status"], status["dryRun"]) == ("succeeded", True)
    assert stack.client.plan(status["id"]).body["hash"] == status["plan"]["hash"]
    assert snapshot(stack.target) == before


@pytest.mark.soak
def test_some_databases_can_be_chosen(stack: Stack):
    name = DATABASES[1]
    status = restore(stack, databases={"include": [name]})
    assert [database["name"] for database in status["databases"]] == [name]
    assert snapshot(stack.target).databases & set(sample.SMALL_DATABASES) == {name}


@pytest.mark.soak
def test_two_restores_to_one_server_come_one_after_the_other(stack: Stack):
    first, second = (
        stack.client.start(
            stack.request(databases={"rename": {name: f"{name} {n}" for name in DATABASES}})
        ).body["id"]
        for n in (1, 2)
    )
    ends = [stack.wait(restore_id) for restore_id in (first, second)]
    assert [end["status"] for end in ends] == ["succeeded", "succeeded"], ends
    ended, begun = (
        [
            change["at"]
            for change in end["history"]
            if change["status"] in ("preparing", "succeeded")
        ]
        for end in ends
    )
    assert ended[1] <= begun[0] or begun[1] <= ended[0]


@pytest.mark.soak
def test_a_worker_for_each_ticket_does_it_too(stack: Stack):
    """As an event-driven container job starts them: one ticket, then the end."""
    troubles.stop_workers(stack)
    request = stack.request(databases={"include": [DATABASES[0]]})
    restore_id = stack.client.start(request).body["id"]
    while not stack.client.show(restore_id).body["ended"]:
        worker = stack.add_worker("--once", "--wait", "5")
        assert worker.wait(60) == 0
    assert stack.wait(restore_id)["status"] == "succeeded"


def test_cancelling_takes_back_what_was_begun(stack: Stack):
    before = snapshot(stack.target)
    stack.vault.faults = Faults(seconds_per_blob=0.2)
    restore_id = stack.client.start(stack.request()).body["id"]
    stack.wait(restore_id, lambda status: status["status"] == "extracting")
    assert stack.client.cancel(restore_id).status in (200, 202)
    assert stack.wait(restore_id)["status"] == "cancelled"
    again = stack.client.cancel(restore_id)
    assert (again.status, again.body["status"]) == (200, "cancelled")
    assert snapshot(stack.target) == before


@pytest.mark.soak
def test_parameters_of_the_server_are_changed_for_the_while_and_put_back(stack: Stack):
    request = stack.request(serverParameters={"checkpoint_timeout": "3600"})
    request["target"]["server"] = stack.vault.names.target_id
    restore_id = stack.client.start(request).body["id"]

    def found() -> str:
        with psycopg.connect(stack.target.admin_conninfo()) as connection:
            (value,) = connection.execute(
                "SELECT setting FROM pg_settings WHERE name = 'checkpoint_timeout'"
            ).fetchone()
            return value

    assert eventually(lambda: found() == "3600")
    status = stack.wait(restore_id)
    assert status["status"] == "succeeded", status
    assert eventually(lambda: found() == "600")  # the service's default
    assert eventually(lambda: stack.client.show(restore_id).body["doing"] == "")
