"""A server with more cores than this machine has, made of processor quotas.

Every emulated core is `slowdown` times slower than a real one, so that a few real ones can stand
for many. Each process of the server, and each thread of the client, gets one emulated core at most;
all of them together no more than their side has. Seconds are those of the slow machine: what one
can read from them is how ways of restoring compare, not how fast a real server is.
Source: Linux, Documentation/scheduler/sched-bwc.rst (control groups, version 1).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.engine import procfs

_GROUPS = Path("/sys/fs/cgroup/cpu")
_PREFIX = "restore-bench-"
_PERIOD_US = 50_000
_LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Emulated:
    """The machines to be: the server's cores, the client's, and how slow they are."""

    server_cores: int = 8
    client_cores: int = 4
    slowdown: float = 6.0


class Quotas:
    """Holds the processes of both sides to their cores."""

    def __init__(self, emulated: Emulated, server: Path, client: Path, postmaster: int) -> None:
        self._core_us = int(_PERIOD_US / emulated.slowdown)
        self._server = server
        self._client = client
        self._postmaster = postmaster
        self._clients: list[int] = []
        self._placed: dict[int, Path] = {}
        _limit(server, self._core_us * emulated.server_cores)
        _limit(client, self._core_us * emulated.client_cores)

    def add_client(self, pid: int) -> None:
        """`pid` and all it starts are the client from now on."""
        self._clients.append(pid)
        self.place()

    def place(self) -> None:
        """Give all that are new a core, and take back those of the ones that have ended.

        What a process or thread starts is in its own group until it is found here: it shares its
        core, and never has more than one.
        """
        server = [self._postmaster, *procfs.children(self._postmaster)]
        client = [
            thread
            for root in self._clients
            for pid in procfs.tree(root)
            for thread in procfs.threads(pid)
        ]
        self._place(self._server, server)
        self._place(self._client, client)
        for task in self._placed.keys() - {*server, *client}:
            with suppress(OSError):
                self._placed[task].rmdir()
                del self._placed[task]

    def _place(self, side: Path, tasks: Iterable[int]) -> None:
        for task in tasks:
            if task not in self._placed:
                group = side / str(task)
                _limit(group, self._core_us)
                self._placed[task] = group
                with suppress(ProcessLookupError):
                    (group / "tasks").write_text(str(task))


@contextmanager
def running(emulated: Emulated, postmaster: int) -> Iterator[Quotas]:
    """The server of `postmaster` has emulated cores inside; afterwards all is as it was.

    Raises OSError where control groups of version 1 cannot be written.
    """
    _sweep()
    root = _GROUPS / f"{_PREFIX}{os.getpid()}"
    ended = threading.Event()
    with ExitStack() as stack:
        stack.callback(_remove, root)
        root.mkdir()
        quotas = Quotas(emulated, root / "server", root / "client", postmaster)
        quotas.place()

        def watch() -> None:
            while not ended.wait(_LOOK_SECONDS):
                quotas.place()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(ended.set)
        yield quotas


def _limit(group: Path, quota_us: int) -> None:
    group.mkdir(exist_ok=True)
    (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
    (group / "cpu.cfs_quota_us").write_text(str(quota_us))


def _remove(root: Path) -> None:
    """Move whoever is left to where all others are, and remove the groups, innermost first."""
    if not root.exists():
        return
    for folder, _, _ in os.walk(root, topdown=False):
        group = Path(folder)
        while group.exists():  # what is moved may have started something meanwhile
            for task in (group / "tasks").read_text().split():
                with suppress(OSError):
                    (_GROUPS / "tasks").write_text(task)
            with suppress(OSError):
                group.rmdir()


def _sweep() -> None:
    """Groups of a benchmark that was killed."""
    for group in _GROUPS.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{group.name.removeprefix(_PREFIX)}").exists():
            _remove(group)
