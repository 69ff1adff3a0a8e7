"""`python -m restore.worker`: take tickets and do them, until told to end."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys

from restore import logs, settings, telemetry
from restore.adapters.recording import recorder
from restore.errors import RestoreError, TransientError
from restore.worker.watch import ids
from restore.worker.wiring import connected
from restore.worker.worker import Worker, work

log = logging.getLogger("restore.worker")

_SLICE_SECONDS = 5.0
"""How long one wait for a ticket lasts: about as long may an idle worker take to end."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 after a clean end, SIGTERM included; 1 if it cannot start or go on."""
    parser = argparse.ArgumentParser(prog="python -m restore.worker", description=__doc__)
    parser.add_argument("--once", action="store_true", help="take one ticket at most, then end")
    parser.add_argument(
        "--wait", type=float, default=20.0, help="seconds --once waits for a ticket (default: 20)"
    )
    options = parser.parse_args(argv)
    logs.to_stdout()
    try:
        told = settings.read(os.environ)
        telemetry.use(recorder(told, "worker"))
        with connected(told) as worker:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, worker.departure.ask)
            run(worker, once=options.once, wait_seconds=options.wait)
    except RestoreError as exc:
        log.error("end", extra={"code": exc.code, "reason": exc.message, "hint": exc.hint})
        return 1
    except Exception:
        log.exception("end")
        return 1
    finally:
        telemetry.close()
    return 0


def run(worker: Worker, *, once: bool, wait_seconds: float) -> None:
    """Tickets one after the other. With `once`, one, if it comes within the wait.

    A bus that cannot be reached is asked again, unless `once`: then whoever started us knows best.
    """
    left_seconds = wait_seconds
    while not worker.departure.asked:
        slice_seconds = min(_SLICE_SECONDS, left_seconds) if once else _SLICE_SECONDS
        try:
            taken = _take(worker, slice_seconds)
        except TransientError as exc:
            if once:
                raise
            log.warning("bus", extra={"code": exc.code, "reason": exc.message})
            worker.departure.pause(_SLICE_SECONDS)
            continue
        left_seconds -= slice_seconds
        if once and (taken or left_seconds <= 0):
            return


def _take(worker: Worker, wait_seconds: float) -> bool:
    """Whether there was a ticket. One that goes wrong outside of its task comes again."""
    with worker.inbox.take(wait_seconds) as hold:
        if hold is None:
            return False
        try:
            work(worker, hold)
        except RestoreError as exc:
            about = {**ids(hold.ticket), "code": exc.code, "reason": exc.message}
            log.warning("left", extra=about)
        return True


if __name__ == "__main__":
    sys.exit(main())
