from dataclasses import replace
from datetime import timedelta

from restore.core.estimate import Load
from restore.core.events import (
    Approved,
    CancelAsked,
    Claimed,
    Listed,
    Purged,
    Ticked,
    TimeCame,
    UndoAsked,
)
from restore.core.facts import Finding
from restore.core.messages import Failure, Progress, TableProgress
from restore.core.prediction import predict, sample, whole
from restore.core.problem import problem, status_of
from restore.core.request_error import Problem, RequestError, TooLargeError
from restore.core.state import Do, Phase, TaskState
from restore.core.status import operation, status
from restore.errors import ExecutionError, InputError, NotFoundError, TransientError
from tests.core import test_afterwards as afterwards
from tests.core import test_approval as approval
from tests.core import test_publish_each as publish_each
from tests.core.test_life import (
    BLOBS,
    BROKEN,
    NOW,
    POLICY,
    Story,
    database,
    extracted,
    prepared,
    proven,
)


def shown(story, progress=(), after=0):
    return status(story.restore, {p.task: p for p in progress}, NOW + timedelta(seconds=after))


def test_each_step_says_what_is_waited_for():
    assert shown(Story())["doing"] == "looking for the recovery point"
    assert shown(extracted())["doing"] == "waiting until the container is quiet"
    assert shown(prepared().done("roles"))["doing"] == "worker: database-0, database-1"


def test_a_restore_that_waits_for_another_names_it():
    story = extracted()
    story.server_is_free = False
    story.on(Listed(BLOBS)).on(Listed(BLOBS), after=10)
    assert shown(story)["doing"] == "claiming the target server"
    doing = shown(story.on(Claimed("fedcba9876543210")))["doing"]
    assert doing == "waiting for restore fedcba9876543210, which works on the same server"


def links(story):
    found = {name: link.rpartition("/")[2] for name, link in shown(story)["links"].items()}
    assert found.pop("operation") == "operation"
    return found


def test_the_links_say_what_there_is_to_read_and_what_can_be_done():
    at = Story().restore.id
    assert links(Story()) == {"self": at, "cancel": "cancel"}
    assert links(prepared()) == {"self": at, "plan": "plan", "cancel": "cancel"}
    waits = links(approval.waiting())
    assert waits == {"self": at, "plan": "plan", "approve": "approve", "cancel": "cancel"}
    ended = links(afterwards.ended())
    assert ended == {"self": at, "plan": "plan", "undo": "undo", "report": "report"}


def test_a_running_database_shows_bytes_rate_and_time_left():
    news = Progress("database-0", 1, "data", NOW, 2_000, 10_000, 100.0)
    crm, shop = shown(prepared().done("roles"), [news])["databases"]
    assert crm["phase"] == "data"
    assert crm["bytes"] == {"done": 2_000, "total": 10_000}
    assert crm["bytesPerSecond"] == 100
    assert crm["etaSeconds"] == 80
    assert shop["phase"] == "queued"
    assert "etaSeconds" not in shop


def test_a_restored_database_shows_its_rows_and_is_published_only_at_the_end():
    story = prepared("crm").done("roles").done("database-0", database=database("crm"))
    (crm,) = shown(story)["databases"]
    assert crm["phase"] == "proven"
    assert crm["rows"] == {"expected": 10, "found": 10}
    (crm,) = shown(story.done("finish"))["databases"]
    assert crm["phase"] == "published"


def test_an_end_shows_its_seconds_and_nothing_to_wait_for():
    body = shown(proven().done("finish"), after=3600)
    assert body["status"] == "succeeded"
    assert body["ended"]
    assert body["doing"] == ""
    assert body["seconds"] == 10
    assert body["recoveryPoint"]["id"] == "rp1"


def test_a_failure_shows_code_message_and_hint():
    story = prepared("crm").failed("roles", Failure("tool", "psql: found 1", "look"))
    body = shown(story.done("cleanup"))
    assert body["error"] == {"code": "tool", "message": "psql: found 1", "hint": "look"}


def test_earlier_attempts_are_shown_beside_their_database():
    story = prepared("crm").done("roles")
    story.failed("database-0", Failure("transient", "gone", transient=True))
    (crm,) = shown(story)["databases"]
    assert crm["failures"] == [{"code": "transient", "message": "gone"}]


def test_an_error_becomes_problem_details_by_its_code_or_family():
    assert status_of(NotFoundError("x")) == 404
    assert status_of(TooLargeError(Problem("", "a", "b"))) == 413
    assert status_of(TransientError("x")) == 503
    assert status_of(InputError("x")) == 400
    assert status_of(ExecutionError("x")) == 500
    body = problem(RequestError(Problem("/target/port", "a whole number", "'x'"), hint="fix it"))
    assert body["errors"] == [
        {"pointer": "/target/port", "expected": "a whole number", "found": "'x'"}
    ]
    assert body["detail"] == "/target/port: expected a whole number, found 'x'"
    assert body["hint"] == "fix it"
    assert body["type"] == "urn:restore:problem:request"


