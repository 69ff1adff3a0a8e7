"""Five hundred seeds, and faults that were planted to see them found: some, or all in a soak."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import run

SEEDS, BATCHES = 500, 10
ROOT = Path(__file__).resolve().parents[2]
PLANTED = [
    number if number % 9 == 0 else pytest.param(number, marks=pytest.mark.soak)
    for number in range(len(MUTATIONS))
]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_whatever_goes_wrong_all_comes_to_a_right_end(batch):
    size = SEEDS // BATCHES
    for seed in range(batch * size, (batch + 1) * size):
        run(seed)


@pytest.mark.parametrize("number", PLANTED, ids=lambda n: MUTATIONS[n].name)
def test_a_planted_fault_is_found(number):
    """Where it is not, either the simulation has become too kind or the fault does no harm."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--mutation", str(number), "--seeds", "150"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1, found.stdout
    assert "again: python -m tests.simulation --seed" in found.stderr
