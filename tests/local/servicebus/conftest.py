"""The stage that the scenarios of a module run on."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.local.servicebus.bench import Stage


@pytest.fixture(scope="module")
def tidy():
    """What the SDK leaked is found here, and not in the tests of another module."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def stage(request, tidy):
    """All scenarios of the module; what they left to close is closed by the end."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_default_executor(ThreadPoolExecutor(32))
        made = Stage(loop)
        for item in request.session.items:
            if item.module is request.module and hasattr(item.function, "scenario"):
                made.begin(item)
        yield made
        runner.run(made.finish_all())
