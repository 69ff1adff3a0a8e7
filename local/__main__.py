"""The local stack from a terminal: demo, up, try."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from local.postgres import PostgresServer
from local.sample import differences, fill, fingerprint
from local.stack import Stack
from restore.cli import terminal
from restore.core.dumps import Kind, classify
from restore.errors import RestoreError

_EXIT_STACK = 1
_EXIT_USAGE = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="a sample, backed up and restored the whole way")
    up = commands.add_parser("up", help="the stack with the sample, kept running")
    own = commands.add_parser("try", help="restore the dump files in a folder")
    own.add_argument("folder", help="with files named as the vault names them")
    for command in (demo, up, own):
        command.add_argument("--target", type=int, default=18, metavar="MAJOR", help="PostgreSQL")
        command.add_argument(
            "--debian", action="store_true", help="Debian's servers, not the wheel's"
        )
    for command in (demo, up):
        command.add_argument("--source", type=int, default=16, metavar="MAJOR", help="PostgreSQL")
        command.add_argument(
            "--scale", type=_scale, default=1.0, metavar="N", help="times the rows"
        )
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console(highlight=False)
    try:
        return _COMMANDS[arguments.command](console, arguments)
    except RestoreError as exc:
        console.print(f"error: {exc.message}", style="red", markup=False, soft_wrap=True)
        console.print(f"hint: {exc.hint}" if exc.hint else "", markup=False)
        return _EXIT_STACK
    except KeyboardInterrupt:
        console.print("interrupted; everything was stopped")
        return 128 + signal.SIGINT


def _demo(console: Console, arguments: argparse.Namespace) -> int:
    with _running(console, arguments) as stack:
        _back_up(console, stack, arguments.scale)
        return _restore(console, stack, stack.request())


def _up(console: Console, arguments: argparse.Namespace) -> int:
    with _running(console, arguments) as stack:
        _back_up(console, stack, arguments.scale)
        body = json.dumps(stack.request(), indent=2)
        url, key, target = stack.client.url, stack.client.key, stack.target
        python = os.path.relpath(sys.executable)
        console.print(
            f"""
The stack is up; Ctrl-C ends it. Restore with

curl -sS -X POST {url}/api/restores -H 'x-functions-key: {key}' \\
  -H 'Content-Type: application/json' -d '{body}'

watch it in a browser, approve and undo (the page asks for that key)

{url}/api/ui

or in a terminal, from here

export RESTORE_APP={url} RESTORE_KEY={key}
{python} -m restore list

and look at the result with

{target.binaries}/psql '{target.admin_conninfo()}' -l

Logs are in {stack.log}
""",
            markup=False,
            soft_wrap=True,
        )
        signal.pause()
    return 0


def _try(console: Console, arguments: argparse.Namespace) -> int:
    folder = Path(arguments.folder)
    problem = _unusable(folder)
    if problem:
        console.print(f"error: {problem}", style="red", markup=False, soft_wrap=True)
        console.print(
            "hint: name them as the vault does, with one GUID for all of one backup:\n"
            "  0e1f6a52-0000-4000-8000-000000000000_database_<name>.sql   pg_dump, any format but"
            " directory\n"
            "  0e1f6a52-0000-4000-8000-000000000000_roles.sql             pg_dumpall --roles-only",
            markup=False,
            soft_wrap=True,
        )
        return _EXIT_USAGE
    with _running(console, arguments) as stack:
        stack.vault.add_backup(folder)
        return _restore(console, stack, stack.request())


def _unusable(folder: Path) -> str:
    """Why there is nothing to restore in `folder`; "" if there is something."""
    if not folder.is_dir():
        return f"folder {str(folder)!r}: expected one with dump files, found no such folder"
    names = [path.name for path in folder.iterdir() if path.is_file()]
    if not any(classify(name).kind is Kind.DATABASE for name in names):
        found = ", ".join(sorted(names)[:5]) or "no file"
        return f"folder {str(folder)!r}: expected <guid>_database_<name>.sql, found {found}"
    return ""


_COMMANDS = {"demo": _demo, "up": _up, "try": _try}


@contextmanager
def _running(console: Console, arguments: argparse.Namespace) -> Iterator[Stack]:
    """The stack with the servers asked for: a source where the command has one."""
    console.print("starting PostgreSQL, storage, Service Bus, vault, function app, worker …")
    stack = Stack(
        source_major=getattr(arguments, "source", None),
        target_major=arguments.target,
        debian=arguments.debian,
        workers=2,
    )
    with stack:
        try:
            yield stack
        except KeyboardInterrupt:
            console.print("stopping …")
            raise


def _back_up(console: Console, stack: Stack, scale: float) -> None:
    assert stack.source is not None
    console.print(f"filling the source, PostgreSQL {stack.source.major}, with a sample …")
    with stack.timed("sample"):
        fill(stack.source, scale)
    console.print("taking the vault's backup …")
    with stack.timed("backup"):
        stack.vault.take_backup()


def _restore(console: Console, stack: Stack, request: dict[str, Any]) -> int:
    """Post, follow, compare, tell. The exit code of how it ended."""
    console.print(f"POST {stack.client.url}/api/restores", markup=False)
    with stack.timed("restore"):
        answer = stack.client.start(request)
        if answer.status != 202:
            console.print_json(data=answer.body)
            return _EXIT_STACK
        restore_id = answer.body["id"]
        status = terminal.follow(console, lambda: stack.client.show(restore_id))
    differences = _compare(stack, status) if stack.source else None
    console.print(terminal.outcome(status, differences))
    spent = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in stack.seconds.items())
    console.print(f"where the time went: {spent}", markup=False, soft_wrap=True)
    equal = not any((differences or {}).values()) and all(map(_equal, status["databases"]))
    return terminal.EXIT_CODES[status["status"]] or (0 if equal else terminal.EXIT_CODES["failed"])


def _compare(stack: Stack, status: dict[str, Any]) -> dict[str, list[str]]:
    """What differs between source and target, by content, of each database that was published."""
    assert stack.source is not None
    with stack.timed("comparison"):
        return {
            database["name"]: differences(
                _content(stack.source, database["name"]), _content(stack.target, database["target"])
            )
            for database in status["databases"]
            if database["phase"] == "published"
        }


def _content(server: PostgresServer, database: str) -> dict[str, Any]:
    """Everything but what belongs to the database as a whole, which a plain restore leaves out."""
    found = fingerprint(server.superuser_conninfo(database), database)
    return {section: things for section, things in found.items() if section != "database"}


def _equal(database: dict[str, Any]) -> bool:
    rows = database.get("rows")
    return rows is not None and rows["expected"] in (rows["found"], None)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0
    if not 0 < scale <= 1000:
        raise argparse.ArgumentTypeError(f"expected a number above 0, up to 1000, found {text!r}")
    return scale


if __name__ == "__main__":
    sys.exit(main())
