"""`python -m tests.simulation`: run seeds until one fails.

A seed that fails is printed with its story, and fails the same way when it is run again.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.simulation.mutations import MUTATIONS, plant


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="only this one, and what happened in it")
    parser.add_argument("--seeds", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mutation", type=int, metavar="N", help="with a fault planted")
    options = parser.parse_args()
    if options.mutation is not None:
        plant(MUTATIONS[options.mutation])
    from tests.simulation.run import run  # what it imports may have been changed

    seeds = range(options.first, options.first + options.seeds)
    if options.seed is not None:
        seeds = range(options.seed, options.seed + 1)
    began, ends, steps = time.monotonic(), Counter[str](), 0
    for seed in seeds:
        try:
            world = run(seed)
        except BaseException:
            traceback.print_exc()
            print(f"again: python -m tests.simulation --seed {seed}", file=sys.stderr)
            return 1
        steps += world.scheduler.steps
        ends.update(r.phase.value for r in world.restores)
        if options.seed is not None:
            print("\n".join(world.story))
    seconds = time.monotonic() - began
    told = ", ".join(f"{number} {phase}" for phase, number in sorted(ends.items()))
    print(f"{len(seeds)} seeds, {steps} steps, {seconds:.1f} s; restores: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
