"""What the engine hashes is what the archive holds, in however many runs that is loaded."""

from __future__ import annotations

import subprocess

import pytest

from restore.adapters.postgres import connect_by_conninfo
from restore.adapters.ranges import FileRanges
from restore.adapters.tools import find_clients
from restore.core.rowhash import hash_script
from restore.engine.meter import Meter
from restore.engine.run import Means, restore
from restore.errors import ExecutionError


class StoppedError(ExecutionError):
    pass


@pytest.fixture(scope="module")
def printed(little):
    """The same, of the archive as pg_restore prints it."""
    argv = [little.server.binaries / "pg_restore", "--data-only", "--file=-", little.dumps["file"]]
    return hash_script([subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout])


def hashed(little, database, kind, most_rows=float("inf")):
    """Raises StoppedError once it has loaded `most_rows`."""
    (client,) = find_clients([str(little.server.binaries)], debian=little.dumps["file"]).values()
    target = f"{little.target(database)} password={little.server.admin_password}"
    meter = Meter()

    def check():
        if meter.rows > most_rows:
            raise StoppedError("stopped")

    with FileRanges(little.dumps[kind]) as ranges:
        means = Means(
            ranges=ranges,
            connect=lambda: connect_by_conninfo(target, "restore-engine"),
            client=client,
            connections=3,
            meter=meter,
            check=check,
            part_bytes=1,
            hashed=True,
        )
        return restore(means).hashed


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_the_engine_hashes_what_the_archive_holds(little, empty, printed, kind):
    found = hashed(little, empty, kind)
    assert (found.tables, found.unknown) == (printed.tables, ())
    assert found.objects.total == printed.objects.total


def test_a_run_that_carries_on_has_the_hash_of_all(little, empty, printed):
    rows = sum(table.content.rows for table in printed.tables.values())
    for most_rows in (rows * 0.1, rows * 0.5):
        with pytest.raises(StoppedError):
            hashed(little, empty, "file", most_rows)
    found = hashed(little, empty, "file")
    assert (found.tables, found.unknown) == (printed.tables, ())
    assert found.objects.total == printed.objects.total
