"""PostgreSQL's own programs: where they are, how they are called, how they are run and ended."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from restore.errors import ToolError

DEBIAN = Path("/usr/lib/postgresql")
CHUNK_BYTES = 256 * 1024

_PROGRAMS = ("psql", "pg_restore")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_GRACE_SECONDS = 5.0
_LONGEST_LINE_BYTES = 64 * 1024
_LINES_KEPT = 200


@dataclass(frozen=True, slots=True)
class Client:
    """psql and pg_restore of one major."""

    major: int
    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_clients(folders: Sequence[str] = (), debian: Path = DEBIAN) -> dict[int, Client]:
    """The clients beside this worker, by major: those of `folders` first, then Debian's.

    Each is asked for its version; one that cannot say it is passed over.
    """
    found: dict[int, Client] = {}
    for folder in [*map(Path, folders), *sorted(debian.glob("*/bin"))]:
        major = _major(folder)
        if major is not None:
            found.setdefault(major, Client(major, folder))
    return found


def _major(folder: Path) -> int | None:
    if not all((folder / name).is_file() for name in _PROGRAMS):
        return None
    asked = subprocess.run(
        [folder / "pg_restore", "--version"], capture_output=True, text=True, check=False
    )
    version = _VERSION.search(asked.stdout)
    return int(version[1]) if version else None


def pick(clients: Mapping[int, Client], major: int) -> Client:
    """The client that the plan chose.

    Raises ToolError if this worker has not the clients of the one that planned.
    """
    if major in clients:
        return clients[major]
    found = ", ".join(map(str, sorted(clients))) or "none"
    raise ToolError(
        f"PostgreSQL client: expected major {major}, found {found}",
        "do all workers run the same image?",
    )


def conninfo(database: str) -> str:
    """A database's name as --dbname takes it: a bare name with "=" would be read as conninfo.

    Source: postgresql.org/docs/18/libpq-connect.html, keyword/value connection strings.
    """
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def restore_argv(
    client: Client,
    database: str,
    *,
    jobs: int = 0,
    file: str = "",
    keep_owners: bool = True,
    keep_privileges: bool = True,
    listed: str = "",
) -> list[str]:
    """pg_restore into `database`; from standard input without a `file`, only what is `listed`.

    It goes on after an error, so that one refused object does not cost the others: who runs it
    reads what it says.
    """
    argv = [client.program("pg_restore"), "--no-password", f"--dbname={conninfo(database)}"]
    if not keep_owners:
        argv.append("--no-owner")
    if not keep_privileges:
        argv.append("--no-privileges")
    if listed:
        argv.append(f"--use-list={listed}")
    if file:
        argv += [f"--jobs={jobs}", file]
    return argv


def script_argv(client: Client, file: str, listed: str, keep_owners: bool) -> list[str]:
    """pg_restore that prints the statements of the entries in the file `listed`, entry by entry."""
    argv = [client.program("pg_restore"), "--verbose", "--file=-", f"--use-list={listed}"]
    if not keep_owners:
        argv.append("--no-owner")
    return [*argv, file]


def dump_schema_argv(client: Client, database: str) -> list[str]:
    """pg_dump that writes an archive of all of `database` but its rows to standard output."""
    argv = [client.program("pg_dump"), "--format=custom", "--schema-only", "--no-password"]
    return [*argv, f"--dbname={conninfo(database)}"]


def dump_schemas_argv(client: Client, database: str, schemas: Sequence[str]) -> list[str]:
    """pg_dump of whole `schemas` of `database`, whatever their names, as an archive."""
    argv = [client.program("pg_dump"), "--format=custom", "--no-password", "--compress=0"]
    # Within quotes nothing is a pattern. Source: postgresql.org/docs/18/app-psql.html, "Patterns".
    argv += ["--schema=" + '"' + schema.replace('"', '""') + '"' for schema in schemas]
    return [*argv, f"--dbname={conninfo(database)}"]


def add_argv(client: Client, database: str, *, keep_owners: bool = True) -> list[str]:
    """pg_restore of an archive on standard input into `database`, in one transaction or not at all.

    Source: postgresql.org/docs/18/app-pgrestore.html, --single-transaction.
    """
    argv = [client.program("pg_restore"), "--no-password", "--single-transaction"]
    if not keep_owners:
        argv.append("--no-owner")
    return [*argv, f"--dbname={conninfo(database)}"]


def rows_argv(client: Client, file: str = "", listed: str = "") -> list[str]:
    """pg_restore that prints an archive's data as a script and connects to nothing."""
    argv = [client.program("pg_restore"), "--data-only", "--file=-"]
    if listed:
        argv.append(f"--use-list={listed}")
    return [*argv, file] if file else argv


def psql_argv(client: Client, database: str, *, single_transaction: bool) -> list[str]:
    """psql for a script on standard input; the first error ends it."""
    argv = [client.program("psql"), "--no-psqlrc", "--no-password", "--quiet"]
    argv += ["--set=ON_ERROR_STOP=1", "--output=/dev/null", f"--dbname={conninfo(database)}"]
    if single_transaction:
        argv.append("--single-transaction")
    return [*argv, "--file=-"]


class Child:
    """A program in a process group of its own, ended when its context is left.

    Start it from a thread that outlives it: it dies with that thread, even by SIGKILL, where
    setpriv (util-linux) is there to ask the kernel for that. Source: prctl(2), PR_SET_PDEATHSIG.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        fed: bool = False,
        read: bool = False,
        files: Collection[int] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """`fed`, `read`: we write its input, read its output. `on_line` gets each stderr line.

        The environment is the whole of it: nothing of ours is inherited. `files` are descriptors
        the program keeps open.
        """
        self._last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._on_line = on_line or (lambda line: None)
        self._process = subprocess.Popen(
            [*_dying_with_us(), *argv],
            env=dict(environment),
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=tuple(files),
            start_new_session=True,
            bufsize=0,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        # The pipe itself has no buffer: it would be read byte by byte.
        with open(_opened(self._process.stderr).fileno(), "rb", closefd=False) as lines:
            for raw in iter(lambda: lines.readline(_LONGEST_LINE_BYTES), b""):
                line = raw.decode(errors="replace").rstrip("\r\n")
                self._last.append(line)
                self._on_line(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ended before its input is closed: psql would take a closed input for a good end."""
        self.end()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def said(self) -> tuple[str, ...]:
        """The last lines it wrote to stderr; may hold SQL, so not for a log."""
        return tuple(self._last)

    def feed(self, data: bytes) -> bool:
        """Whether all of `data` went into its input; False once it no longer reads."""
        pipe, rest = _opened(self._process.stdin), memoryview(data)
        try:
            while rest:
                rest = rest[pipe.write(rest) :]
        except BrokenPipeError:
            return False
        return True

    def close_input(self) -> None:
        """Tell it that its input is complete."""
        _opened(self._process.stdin).close()

    def output(self) -> Iterator[bytes]:
        """What it prints, until it closes its output."""
        pipe = _opened(self._process.stdout)
        return iter(lambda: pipe.read(CHUNK_BYTES), b"")

    def wait(self) -> int:
        """Its exit code, once it has ended and all it said was heard."""
        code = self._process.wait()
        self._listener.join()
        return code

    def end(self) -> None:
        """End it and its own children, with force after a few seconds. From any thread."""
        if self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the child was started without this pipe"
    return pipe
