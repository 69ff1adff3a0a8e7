"""Connections are cut, the server restarts, stays away or is full: the engine sees it through."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from local.postgres import Stop
from tests.engine.bulk import BULK, LEDGER
from tests.proxy import proxy

CUTS = 50
PLACES = (
    "schema",
    "index",
    "data",
    "rows",
    "sequences",
    "indexes",
    "in indexes",
    "rest",
    "checks",
    "in checks",
    "access",
    "views",
    "in views",
    "guards",
    "restored",
)
"""Where `once.py` is held."""


def cuts(seed):
    """Bytes to the next cut, and whether everything is cut: some at once, some much later."""
    moment = random.Random(seed)
    for _ in range(CUTS):
        size_bytes = moment.choice((3_000, 30_000, 300_000, 2_000_000))
        yield moment.randrange(size_bytes), moment.random() < 0.5


@pytest.mark.soak
def test_cut_off_fifty_times_it_goes_on_by_itself(bulk, database):
    with proxy(bulk.server.host, bulk.server.port) as between:
        between.cut_each(cuts("cuts"))
        assert bulk.restore(database, port=between.port) == bulk.done
        assert between.cut == CUTS
    assert bulk.differences(database) == []


def test_what_was_committed_though_nobody_heard_of_it_is_not_done_again(bulk, database):
    """The connection is lost between a commit and its answer."""
    with proxy(bulk.server.host, bulk.server.port) as between:
        between.cut_behind(b"COMMIT", b"INSERT INTO _restore_ledger.made", times=25)
        assert bulk.restore(database, port=between.port) == bulk.done
        assert between.cut == 25
    assert bulk.differences(database) == []


@pytest.mark.parametrize("first", Stop)
def test_a_server_that_restarts_at_any_time_is_waited_for(bulk, database, first):
    """Again and again, in order and as by a crash: what was not on disk yet is made anew."""
    modes = itertools.cycle([first, *(mode for mode in Stop if mode is not first)])
    dump = "pipe" if first is Stop.FAST else "file"
    with bulk.running(database, dump, held=PLACES, held_rows=30_000) as running:
        for place, mode in zip(PLACES, modes, strict=False):
            assert running.has_told(held=place)
            bulk.server.restart(mode)
            running.go_on()
        assert running.end() == bulk.done
    assert bulk.differences(database) == []


def test_what_counts_as_restored_is_on_disk(bulk, database):
    """A crash before the ledger is dropped costs nothing: nobody would notice any more."""
    dump = bulk.dump("grants", "--exclude-table=bulk.bus*", "--compress=1")
    with bulk.running(database, str(dump), held=["restored"]) as running:
        assert running.has_told(held="restored")
        bulk.server.restart(Stop.IMMEDIATE)
        running.go_on()
        assert running.end() == bulk.done
    granted = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'app_ro'"
    assert bulk.rows(granted, database) == bulk.rows(granted, BULK)


def test_whoever_gets_on_may_wait_again(bulk, database):
    """A server that is lost early is no reason to give up when it is lost again much later."""
    with bulk.running(database, held=["schema", "rows"], patience_seconds=0.5) as running:
        assert running.has_told(held="schema")
        bulk.server.restart()
        running.go_on()
        assert running.has_told(held="rows")
        time.sleep(1)
        bulk.server.restart()
        running.go_on()
        assert running.end() == bulk.done
    assert bulk.differences(database) == []


@pytest.fixture
def away(bulk):
    """Stops the server, which is there again at the end."""
    yield bulk.server.halt
    bulk.server.restart()


def test_a_server_that_stays_away_is_not_waited_for_forever(bulk, database, away):
    """Once it is back, the same restore is carried on with."""
    with bulk.running(database, held=["rows"], patience_seconds=0.5) as running:
        assert running.has_told(held="rows")
        away()
        running.go_on()
        end = running.end()
    assert end["error"] == "target-unreachable"
    assert end["hint"].startswith("is the server running")
    bulk.server.start()
    assert bulk.rows(f"SELECT sum(rows) > 0 FROM {LEDGER}.part", database) == [(True,)]
    assert bulk.restore(database) == bulk.done
    assert bulk.differences(database) == []


def test_a_server_that_was_never_there_is_given_up_sooner(bulk, database, away):
    away()
    end = bulk.restore(database, first_seconds=0.5)
    assert end["error"] == "target-unreachable"


@pytest.fixture
def limit(bulk):
    """Sets how many sessions the login may have; -1 at the end."""

    def set_limit(sessions):
        name = bulk.server.admin
        bulk.configure(f"ALTER ROLE {name} CONNECTION LIMIT {sessions}")

    yield set_limit
    set_limit(-1)


def test_sessions_that_are_not_to_be_had_are_waited_for(bulk, database, limit):
    with bulk.running(database, held=["schema", "waiting for the server"]) as running:
        assert running.has_told(held="schema")
        limit(1)
        running.go_on()
        assert running.has_told(held="waiting for the server")
        limit(-1)
        running.go_on()
        assert running.end() == bulk.done
    assert bulk.differences(database) == []


def test_without_sessions_it_ends_and_says_so(bulk, database, limit):
    with bulk.running(database, held=["data"], patience_seconds=0.5) as running:
        assert running.has_told(held="data")
        limit(1)
        running.go_on()
        end = running.end()
    assert end["error"] == "target-busy"
    assert "too many connections" in end["message"]
    limit(-1)
    assert bulk.restore(database) == bulk.done
    assert bulk.differences(database) == []
