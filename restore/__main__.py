"""`python -m restore verify-report FILE`: is a report what was signed? Needs nothing but the file.

Exit codes: 0 it is; 1 it is not, or has no signature; 2 wrong arguments, or nothing to read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restore.adapters.signing import SignatureError, SigningKeyError, Verified, verify

VALID, INVALID, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; says on standard output what was checked."""
    parser = argparse.ArgumentParser(prog="python -m restore", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("verify-report", help="check the signature of a report, offline")
    command.add_argument("file", type=Path, metavar="FILE", help="a report as JSON")
    command.add_argument(
        "--key", default="", metavar="KEY", help="the public key, or a file with it (PEM or base64)"
    )
    parsed = parser.parse_args(arguments)
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
