"""`python -m bench.engine`: restore every shape in every way, in turns, and note what it took."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.engine import dumps, picture, results
from bench.engine.emulation import Emulated
from bench.engine.measure import Bench, Run
from bench.engine.serve import DumpServer
from bench.engine.shapes import SHAPES, Shape
from bench.engine.variants import USUAL, VARIANTS
from local.postgres import PostgresServer

_QUICK_SCALE = 0.05
_EMULATED_SCALE = 0.3

# As a server of this size is set up, but for the disk: waiting for it would measure the disk.
_SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "wal_level": "replica",
    "full_page_writes": "on",
    "autovacuum": "off",
    "max_connections": "100",
}


def main() -> int:
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    emulated = None
    if options.emulate:
        emulated = Emulated(options.cores, options.client_cores, options.slowdown)
    scale = options.scale or (
        _QUICK_SCALE if options.quick else _EMULATED_SCALE if emulated else 1.0
    )
    quick = dumps.cache() / "quick.json"
    out = options.out or (quick if options.quick else results.RESULTS)
    settings = _SETTINGS | dict(options.set)
    failed = False
    repeats = dict.fromkeys(options.variants, options.repeats)
    repeats |= {name: int(count) for name, count in options.repeats_of}
    for shape in map(SHAPES.__getitem__, options.shapes):
        connections = options.connections or _connections(shape, emulated)
        if not connections:
            continue
        _say(f"{shape.name}: {shape.about}")
        dump = dumps.prepare(shape, scale)
        with ExitStack() as stack:
            source = None
            if "pgcopydb" in options.variants:
                source = stack.enter_context(_live_source(dump))
            target = stack.enter_context(PostgresServer(dumps.MAJOR, settings=settings))
            server = stack.enter_context(DumpServer())
            quiet_seconds = 10.0 if options.quick else 120.0
            bench = Bench(target, server, options.limit_seconds, quiet_seconds, source, emulated)
            runs = _all_runs(bench, dump, options.variants, connections, repeats)
        failed |= any(_failed(name, some) for (name, _), some in runs.items())
        entries = [
            results.entry(dump, scale, n, emulated, _of(runs, options.variants, n))
            for n in connections
        ]
        results.merge(out, entries, str(dumps.MAJOR), settings)
    _say(f"written: {out}")
    if out == results.RESULTS:
        picture.draw(out)
    return 1 if failed else 0


def _connections(shape: Shape, emulated: Emulated | None) -> tuple[int, ...]:
    return shape.emulated_connections if emulated else shape.connections


def _all_runs(
    bench: Bench,
    dump: dumps.Dump,
    variants: Sequence[str],
    connections: Sequence[int],
    repeats: Mapping[str, int],
) -> Mapping[tuple[str, int], list[Run]]:
    """Each variant with each number of connections, in turns: what slows one down slows all down.

    What failed twice is not tried again.
    """
    runs: dict[tuple[str, int], list[Run]] = {key: [] for key in _keys(variants, connections)}
    for turn in range(max(repeats[name] for name in variants)):
        for (name, n), some in runs.items():
            if turn >= repeats[name] or sum(bool(run.error) for run in some) > 1:
                continue
            run = bench.run(dump, VARIANTS[name], n)
            some.append(run)
            _say(
                f"  {name:<11}{n} connections {run.seconds:8.1f} s"
                f"  (server {run.server_cpu_seconds:.1f}, client {run.client_cpu_seconds:.1f},"
                f" other {run.other_cpu_seconds:.1f})  {run.error}"
            )
    return runs


def _failed(name: str, runs: Sequence[Run]) -> bool:
    """The engine must never fail; what is compared with it may, as long as there is a figure."""
    errors = [run for run in runs if run.error]
    return bool(errors) if name == "ours" else len(errors) == len(runs)


def _keys(variants: Sequence[str], connections: Sequence[int]) -> Iterator[tuple[str, int]]:
    """What does not depend on the number of connections runs once, under the number 1."""
    for position, n in enumerate(connections):
        for name in variants:
            if not VARIANTS[name].serial:
                yield name, n
            elif position == 0:
                yield name, 1


def _of(
    runs: Mapping[tuple[str, int], list[Run]], variants: Sequence[str], n: int
) -> Mapping[str, list[Run]]:
    return {name: runs[name, 1 if VARIANTS[name].serial else n] for name in variants}


@contextmanager
def _live_source(dump: dumps.Dump) -> Iterator[PostgresServer]:
    """A server with the data of `dump`, for what copies from one server to another."""
    with PostgresServer(dumps.MAJOR, settings=dumps.SETTINGS | {"wal_level": "logical"}) as source:
        dumps.create(source, dump.shape.name)
        env = dumps.environment(source, dump.shape.name)
        argv = ["pg_restore", "--jobs=2", f"--dbname={dump.shape.name}", str(dump.path)]
        subprocess.run(argv, env=env, check=True)
        yield source


def _say(text: str) -> None:
    print(text, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a twentieth of the size, into a file of its own")
    add("--scale", type=float, help="another size; 1.0 is about 1 GB of rows")
    add("--shapes", type=_names(SHAPES), default=tuple(SHAPES), help=", ".join(SHAPES))
    add("--variants", type=_names(VARIANTS), default=USUAL, help=", ".join(VARIANTS))
    add("--connections", type=_numbers, help="instead of each shape's own, say 2,4")
    add("--repeats", type=int, default=3, help="of each variant")
    add("--repeats-of", type=_pair, action="append", default=[], metavar="VARIANT=REPEATS")
    add("--limit-seconds", type=float, default=3600.0, help="after which a restore is stopped")
    add(
        "--set", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="on the target"
    )
    add("--out", type=Path, help=f"the results (without --quick: {results.RESULTS})")
    add("--emulate", action="store_true", help="a server with more, slower cores, by quotas")
    machine = Emulated()
    add("--cores", type=int, default=machine.server_cores, help="of the emulated server")
    add("--client-cores", type=int, default=machine.client_cores)
    add("--slowdown", type=float, default=machine.slowdown, help="of each emulated core")
    return parser.parse_args()


def _names(known: Mapping[str, object]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(f"expected {', '.join(known)}, found {unknown}")
        return found

    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
