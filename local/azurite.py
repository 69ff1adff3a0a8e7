"""A storage account on loopback: Azurite's blob service, as a child process."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

from local import processes
from local.part import Part
from restore.errors import ToolError

_HERE = Path(__file__).parent
_MODULES = _HERE / "node_modules"
_MAIN = _MODULES / "azurite/dist/src/blob/main.js"
_FLAGS = (
    "--blobHost=127.0.0.1",
    "--blobPort=0",
    "--skipApiVersionCheck",  # the SDK is usually newer than Azurite
    "--disableTelemetry",
    "--silent",
)

_START_SECONDS = 60.0
_INSTALL_SECONDS = 600.0
_LISTENS = re.compile(r"successfully listens on (http://127\.0\.0\.1:\d+)")


class Azurite(Part):
    """One account with a random name and key; its blobs live in a temporary folder.

    Azurite listens on port 0 itself and says which port it got, so no other program can come
    between. On disk, not in memory: as fast when measured, in half the memory, without a limit.
    """

    def __init__(self) -> None:
        self.account = f"local{secrets.token_hex(5)}"
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.url = ""
        self._folder: processes.Folder | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        """How SDK clients connect; holds the key."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};"
            f"AccountKey={self.key};BlobEndpoint={self.url};"
        )

    def start(self) -> Self:
        """Start it, installed first where absent.

        Raises ToolError when it does not come up; then nothing is left behind.
        """
        node = _program("node")
        install()
        self._folder = processes.Folder("azurite")
        try:
            self._launch(node, self._folder.path)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the service and remove its blobs; safe to repeat."""
        if self._process is not None:
            processes.stop(self._process)
            self._process = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _launch(self, node: str, folder: Path) -> None:
        log = folder / "log"
        with log.open("wb") as output:
            self._process = processes.start(
                [node, _MAIN, f"--location={folder}", *_FLAGS],
                cwd=folder,
                output=output,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{self.account}:{self.key}"},
            )
        deadline = time.monotonic() + _START_SECONDS
        while (listens := _LISTENS.search(log.read_text(errors="replace"))) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ToolError(
                    f"azurite: expected a blob service, found {_last_words(log)}",
                    "remove local/node_modules to have it installed afresh",
                )
            time.sleep(0.02)
        self.url = f"{listens.group(1)}/{self.account}"


def installed() -> bool:
    """Whether the pinned Azurite is there, whole: npm writes its own lock file last."""
    wanted = json.loads((_HERE / "package.json").read_text())["dependencies"]["azurite"]
    try:
        found = json.loads((_MODULES / ".package-lock.json").read_text())
    except FileNotFoundError:
        return False
    return bool(found["packages"]["node_modules/azurite"]["version"] == wanted)


def install() -> None:
    """Install the pinned Azurite below this folder, once, whoever else wants it at this moment.

    Raises ToolError with npm's last words.
    """
    folder = os.open(_HERE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not installed():
            _npm_ci()
    finally:
        os.close(folder)


def _npm_ci() -> None:
    """Scripts are not run: Azurite needs none, and a package's script could do anything."""
    result = subprocess.run(
        [_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=_HERE,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if result.returncode:
        raise ToolError(
            f"npm ci: expected exit 0, found {result.returncode}: {result.stderr.strip()[-400:]}",
            "the first start needs a network or a filled npm cache",
        )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolError(
            f"{name}: expected it on the PATH, found none", "install Node.js 20 or newer"
        )
    return found


def _last_words(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").split())[-400:] or "no output"
