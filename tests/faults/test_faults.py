"""Some of all faults, by chance; `python -m tests.faults` has them all."""

from __future__ import annotations

import pytest

from local.postgres import PostgresServer
from tests.faults.parts import Parts
from tests.faults.sweep import Sweep

SEED, COUNT = 7, 3


@pytest.fixture(scope="module")
def sweep():
    with PostgresServer(18) as server, Parts(server) as parts:
        yield Sweep(parts)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(COUNT))
def test_a_fault_anywhere_ends_right_or_loudly(sweep, number):
    sweep.outcome(*sweep.some(SEED, COUNT)[number])
