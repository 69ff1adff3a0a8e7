"""The life of a restore as tables of events: no clock, no ports, no mocks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from restore.core import life
from restore.core.backup import Instance, Operation, OperationState, Outcome, RecoveryPoint
from restore.core.dumps import Blob
from restore.core.events import (
    Accepted,
    Begun,
    CancelAsked,
    Claimed,
    ContainerCreated,
    FileLanded,
    InDoubt,
    JobFound,
    Listed,
    PointFound,
    Polled,
    Reported,
    Sent,
    Stumbled,
    Ticked,
    Watched,
)
from restore.core.facts import Finding
from restore.core.messages import DatabaseResult, Failure, Result, TaskResult, Ticket
from restore.core.options import WhenBusy
from restore.core.plan import DatabaseStep, Engine, Plan
from restore.core.policy import Policy
from restore.core.request import parse
from restore.core.state import FINAL, Do, Phase, TaskState, decode, encode

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
POLICY = Policy()
SERVER = (
    b"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    b"/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg1"
)
REQUEST = parse(
    b'{"source":{"server":"' + SERVER + b'"},"target":{"host":"pg2.example.com","user":"admin"}}'
)
ADOPT = parse(
    b'{"source":{"container":"https://a.blob.core.windows.net/files"},'
    b'"target":{"host":"pg2.example.com","user":"admin"}}'
)
POINT = PointFound(
    Instance("/vault", "pg1-0c0ffee0", "/server", "westeurope", "ProtectionConfigured"),
    RecoveryPoint("rp1", NOW, "Completed"),
)
OPERATION = Operation("https://management.azure.com/status?t=1", "https://management.azure.com/r")
DONE = Outcome(OperationState.SUCCEEDED)
RUNNING = Outcome(OperationState.RUNNING)
BLOBS = (Blob("g_database_crm.sql", 10, "e1"), Blob("g_roles.sql", 5, "e2"))
LOST = Failure("transient", "connection: expected an answer, found none", transient=True)
BROKEN = Failure("tool", "pg_restore: expected exit 0, found 1")


def step(name):
    blob = Blob(f"g_database_{name}.sql", 10, "e")
    return DatabaseStep(name, name, f"{name}__s", "", blob, Engine.PG_RESTORE, 18)


def plan(*names, **changes):
    parts = {"roles": BLOBS[1], "target_version": "18.4", "client": 18, "hash": "hash"}
    return Plan(**{"databases": tuple(map(step, names)), **parts, **changes})


class Story:
    """A restore, and the clock it lives by. Every state on the way survives its JSON."""

    def __init__(self, request=REQUEST, policy=POLICY):
        self.now = NOW
        self.policy = policy
        self.server_is_free = True
        self.restore = life.begin("0123456789abcdef", request, "https://a/restore-1", NOW)

    def on(self, *events, after=0.0):
        self.now += timedelta(seconds=after)
        for event in events:
            self.restore = life.decide(self.restore, event, self.now, self.policy)
            assert decode(encode(self.restore)) == self.restore
            assert self.restore.ended or self.restore.outbox, "a restore without a next step"
            if Do.CLAIM in self.todo and self.server_is_free:
                self.on(Claimed(self.restore.id))
        return self

    def done(self, task, **parts):
        attempt = self.restore.task(task).attempt
        return self.on(Reported(TaskResult(task, attempt, Result.DONE, **parts)))

    def failed(self, task, failure):
        attempt = self.restore.task(task).attempt
        return self.on(Reported(TaskResult(task, attempt, Result.FAILED, failure)))

    @property
    def outbox(self):
        """Without the deletion of the files, which every restore has ahead of it at its end."""
        return tuple(c for c in self.restore.outbox if c.do is not Do.PURGE)

    @property
    def todo(self):
        return [command.do for command in self.outbox]

    @property
    def tickets(self):
        return [c.ticket.task for c in self.outbox if c.do is Do.SEND]

    def state_of(self, task):
        return self.restore.task(task).state


def extracted(request=REQUEST):
    return Story(request).on(
        POINT,
        ContainerCreated(),
        Accepted(Do.VALIDATE, OPERATION),
        Polled(Do.POLL_VALIDATION, DONE),
        Begun(Do.TRIGGER),
        Accepted(Do.TRIGGER, OPERATION),
        Polled(Do.POLL_TRIGGER, Outcome(OperationState.SUCCEEDED, job="/jobs/1")),
        Polled(Do.POLL_JOB, DONE),
    )


def prepared(*names, request=REQUEST, **changes):
    story = extracted(request).on(Listed(BLOBS)).on(Listed(BLOBS), after=10)
    return story.done("prepare", plan=plan(*(names or ("crm", "shop")), **changes))


def database(name, **changes):
    return DatabaseResult(name, 3, 10, 10, **changes)


def proven():
    story = prepared().done("roles")
    story.done("database-0", database=database("crm"))
    return story.done("database-1", database=database("shop"))


def test_the_vault_is_asked_step_by_step():
    story = Story()
    for event, next_step in (
        (POINT, Do.CREATE_CONTAINER),
        (ContainerCreated(), Do.VALIDATE),
        (Accepted(Do.VALIDATE, OPERATION), Do.POLL_VALIDATION),
        (Polled(Do.POLL_VALIDATION, RUNNING), Do.POLL_VALIDATION),
        (Polled(Do.POLL_VALIDATION, DONE), Do.TRIGGER),
        (Accepted(Do.TRIGGER, OPERATION), Do.POLL_TRIGGER),
        (Polled(Do.POLL_TRIGGER, DONE), Do.POLL_TRIGGER),
        (Polled(Do.POLL_TRIGGER, replace(DONE, job="/jobs/1")), Do.POLL_JOB),
        (Polled(Do.POLL_JOB, RUNNING), Do.POLL_JOB),
        (Polled(Do.POLL_JOB, DONE), Do.LIST_FILES),
    ):
        assert story.on(event).todo == [next_step]
    assert story.restore.phase is Phase.EXTRACTING
    assert story.restore.job == "/jobs/1"


def test_a_running_operation_is_asked_again_later():
    story = Story().on(POINT, ContainerCreated(), Accepted(Do.VALIDATE, OPERATION))
    assert life.due(story.restore, story.now).do is Do.POLL_VALIDATION
    story.on(Polled(Do.POLL_VALIDATION, RUNNING))
    assert life.due(story.restore, story.now) is None
    later = story.now + timedelta(seconds=POLICY.poll_seconds)
    assert life.due(story.restore, later).do is Do.POLL_VALIDATION


def test_a_trigger_in_doubt_waits_until_its_job_shows():
    story = Story().on(POINT, ContainerCreated(), Accepted(Do.VALIDATE, OPERATION))
    story.on(Polled(Do.POLL_VALIDATION, DONE), Begun(Do.TRIGGER))
    assert story.outbox[0].begun == story.now
    story.on(InDoubt(), after=5)
    assert life.due(story.restore, story.now) is None
    assert story.on(JobFound("/jobs/7"), after=30).todo == [Do.POLL_JOB]
    assert story.restore.job == "/jobs/7"


def test_the_files_are_complete_when_two_listings_are_equal():
    story = extracted().on(Listed(BLOBS[:1]))
    assert story.todo == [Do.LIST_FILES]
    assert story.on(Listed(BLOBS), after=10).todo == [Do.LIST_FILES]
    assert story.on(Listed(BLOBS), after=10).tickets == ["prepare"]
    assert story.restore.phase is Phase.PREPARING


def test_two_listings_at_the_same_time_are_no_two_looks():
    """A tick and an event may both list; the container has to be quiet for a while."""
    story = extracted().on(Listed(BLOBS)).on(Listed(BLOBS), after=1)
    assert story.todo == [Do.LIST_FILES]
    assert story.on(Listed(BLOBS), after=10).tickets == ["prepare"]


def test_a_file_that_an_event_told_of_must_be_in_the_listing():
    story = extracted().on(FileLanded("g_database_shop.sql"), Listed(BLOBS))
    assert story.on(Listed(BLOBS), after=10).todo == [Do.LIST_FILES]
    more = (*BLOBS, Blob("g_database_shop.sql", 1, "e3"))
    story.on(Listed(more), after=10).on(Listed(more), after=10)
    assert story.restore.phase is Phase.PREPARING


def test_a_file_that_was_announced_and_is_gone_is_not_waited_for_for_ever():
    story = extracted().on(FileLanded("temporary"), Listed(BLOBS)).on(Listed(BLOBS), after=10)
    assert story.on(Listed(BLOBS), after=POLICY.missing_seconds - 1).todo == [Do.LIST_FILES]
    assert story.on(Listed(BLOBS), after=10).tickets == ["prepare"]
    assert story.restore.warnings == ("file 'temporary' was announced but is not there",)


def test_a_file_that_lands_hurries_the_next_look_at_the_job():
    story = Story().on(POINT, ContainerCreated(), JobFound("ignored: nothing was triggered"))
    assert story.restore.job is None
    story = Story().on(POINT, ContainerCreated(), Accepted(Do.VALIDATE, OPERATION))
    story.on(Polled(Do.POLL_VALIDATION, DONE), JobFound("/j"), Polled(Do.POLL_JOB, RUNNING))
    assert life.due(story.on(FileLanded("a"), after=1).restore, story.now) is None
    assert life.due(story.on(FileLanded("b"), after=4).restore, story.now).do is Do.POLL_JOB


def test_a_file_that_lands_after_the_listing_is_told_not_restored():
    story = prepared().on(FileLanded("g_roles.sql"), FileLanded("g_database_late.sql"))
    assert [w for w in story.restore.warnings if "landed after" in w] == [
        "file 'g_database_late.sql' landed after the container had been quiet: it is not restored"
    ]


def test_adopted_files_skip_the_vault():
    story = Story(ADOPT)
    assert story.todo == [Do.LIST_FILES]
    story.on(Listed(BLOBS)).on(Listed(BLOBS), after=10)
    assert story.tickets == ["prepare"]


def test_a_server_that_another_restore_works_on_is_waited_for():
    story = extracted()
    story.server_is_free = False
    story.on(Listed(BLOBS)).on(Listed(BLOBS), after=10)
    assert story.todo == [Do.CLAIM]
    story.on(Claimed("fedcba9876543210"))
    assert story.todo == [Do.CLAIM]
    assert story.restore.waits_for == "fedcba9876543210"
    assert life.due(story.restore, story.now) is None
    story.on(Claimed("0123456789abcdef"), after=POLICY.poll_seconds)
    assert story.tickets == ["prepare"]
    assert story.restore.waits_for == ""


def test_a_file_that_lands_while_the_server_is_waited_for_is_not_missed():
    story = extracted()
    story.server_is_free = False
    story.on(Listed(BLOBS)).on(Listed(BLOBS), after=10).on(Claimed("fedcba9876543210"))
    assert story.on(FileLanded("g_roles.sql")).todo == [Do.CLAIM]
    assert story.on(FileLanded("g_database_late.sql")).todo == [Do.LIST_FILES]


def test_an_empty_container_fails():
    story = Story(ADOPT).on(Listed(())).on(Listed(()), after=10)
    assert story.restore.phase is Phase.FAILED
    assert story.restore.failure.code == "no-files"


def test_the_first_files_of_a_job_may_take_a_while_to_show():
    story = extracted().on(Listed(()))
    assert story.on(Listed(()), after=10).todo == [Do.LIST_FILES]
    assert story.on(Listed(()), after=POLICY.missing_seconds - 1).todo == [Do.LIST_FILES]
    story.on(Listed(BLOBS), after=10).on(Listed(BLOBS), after=10)
    assert story.restore.phase is Phase.PREPARING
    silent = extracted().on(Listed(())).on(Listed(()), after=10)
    silent.on(Listed(()), after=POLICY.missing_seconds)
    assert silent.restore.failure.code == "no-files"


def test_roles_come_first_then_all_databases_then_finish():
    story = prepared()
    assert story.tickets == ["roles"]
    story.done("roles")
    assert story.tickets == ["database-0", "database-1"]
    story.done("database-1", database=database("shop"))
    assert story.restore.phase is Phase.RESTORING
    story.done("database-0", database=database("crm"))
    assert story.tickets == ["finish"]
    assert story.restore.phase is Phase.FINISHING
    story.done("finish")
    assert story.restore.phase is Phase.SUCCEEDED
    assert story.outbox == ()
    assert [change.phase for change in story.restore.history] == [
        Phase.REQUESTED,
        Phase.EXTRACTING,
        Phase.PREPARING,
        Phase.RESTORING,
        Phase.FINISHING,
        Phase.SUCCEEDED,
    ]


def test_tablespaces_come_between_roles_and_databases():
    story = prepared("crm", tablespaces=BLOBS[0]).done("roles")
    assert story.tickets == ["tablespaces"]
    assert story.done("tablespaces").tickets == ["database-0"]


def test_borrowing_needs_the_roles_task_even_without_a_script():
    assert prepared("crm", roles=None, borrow=("owner",)).tickets[-1] == "roles"
    assert prepared("crm", roles=None).tickets[-1] == "database-0"


def test_a_refusal_ends_the_restore_before_anything_is_touched():
    finding = Finding("database-exists", "target database 'crm'", "expected none, found one", "…")
    story = prepared("crm", refusals=(finding,))
    assert story.restore.phase is Phase.FAILED
    assert story.restore.failure.code == "database-exists"
    assert story.restore.failure.hint == "…"


def test_many_refusals_are_told_once_each_and_as_far_as_somebody_reads_them():
    findings = [Finding("unknown-database", f"database {n}", "expected one") for n in range(1000)]
    message = prepared("crm", refusals=(findings[0], *findings)).restore.failure.message
    assert message.count("database 0:") == 1
    assert message.endswith("database 19: expected one; … and 980 more")


@pytest.mark.parametrize(
    ("parts", "phase"),
    [
        ({}, Phase.SUCCEEDED),
        ({"warnings": ("careful",)}, Phase.SUCCEEDED_WITH_WARNINGS),
        ({"notes": ("by the way",)}, Phase.SUCCEEDED),
    ],
)
def test_the_end_says_whether_there_was_anything_to_say(parts, phase):
    assert proven().done("finish", **parts).restore.phase is phase


def test_a_lost_object_is_never_a_success():
    story = prepared("crm").done("roles")
    story.done("database-0", database=database("crm", lost=("EVENT TRIGGER et: denied",)))
    assert story.done("finish").restore.phase is Phase.PARTIAL


def test_a_transient_failure_is_tried_again_later_and_only_so_often():
    story = prepared("crm").failed("roles", LOST)
    assert story.restore.task("roles").attempt == 2
    ticket = next(c for c in story.outbox if c.do is Do.SEND and c.ticket.attempt == 2)
    assert ticket.not_before == story.now + timedelta(seconds=POLICY.retry_seconds)
    story.failed("roles", LOST).failed("roles", LOST)
    assert story.state_of("roles") is TaskState.FAILED
    assert len(story.restore.task("roles").failures) == 3
    assert story.tickets == ["cleanup"]


def test_a_failure_stops_the_others_and_takes_back_what_was_begun():
    story = prepared().done("roles").failed("database-0", BROKEN)
    assert story.restore.stopping
    assert story.restore.failure.message == "database 'crm': " + BROKEN.message
    assert "cleanup" not in [task.id for task in story.restore.tasks], "a worker is still at it"
    story.on(Reported(TaskResult("database-1", 1, Result.CANCELLED)))
    assert story.tickets == ["cleanup"]
    assert story.state_of("finish") is TaskState.CANCELLED
    story.done("cleanup")
    assert story.restore.phase is Phase.FAILED


def test_a_cleanup_that_fails_is_a_debt():
    story = prepared("crm").failed("roles", BROKEN).failed("cleanup", BROKEN)
    assert story.restore.phase is Phase.FAILED
    assert story.restore.debts == (f"something may be left on the target: {BROKEN.message}",)
    assert story.todo == [Do.COLLECT]


def test_a_cleanup_that_finds_everything_published_tells_of_no_failure():
    """The finish renamed all, and then its workers died: what counts is what is on the server."""
    story = proven()
    for _ in range(POLICY.max_attempts):
        story.failed("finish", LOST)
    assert story.tickets == ["cleanup"]
    story.done("cleanup", published=(0, 1))
    assert story.restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    assert (story.restore.failure, story.restore.warnings) == (None, (LOST.message,))


def test_a_success_that_owes_something_is_one_with_warnings():
    story = proven().done("finish", debts=("membership in 'owner': expected to give it back",))
    assert story.restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    assert story.todo == [Do.COLLECT]


def test_a_prepare_that_fails_leaves_nothing_to_take_back():
    story = extracted().on(Listed(BLOBS)).on(Listed(BLOBS), after=10).failed("prepare", BROKEN)
    assert story.restore.phase is Phase.FAILED


def test_cancelling_before_workers_ends_at_once_and_twice_is_harmless():
    story = extracted().on(CancelAsked())
    assert story.restore.phase is Phase.CANCELLED
    assert story.on(CancelAsked()).restore.phase is Phase.CANCELLED


def test_cancelling_while_workers_work_waits_for_them_then_cleans_up():
    story = prepared().done("roles").on(CancelAsked(), CancelAsked())
    assert story.restore.phase is Phase.FINISHING
    story.on(Reported(TaskResult("database-0", 1, Result.CANCELLED)))
    story.done("database-1", database=database("shop"))
    assert story.tickets == ["cleanup"]
    assert story.done("cleanup").restore.phase is Phase.CANCELLED


def test_publishing_is_seen_through():
    story = proven().on(CancelAsked())
    assert not story.restore.stopping
    assert story.done("finish").restore.phase is Phase.SUCCEEDED


def test_a_vault_job_that_fails_says_why():
    story = extracted()
    outcome = Outcome(OperationState.FAILED, message="job: expected Completed, found Failed")
    story = Story().on(
        POINT,
        ContainerCreated(),
        Accepted(Do.VALIDATE, OPERATION),
        Polled(Do.POLL_VALIDATION, DONE),
        JobFound("/j"),
        Polled(Do.POLL_JOB, outcome),
    )
    assert story.restore.phase is Phase.FAILED
    assert story.restore.failure.code == "vault-job-failed"
    assert story.restore.failure.message == outcome.message


def test_a_refused_validation_ends_it():
    outcome = Outcome(OperationState.FAILED, message="no permission", hint="grant it")
    story = Story().on(POINT, ContainerCreated(), Accepted(Do.VALIDATE, OPERATION))
    story.on(Polled(Do.POLL_VALIDATION, outcome))
    assert story.restore.failure == Failure("vault-refused", "no permission", "grant it")


def test_a_command_that_stumbles_is_tried_again_with_growing_waits():
    story = Story()
    waits = []
    for _ in range(POLICY.max_command_failures - 1):
        command = story.outbox[0]
        story.on(Stumbled(command, LOST))
        waits.append((story.outbox[0].due - story.now).total_seconds())
    assert waits[:4] == [15, 30, 60, 120]
    assert max(waits) == 300
    story.on(Stumbled(story.outbox[0], LOST))
    assert story.restore.phase is Phase.FAILED
    assert not story.restore.failure.transient


def test_a_command_that_cannot_work_ends_it_at_once():
    story = Story()
    story.on(Stumbled(story.outbox[0], Failure("not-found", "no such point")))
    assert story.restore.phase is Phase.FAILED
    assert story.restore.failure.code == "not-found"


def test_a_stumble_after_the_trigger_had_begun_still_counts():
    """The flow stores that it began; the command it was told to do has changed by then."""
    story = Story().on(POINT, ContainerCreated(), Accepted(Do.VALIDATE, OPERATION))
    story.on(Polled(Do.POLL_VALIDATION, DONE))
    command = story.outbox[0]
    story.on(Begun(Do.TRIGGER), Stumbled(command, Failure("vault", "no permission")))
    assert story.restore.phase is Phase.FAILED


def test_a_worker_that_falls_silent_is_replaced():
    story = prepared("crm").done("roles")
    seen = story.now + timedelta(seconds=60)
    story.on(Watched({"database-0": seen}), after=POLICY.silence_seconds)
    assert story.restore.task("database-0").attempt == 1
    story.on(Watched({"database-0": seen}), after=61)
    assert story.restore.task("database-0").attempt == 2
    assert story.restore.task("database-0").failures[0].code == "worker-lost"


def test_a_ticket_nobody_took_is_sent_again_without_counting():
    story = prepared("crm").done("roles").on(Sent(Ticket("0123456789abcdef", "database-0", 1)))
    assert story.tickets == []
    story.on(Watched(), after=POLICY.silence_seconds + 1)
    assert story.tickets == ["database-0"]
    assert story.restore.task("database-0").attempt == 1


def test_a_restore_has_a_deadline():
    story = extracted().on(Ticked())
    assert not story.restore.ended
    story.on(Ticked(), after=POLICY.deadline_hours * 3600 + 1)
    assert story.restore.phase is Phase.FAILED
    assert story.restore.failure.code == "deadline"


EVENTS = [
    POINT,
    ContainerCreated(),
    Accepted(Do.VALIDATE, OPERATION),
    Accepted(Do.TRIGGER, OPERATION),
    Begun(Do.TRIGGER),
    InDoubt(),
    Polled(Do.POLL_VALIDATION, DONE),
    Polled(Do.POLL_TRIGGER, DONE),
    Polled(Do.POLL_JOB, DONE),
    JobFound("/jobs/2"),
    Listed(()),
    Reported(TaskResult("roles", 7, Result.DONE)),
    Reported(TaskResult("nobody-1", 1, Result.DONE)),
    Ticked(),
]


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_event_out_of_its_place_changes_nothing(event):
    restore = prepared().restore
    assert life.decide(restore, event, NOW, POLICY) is restore


@pytest.mark.parametrize("event", [*EVENTS, CancelAsked(), FileLanded("x")], ids=repr)
def test_an_end_is_final(event):
    for story in (proven().done("finish"), extracted().on(CancelAsked())):
        assert story.restore.phase in FINAL
        assert life.decide(story.restore, event, NOW, POLICY) is story.restore


def test_a_report_that_comes_twice_counts_once():
    story = prepared().done("roles")
    again = Reported(TaskResult("roles", 1, Result.DONE, warnings=("late",)))
    assert life.decide(story.restore, again, NOW, POLICY) is story.restore


def test_a_failure_after_the_first_one_does_not_take_its_place():
    story = prepared().done("roles").failed("database-0", BROKEN)
    first = story.restore.failure
    story.failed("database-1", Failure("data-loss", "rows: expected 3, found 2"))
    assert story.restore.failure == first
    assert story.tickets == ["cleanup"]


def test_a_ticket_that_is_still_to_be_sent_is_not_sent_again_beside_itself():
    """A second one would start its tries anew, and so never come to an end of them."""
    story = prepared("crm").done("roles")
    story.on(Watched(), after=POLICY.silence_seconds + 1)
    assert story.tickets == ["database-0"]


@pytest.mark.parametrize("failure", [LOST, Failure("bus", "queue: expected one, found none")])
def test_a_ticket_that_cannot_be_sent_is_its_tasks_failure(failure):
    story = prepared("crm")
    for _ in range(POLICY.max_command_failures):
        sends = [command for command in story.outbox if command.do is Do.SEND]
        if sends[0].ticket.task == "cleanup":
            break
        story.on(Stumbled(sends[0], failure))
    assert story.state_of("roles") is TaskState.FAILED
    assert story.restore.failure == replace(failure, transient=False)
    assert story.tickets == ["cleanup"]


def test_watching_is_never_given_up():
    story = prepared("crm")
    for _ in range(30):
        watch = next(command for command in story.outbox if command.do is Do.WATCH)
        story.on(Stumbled(watch, Failure("message", "result: expected JSON, found none")))
    assert not story.restore.stopping
    assert watch.due - story.now <= timedelta(seconds=300)


def test_tickets_that_were_not_sent_before_a_cancel_go_out_all_the_same():
    """Whether they are on the queue already nobody knows; the worker that gets one says so."""
    story = prepared().done("roles").on(CancelAsked())
    assert story.tickets == ["database-0", "database-1"]
    for task in ("database-0", "database-1"):
        story.on(Reported(TaskResult(task, 1, Result.CANCELLED)))
    assert story.tickets == ["cleanup"]


# ---- limits ------------------------------------------------------------------------------------


def sent(story):
    return [task.id for task in story.restore.tasks if task.state is TaskState.SENT]


def test_only_so_many_databases_are_restored_at_the_same_time():
    names = [f"d{number:02}" for number in range(11)]
    story = prepared(*names).done("roles")
    assert sent(story) == [f"database-{number}" for number in range(8)]
    story.done("database-3", database=database("d03"))
    assert sent(story)[-1] == "database-8"
    for number in (0, 1, 2, 4, 5, 6, 7, 8):
        story.done(f"database-{number}", database=database(names[number]))
    assert sent(story) == ["database-9", "database-10"]
    story.done("database-9", database=database("d09"))
    assert sent(story) == ["database-10"]
    story.done("database-10", database=database("d10"))
    assert sent(story) == ["finish"]


def test_a_database_that_is_tried_again_counts_as_one_of_those():
    story = prepared(*(f"d{number:02}" for number in range(9))).done("roles")
    story.failed("database-0", LOST)
    assert len(sent(story)) == 8


def test_a_restore_can_have_a_deadline_of_its_own():
    request = replace(REQUEST, deadline_hours=1)
    story = prepared(request=request)
    story.on(Ticked(), after=3000)
    assert story.restore.failure is None
    story.on(Ticked(), after=700)
    assert "within 1 hours" in story.restore.failure.message


def test_what_is_tried_in_vain_is_stuck_and_a_plan_to_think_about_is_not():
    story = Story()
    for _ in range(5):
        story.on(Stumbled(story.outbox[0], LOST), after=300)
    story.on(Ticked())
    assert story.restore.stuck == "find-point was tried 5 times in vain"
    story.on(POINT).on(Ticked())
    assert story.restore.stuck == ""
    story.on(Ticked(), after=601)
    assert story.restore.stuck.startswith("create-container has been due since 20")


def test_a_job_that_never_shows_is_stuck():
    story = Story().on(POINT, ContainerCreated(), Accepted(Do.VALIDATE, OPERATION))
    story.on(Polled(Do.POLL_VALIDATION, DONE), Accepted(Do.TRIGGER, OPERATION))
    seen = replace(DONE, warnings=("no job yet",))
    for _ in range(3):
        story.on(Polled(Do.POLL_TRIGGER, seen), Ticked(), after=301)
    assert story.restore.stuck.startswith("poll-trigger has been asked for in vain since 20")
    assert story.restore.warnings == ("no job yet",)
    story.on(JobFound("/jobs/1"), Ticked())
    assert (story.todo, story.restore.stuck) == ([Do.POLL_JOB], "")


def test_a_worker_that_was_seen_is_no_longer_waited_for():
    story = prepared("crm")
    assert not story.restore.task("roles").taken
    story.on(Watched({"roles": story.now + timedelta(seconds=1)}), after=30)
    assert story.restore.task("roles").taken
    story.failed("roles", LOST)
    assert not story.restore.task("roles").taken


def test_who_does_not_wait_for_a_busy_server_fails_before_anything_is_touched():
    story = extracted(replace(REQUEST, when_busy=WhenBusy.REFUSE))
    story.server_is_free = False
    story.on(Listed(BLOBS)).on(Listed(BLOBS), after=10).on(Claimed("f" * 16))
    assert (story.restore.phase, story.restore.tasks) == (Phase.FAILED, ())
    assert story.restore.failure.code == "server-busy"


DRILL = parse(
    b'{"source":{"container":"https://a.blob.core.windows.net/files"},"drop":true,'
    b'"target":{"host":"pg2.example.com","user":"admin"}}'
)


def drilled():
    story = Story(DRILL).on(Listed(BLOBS)).on(Listed(BLOBS), after=10)
    return story.done("prepare", plan=plan("crm", drops=True)).done("roles")


def test_a_drill_ends_with_dropping_what_it_proved():
    story = drilled().done("database-0", database=database("crm"))
    assert story.tickets == ["cleanup"]
    assert (story.restore.phase, story.restore.task("finish")) == (Phase.FINISHING, None)
    story.done("cleanup")
    assert (story.restore.phase, story.restore.published) == (Phase.SUCCEEDED, ())


def test_a_drill_that_fails_or_is_cancelled_drops_it_as_well():
    failed = drilled().failed("database-0", BROKEN)
    assert failed.tickets == ["cleanup"]
    assert failed.done("cleanup").restore.phase is Phase.FAILED
    cancelled = drilled().on(CancelAsked())
    cancelled.on(Reported(TaskResult("database-0", 1, Result.CANCELLED)))
    assert cancelled.done("cleanup").restore.phase is Phase.CANCELLED


def test_what_a_drill_could_not_drop_is_owed():
    story = drilled().done("database-0", database=database("crm")).failed("cleanup", BROKEN)
    assert story.restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    assert story.restore.debts