def test_an_unknown_plan_has_no_databases_yet():
    assert shown(extracted())["databases"] == []


def test_a_database_that_does_not_move_has_no_time_left():
    news = Progress("database-0", 1, "counting", NOW, 10_000, 10_000, 0.0)
    (crm,) = shown(prepared("crm").done("roles"), [news])["databases"]
    assert crm["bytesPerSecond"] == 0
    assert "etaSeconds" not in crm


def test_tables_that_are_being_loaded_are_shown_with_their_rows():
    tables = (TableProgress("app.orders", 30, 100, 7, 2),)
    news = Progress("database-0", 1, "data", NOW, 50, 200, 10.0, rows=9, tables=tables)
    (crm,) = shown(prepared("crm").done("roles"), [news])["databases"]
    assert (crm["rowsLoaded"], crm["etaSeconds"]) == (9, 15)
    assert crm["tablesLoading"] == [
        {"table": "app.orders", "bytes": {"done": 30, "total": 100}, "rows": 7, "sessions": 2}
    ]


def test_each_phase_is_shown_with_its_time_while_it_runs_and_afterwards():
    phases = {"schema": 1.24, "data": 10.0}
    news = Progress("database-0", 1, "data", NOW, phases=phases)
    story = prepared("crm").done("roles")
    seen = [{"phase": "schema", "seconds": 1.2}, {"phase": "data", "seconds": 10.0}]
    assert shown(story, [news])["databases"][0]["phases"] == seen
    story.done("database-0", database=database("crm"), phases=phases)
    assert shown(story)["databases"][0]["phases"] == seen


def test_what_cures_warnings_and_refusals_is_beside_them():
    cured = Finding("slow-setting", "server", "is slow", "raise it", ("az … set",))
    uncured = Finding("x", "server", "is old")
    story = prepared("crm", warnings=(cured, uncured))
    fix = {"about": "server: is slow", "hint": "raise it", "commands": ("az … set",)}
    assert shown(story)["fixes"] == [fix]
    refused = prepared("crm", refusals=(cured,))
    assert shown(refused)["fixes"] == [fix]
    assert shown(extracted())["fixes"] == []


def test_the_instant_the_data_is_of_is_shown_once_it_is_known():
    assert "dataAsOf" not in shown(prepared("crm"))
    story = prepared("crm").done("roles", data_as_of="2026-11-20T02:41:07Z")
    assert shown(story)["dataAsOf"] == "2026-11-20T02:41:07Z"


def test_a_problem_without_fields_or_hint_has_neither():
    body = problem(NotFoundError("restore 'x': expected one, found none"))
    assert "hint" not in body
    assert "errors" not in body
    assert body["title"] == "there is no such thing"


def test_a_plan_that_waits_for_approval_says_which_and_until_when():
    story = approval.waiting()
    body = shown(story)
    assert body["doing"] == "waiting for somebody to approve the plan"
    until = story.now + timedelta(hours=POLICY.approval_hours)
    assert body["plan"] == {"hash": "hash", "approved": False, "approveUntil": until}
    assert shown(story.on(Approved("hash")))["plan"] == {"hash": "hash", "approved": True}


def test_a_dry_run_says_that_it_was_one():
    body = shown(prepared("crm", request=approval.DRY))
    assert (body["dryRun"], body["databases"][0]["phase"]) == (True, "waiting")
    assert "dryRun" not in shown(prepared("crm"))


def test_what_was_published_can_be_undone_and_the_status_says_until_when():
    story = afterwards.ended()
    assert "undo" not in shown(prepared("crm"))
    until = story.restore.undo.until
    assert shown(story)["undo"] == {"state": "open", "until": until}
    story.on(UndoAsked())
    assert (shown(story)["doing"], shown(story)["undo"]["state"]) == ("worker: undo", "asked")
    body = shown(story.done("undo"))
    assert [database["phase"] for database in body["databases"]] == ["undone", "published"]
    assert (body["undo"]["state"], body["doing"], body["ended"]) == ("done", "", True)


def test_debts_are_shown_as_long_as_they_are_owed():
    story = afterwards.ended(debts=(afterwards.OWED,))
    assert shown(story)["debts"] == (afterwards.OWED,)
    story.on(TimeCame(Do.COLLECT), after=60)
    assert shown(story)["doing"] == "worker: debts"
    assert "debts" not in shown(story.done("debts"))


def test_failures_to_publish_are_shown_beside_their_database():
    story = publish_each.loading().done("database-0", database=database("crm"))
    crm, _ = shown(story.failed("publish-0", Failure("target-busy", "no")))["databases"]
    assert (crm["failures"], crm["phase"]) == ([{"code": "target-busy", "message": "no"}], "proven")


