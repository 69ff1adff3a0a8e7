"""Many databases in one restore, and many restores at once: no task is lost, none is done twice."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from restore import flows
from restore.core.state import Phase, encode
from tests.core.test_life import plan
from tests.fakes import MemoryStates
from tests.test_flows import SERVER, World, body

RESTORES, SERVERS = 200, 20
STATE_BYTES = 4 * 1024 * 1024
"""What the biggest state may come to: it is read and written at every step."""


class CachedStates(MemoryStates):
    """Each state is decoded once: it is not the fake that is to be tried here."""

    def __init__(self):
        super().__init__()
        self._decoded = {}

    def load(self, restore_id):
        known = self._decoded.get(restore_id)
        if known is None or known.etag != self._stored[restore_id][1]:
            known = self._decoded[restore_id] = super().load(restore_id)
        return known


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [300, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_thousand_databases_in_one_restore(count):
    world = World(states=CachedStates())
    names = [f"database_with_a_long_name_{number:04}" for number in range(count)]
    world.plan = plan(*names)
    restore_id = world.start()
    while not world.restore(restore_id).ended:
        world.round()
        assert len(encode(world.restore(restore_id))) < STATE_BYTES
    restore = world.restore(restore_id)
    assert restore.phase is Phase.SUCCEEDED
    expected = [f"database-{number}/1" for number in range(count)]
    assert sorted(world.taken) == sorted(["prepare/1", "roles/1", *expected, "finish/1"])
    assert restore.published == tuple(range(count))
    assert world.bus.tickets == []


def test_two_hundred_restores_at_once():
    hosts = [f"pg{number}.example.com" for number in range(SERVERS)]
    world = World(targets=tuple(f"{host}:5432" for host in hosts), states=CachedStates())
    ids = []
    for number in range(RESTORES):
        target = {"host": hosts[number % SERVERS], "user": "admin", "secret": "pg"}
        request = json.loads(body({"server": SERVER})) | {"target": target}
        ids.append(flows.start(world.control, json.dumps(request).encode(), f"n{number}").id)
    for _ in range(10_000):
        if all(world.restore(restore_id).ended for restore_id in ids):
            break
        world.round()
    restores = [world.restore(restore_id) for restore_id in ids]
    assert {restore.phase for restore in restores} == {Phase.SUCCEEDED}
    assert world.vault.restores_begun == RESTORES
    assert Counter(world.taken) == dict.fromkeys(
        ("prepare/1", "roles/1", "database-0/1", "finish/1"), RESTORES
    )
    assert world.bus.tickets == []
