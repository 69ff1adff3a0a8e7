"""A restore that is cancelled in the midst of any phase leaves nothing behind, on a real server."""

from __future__ import annotations

import threading

import pytest

from restore import flows
from restore.core.messages import Result
from restore.core.state import Phase
from restore.engine.meter import Meter
from restore.worker.stop import Stop

CRM = "crm_database_archive"
STREAMED = {
    "prepare": ("reading the target", "reading the dumps"),
    "roles": ("roles",),
    "database-0": (
        "creating",
        "schema",
        "data",
        "indexes",
        "rest",
        "access",
        "views",
        "analyzing",
        "counting",
        "comparing the catalog",
        "comparing schemas",
        "comparing content",
    ),
}
BY_PG_RESTORE = {"database-0": ("downloading", "restoring", "granting")}
ALWAYS = {"reading the dumps", "roles", "schema", "data", "indexes", "counting", "restoring"}
CASES = [
    pytest.param(engine, task, phase, marks=() if phase in ALWAYS else pytest.mark.soak)
    for engine, tasks in (("stream", STREAMED), ("pg_restore", BY_PG_RESTORE))
    for task, phases in tasks.items()
    for phase in phases
]


@pytest.fixture
def cancelled(bench, monkeypatch):
    """A function that makes the restore be cancelled as soon as a task enters a phase.

    The task goes on once its watch has heard of it: what it does then is up to it.
    """
    ordered, entered = threading.Event(), []
    order, enter = Stop.order, Meter.enter

    def heard(stop, reason):
        order(stop, reason)
        ordered.set()

    def at(phase):
        def cancelling(meter, name, *sizes):
            enter(meter, name, *sizes)
            if name == phase and not entered:
                entered.append(name)
                flows.cancel(bench.control, bench.last)
                assert ordered.wait(30)

        monkeypatch.setattr(Stop, "order", heard)
        monkeypatch.setattr(Meter, "enter", cancelling)
        return entered

    return at


@pytest.mark.parametrize(("engine", "task", "phase"), CASES)
def test_whatever_it_is_at_nothing_is_left(bench, dump, cancelled, engine, task, phase):
    before = bench.databases(), bench.roles(), bench.memberships()
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    entered = cancelled(phase)
    bench.start(engine=engine, verify="content")
    restore = bench.finish()
    assert entered == [phase]
    assert restore.phase is Phase.CANCELLED
    assert restore.task(task).result.result is Result.CANCELLED
    assert (restore.published, restore.debts, restore.failure) == ((), (), None)
    assert (bench.databases(), bench.roles(), bench.memberships()) == before
    assert bench.bus.tickets == []
    again = flows.cancel(bench.control, bench.last)
    assert again == restore
