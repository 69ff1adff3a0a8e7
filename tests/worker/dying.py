"""Tasks in children of this process, which kill themselves at a chosen exchange with the server.

Arguments: the server's port, a folder. Each line of the input is a task, a number and a moment
("before": the message is not sent, "amid": it is sent and its answer not awaited); the state is in
the folder's `state.json`. Answers with a line: how many exchanges there were, 0 if it was killed.
The password is the first line of the input.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from restore.adapters.postgres import Tls
from restore.core import state
from restore.core.messages import Result, Ticket
from restore.worker.worker import Worker, work
from tests.fakes import MemoryBus, MemoryHold, MemoryRecords, MemorySecrets, MemoryStates


class Dying(psycopg.Connection):
    """Counts what it asks the server: statements, and the begin and end of each transaction."""

    done, last, is_amid = 0, 0, False

    def wait(self, gen, *arguments, **options):
        cls = type(self)
        cls.done += 1
        if cls.done == cls.last:
            if cls.is_amid:
                next(gen)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().wait(gen, *arguments, **options)


def run(port, folder, password, task):
    """Whether the task was done."""
    restore = state.decode((Path(folder) / "state.json").read_bytes())
    states, records, bus = MemoryStates(), MemoryRecords(), MemoryBus()
    states.create(restore)
    worker = Worker(
        clock=lambda: datetime.now(UTC),
        states=states,
        records=records,
        landing=None,
        bus=bus,
        inbox=bus,
        secrets=MemorySecrets({"target": password}),
        token=lambda: "",
        targets=(f"127.0.0.1:{port}",),
        tls=Tls("disable"),
        clients={},
        round_seconds=3600,
    )
    attempt = restore.task(task).attempt
    work(worker, MemoryHold(Ticket(restore.id, task, attempt), lambda _: None))
    result = records.result(restore.id, task, attempt)
    return result is not None and result.result is Result.DONE


def child(port, folder, password, task, last, moment):
    Dying.last, Dying.is_amid = last, moment == "amid"
    psycopg.connect = Dying.connect
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        done = run(port, folder, password, task)
        os.write(writer, str(Dying.done if done else -1).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as answer:
        return answer.read() or "0"


def main(port, folder):
    password = sys.stdin.readline().strip()
    for line in sys.stdin:
        task, last, moment = line.split()
        print(child(port, folder, password, task, int(last), moment), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
