"""The commands of `python -m restore`, each one call to the API, or a few."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console

from restore.cli import terminal
from restore.cli.client import Answer, Client, Unreachable
from restore.cli.terminal import EXIT_CODES, Refused

DONE, REFUSED, USAGE, INTERRUPTED = 0, 1, 2, 130
_WAITS = "awaiting_approval"


class UsageError(Exception):
    """What was typed cannot be used; the message says why."""


def add(commands: Any) -> None:
    """Each command with its arguments."""
    start = _command(commands, "start", "start a restore", _start)
    start.add_argument(
        "--request", metavar="FILE", help="the request as JSON; - for standard input"
    )
    for flag, metavar, words in _FLAGS:
        start.add_argument(flag, metavar=metavar, help=words)
    start.add_argument("--approval", action="store_true", help="wait until the plan is approved")
    start.add_argument("--dry-run", action="store_true", help="end with the plan")
    start.add_argument("--wait", action="store_true", help="watch it to its end")
    start.add_argument("--again", action="store_true", help="even if the same was started just now")
    watch = _command(commands, "watch", "watch a restore to its end", _watch)
    show = _command(commands, "show", "how a restore is", _show)
    plan = _command(commands, "plan", "what a restore will do", _plan)
    approve = _command(commands, "approve", "agree to the plan", _approve)
    approve.add_argument("--hash", help="of the plan, instead of being asked")
    cancel = _command(commands, "cancel", "stop a restore, and take back what it began", _cancel)
    undo = _command(commands, "undo", "give what was replaced its name again", _undo)
    report = _command(commands, "report", "what was restored, and what proves it", _report)
    for command in (watch, show, plan, approve, cancel, undo, report):
        command.add_argument("id", nargs="?", metavar="ID", help="by default the newest restore")
    _command(commands, "list", "the newest restores", _list)
    points = _command(commands, "points", "what can be restored of a server", _points)
    points.add_argument(
        "server", metavar="SERVER", help="its ARM id, or its backup instance's name"
    )
    points.add_argument("--region", help="the paired region")
    drill = _command(commands, "drill", "rehearsed restores: how they went, or run one now", _drill)
    drill.add_argument("name", nargs="?", metavar="NAME", help="which to run; without, the history")
    alert = _command(commands, "alert", "what the rules make of an alert; starts nothing", _alert)
    alert.add_argument("file", metavar="FILE", help="an alert as JSON")


_FLAGS = (
    ("--server", "ARM-ID", "the protected server"),
    ("--instance", "NAME", "or the name of its backup instance"),
    ("--container", "URL", "or a container that holds the files already"),
    ("--before", "INSTANT", "the newest recovery point not after it: 2026-11-20T10:00:00Z"),
    ("--point", "ID", "that recovery point"),
    ("--target", "HOST[:PORT]", "the server to restore to"),
    ("--user", "NAME", "the login there"),
    ("--secret", "NAME", "its password in the key vault; without, Microsoft Entra"),
    ("--database", "PATTERN,…", "which databases; by default all"),
    ("--suffix", "TEXT", "put behind their names"),
    ("--on-existing", "WORD", "refuse, swap or replace"),
    ("--verify", "LEVEL", "counts, catalog, schema or content"),
)


def _command(commands: Any, name: str, words: str, run: Callable[..., int]) -> Any:
    command = commands.add_parser(name, help=words, description=words)
    command.add_argument("--app", help="URL of the function app; RESTORE_APP")
    command.add_argument("--json", action="store_true", help="print what the API answers")
    command.set_defaults(run=run)
    return command


def run(parsed: argparse.Namespace) -> int:
    """The exit code. Whatever goes wrong is said in a few lines on standard error."""
    console = Console(soft_wrap=True, highlight=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        return int(parsed.run(_client(parsed.app), parsed, console))
    except Refused as exc:
        errors.print(terminal.refusal(exc.answer))
    except (Unreachable, UsageError) as exc:
        errors.print(terminal.printable(str(exc)), markup=False)
        return USAGE if isinstance(exc, UsageError) else REFUSED
    except KeyboardInterrupt:
        errors.print("\nThe restore goes on: `python -m restore watch`, or `… cancel` to stop it.")
        return INTERRUPTED
    return REFUSED


def _client(app: str | None) -> Client:
    url = (app or os.environ.get("RESTORE_APP", "")).rstrip("/")
    if not url:
        raise UsageError("which app? set RESTORE_APP to https://<app>.azurewebsites.net, or --app")
    scope = os.environ.get("RESTORE_SCOPE", "")
    return Client(url, os.environ.get("RESTORE_KEY", ""), _token(scope) if scope else None)


def _token(scope: str) -> Callable[[], str]:
    from azure.identity import DefaultAzureCredential  # takes long to load: only where asked for

    credential = DefaultAzureCredential()
    return lambda: credential.get_token(scope).token


# ---- the commands -------------------------------------------------------------------------------


def _start(client: Client, asked: argparse.Namespace, console: Console) -> int:
    body = json.dumps(_request(asked)).encode()
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    same = hashlib.sha256(body).hexdigest()[:16]
    key = f"terminal-{secrets.token_hex(8) if asked.again else f'{same}-{hour}'}"
    answer = _taken(client.start(body, key))
    if not asked.json:
        console.print(f"restore {answer.body['id']} (Idempotency-Key {key})")
    if asked.wait:
        return _followed(client, answer.body["id"], asked, console)
    if asked.json:
        _print(answer)
    else:
        console.print(f"watch it: python -m restore watch {answer.body['id']}")
    return DONE


def _request(asked: argparse.Namespace) -> dict[str, Any]:
    """The request of the file, with what the flags say in place of it."""
    found: dict[str, Any] = _read(asked.request) if asked.request else {}
    parts: dict[str, dict[str, Any]] = {
        "source": {name: getattr(asked, name) for name in ("server", "instance", "container")},
        "target": {"user": asked.user, "secret": asked.secret},
        "databases": {"suffix": asked.suffix},
    }
    if asked.before or asked.point:
        point = {"before": asked.before} if asked.before else {"id": asked.point}
        parts["source"]["recoveryPoint"] = point
    if asked.target:
        host, _, port = asked.target.partition(":")
        parts["target"] |= {"host": host, "port": int(port) if port.isdigit() else None}
    if asked.database:
        parts["databases"]["include"] = asked.database.split(",")
    for name, part in parts.items():
        given = {key: value for key, value in part.items() if value is not None}
        if given:
            found[name] = {**found.get(name, {}), **given}
    words = {"onExisting": asked.on_existing, "verify": asked.verify}
    found |= {name: word for name, word in words.items() if word}
    if asked.approval:
        found["approval"] = "required"
    if asked.dry_run:
        found["dryRun"] = True
    return found


def _read(name: str) -> Any:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as exc:
        raise UsageError(f"{name}: {exc.strerror}") from exc
    except ValueError as exc:
        raise UsageError(f"{name}: expected JSON, found {exc}") from exc
    if not isinstance(found, dict | list):
        raise UsageError(f"{name}: expected an object, found {type(found).__name__}")
    return found


def _watch(client: Client, asked: argparse.Namespace, console: Console) -> int:
    return _followed(client, _id(client, asked), asked, console)


def _followed(client: Client, restore_id: str, asked: argparse.Namespace, console: Console) -> int:
    shown = Console(file=sys.stderr, highlight=False) if asked.json else console
    status = terminal.follow(shown, lambda: client.show(restore_id))
    if asked.json:
        print(json.dumps(status, ensure_ascii=False))
    else:
        console.print(terminal.outcome(status))
    return EXIT_CODES[status["status"]]


def _show(client: Client, asked: argparse.Namespace, console: Console) -> int:
    answer = _taken(client.show(_id(client, asked)))
    status = answer.body
    if asked.json:
        _print(answer)
    elif status["ended"]:
        console.print(terminal.outcome(status))
    else:
        console.print(terminal.progress(status))
        if status["status"] == _WAITS:
            console.print(
                f"read the plan, and approve it: python -m restore approve {status['id']}"
            )
    return EXIT_CODES.get(status["status"], DONE) if status["ended"] else DONE


def _plan(client: Client, asked: argparse.Namespace, console: Console) -> int:
    form = "" if asked.json else "?format=text"
    answer = _taken(client.call("GET", f"/api/restores/{_id(client, asked)}/plan{form}"))
    print(answer.text, end="" if answer.text.endswith("\n") else "\n")
    return DONE


def _approve(client: Client, asked: argparse.Namespace, console: Console) -> int:
    restore_id = _id(client, asked)
    wanted = asked.hash
    if not wanted:
        plan = _taken(client.plan(restore_id)).body
        print(_taken(client.call("GET", f"/api/restores/{restore_id}/plan?format=text")).text)
        _confirmed(client, restore_id, "approve the plan")
        wanted = plan["hash"]
    return _told(client.approve(restore_id, wanted), asked, console, "approved: it goes on")


def _cancel(client: Client, asked: argparse.Namespace, console: Console) -> int:
    return _told(client.cancel(_id(client, asked)), asked, console, "it is stopping, or has ended")


def _undo(client: Client, asked: argparse.Namespace, console: Console) -> int:
    restore_id = _id(client, asked)
    if not asked.json:
        _confirmed(client, restore_id, "give what was replaced its name again")
    return _told(client.undo(restore_id), asked, console, "it is being undone")


def _confirmed(client: Client, restore_id: str, what: str) -> None:
    """Somebody types the target's name, or nothing is done."""
    host = _taken(client.show(restore_id)).body["target"]["host"]
    if not sys.stdin.isatty():
        raise UsageError(f"to {what} without a terminal: approve --hash, or undo --json")
    if input(f"Type {host} to {what}: ").strip() != host:
        raise UsageError("that was another name: nothing was done")


