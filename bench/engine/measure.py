"""One restore, measured: its time, what it used meanwhile, and whether it is right."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from bench.engine import contents, emulation, procfs
from bench.engine.dumps import Dump, create
from bench.engine.serve import DumpServer, Served
from bench.engine.variants import Variant, variables
from local import processes
from local.postgres import PostgresServer

_SAMPLE_SECONDS = 0.2
_QUIET_SHARE = 0.06
_WORDS = 300


@dataclass(frozen=True, slots=True)
class Run:
    """What one restore took. With an `error`, it does not count.

    `report` is what the program said of itself in its last line, if that is a JSON object. The
    other seconds are processors': the server's, the client's, what nobody here can account for,
    and what our host gave to other machines.
    """

    variant: str
    connections: int
    seconds: float
    server_cpu_seconds: float
    client_cpu_seconds: float
    other_cpu_seconds: float
    stolen_cpu_seconds: float
    peak_rss_mb: float
    peak_rss_tree_mb: float
    staged_disk_mb: float
    requests: int
    served_bytes: int
    report: dict[str, Any] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where all runs take place.

    `quiet_seconds` is how long a run waits for the machine to have nothing else to do; then it
    starts all the same. `source` is a live server with the same data, if one is needed.
    """

    target: PostgresServer
    dumps: DumpServer
    limit_seconds: float
    quiet_seconds: float
    source: PostgresServer | None = None
    emulated: emulation.Emulated | None = None

    def run(self, dump: Dump, variant: Variant, connections: int) -> Run:
        """Restore `dump` into an empty database and compare it with what was dumped."""
        name = dump.shape.name
        create(self.target, name)
        _settle(self.target, self.quiet_seconds)
        folder = processes.Folder("bench")
        try:
            run = self._measure(dump, variant, connections, folder.path)
        finally:
            folder.close()
        if run.error:
            return run
        error = contents.check(self.target.superuser_conninfo(name), dump.contents)
        return replace(run, error=error)

    def _measure(self, dump: Dump, variant: Variant, connections: int, folder: Path) -> Run:
        scratch = folder / "scratch"
        scratch.mkdir()
        url = self.dumps.publish(dump.shape.name, dump.path)
        env = variables(dump, url, connections, self.target, self.source, str(scratch))
        postmaster = _postmaster(self.target)
        with (
            (folder / "output").open("wb") as output,
            (folder / "errors").open("wb") as errors,
            self._cores(postmaster) as add_client,
        ):
            before = _Counters.read(postmaster, self.dumps)
            began = time.monotonic()
            process = subprocess.Popen(
                ["bash", "-o", "pipefail", "-c", variant.command],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                process_group=0,
            )
            with _ended_with_us(process), _Sampler(process.pid, scratch) as sampler:
                add_client(process.pid)
                code = _wait(process, self.limit_seconds)
                seconds = time.monotonic() - began
            used = _Counters.read(postmaster, self.dumps) - before
        said = (folder / "output").read_text(errors="replace").strip()
        complaint = (folder / "errors").read_text(errors="replace").strip()
        return Run(
            variant.name,
            connections,
            round(seconds, 3),
            round(used.server, 2),
            round(used.client, 2),
            round(used.machine_busy - used.server - used.client - used.harness, 2),
            round(used.stolen, 2),
            _megabytes(sampler.peak_bytes),
            _megabytes(max(sampler.peak_tree_bytes, sampler.peak_bytes)),
            _megabytes(sampler.peak_staged_bytes),
            used.served.requests,
            used.served.bytes,
            _report(said),
            "" if code == 0 else f"exit {code}: {_shorten(complaint or said)}",
        )

    @contextmanager
    def _cores(self, postmaster: int) -> Iterator[Callable[[int], None]]:
        if self.emulated is None:
            yield lambda _: None
            return
        with emulation.running(self.emulated, postmaster) as quotas:
            yield quotas.add_client


@dataclass(frozen=True, slots=True)
class _Counters:
    """Processor seconds so far, and what was served."""

    server: float
    client: float
    harness: float
    machine_busy: float
    stolen: float
    served: Served

    @classmethod
    def read(cls, postmaster: int, dumps: DumpServer) -> _Counters:
        waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
        machine = procfs.machine()
        return cls(
            procfs.processor_seconds(postmaster),
            waited_for.ru_utime + waited_for.ru_stime,
            time.process_time(),
            machine.busy,
            machine.stolen,
            dumps.served,
        )

    def __sub__(self, earlier: _Counters) -> _Counters:
        return _Counters(
            self.server - earlier.server,
            self.client - earlier.client,
            self.harness - earlier.harness,
            self.machine_busy - earlier.machine_busy,
            self.stolen - earlier.stolen,
            self.served - earlier.served,
        )


@dataclass
class _Sampler:
    """Looks at a process and all below it now and then; `with` it, then read the peaks.

    A program's own peak is the kernel's and exact: of the largest Python program if there is one,
    else of the largest program. The tree's is the largest sum that was seen, in which memory that
    processes share counts for each of them.
    """

    root: int
    scratch: Path
    peak_tree_bytes: int = 0
    peak_staged_bytes: int = 0
    _python_bytes: int = 0
    _other_bytes: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def peak_bytes(self) -> int:
        return self._python_bytes or self._other_bytes

    def __enter__(self) -> _Sampler:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self._look()
            if self._ended.wait(_SAMPLE_SECONDS):
                return

    def _look(self) -> None:
        processes_now = list(procfs.tree(self.root))
        memories = [procfs.memory(pid) for pid in processes_now]
        staged = _allocated_bytes(self.scratch) + sum(map(procfs.nameless_bytes, processes_now))
        self.peak_tree_bytes = max(self.peak_tree_bytes, sum(m.now_bytes for m in memories))
        self.peak_staged_bytes = max(self.peak_staged_bytes, staged)
        for memory in memories:
            if memory.is_python:
                self._python_bytes = max(self._python_bytes, memory.peak_bytes)
            else:
                self._other_bytes = max(self._other_bytes, memory.peak_bytes)


@contextmanager
def _ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Nothing of `process` outlives the block, whichever way it is left."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[bytes], limit_seconds: float) -> int | str:
    try:
        return process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return f"none after {limit_seconds:.0f} s"


def _settle(target: PostgresServer, quiet_seconds: float) -> None:
    """What earlier runs left to be written is written, and nothing else is going on."""
    with psycopg.connect(target.superuser_conninfo(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    os.sync()
    deadline = time.monotonic() + quiet_seconds
    while time.monotonic() < deadline:
        before = procfs.machine()
        time.sleep(1)
        after = procfs.machine()
        busy = after.busy - before.busy + after.stolen - before.stolen
        if busy < _QUIET_SHARE * (busy + after.idle - before.idle):
            return


def _postmaster(server: PostgresServer) -> int:
    with psycopg.connect(server.superuser_conninfo()) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return int(Path(row[0], "postmaster.pid").read_text().split()[0])


def _report(said: str) -> dict[str, Any] | None:
    try:
        found = json.loads(said.rpartition("\n")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _shorten(text: str) -> str:
    """Its beginning and its end: programs differ in where they tell what went wrong."""
    return text if len(text) <= 2 * _WORDS else f"{text[:_WORDS]} […] {text[-_WORDS:]}"


def _allocated_bytes(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total


def _megabytes(count: float) -> float:
    return round(count / 1e6, 1)
