"""`python -m restore COMMAND`: restores from the terminal, by the API of the function app.

RESTORE_APP is its URL; RESTORE_KEY a function key, or RESTORE_SCOPE what to ask a Microsoft Entra
token for. Exit codes of a restore that is waited for: 0 succeeded, 3 with warnings, 4 partial,
5 failed, 6 cancelled. Else 0 done, 1 refused (or a signature that is not valid), 2 wrong arguments,
130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shtab

from restore.adapters.signing import SignatureError, SigningKeyError, Verified, verify
from restore.cli import commands as cli

VALID, INVALID, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; says on standard output what was checked."""
    parser = argparse.ArgumentParser(
        prog="python -m restore",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    cli.add(commands)
    completion = commands.add_parser("completion", help="for your shell: bash, zsh or tcsh")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    command = commands.add_parser("verify-report", help="check the signature of a report, offline")
    command.add_argument("file", type=Path, metavar="FILE", help="a report as JSON")
    command.add_argument(
        "--key", default="", metavar="KEY", help="the public key, or a file with it (PEM or base64)"
    )
    parsed = parser.parse_args(arguments)
    if hasattr(parsed, "run"):
        return cli.run(parsed)
    if hasattr(parsed, "shell"):
        print(shtab.complete(parser, parsed.shell))
        return VALID
    if not hasattr(parsed, "file"):
        print(_next())
        return USAGE
    return _verified(parsed)


def _next() -> str:
    """What to do, where nothing was said."""
    if not os.environ.get("RESTORE_APP"):
        return (
            "Set RESTORE_APP to https://<app>.azurewebsites.net and RESTORE_KEY to a key of it.\n"
            "Then: python -m restore list, start --help, watch, plan, approve; --help has them all."
        )
    return "python -m restore list shows the restores, start begins one; --help has all commands."


def _verified(parsed: argparse.Namespace) -> int:
    try:
        document = json.loads(parsed.file.read_text(encoding="utf-8"))
        key = _key(parsed.key)
    except OSError as exc:
        return _said(f"{exc.filename}: {exc.strerror}", USAGE)
    except ValueError:
        return _said(f"{parsed.file}: expected JSON, found something else", INVALID)
    try:
        found = verify(document, key)
    except SigningKeyError as exc:
        return _said(exc.message, USAGE)
    except SignatureError as exc:
        return _said(f"NOT VALID: {exc.message}", INVALID)
    _tell(found, bool(key))
    return VALID


def _key(text: str) -> str:
    """A key as it is, or what a file of that name holds."""
    return Path(text).read_text(encoding="utf-8") if text and Path(text).is_file() else text


def _tell(found: Verified, is_ours: bool) -> None:
    report: Any = found.report
    print(f"VALID: unchanged since it was signed with key {found.key_id}")
    if not is_ours:
        print("  whose key that is, the file alone cannot prove: give the key you trust with --key")
    print(f"  restore {report.get('id')} of {report.get('requested')}: {report.get('status')}")
    for database in report.get("databases", ()):
        levels = ", ".join(check["level"] for check in database["checks"] if check["done"])
        print(f"  database {database['name']!r}: compared by {levels or 'nothing'}")


def _said(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