def _report(client: Client, asked: argparse.Namespace, console: Console) -> int:
    _print(_taken(client.report(_id(client, asked))))
    return DONE


def _list(client: Client, asked: argparse.Namespace, console: Console) -> int:
    answer = _taken(client.list())
    if asked.json:
        _print(answer)
    elif answer.body["restores"]:
        console.print(terminal.listed(answer.body["restores"]))
    else:
        console.print("There are none yet: python -m restore start --help")
    return DONE


def _points(client: Client, asked: argparse.Namespace, console: Console) -> int:
    name = "server" if asked.server.startswith("/") else "instance"
    query = {name: asked.server, **({"region": asked.region} if asked.region else {})}
    answer = _taken(client.call("GET", f"/api/recovery-points?{urlencode(query)}"))
    if asked.json:
        _print(answer)
    else:
        console.print(terminal.points(answer.body))
    return DONE


def _drill(client: Client, asked: argparse.Namespace, console: Console) -> int:
    if asked.name:
        answer = client.call("POST", f"/api/drills/{quote(asked.name, safe='')}", b"")
        return _told(answer, asked, console, f"drill {asked.name} is begun")
    answer = _taken(client.call("GET", "/api/drills"))
    if asked.json:
        _print(answer)
    else:
        console.print(terminal.drills(answer.body["drills"]))
    return DONE


