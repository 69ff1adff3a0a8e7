"""The engine in a process of its own, which can be killed, stopped, and held where a test wants.

The argument is JSON: `dump` (a file), `target` (a connection string), `folder` (of pg_restore),
and whatever of `_DEFAULTS` is to be otherwise. It prints a line of JSON for each phase it enters,
for each place it is held at until its input has a line, and for its end.

Held are, each once: a phase's name (where it is entered), "in " and a phase (a look at whether to
go on, while others may work), "rows" (some rows of this run are committed), "read" (the data behind
`held_offset` is wanted), "restored" (only the ledger is still there).
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

from restore.adapters.postgres import connect_by_conninfo
from restore.adapters.ranges import FileRanges
from restore.adapters.tools import find_clients
from restore.engine import guard, loading, run
from restore.engine.meter import Meter
from restore.engine.run import Means, finish, restore
from restore.errors import RestoreError

_DEFAULTS: dict[str, Any] = {
    "connections": 2,
    "part_bytes": 1024 * 1024,
    "patience_seconds": 60.0,  # with a server that does not come back
    "first_seconds": 60.0,  # with one that was never there
    "lock_seconds": 60.0,  # with another engine
    "held": [],
    "held_rows": 1,
    "held_offset": 0,
}
_telling = threading.Lock()


def tell(**event: Any) -> None:
    with _telling:
        print(json.dumps(event), flush=True)


class HeldMeter(Meter):
    """Tells of each phase, and stops where it shall be held."""

    def __init__(self, held: list[str], held_rows: int) -> None:
        super().__init__()
        self._held, self._held_rows = set(held), held_rows
        self._changing = threading.Lock()

    def enter(self, phase: str, total_bytes: int | None = None) -> None:
        super().enter(phase, total_bytes)
        if total_bytes is None:
            tell(phase=phase)
            self.hold(phase)

    def add(self, size_bytes: int = 0, rows: int = 0) -> None:
        super().add(size_bytes, rows)
        if rows and self.rows >= self._held_rows:
            self.hold("rows")

    def check(self) -> None:
        self.hold(f"in {self.phase}")

    def hold(self, place: str) -> None:
        with self._changing:
            if place not in self._held:
                return
            self._held.discard(place)
        tell(held=place)
        sys.stdin.readline()


class HeldRanges(FileRanges):
    """A file whose end comes only when that is wanted."""

    def __init__(self, path: Path, meter: HeldMeter, offset: int) -> None:
        super().__init__(path)
        self._meter, self._held_offset = meter, offset

    def read(self, offset: int, size_bytes: int) -> bytes:
        if self._meter.phase == "data" and offset + size_bytes > self._held_offset:
            self._meter.hold("read")
        return super().read(offset, size_bytes)


def main(argument: str) -> None:
    options = _DEFAULTS | json.loads(argument)
    logging.getLogger().addHandler(logging.NullHandler())  # psycopg's words about lost sessions
    # As a table of many gigabytes meets it, made smaller with its parts.
    held_bytes = (2 * options["connections"] + 1) * options["part_bytes"] // 2
    loading._HELD_BYTES = min(loading._HELD_BYTES, held_bytes)
    loading._JOIN_BYTES = 64 * 1024
    run._PAUSE_SECONDS = 0.02
    run._FIRST_SECONDS = options["first_seconds"]
    guard._LOCK_SECONDS = options["lock_seconds"]
    meter = HeldMeter(options["held"], options["held_rows"])
    (client,) = find_clients([options["folder"]], debian=Path("/nowhere")).values()
    tell(begun=True)
    with HeldRanges(Path(options["dump"]), meter, options["held_offset"]) as ranges:
        means = Means(
            ranges=ranges,
            connect=lambda: connect_by_conninfo(options["target"], "restore-engine"),
            client=client,
            connections=options["connections"],
            meter=meter,
            check=meter.check,
            patience_seconds=options["patience_seconds"],
            part_bytes=options["part_bytes"],
        )
        try:
            restored = restore(means)
            meter.hold("restored")
            lost = [*restored.lost, *finish(means, restored)]
        except RestoreError as exc:
            tell(error=exc.code, message=exc.message, hint=exc.hint)
        else:
            tell(done=True, rows=sum(restored.rows.values()), lost=[str(c) for c in lost])


if __name__ == "__main__":
    main(*sys.argv[1:])
