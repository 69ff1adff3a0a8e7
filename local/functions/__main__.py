"""`python -m local.functions APP_DIR`: one host in this process, until SIGTERM or SIGINT.

Prints one line of JSON when it is ready ({"url", "keys", "functions"}) or cannot start ({"error",
"hint"}); all else, also what the app prints, goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

from local.functions.host import Host
from local.functions.keys import Keys
from local.functions.process import EXIT_REFUSED, EXIT_UNFINISHED, KEYS_VARIABLE
from restore.errors import RestoreError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    """The exit code: 0, EXIT_REFUSED (app cannot be served), EXIT_UNFINISHED (unclean end)."""
    arguments = _arguments()
    if arguments.parent:
        _die_with(arguments.parent)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for chatty in ("azure", "azure_functions_runtime", "aiohttp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with _protocol() as protocol:
        try:
            return asyncio.run(_serve(arguments, protocol))
        except RestoreError as error:
            _say(protocol, {"error": error.message, "hint": error.hint})
            return EXIT_REFUSED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.functions", description="Serve a function app locally."
    )
    parser.add_argument("app_dir", type=Path, help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--keys", help=f"JSON object of function keys; also from {KEYS_VARIABLE}; otherwise random"
    )
    parser.add_argument(
        "--grace", type=float, default=10.0, help="seconds that running functions get at the end"
    )
    parser.add_argument("--parent", type=int, help="process id of the parent to end with (Linux)")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace, protocol: TextIO) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    given = arguments.keys or os.environ.get(KEYS_VARIABLE)
    keys = Keys.from_json(given) if given else Keys.random()
    host = await Host.load(arguments.app_dir.resolve(), os.environ, keys)
    url = await host.start(arguments.port)
    kinds = {function.name: function.kind.value for function in host.app.functions.values()}
    _say(protocol, {"url": url, "keys": dict(keys.as_mapping()), "functions": kinds})
    await stop.wait()
    if not await host.stop(arguments.grace):
        # A thread cannot be ended, and Python would wait for it: the process ends without it.
        logging.getLogger("local.functions").warning("host ended with functions still running")
        os._exit(EXIT_UNFINISHED)
    host.app.close()
    return 0


def _protocol() -> TextIO:
    """The real stdout, for the one line of JSON; all other printing goes to stderr from now on."""
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return protocol


def _say(protocol: TextIO, message: dict[str, object]) -> None:
    print(json.dumps(message), file=protocol, flush=True)


def _die_with(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent ends, however it ends. Does nothing off Linux.

    The kernel means the thread that started this process: a host started from a thread ends with
    that thread.
    Source: man 2 PR_SET_PDEATHSIG.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)  # the parent ended before the kernel was told


if __name__ == "__main__":
    sys.exit(main())
