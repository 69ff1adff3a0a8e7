"""What a person sees of a restore in the terminal: live while it runs, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from restore.cli.client import Answer

EXIT_CODES = {
    "succeeded": 0,
    "succeeded_with_warnings": 3,
    "partial": 4,
    "failed": 5,
    "cancelled": 6,
}
_COLOURS = {
    "succeeded": "green",
    "succeeded_with_warnings": "yellow",
    "partial": "yellow",
    "failed": "red",
    "cancelled": "red",
}
_NOTES = 6
_LOOK_SECONDS = 0.5
_QUIET_SECONDS = 5.0  # between two lines about one database, where the terminal cannot be redrawn


class Refused(Exception):
    """The app answered, and did not do it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"HTTP {answer.status}")
        self.answer = answer


def follow(console: Console, show: Callable[[], Answer]) -> dict[str, Any]:
    """Show the restore until it has ended; its last status."""
    statuses = _statuses(show)
    if console.is_terminal:
        return _follow_live(console, statuses)
    return _follow_in_lines(console, statuses)


def _statuses(show: Callable[[], Answer]) -> Iterator[dict[str, Any]]:
    """The status now and then, up to the last one. An app that is busy is asked again."""
    while True:
        answer = show()
        if answer.status == HTTPStatus.OK:
            yield answer.body
            if answer.body["ended"]:
                return
        elif answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Refused(answer)
        time.sleep(_LOOK_SECONDS)


def _follow_live(console: Console, statuses: Iterator[dict[str, Any]]) -> dict[str, Any]:
    status: dict[str, Any] = {}
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for status in statuses:
            live.update(progress(status), refresh=True)
    return status


