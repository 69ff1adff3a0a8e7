"""However often an engine is killed: all is there once, and hardly any of it was made twice."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass

import pytest

from restore.core.rows import SLICE_BYTES
from tests.engine.bulk import BULK, LEDGER, Bulk
from tests.waiting import eventually

KILLS = 10 if os.environ.get("SOAK") else 5  # of each test, of which there are five
CONNECTIONS = 2

_ROW_BYTES = "SELECT avg(octet_length(event::text))::float8 FROM bulk.event"
# With those whose transaction was undone.
_INSERTED = "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables WHERE relname = 'event'"
_THERE = f"""
SELECT to_regclass('bulk.event') IS NOT NULL, to_regnamespace('{LEDGER}') IS NOT NULL"""
_RELATIONS = """
SELECT c.oid::regclass::text, c.oid FROM pg_class AS c LEFT JOIN pg_index ON indexrelid = c.oid
WHERE relnamespace = to_regnamespace('bulk') AND indisvalid IS NOT FALSE"""
_LOCKED = "SELECT relation::regclass::text FROM pg_locks WHERE mode = 'RowExclusiveLock'"
_WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
_GUARD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = {}"


@dataclass(frozen=True)
class Left:
    """What a killed engine leaves in a database."""

    loaded: int = 0  # rows in the biggest table
    inserted: int = 0  # all that ever were
    relations: frozenset[tuple[str, int]] = frozenset()  # with their object ids
    is_complete: bool = False  # it was killed too late

    @classmethod
    def read(cls, bulk: Bulk, database: str) -> Left:
        ((there, ledger),) = bulk.rows(_THERE, database)
        loaded = bulk.rows("SELECT count(*) FROM bulk.event", database)[0][0] if there else 0
        ((inserted,),) = bulk.rows(_INSERTED, database)
        relations = frozenset(bulk.rows(_RELATIONS, database))
        return cls(loaded, int(inserted), relations, there and not ledger)

    @property
    def undone(self) -> int:
        return self.inserted - self.loaded


@dataclass(frozen=True)
class Pace:
    """How long a restore and its data phase take here, so that every moment has a chance."""

    whole_seconds: float
    data_seconds: float


@pytest.fixture(scope="module")
def pace(bulk):
    database, times = bulk.database(), []
    with bulk.running(database) as running:
        for event in ({"begun": True}, {"phase": "data"}, {"phase": "indexes"}, {"done": True}):
            assert running.has_told(**event)
            times.append(time.monotonic())
    bulk.drop(database)
    return Pace(times[3] - times[0], times[2] - times[1])


def kill(running, moment, pace):
    """In its data phase, or anywhere."""
    if moment.random() < 0.6:
        running.has_told(phase="data")
        time.sleep(moment.uniform(0, pace.data_seconds))
    else:
        running.has_told(begun=True)
        time.sleep(moment.uniform(0, pace.whole_seconds))
    running.kill()


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in (1, 2, 3, 4))]
)
def test_whenever_it_is_killed_the_next_one_makes_the_rest(bulk, pace, number):
    """Less than a part's rows on each connection are loaded again; nothing else is, at all."""
    dump, moment = ("pipe", "file")[number % 2], random.Random(f"kills {number}")
    ((row_bytes,),) = bulk.rows(_ROW_BYTES, BULK)
    most_undone = CONNECTIONS * 1.2 * SLICE_BYTES / row_bytes  # a part is one slice
    kills = 0
    while kills < KILLS:
        database, left = bulk.database(), Left()
        while kills < KILLS and not left.is_complete:
            with bulk.running(database, dump, connections=CONNECTIONS) as running:
                kill(running, moment, pace)
            assert bulk.is_left_alone(database)
            before, left = left, Left.read(bulk, database)
            assert left.undone - before.undone < most_undone
            assert left.loaded >= before.loaded
            assert left.relations >= before.relations
            kills += not left.is_complete
        if not left.is_complete:
            assert bulk.restore(database, dump) == bulk.done
        assert bulk.differences(database) == []
        assert Left.read(bulk, database).relations >= left.relations
        bulk.drop(database)


def guard(bulk, database):
    """The sessions that keep other engines out."""
    oid = f"(SELECT oid FROM pg_database WHERE datname = '{database}')"
    return [pid for (pid,) in bulk.rows(_GUARD.format(oid))]


def test_what_a_hung_engine_still_holds_is_taken_from_it(bulk, database):
    """Its machine sleeps, and the server has noticed that of one session only."""
    offset = bulk.dumps["pipe"].stat().st_size - 1
    hung = {"held": ["read"], "held_offset": offset, "part_bytes": 2**30}
    with bulk.running(database, **hung) as sleeping:
        assert sleeping.has_told(held="read")
        assert eventually(lambda: ("bulk.event",) in bulk.rows(_LOCKED, database))
        sleeping.stop()
        (pid,) = guard(bulk, database)
        bulk.rows(f"SELECT pg_terminate_backend({pid})")
        assert eventually(lambda: guard(bulk, database) == [])
        assert ("bulk.event",) in bulk.rows(_LOCKED, database)
        assert bulk.restore(database) == bulk.done
        assert bulk.differences(database) == []
        sleeping.wake()
        sleeping.go_on()
        assert sleeping.end()["error"] == "target-not-empty"
    assert bulk.differences(database) == []


def test_another_engine_in_the_same_database_is_refused_after_some_time(bulk, database):
    with bulk.running(database, held=["rows"]) as first:
        assert first.has_told(held="rows")
        second = bulk.restore(database, lock_seconds=1, first_seconds=0)
        assert second["error"] == "target-busy"
        assert "no other engine in it" in second["message"]
        assert second["hint"] == "wait for its end, or end its sessions"
        first.go_on()
        assert first.end() == bulk.done
    assert bulk.differences(database) == []


def test_another_engine_that_waits_finds_all_done_or_nothing_to_do(bulk, database):
    with bulk.running(database, held=["rows"]) as first:
        assert first.has_told(held="rows")
        with bulk.running(database) as second:
            assert eventually(lambda: bulk.rows(_WAITING))
            first.go_on()
            for engine in (first, second):
                end = engine.end()
                assert "done" in end or end["error"] == "target-not-empty"
    assert bulk.differences(database) == []
