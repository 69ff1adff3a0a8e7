"""`python -m restore.engine DUMP --target DSN`: one archive into one empty database.

DUMP is a file, or an http or https URL whose server gives byte ranges. DSN is a libpq connection
string or URI that names the database; its password may come from PGPASSWORD, PGPASSFILE or a
service file, where no list of processes shows it. Interrupted, killed or cut off, the same command
carries on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from restore.adapters.postgres import Connection, connect_by_conninfo
from restore.adapters.ranges import FileRanges, HttpRanges
from restore.adapters.tools import Client, find_clients
from restore.core.complaints import Complaint, Kind
from restore.core.dumps import FORMAT_PREFIX_BYTES, Format, format_of
from restore.core.facts import client_for
from restore.engine.meter import Meter
from restore.engine.run import Means, Restored, finish, restore
from restore.errors import ArchiveError, RestoreError, ToolError
from restore.ports import Ranges

_APPLICATION = "restore-engine"
_DEFAULT_CONNECTIONS = 4

_FOUND = {
    Format.TAR: "a tar archive",
    Format.SCRIPT: "plain SQL, or other text",
    Format.EMPTY: "an empty file",
    Format.UNKNOWN: "something else",
}

_VERSION_END = 7

DONE, LOST, FAILED, INTERRUPTED = 0, 3, 5, 130
"""Exit codes: all is there; all but the objects that were named; it failed; Ctrl-C or SIGTERM."""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    # Else psycopg has something to say about every session that is lost.
    logging.getLogger().addHandler(logging.NullHandler())
    stop = threading.Event()
    _stop_on_signals(stop)
    meter = Meter()
    began = time.monotonic()
    try:
        with _source(options.dump) as ranges, _shown(meter, quiet=options.json):
            means = _means(options, ranges, meter, stop)
            restored = restore(means)
            refused = finish(means, restored)
    except KeyboardInterrupt:
        print("stopped; the same command carries on", file=sys.stderr)
        return INTERRUPTED
    except RestoreError as exc:
        print(f"{exc.code}: {exc.message}", file=sys.stderr)
        if exc.hint:
            print(f"hint: {exc.hint}", file=sys.stderr)
        return FAILED
    complaints = (*restored.lost, *refused)
    return _told(restored, complaints, time.monotonic() - began, as_json=options.json)


def _stop_on_signals(stop: threading.Event) -> None:
    """Ctrl-C asks to stop; the second one does not wait for what is being read or made."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)


def _parser() -> argparse.ArgumentParser:
    about = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m restore.engine", description=about[0], epilog=about[2]
    )
    parser.add_argument("dump", metavar="DUMP", help="a file of pg_dump -Fc, or its URL")
    parser.add_argument("--target", metavar="DSN", required=True, help="the empty database")
    parser.add_argument(
        "--connections",
        type=_count,
        default=_DEFAULT_CONNECTIONS,
        metavar="N",
        help=f"sessions side by side (default: {_DEFAULT_CONNECTIONS}); as many as the server has"
        " cores is a good start",
    )
    parser.add_argument("--no-owner", action="store_true", help="all belongs to the login")
    parser.add_argument("--json", action="store_true", help="say how it went as one line of JSON")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected 1 to 64, found {text!r}")
    return int(text)


def _source(dump: str) -> AbstractContextManager[FileRanges | HttpRanges]:
    if dump.startswith(("http://", "https://")):
        return HttpRanges(dump)
    return FileRanges(Path(dump))


def _means(
    options: argparse.Namespace, ranges: Ranges, meter: Meter, stop: threading.Event
) -> Means:
    def connect() -> Connection:
        return connect_by_conninfo(options.target, _APPLICATION)

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    with connect() as connection:
        server_major = connection.info.server_version // 10000
    return Means(
        ranges=ranges,
        connect=connect,
        client=_client(ranges, server_major),
        connections=options.connections,
        meter=meter,
        check=check,
        keep_owners=not options.no_owner,
    )


def _client(ranges: Ranges, server_major: int) -> Client:
    """The pg_restore for this archive and server, of those in RESTORE_PG_BINDIRS and Debian's."""
    folders = tuple(filter(None, os.environ.get("RESTORE_PG_BINDIRS", "").split(":")))
    clients = find_clients(folders)
    prefix = ranges.read(0, min(FORMAT_PREFIX_BYTES, ranges.size_bytes))
    if (form := format_of(prefix)) is not Format.ARCHIVE:
        raise ArchiveError(
            f"dump {ranges.name!r}: expected an archive of pg_dump -Fc, found {_FOUND[form]}",
            "tar archives are pg_restore's, plain SQL is psql's",
        )
    if len(prefix) < _VERSION_END:
        raise ArchiveError(
            f"dump {ranges.name!r}: expected an archive's version, found its end",
            "the dump is truncated: fetch it again",
        )
    version = (prefix[5], prefix[6])
    major = client_for(version, tuple(clients), server_major)
    if major is None:
        found = ", ".join(map(str, sorted(clients))) or "none"
        raise ToolError(
            f"pg_restore: expected one that reads archive version {version[0]}.{version[1]},"
            f" found majors {found}",
            "install postgresql-client, or name its folder in RESTORE_PG_BINDIRS",
        )
    return clients[major]


@contextmanager
def _shown(meter: Meter, quiet: bool) -> Iterator[None]:
    """A line on the terminal that tells how far it is; nothing where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(0.5):
            line = _line(meter)[: shutil.get_terminal_size().columns - 1]  # a row, to be wiped
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _line(meter: Meter) -> str:
    """Phase, a bar, bytes, rate, time left, rows, and what is being loaded."""
    if meter.phase != "data" or not meter.total_bytes:
        return meter.phase
    share = min(1.0, meter.done_bytes / meter.total_bytes)
    rate = meter.bytes_per_second()
    left = f", {(meter.total_bytes - meter.done_bytes) / rate:.0f} s left" if rate else ""
    bar = "█" * round(20 * share) + "░" * (20 - round(20 * share))
    names = ", ".join(table.name for table in meter.tables[:3])
    return (
        f"{bar} {share:4.0%} of {meter.total_bytes / 1e6:,.0f} MB, {rate / 1e6:.1f} MB/s{left},"
        f" {meter.rows:,} rows  {names}"
    )


def _told(
    restored: Restored, complaints: Sequence[Complaint], seconds: float, as_json: bool
) -> int:
    lost = [str(c) for c in complaints if c.kind in (Kind.LOST, Kind.EXPECTED)]
    owners = [str(c) for c in complaints if c.kind is Kind.OWNER]
    rows = sum(restored.rows.values())
    if as_json:
        body: dict[str, Any] = {
            "rows": rows,
            "tables": len(restored.rows),
            "seconds": round(seconds, 3),
            "phases": {name: round(value, 3) for name, value in restored.seconds.items()},
            "lost": lost,
            "owners": owners,
        }
        print(json.dumps(body, ensure_ascii=False))
    else:
        print(f"{rows:,} rows in {len(restored.rows):,} tables, {seconds:.1f} s")
        for what, named in (("not restored", lost), ("kept the login as owner", owners)):
            for line in named:
                print(f"{what}: {line}")
    return LOST if lost or owners else DONE


if __name__ == "__main__":
    sys.exit(main())
