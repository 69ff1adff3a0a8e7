"""What others are told of a restore: in order, each once, as its schema says."""

from __future__ import annotations

from dataclasses import replace

from jsonschema import Draft202012Validator, FormatChecker

from restore.core import announcements, life
from restore.core.events import (
    Announced,
    Approved,
    CancelAsked,
    Claimed,
    Listed,
    Reported,
    Stumbled,
    Ticked,
    TimeCame,
    UndoAsked,
)
from restore.core.messages import Result, TaskResult
from restore.core.policy import Policy
from restore.core.request import parse
from restore.core.state import Do, Phase
from tests.core.test_life import ADOPT, BLOBS, BROKEN, LOST, NOW, Story, database, plan

POLICY = Policy(announce=True)
APPROVED = parse(
    b'{"source":{"container":"https://a.blob.core.windows.net/files"},"approval":"required",'
    b'"onExisting":"swap","target":{"host":"pg2.example.com","user":"admin"}}'
)


class Told(Story):
    """A restore that tells others, or tries to."""

    def __init__(self, request=ADOPT):
        super().__init__(request, POLICY)
        self.restore = life.begin("0123456789abcdef", request, "https://a/r", NOW, POLICY)

    @property
    def types(self):
        return [news.type.removeprefix("restore.") for news in self.restore.announcements]

    def planned(self, *names, **changes):
        self.on(Listed(BLOBS)).on(Listed(BLOBS), after=10)
        return self.done("prepare", plan=plan(*names, **changes))


def published(story):
    story.done("roles").done("database-0", database=database("crm"))
    return story.done("finish", published=(0,))


def valid(story):
    """Each of its events is as its schema says, and they are numbered one after the other."""
    events = [
        announcements.cloud_event(story.restore.id, news) for news in story.restore.announcements
    ]
    for event in events:
        schema = announcements.schema(event["type"])
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(event)
    numbers = [event["data"]["number"] for event in events]
    assert numbers == list(range(1, story.restore.announced + 1))
    assert [event["id"] for event in events] == [f"{story.restore.id}-{n}" for n in numbers]
    return events


def test_a_restore_from_its_request_to_its_end():
    story = published(Told().planned("crm"))
    valid(story)
    assert story.types == [
        "requested",
        "extracting",
        "preparing",
        "plan.ready",
        "restoring",
        "database.restored",
        "finishing",
        "database.published",
        "succeeded",
    ]


def test_an_approval_an_undo_and_what_was_dropped():
    kept = replace(plan("crm").databases[0], before="crm__before")
    story = Told(APPROVED).planned(databases=(kept,))
    assert story.types[-2:] == ["plan.ready", "approval.needed"]
    story.on(Approved("hash"))
    story.done("prepare", plan=plan(databases=(kept,)))
    assert "plan.ready" not in story.types[-3:]
    published(story).on(UndoAsked()).done("undo")
    valid(story)
    assert story.types[4:7] == ["approval.needed", "approved", "preparing"]
    assert story.types[-1] == "undone"
    retired = published(
        Told(APPROVED)
        .planned(databases=(kept,))
        .on(Approved("hash"))
        .done("prepare", plan=plan(databases=(kept,)))
    )
    retired.on(TimeCame(Do.RETIRE), after=POLICY.undo_hours * 3600 + 1).done("retire")
    valid(retired)
    assert retired.types[-1] == "closed"


def test_failures_say_why_and_what_was_cancelled_does_not():
    failed = Told().planned("crm").failed("roles", BROKEN)
    failed.done("cleanup")
    event = valid(failed)[-1]
    assert (event["type"], event["data"]["error"]["code"]) == ("restore.failed", "tool")
    cancelled = Told().planned("crm").on(CancelAsked())
    cancelled.on(Reported(TaskResult("roles", 1, Result.CANCELLED))).done("cleanup")
    assert valid(cancelled)[-1]["type"] == "restore.cancelled"
    nothing = Told().planned().done("roles").done("finish")
    assert valid(nothing)[-1]["data"]["error"]["code"] == "nothing-to-restore"


def test_partial_and_stuck():
    lost = Told().planned("crm").done("roles")
    lost.done("database-0", database=database("crm", lost=("a view",)))
    lost.done("finish", published=(0,))
    assert valid(lost)[-1]["type"] == "restore.partial"
    stuck = Told().planned("crm").on(Ticked(), after=POLICY.stuck_seconds + 1)
    assert valid(stuck)[-1]["data"]["reason"] == stuck.restore.stuck
    assert stuck.types[-1] == "stuck"


def test_what_was_told_is_not_told_again():
    story = Told().planned("crm")
    assert [c.do for c in story.restore.outbox].count(Do.ANNOUNCE) == 1
    story.on(Announced(3))
    assert story.types == ["plan.ready", "restoring"]
    story.on(Announced(3))
    assert story.types == ["plan.ready", "restoring"]
    story.on(Announced(story.restore.announced))
    assert Do.ANNOUNCE not in [c.do for c in story.restore.outbox]
    published(story)
    assert story.types[0] == "database.restored"
    assert story.restore.announcements[0].number == 6


def test_who_cannot_be_told_keeps_nobody_waiting():
    """The topic may be gone for days: it is tried again, and the restore goes on."""
    story = Told()
    for _ in range(20):
        command = next(c for c in story.restore.outbox if c.do is Do.ANNOUNCE)
        story.on(Stumbled(command, replace(LOST, transient=False)))
    (command,) = (c for c in story.restore.outbox if c.do is Do.ANNOUNCE)
    assert command.failures == 20
    published(story.planned("crm"))
    assert story.restore.phase is Phase.SUCCEEDED
    later = next(c for c in story.restore.outbox if c.do is Do.ANNOUNCE)
    assert (later.failures, story.restore.announced) == (20, 9)
    assert story.on(Announced(9)).restore.announcements == ()


def test_what_is_told_never_stands_before_what_is_to_be_done():
    story = Told()
    assert life.due(story.restore, NOW).do is Do.LIST_FILES
    claim = Told()
    claim.server_is_free = False
    claim.on(Listed(BLOBS)).on(Listed(BLOBS), after=10).on(Claimed("ffffffffffffffff"))
    assert life.due(claim.restore, claim.now).do is Do.ANNOUNCE


def test_without_listeners_nothing_is_kept():
    story = Story(ADOPT).on(Listed(BLOBS))
    assert (story.restore.announcements, story.restore.announced) == ((), 0)


def test_every_type_has_a_schema_that_is_valid():
    for type_ in announcements.TYPES:
        Draft202012Validator.check_schema(announcements.schema(type_))