def _follow_in_lines(console: Console, statuses: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """A line for each change, and now and then for what goes on; nothing is redrawn."""
    said: dict[str, tuple[str, float]] = {}
    status: dict[str, Any] = {}
    for status in statuses:
        lines = {"": _headline(status)}
        lines |= {database["name"]: _line(database) for database in status["databases"]}
        for name, line in lines.items():
            text, at = said.get(name, ("", -_QUIET_SECONDS))
            phase_changed = line.split("  ")[:2] != text.split("  ")[:2]
            if line != text and (phase_changed or time.monotonic() - at > _QUIET_SECONDS):
                stamp = f"[{status['seconds']:6.1f} s]"
                console.print(f"{stamp} {line}", markup=False, soft_wrap=True)
                said[name] = (line, time.monotonic())
    return status


def progress(status: dict[str, Any]) -> RenderableType:
    """One line for the restore, one for each database: phase, bytes, rate, time left."""
    table = Table(box=None, pad_edge=False)
    for name, justify in (
        ("database", "left"),
        ("phase", "left"),
        ("bytes", "right"),
        ("rate", "right"),
        ("left", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for database in status["databases"]:
        table.add_row(*map(Text, _cells(database)))
    headline = Text(_headline(status), style="bold")
    return Group(headline, table) if status["databases"] else headline


def _headline(status: dict[str, Any]) -> str:
    doing = status["doing"]
    landed = f", {status['filesLanded']} files" if status["filesLanded"] else ""
    what = f"{status['status']}{': ' if doing else ''}{doing}{landed}{_left(status.get('eta'))}"
    return f"restore {status['id']}  {what}"


def _left(eta: Mapping[str, Any] | None) -> str:
    """When all of it will be there, and how sure that is."""
    if eta is None:
        return ""
    said = ", longer than expected" if eta["late"] else ""
    ends = f"{duration(eta['least'])} to {duration(eta['most'])}"
    return f"{said}, about {duration(eta['seconds'])} left ({ends}, by {eta['basis']})"


def duration(seconds: float) -> str:
    """As exact as a prediction deserves."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = -(-seconds // 60)
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes // 60:.0f} h {minutes % 60:02.0f}"


def _cells(database: dict[str, Any]) -> tuple[str, str, str, str, str]:
    done, total = database["bytes"]["done"], database["bytes"]["total"]
    rate = database.get("bytesPerSecond")
    eta = database.get("etaSeconds")
    return (
        printable(database["name"]),
        database["phase"],
        f"{size(done)} of {size(total)}",
        f"{size(rate)}/s" if rate else "",
        f"{eta} s" if eta is not None else "",
    )


def _line(database: dict[str, Any]) -> str:
    return "  ".join(cell for cell in _cells(database) if cell)


def outcome(
    status: dict[str, Any], differences: Mapping[str, Sequence[str]] | None = None
) -> RenderableType:
    """The end: every database with its tables, rows and seconds, then what a person should know.

    `differences` between source and target by database, where somebody compared their content.
    """
    renamed = any(database["name"] != database["target"] for database in status["databases"])
    table = Table(padding=(0, 1), collapse_padding=True)
    for name in ("database", *(["as"] if renamed else [])):
        table.add_column(name, overflow="fold", min_width=8)
    for name in ("tables", "rows expected", "rows found", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("content" if differences is not None else "rows")
    for database in status["databases"]:
        rows = database.get("rows", {})
        table.add_row(
            printable(database["name"]),
            *([printable(database["target"])] if renamed else []),
            _number(database.get("tables")),
            _number(rows.get("expected")),
            _number(rows.get("found")),
            _number(database.get("seconds")),
            _verdict(database, status["status"], differences),
        )
    parts: list[RenderableType] = [table] if status["databases"] else []
    return Group(*parts, *_remarks(status, differences or {}))


def _verdict(
    database: dict[str, Any], status: str, differences: Mapping[str, Sequence[str]] | None
) -> str:
    rows = database.get("rows", {})
    if EXIT_CODES[status] >= EXIT_CODES["failed"] or database["phase"] != "published":
        return "not published"
    if database.get("lost"):
        return f"{len(database['lost'])} objects lost"
    if rows.get("expected") is None:
        return "not countable"
    if rows["expected"] != rows["found"] or (differences or {}).get(database["name"]):
        return "DIFFERENT"
    return "equal"


def _remarks(
    status: dict[str, Any], differences: Mapping[str, Sequence[str]]
) -> list[RenderableType]:
    word = status["status"]
    headline = f"{word.replace('_', ' ')} in {status['seconds']:.1f} s"
    if status.get("dataAsOf"):
        headline += f"; the data is as of {printable(status['dataAsOf'])}"
    lines = [Text(headline, style=f"bold {_COLOURS[word]}")]
    if error := status.get("error"):
        lines.append(Text(f"error {error['code']}: {printable(error['message'])}", style="red"))
        if error["hint"]:
            lines.append(Text(f"hint: {printable(error['hint'])}"))
    told = [
        *(
            (f"lost in {d['name']}", text)
            for d in status["databases"]
            for text in d.get("lost", ())
        ),
        *((f"different in {name}", text) for name, texts in differences.items() for text in texts),
        *(("warning", text) for text in status["warnings"]),
        *(("still owed", text) for text in status.get("debts", ())),
    ]
    cures = {fix["about"]: fix["commands"] for fix in status.get("fixes", ())}
    for what, text in told:
        lines.append(Text(printable(f"{what}: {text}"), style="yellow"))
        lines += [Text(f"  {printable(command)}") for command in cures.get(text, ())]
    notes = status["notes"]
    lines += [Text(printable(f"note: {text}"), style="dim") for text in notes[:_NOTES]]
    if len(notes) > _NOTES:
        more = f"… and {len(notes) - _NOTES} more notes: in the status of the restore"
        lines.append(Text(more, style="dim"))
    return [*lines]


def refusal(answer: Answer) -> RenderableType:
    """What was wrong, field by field, and what to do."""
    body = answer.body
    lines = [Text(f"refused: {printable(body.get('title') or _SAID.get(answer.status, 'HTTP'))}")]
    for problem in body.get("errors", ()):
        where = printable(problem["pointer"] or "the request")
        said = f"expected {problem['expected']}, found {problem['found']}"
        lines.append(Text(f"  {where}: {printable(said)}"))
    if not body.get("errors") and body.get("detail"):
        lines.append(Text(f"  {printable(body['detail'])}"))
    hint = body.get("hint") or _HINTS.get(answer.status, "")
    if hint:
        lines.append(Text(f"hint: {printable(hint)}"))
    return Group(*lines)


_SAID = {401: "who are you?", 403: "not allowed", 404: "there is no such thing"}
_HINTS = {401: "set RESTORE_KEY to a function key, or RESTORE_SCOPE for Microsoft Entra"}


def listed(restores: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A line for each restore."""
    table = Table(box=None, pad_edge=False)
    for name in ("restore", "status", "created", "target"):
        table.add_column(name, overflow="fold")
    for one in restores:
        created = str(one["created"])[:16].replace("T", " ")
        table.add_row(one["id"], one["status"], created, printable(one["target"]))
    return table


def drills(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A line for each drill."""
    table = Table(box=None, pad_edge=False)
    for name in ("drill", "last passed", "took", "slower by", "runs", "next"):
        table.add_column(name, overflow="fold")
    for one in found:
        times = one["rtoSeconds"] or {}
        passed = str(one["lastPassed"] or "never")[:16].replace("T", " ")
        table.add_row(
            printable(one["name"]),
            f"{passed}{' OVERDUE' if one['overdue'] else ''}",
            f"{times['last']:,.0f} s" if times else "",
            f"{times['trend']:.2f}" if times else "",
            str(len(one["runs"])),
            str(one["next"])[:16].replace("T", " "),
        )
    return table


def points(body: Mapping[str, Any]) -> RenderableType:
    """A line for each recovery point."""
    table = Table(box=None, pad_edge=False)
    for name in ("recovery point", "time", "state"):
        table.add_column(name, overflow="fold")
    for one in body["recoveryPoints"]:
        state = one["state"] if one["restorable"] else f"{one['state']}: cannot be restored"
        table.add_row(printable(one["id"]), str(one["time"]), printable(state))
    return table


def printable(text: str) -> str:
    """`text` without what a terminal would obey: names come from other people's databases."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def size(count: float) -> str:
    """Bytes for a person: 999 B, 1.2 kB, 34 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"
