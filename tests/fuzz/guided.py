"""`python -m tests.fuzz.guided TARGET [options of libFuzzer]`: inputs that follow the branches.

Needs atheris, which is no dependency of the tests. Source: github.com/google/atheris, README.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["restore"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Does not return: libFuzzer ends the process, with 77 or the like where it found something."""
    _, name, *options = sys.argv
    target = TARGETS[name]
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    limits = ["-timeout=10", "-rss_limit_mb=512", "-max_len=65536", "-print_final_stats=1"]
    atheris.Setup([name, *limits, *options, str(corpus)], lambda data: target(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
