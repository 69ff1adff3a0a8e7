"""One ticket in a process of its own, which can be killed: its dump never comes to its end.

Arguments: a file with the state, a file with the dump, the server's port, the ticket's task.
The password is the first line of the input.
"""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM, signal

from local.postgres import binaries
from restore import logs
from restore.adapters.postgres import Tls
from restore.adapters.tools import find_clients
from restore.core import state
from restore.core.messages import Ticket
from restore.worker.__main__ import run
from restore.worker.job import Limits
from restore.worker.worker import Worker
from tests.fakes import MemoryBus, MemoryRecords, MemorySecrets, MemoryStates

HELD_BACK_BYTES = 64


class StallingLanding:
    """One dump; its last bytes never come, nor, for whoever begins behind its start, its middle."""

    def __init__(self, content):
        self.content = content

    def read(self, url, blob, offset, size_bytes):
        if 0 < offset <= len(self.content) // 2 < offset + size_bytes:
            threading.Event().wait()
        return self.content[offset : offset + size_bytes]

    def stream(self, url, blob):
        yield self.content[:-HELD_BACK_BYTES]
        while not threading.Event().wait(0.02):
            yield b""


def main(state_file, dump_file, port, task):
    password = sys.stdin.readline().strip()
    restore = state.decode(Path(state_file).read_bytes())
    states, bus = MemoryStates(), MemoryBus()
    states.create(restore)
    bus.send_ticket(Ticket(restore.id, task, restore.task(task).attempt))
    worker = Worker(
        clock=lambda: datetime.now(UTC),
        states=states,
        records=MemoryRecords(),
        landing=StallingLanding(Path(dump_file).read_bytes()),
        bus=bus,
        inbox=bus,
        secrets=MemorySecrets({"target": password}),
        token=lambda: "",
        targets=(f"127.0.0.1:{port}",),
        tls=Tls("disable"),
        clients=find_clients([str(binaries(16)), str(binaries(18))]),
        limits=Limits(scratch_bytes=1),
        round_seconds=0.05,
    )
    logs.to_stdout()
    signal(SIGTERM, worker.departure.ask)
    run(worker, once=True, wait_seconds=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
