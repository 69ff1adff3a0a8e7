"""What a restore took is remembered once, and foretells the next one to the same server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from restore import flows
from restore.core import history
from restore.core.estimate import Load
from restore.core.messages import DatabaseResult
from restore.core.prediction import predict
from restore.core.state import Phase
from restore.errors import ConflictError, TransientError
from tests.fakes import MemoryDocuments
from tests.test_flows import World

TARGET = "pg2.example.com:5432"
CRM = Load("stream", 200_000_000, 10, 20, 5)
TOOK_SECONDS = 321.0


@pytest.fixture
def world(monkeypatch):
    world = World()
    world.plan = replace(world.plan, server=TARGET, prediction=predict([CRM]))
    plain = world._result

    def result(ticket):
        found = plain(ticket)
        if found.database is None:
            return found
        return replace(found, database=DatabaseResult("crm", 3, 10, 10, seconds=TOOK_SECONDS))

    monkeypatch.setattr(world, "_result", result)
    return world


def known(world):
    return history.decode(world.documents.read(history.name(TARGET)).body)


def test_the_next_restore_is_foretold_by_the_last(world):
    first = world.end(world.start("one"))
    assert first.plan.prediction.basis == "benchmarks"
    second = world.end(world.start("two"))
    assert second.plan.prediction.basis == "1 run on this server"
    assert second.plan.prediction.seconds != first.plan.prediction.seconds
    assert second.plan.hash == first.plan.hash
    runs = known(world).runs
    assert [run.restore for run in runs] == [first.id, second.id]
    assert [one.seconds for run in runs for one in run.databases] == [TOOK_SECONDS] * 2


def test_who_dies_after_it_was_remembered_remembers_it_once(world, monkeypatch):
    """The history is written first, the end of the restore after it."""
    restore_id = world.start()
    save = world.states.save
    lost = []

    def dies_once(restore, etag):
        if restore.ended and not lost:
            lost.append(restore.id)
            raise TransientError("storage: expected an answer, found none")
        return save(restore, etag)

    monkeypatch.setattr(world.states, "save", dies_once)
    assert world.end(restore_id).phase is Phase.SUCCEEDED
    assert lost == [restore_id]
    assert [run.restore for run in known(world).runs] == [restore_id]


def test_a_restore_goes_on_where_its_history_cannot_be_read(world, caplog):
    """And what is there is left alone: a newer release may have written it."""
    world.documents.write(history.name(TARGET), b'{"version": 2}', None)
    ended = world.end(world.start())
    assert ended.phase is Phase.SUCCEEDED
    assert ended.plan.prediction.basis == "benchmarks"
    assert world.documents.read(history.name(TARGET)).body == b'{"version": 2}'
    told = [r for r in caplog.records if r.message == "history"]
    assert {(record.action, record.code) for record in told} == {
        ("read", "history"),
        ("write", "history"),
    }


class Losing(MemoryDocuments):
    """Others write the same document all the time, or so many times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def write(self, name, body, etag):
        self.times -= 1
        if self.times >= 0:
            raise ConflictError(f"document {name}: expected etag {etag}, found another")
        return super().write(name, body, etag)


@pytest.mark.parametrize(("times", "told"), [(2, []), (99, ["conflict"])])
def test_who_loses_against_others_tries_again_and_says_if_it_gave_up(world, caplog, times, told):
    world.documents = Losing(times)
    world.control = replace(world.control, documents=world.documents)
    assert world.end(world.start()).phase is Phase.SUCCEEDED
    assert [r.code for r in caplog.records if r.message == "history"] == told


def test_without_a_place_for_it_nothing_is_learned(world):
    world.control = replace(world.control, documents=None)
    for key in ("one", "two"):
        ended = world.end(world.start(key))
        assert ended.plan.prediction.basis == "benchmarks"


def test_what_is_told_twice_changes_nothing(world):
    ended = world.end(world.start())
    before = known(world)
    flows.tick(world.control)
    flows.cancel(world.control, ended.id)
    assert known(world) == before
