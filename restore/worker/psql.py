"""Scripts go to psql through a pipe, behind a lock on its meta-commands."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from restore.adapters.postgres import said_by_tool
from restore.adapters.tools import Child, pick, psql_argv
from restore.errors import RestoreError, ToolError
from restore.worker.job import Job

_ERROR = re.compile(r"psql:<stdin>:(?P<line>\d+): (?P<text>(ERROR|FATAL|PANIC|error): .*)")
_LONGEST = 500


def run(
    job: Job,
    what: str,
    parts: Iterable[bytes],
    *,
    major: int,
    database: str,
    single_transaction: bool,
) -> None:
    """Feed `parts` to psql of `major`, connected to `database`.

    psql commits at the end of its input. Where `parts` raises instead of ending, psql is ended
    first, so that nothing of a script that is not whole or not safe stays.
    Raises ToolError naming `what` and the first error; UnreachableError and the like.
    """
    argv = psql_argv(pick(job.clients, major), database, single_transaction=single_transaction)
    with (
        Child(argv, job.server.environment(), fed=True) as psql,
        job.stop.ending(psql.end),
    ):
        reads = psql.feed(rf"\restrict {secrets.token_hex(16)}".encode() + b"\n")
        for part in parts:
            job.stop.check()
            reads = reads and psql.feed(part)
            if not reads:
                break
        if reads:
            psql.close_input()
        code = psql.wait()
        job.stop.check()
    if code:
        raise _error(what, code, psql.said)


def _error(what: str, code: int, said: tuple[str, ...]) -> RestoreError:
    """The first error's own line; never the statement, which may hold a secret."""
    found = next((error for line in said if (error := _ERROR.match(line))), None)
    if found and r"invalid command \restrict" in found["text"]:
        return ToolError(
            r"psql: expected one that knows \restrict, found an older one",
            "install a minor release of August 2025 or newer beside the worker",
        )
    if broken := said_by_tool(said, what):
        return broken
    text = found["text"][:_LONGEST] if found else f"exit {code}"
    return ToolError(f"{what}: expected psql to run all of it, found {text}")
