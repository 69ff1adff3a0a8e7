"""Children and folders that cannot outlive us, even if we are killed."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FOLDER_PREFIX = "restore-local-"

# Runs as a process of its own, so it may drop privileges and ask for a death signal without
# running Python code in a forked copy of a threaded program. A change of user clears the death
# signal, so the user comes first. Source: prctl(2), PR_SET_PDEATHSIG.
_LAUNCHER = """
import ctypes, os, sys
parent, death, uid, gid, *argv = sys.argv[1:]
if int(uid) >= 0:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(death))
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
os.execvp(argv[0], argv)
"""

# A death signal follows the thread that forked, not the process. This thread lives until exit.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that servers run under when we are root."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """For programs that refuse root: `postgres` or else `nobody`; None unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


def can_enter(path: Path, account: Account | None) -> bool:
    """Whether `account` may pass through `path` and every folder above it (None: we ourselves)."""
    if account is None:
        return os.access(path, os.X_OK)
    return all(_searchable(folder, account) for folder in (path.resolve(), *path.resolve().parents))


def _searchable(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def free_port() -> int:
    """A loopback TCP port nobody listens on now; someone else may still take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    output: IO[bytes],
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `argv`, both its outputs to `output`; it gets `death_signal` when we end, however.

    The process id is that of `argv` itself. It has no input, and the environment given (ours if
    None). Callable from any thread: the child lives on when that thread ends. A Ctrl-C in the
    terminal is ours alone: what we started is stopped in its order, not all at once.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    identity = [str(os.getpid()), str(int(death_signal)), str(uid), str(gid)]
    command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *identity, *map(str, argv)]

    def spawn() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else {**_interpreter_needs(), **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    return _SPAWNER.submit(spawn).result()


def _interpreter_needs() -> dict[str, str]:
    """What the launcher itself may need to run: some Pythons find their own library by it."""
    name = "LD_LIBRARY_PATH"
    return {name: os.environ[name]} if name in os.environ else {}


def stop(
    process: subprocess.Popen[bytes],
    polite: signal.Signals = signal.SIGTERM,
    patience_seconds: float = 10.0,
) -> int:
    """The exit code of `process`, asked to end by `polite` and killed when it does not."""
    if process.poll() is None:
        process.send_signal(polite)
    try:
        return process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class Folder:
    """A temporary folder, gone on `close`; one left by a killed owner goes at the next start.

    Its owner holds a lock in it for life: a folder whose lock is free has no owner. Others may
    pass through it, not list it.
    """

    def __init__(self, name: str) -> None:
        base = _temporary_base()
        _sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{name}-", dir=base))
        self.path.chmod(0o711)
        draft = self.path / "lock.draft"
        self._lock = draft.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        draft.rename(self.path / "lock")

    def close(self) -> None:
        """Remove the folder and all in it; safe to repeat."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _temporary_base() -> Path:
    account = unprivileged_account()
    choices = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    return next((path for path in choices if can_enter(path, account)), choices[0])


def _sweep(base: Path) -> None:
    for lock in base.glob(f"{FOLDER_PREFIX}*/lock"):
        with suppress(OSError), lock.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
