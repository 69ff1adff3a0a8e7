"""What past restores took: bounded, once each, readable by the releases around this one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from restore.core import history
from restore.core.estimate import Load
from restore.core.history import MOST_DATABASES, MOST_RUNS, History, Measured, Run
from restore.core.messages import Check, DatabaseResult, Failure
from restore.core.options import Level
from restore.core.plan import sealed
from restore.core.prediction import predict
from tests.core.test_life import NOW, database, plan, prepared

steady = settings(deadline=None, derandomize=True)
CRM = Load("stream", 200_000_000, 10, 20, 5)
ONE = Run("0" * 16, NOW, (Measured(CRM, 10, 60.0, 5.0),), True, {"restoring": 70.0})


def ended(*names, seconds=60.0):
    story = prepared(*names)
    known = story.restore.plan
    foreseen = predict([CRM] * len(known.databases))
    story.restore = replace(story.restore, plan=replace(known, prediction=foreseen))
    story.done("roles")
    for number, name in enumerate(names):
        story.done(f"database-{number}", database=replace(database(name), seconds=seconds))
    return story.done("finish")


def test_a_restore_leaves_what_each_database_took():
    story = ended("crm", "shop")
    found = history.run(story.restore)
    assert [one.seconds for one in found.databases] == [60, 60]
    assert found.databases[0].load == CRM
    assert found.databases[0].rows == 10
    assert (found.restore, found.complete) == (story.restore.id, True)
    assert {"preparing", "restoring", "finishing"} <= found.phases.keys()


def test_what_comparing_took_is_a_part_of_it():
    story = ended("crm")
    task = story.restore.task("database-0")
    checks = (Check(Level.COUNTS, 1, "tables", seconds=2), Check(Level.CATALOG, 1, "x", seconds=3))
    proven = DatabaseResult("crm", 1, 1, seconds=60, checks=checks)
    done = replace(task, result=replace(task.result, database=proven))
    tasks = tuple(done if one.id == task.id else one for one in story.restore.tasks)
    (found,) = history.run(replace(story.restore, tasks=tasks)).databases
    assert found.checking_seconds == 5


def test_a_database_that_took_two_attempts_measures_nothing():
    """The second one carries on where the first one stopped."""
    story = ended("crm", "shop").restore
    tasks = tuple(replace(t, attempt=2) if t.id == "database-0" else t for t in story.tasks)
    found = history.run(replace(story, tasks=tasks))
    assert (len(found.databases), found.complete) == (1, False)
    assert history.prediction(predict([CRM]), History((found,))).seconds == predict([CRM]).seconds


def test_where_nothing_was_measured_there_is_no_run():
    story = ended("crm").restore
    assert history.run(prepared("crm").restore) is None
    assert history.run(replace(story, plan=None)) is None
    assert history.run(replace(story, plan=replace(story.plan, prediction=None))) is None
    assert history.run(ended("crm", seconds=0.0).restore) is None
    failed = prepared("crm")
    known = replace(failed.restore.plan, prediction=predict([CRM]))
    failed.restore = replace(failed.restore, plan=known)
    failed.failed("roles", Failure("tool", "psql: found 1")).done("cleanup")
    assert failed.restore.ended
    assert history.run(failed.restore) is None


def test_a_restore_is_in_it_once_however_often_it_is_told():
    longer = replace(ONE, phases={"restoring": 80.0})
    found = history.added(history.added(History(), ONE), longer)
    assert found.runs == (longer,)
    assert history.added(found, longer) == found


@steady
@given(some.lists(some.integers(1, MOST_DATABASES), min_size=1, max_size=MOST_RUNS + 20))
def test_it_never_grows_beyond_its_bounds(sizes):
    known = History()
    for number, size in enumerate(sizes):
        new = Run(f"{number:016x}", NOW, ONE.databases * size, True)
        known = history.added(known, new)
        assert known.runs[-1] == new
    assert len(known.runs) <= MOST_RUNS
    assert sum(len(run.databases) for run in known.runs) <= MOST_DATABASES


def test_a_run_of_very_many_databases_is_cut(monkeypatch):
    monkeypatch.setattr(history, "MOST_DATABASES", 1)
    found = history.run(ended("crm", "shop").restore)
    assert (len(found.databases), found.complete) == (1, False)


def test_the_releases_around_this_one_read_it():
    known = History((ONE,))
    assert history.decode(history.encode(known)) == known
    body = json.loads(history.encode(known))
    body["later"] = body["runs"][0]["later"] = body["runs"][0]["databases"][0]["later"] = [1]
    del body["runs"][0]["phases"], body["runs"][0]["databases"][0]["checking_seconds"]
    del body["runs"][0]["databases"][0]["load"]["indexes"]
    assert len(history.decode(json.dumps(body).encode()).runs) == 1


@pytest.mark.parametrize("body", [b"", b"{}x", b'{"version": 2}', b'{"runs": 1}', b"\xff"])
def test_anything_else_is_refused(body):
    with pytest.raises(ValueError, match="validation"):
        history.decode(body)


@pytest.mark.parametrize(
    "target",
    ["pg2.example.com:5432", "../../restores/x:5432", "a/b\\c\0:1", "-" * 500, "[::1]:5432", "É:1"],
    ids=["usual", "dots", "slashes", "long", "v6", "other letters"],
)
def test_the_name_is_one_path_of_ours_whatever_the_host_is_called(target):
    folder, _, name = history.name(target).partition("/")
    assert folder == "history"
    assert len(name) <= 100
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert ".." not in name
    assert history.name(target) != history.name(target + "0")
    assert history.name(target) == history.name(target.upper())


def test_the_plan_of_an_older_release_stays_as_it_is():
    old = plan("crm")
    assert history.foreseen(old, History((ONE,))) is old


def test_a_prediction_is_no_part_of_what_is_agreed_to():
    known = sealed(replace(plan("crm"), prediction=predict([CRM])))
    foreseen = history.foreseen(known, History((ONE,) * 5))
    assert foreseen.prediction.basis == "5 runs on this server"
    assert foreseen.prediction.seconds != known.prediction.seconds
    assert sealed(foreseen).hash == known.hash == sealed(plan("crm")).hash


def test_a_run_whose_phase_is_unknown_tells_of_its_databases_only():
    odd = replace(ONE, ended=NOW + timedelta(days=1), phases={})
    found = history.prediction(predict([CRM]), History((odd,)))
    assert found.databases != predict([CRM]).databases
    assert found.seconds == predict([CRM]).seconds
