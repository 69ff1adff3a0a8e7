"""One seed, from its first step to rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from restore.worker import worker as worker_module
from tests.simulation.world import PATIENCE_SECONDS, World, _SteppedWatch


def run(seed: int) -> World:
    """Raises Broken where something happened that must not; the world's story is its note."""
    world = World(seed)
    with _simulated(world):
        try:
            world.populate(restores=world.scheduler.random.randint(1, 3))
            world.scheduler.run(PATIENCE_SECONDS, lambda: world.is_over)
            world.check_end()
        except BaseException as exc:
            exc.add_note("\n".join([f"seed {seed}, {world.troubles}", *world.story]))
            raise
        finally:
            world.scheduler.stop()
    return world


@contextmanager
def _simulated(world: World) -> Iterator[None]:
    """The worker's loop with tasks of ours, and a watch without a thread."""
    watch = type("Watch", (_SteppedWatch,), {"world": world})
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            patch.object(worker_module, "_TASKS", world.tasks.table()),
            patch.object(worker_module, "Watch", watch),
            world.tasks.seams(),
        ):
            yield
    finally:
        logging.disable(disabled)
