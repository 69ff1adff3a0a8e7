"""Level schema: what pg_dump says of the result, against what the archive says of itself.

The same pg_restore prints both.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

from restore.adapters.postgres import said_by_tool
from restore.adapters.tools import Child, Client, dump_schema_argv, script_argv
from restore.core import archive
from restore.core.entries import EntrySql, entries
from restore.core.messages import Check
from restore.core.options import Level
from restore.core.plan import DatabaseStep
from restore.core.schema import comparable, majors, schema
from restore.core.schema import compare as compare_schemas
from restore.core.toc import Head
from restore.errors import ArchiveError, ToolError
from restore.worker.job import Job

_OFFLINE = {"LC_ALL": "C", "PATH": ""}


def compare(job: Job, step: DatabaseStep, head: Head, passed_over: Collection[int]) -> Check:
    """Dump the schema of `step.staging`, and compare it entry by entry.

    Differences are `different` where one release of PostgreSQL wrote both texts; else they are
    `unchecked`, for the text of an object is not the same in all releases. `passed_over` are
    entries that were left out on purpose, or are known to be lost.
    Raises ToolError if pg_dump or pg_restore fails.
    """
    started = time.monotonic()
    job.meter.enter("comparing schemas")
    dumper = _dumper(job)
    if dumper is None:
        reason = f"no pg_dump beside the worker for a server of {job.plan.target_version}"
        return Check(Level.SCHEMA, 0, "objects", unchecked=(reason,))
    printer = max(job.clients.values(), key=lambda client: client.major)
    with tempfile.TemporaryFile() as file:
        result = _dumped(job, step, dumper, file)
        things = comparable(result.entries)
        found = schema(_script(job, printer, result, things), things)
    wanted = comparable(head.entries, passed_over)
    expected = schema(_script(job, printer, head, wanted), wanted)
    over = set(comparable(head.entries).values()) - set(wanted.values())
    found = {thing: texts for thing, texts in found.items() if thing not in over}
    exact = majors(head) == majors(result)
    compared = compare_schemas(expected, found, exact)
    return Check(
        Level.SCHEMA,
        compared.equal + len(compared.different),
        "objects",
        different=compared.different,
        unchecked=compared.unchecked,
        seconds=time.monotonic() - started,
    )


def _dumper(job: Job) -> Client | None:
    """The oldest client with a pg_dump that can dump the target: as new as the server, or newer.

    Source: postgresql.org/docs/18/app-pgdump.html, Notes.
    """
    server = int(re.split(r"\D", job.plan.target_version)[0])
    fit = [
        client
        for major, client in sorted(job.clients.items())
        if major >= server and Path(client.program("pg_dump")).is_file()
    ]
    return fit[0] if fit else None


def _dumped(job: Job, step: DatabaseStep, client: Client, file: IO[bytes]) -> Head:
    """The table of contents of a new dump, whose bytes are in `file`."""
    argv = dump_schema_argv(client, step.staging)
    with (
        Child(argv, job.server.environment(), read=True) as child,
        job.stop.ending(child.end),
    ):
        for chunk in child.output():
            file.write(chunk)
        code = child.wait()
        job.stop.check()
        if code:
            if broken := said_by_tool(child.said, f"database {step.name!r}"):
                raise broken
            said = " ".join(child.said[-1:]) or "nothing"
            raise ToolError(f"pg_dump: expected the schema of {step.name!r}, found: {said}")
    file.seek(0)
    data = file.read()
    head = archive.read_head(data, len(data))
    if not isinstance(head, Head):
        raise ArchiveError(f"pg_dump: expected a whole table of contents, found {len(data)} bytes")
    return head


def _script(job: Job, client: Client, head: Head, dump_ids: Collection[int]) -> Iterator[EntrySql]:
    """The statements of these entries. Owners are left out."""
    with tempfile.TemporaryFile() as toc, tempfile.TemporaryFile() as listed:
        toc.write(memoryview(head.raw)[: head.toc_end])
        listed.writelines(b"%d;\n" % dump_id for dump_id in dump_ids)
        for file in (toc, listed):
            file.flush()
            file.seek(0)
        kept = (toc.fileno(), listed.fileno())
        # Opened anew by pg_restore, under the names that the kernel gives them. Source: proc(5).
        path, ids = (f"/proc/self/fd/{number}" for number in kept)
        argv = script_argv(client, path, ids, keep_owners=False)
        with Child(argv, _OFFLINE, files=kept, read=True) as child, job.stop.ending(child.end):
            for entry in entries(child.output()):
                job.stop.check()
                yield entry
            if child.wait():
                said = " ".join(child.said[-1:]) or "nothing"
                raise ToolError(f"pg_restore: expected a schema's script, found: {said}")