def _alert(client: Client, asked: argparse.Namespace, console: Console) -> int:
    body = json.dumps(_read(asked.file)).encode()
    answer = _taken(client.call("POST", "/api/alerts?dryRun=true", body))
    if asked.json:
        _print(answer)
        return DONE
    for one in answer.body["alerts"]:
        about = f" ({one['rule']})" if "rule" in one else ""
        console.print(terminal.printable(f"{one['action']}{about}: {one['reason']}"), markup=False)
    return DONE


# ---- what they have in common -------------------------------------------------------------------


def _taken(answer: Answer) -> Answer:
    """Raises Refused for anything but success."""
    if answer.status >= 400:
        raise Refused(answer)
    return answer


def _told(answer: Answer, asked: argparse.Namespace, console: Console, words: str) -> int:
    _taken(answer)
    if asked.json:
        _print(answer)
    else:
        console.print(f"restore {answer.body['id']}: {words}")
    return DONE


def _print(answer: Answer) -> None:
    print(json.dumps(answer.body, ensure_ascii=False))


def _id(client: Client, asked: argparse.Namespace) -> str:
    """What was typed, or the newest."""
    if asked.id:
        return str(asked.id)
    restores: Sequence[Mapping[str, Any]] = _taken(client.list()).body["restores"]
    if not restores:
        raise UsageError("there are no restores yet: python -m restore start --help")
    return str(restores[0]["id"])
