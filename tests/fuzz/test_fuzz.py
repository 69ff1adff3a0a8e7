"""Some spoilt bytes for all that reads any; many more in a soak."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.spoil import spoilt, tried
from tests.fuzz.targets import TARGETS

INPUTS = 300


@pytest.mark.parametrize("name", TARGETS)
def test_good_bytes_are_understood(name):
    for seed in TARGETS[name].seeds:
        assert tried(TARGETS[name], seed), "the seed is no good one"


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_bytes_raise_errors_of_ours_at_most(name):
    chance, target = random.Random(name), TARGETS[name]
    for _ in range(INPUTS):
        tried(target, spoilt(chance, target.seeds))
