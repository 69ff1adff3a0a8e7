"""A host as a child process: started, stopped, killed and restarted by tests and local stack."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlencode

from local.functions.errors import FunctionAppError, HostProcessError
from local.functions.keys import Keys
from local.part import Part

EXIT_REFUSED = 2
EXIT_UNFINISHED = 3
KEYS_VARIABLE = "LOCAL_FUNCTIONS_KEYS"

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_MARGIN_SECONDS = 10.0


class FunctionsHost(Part):
    """One function app served by a child process, which never outlives this process.

    The keys, and after the first start the port too, stay the same over restarts, so addresses that
    were given away stay good. The child ends with the thread that called `start` (Linux), so call
    it from one that lasts.
    """

    def __init__(
        self,
        app_dir: Path,
        environment: Mapping[str, str],
        *,
        port: int = 0,
        keys: Keys | None = None,
        log_path: Path | None = None,
        grace_seconds: float = 10.0,
    ) -> None:
        """`environment` is laid over this process's own; the log goes to `log_path` or stderr."""
        self.app_dir = app_dir
        self.keys = keys or Keys.random()
        self.functions: Mapping[str, str] = {}
        self._environment = environment
        self._port = port
        self._log_path = log_path
        self._grace_seconds = grace_seconds
        self._child: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end; known after the first start."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def key(self) -> str:
        """The key of functions of level FUNCTION."""
        return self.keys.default

    @property
    def system_key(self) -> str:
        """The key of the Event Grid webhook."""
        return self.keys.event_grid

    @property
    def master_key(self) -> str:
        """The key of the admin API, which opens everything."""
        return self.keys.master

    @property
    def running(self) -> bool:
        """Whether the child process is there."""
        return self._child is not None and self._child.poll() is None

    def event_grid_url(self, function: str) -> str:
        """The webhook address of an Event Grid function, with its key."""
        query = urlencode({"functionName": function, "code": self.system_key})
        return f"{self.url}/runtime/webhooks/EventGrid?{query}"

    def start(self) -> Self:
        """Start the child and wait until it serves.

        Raises FunctionAppError when the app cannot be served, HostProcessError when the child ends
        or is not ready within 60 s; nothing runs then.
        """
        if self.running:
            raise HostProcessError("functions host: expected it stopped, found it running")
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self._log_path.open("a")) if self._log_path else None
            self._child = self._spawn(log)
        try:
            ready = self._ready_line()
        except BaseException:
            self.kill()
            raise
        if "error" in ready:
            self.kill()
            raise FunctionAppError(ready["error"], ready["hint"])
        self._port = int(ready["url"].rsplit(":", 1)[1])
        self.functions = ready["functions"]
        return self

    def stop(self) -> int:
        """End the child with SIGTERM, so that running functions come to their end; its exit code.

        It is killed when it does not end by itself. Safe to repeat.
        """
        if self._child is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.terminate()
            self._child.wait(2 * self._grace_seconds + _MARGIN_SECONDS)
        return self.kill()

    def kill(self) -> int:
        """End the child with SIGKILL, as a crash would; its exit code. Safe to repeat."""
        if self._child is None:
            return 0
        child, self._child = self._child, None
        child.kill()
        if child.stdout is not None:
            child.stdout.close()
        return child.wait()

    def restart(self) -> Self:
        """Stop, then start at the same address."""
        self.stop()
        return self.start()

    def _spawn(self, log: IO[str] | None) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-u",  # what the app prints is in the log at once
            "-m",
            "local.functions",
            str(self.app_dir.resolve()),
            "--port",
            str(self._port),
        ]
        command += ["--grace", str(self._grace_seconds), "--parent", str(os.getpid())]
        # By environment: an argument list can be read by everyone on the machine.
        keys = {KEYS_VARIABLE: json.dumps(dict(self.keys.as_mapping()))}
        environment = {**os.environ, **self._environment, **keys}
        return subprocess.Popen(
            command,
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            process_group=0,  # a Ctrl-C in the terminal is our parent's to answer
        )

    def _ready_line(self) -> dict[str, Any]:
        assert self._child is not None
        assert self._child.stdout is not None
        readable, _, _ = select.select([self._child.stdout], [], [], _START_SECONDS)
        line = self._child.stdout.readline() if readable else ""
        if not line:
            found = "nothing" if not readable else f"its end (exit code {self._child.wait()})"
            raise HostProcessError(
                f"functions host: expected ready within {_START_SECONDS:.0f} s, found {found}",
                f"see its log{f' in {self._log_path}' if self._log_path else ''}",
            )
        answer: dict[str, Any] = json.loads(line)
        return answer
