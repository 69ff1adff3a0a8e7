"""`python -m tests.fuzz [--target NAME] [--seconds N]`: spoilt bytes for all that reads any.

Ends with 1 at the first input that makes a target raise anything but an error of ours, or take too
long. `guided.py` does the same with atheris.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time

from tests.fuzz.spoil import Found, spoilt, tried
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.target or TARGETS:
        chance, target = random.Random(f"{name} {options.seed}"), TARGETS[name]
        end, inputs, understood = time.monotonic() + options.seconds, 0, 0
        try:
            while time.monotonic() < end:
                understood += tried(target, spoilt(chance, target.seeds))
                inputs += 1
        except Found as found:
            print(f"{name}: input {inputs} of seed {options.seed}: {found}", file=sys.stderr)
            return 1
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name}: {inputs:,} inputs, {understood:,} understood, peak {peak_mb:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
