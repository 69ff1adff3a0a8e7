"""python -m local.servicebus --queue restore-tasks --port 0 [--db bus.db]

Prints the connection string once it listens, and serves until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path

from local.servicebus import Broker, QueueConfig, ServiceBus


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the queues named; 0 after a clean end."""
    parser = argparse.ArgumentParser(prog="python -m local.servicebus", description=__doc__)
    parser.add_argument("--queue", action="append", required=True, help="may be repeated")
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--db", type=Path, help="SQLite file that outlives the process")
    parser.add_argument("--lock-seconds", type=float, default=60.0)
    parser.add_argument("--max-delivery-count", type=int, default=10)
    parser.add_argument("--duplicate-detection", action="store_true")
    options = parser.parse_args(argv)
    config = QueueConfig(
        lock_seconds=options.lock_seconds,
        max_delivery_count=options.max_delivery_count,
        requires_duplicate_detection=options.duplicate_detection,
    )
    # Blocked before the bus starts its thread, so that it is this thread that gets the signal.
    endings = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    broker = Broker(options.db)
    for name in options.queue:
        broker.create_queue(name, config)
    with ServiceBus(broker, port=options.port) as bus:
        print(bus.connection_string, flush=True)
        signal.sigwait(endings)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