def test_what_is_kept_what_is_gone_and_what_is_stuck():
    story = afterwards.ended()
    body = shown(story)
    assert body["filesKeptUntil"] == story.now
    assert not {"filesPurged", "stuck"} & body.keys()
    stuck = shown(story.on(Ticked(), after=601))["stuck"]
    assert stuck.startswith("purge has been due since ")
    body = shown(story.on(Purged()))
    assert (body["filesPurged"], "filesKeptUntil" in body) == (story.now, False)


def test_an_operation_is_running_until_the_restore_has_ended():
    story = prepared()
    assert operation(story.restore)["status"] == "Running"
    failed = story.failed("roles", BROKEN)
    assert "error" not in operation(failed.restore)
    failed.done("cleanup")
    assert operation(failed.restore)["status"] == "Failed"
    assert operation(failed.restore)["error"]["code"] == "tool"
    done = proven().done("finish", published=(0, 1)).restore
    assert operation(done) == {
        "id": done.id,
        "status": "Succeeded",
        "phase": Phase.SUCCEEDED,
        "warnings": 0,
    }
    assert operation(replace(done, phase=Phase.PARTIAL))["status"] == "Failed"
    assert operation(replace(done, phase=Phase.CANCELLED))["status"] == "Canceled"


# ---- when it ends --------------------------------------------------------------------------------

CRM = Load("stream", 100_000_000, 10)


def foreseen(*names, runs=0):
    """A restore whose plan has a prediction, at its databases since NOW."""
    story = prepared(*names)
    plan = story.restore.plan
    past = [sample(CRM, 100.0)] * runs
    known = predict([CRM] * len(plan.databases), past, [whole([CRM], 120.0)] * runs)
    story.restore = replace(story.restore, plan=replace(plan, prediction=known))
    return story.done("roles")


def test_while_databases_are_restored_it_says_when_they_will_be_there():
    story = foreseen("crm", "shop", runs=12)
    eta = shown(story)["eta"]
    assert eta["basis"] == "12 runs on this server"
    assert 0 < eta["least"] <= eta["seconds"] <= eta["most"]
    assert eta["at"] == NOW + timedelta(seconds=eta["seconds"])
    assert not eta["late"]
    (crm, shop) = shown(story)["databases"]
    assert crm["eta"]["seconds"] == crm["etaSeconds"] < eta["seconds"]
    assert shop["eta"].keys() == {"seconds", "least", "most", "at", "late"}


def test_the_time_left_narrows_with_the_bytes_and_with_each_database_that_is_done():
    story = foreseen("crm", "shop")
    start = shown(story)["eta"]
    news = Progress("database-0", 1, "data", NOW, 60, 100, 10.0)
    half = shown(story, [news], after=60)
    assert half["eta"]["most"] < start["most"]
    assert half["databases"][0]["eta"]["seconds"] == half["databases"][0]["etaSeconds"]
    story.done("database-0", database=database("crm"))
    later = shown(story, [news], after=60)
    assert later["eta"]["most"] < half["eta"]["most"]
    assert "eta" not in later["databases"][0]
    assert later["eta"]["basis"] == "benchmarks"


def test_what_takes_longer_than_the_longest_is_late_and_not_over():
    story = foreseen("crm", runs=12)
    news = Progress("database-0", 1, "data", NOW, 10, 100, 10.0)
    body = shown(story, [news], after=10_000)
    assert body["eta"]["late"]
    assert body["eta"]["seconds"] > 0
    assert body["databases"][0]["eta"]["late"]


def test_a_database_that_waits_for_its_turn_has_no_end_yet():
    story = foreseen("crm", "shop")
    tasks = tuple(
        replace(task, state=TaskState.WAITING, since=None) if task.id == "database-1" else task
        for task in story.restore.tasks
    )
    story.restore = replace(story.restore, tasks=tasks)
    body = shown(story)
    assert "eta" not in body["databases"][1]
    assert body["eta"]["seconds"] > body["databases"][0]["eta"]["seconds"]


def test_nothing_is_foretold_where_it_stops_has_ended_or_was_not_foreseen():
    assert "eta" not in shown(prepared("crm").done("roles"))
    assert "eta" not in shown(foreseen("crm").on(CancelAsked()))
    story = foreseen("crm").done("database-0", database=database("crm"))
    assert "eta" not in shown(story)  # it is being published
    assert "eta" not in shown(story.done("finish"))
    fewer = foreseen("crm", "shop")
    plan = fewer.restore.plan
    short = replace(plan.prediction, databases=plan.prediction.databases[:1])
    fewer.restore = replace(fewer.restore, plan=replace(plan, prediction=short))
    assert "eta" not in shown(fewer)["databases"][1]
