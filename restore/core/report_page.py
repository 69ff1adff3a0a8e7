"""A report as one page of HTML that needs nothing else: for people, on paper or a phone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

_GOOD, _POOR, _BAD = "good", "poor", "bad"
_TONES = {
    "succeeded": _GOOD,
    "succeeded_with_warnings": _POOR,
    "partial": _POOR,
    "cancelled": _POOR,
    "failed": _BAD,
}
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--line:#d5dae0;--back:#fff;--box:#f5f7f9;
--good:#14713a;--poor:#8a5a00;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4ae;--line:#3a424a;--back:#14181c;
--box:#1d2328;--good:#5fd08c;--poor:#e5b454;--bad:#ff8a80}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0 auto;
padding:1rem;max-width:60rem;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:1.8rem 0 .4rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
.good{color:var(--good)}.poor{color:var(--poor)}.bad{color:var(--bad)}.soft{color:var(--soft)}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.2rem 1rem;margin:.4rem 0}
dt{color:var(--soft)}dd{margin:0}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:normal}td.n,th.n{text-align:right}
code,pre{font:.85rem/1.4 ui-monospace,monospace}
pre{background:var(--box);padding:.6rem;white-space:pre-wrap}
ul{margin:.3rem 0;padding-left:1.2rem}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(document: Mapping[str, Any]) -> str:
    """The page of `document`: a report as JSON has it, with or without a signature."""
    report = document["report"]
    tone = _TONES.get(report["status"], _POOR)
    parts = [
        f"<h1>Restore {_text(report['id'])}</h1>",
        f'<p class="{tone}"><strong>{_text(report["status"].replace("_", " "))}</strong></p>',
        *_error(report["error"]),
        _facts(_summary(report)),
        "<h2>Databases</h2>",
        *(part for database in report["databases"] for part in _database(database)),
        *_section("Warnings", report["warnings"]),
        *_section("Left out on purpose", report["leftOut"]),
        *_section("Not given back yet", report["debts"]),
        *_section("Notes", report["notes"]),
        "<h2>Files of the backup</h2>",
        _files(report["source"]["files"]),
        "<h2>Times</h2>",
        _facts(_objectives(report)),
        _spans(report["phases"], report["tasks"]),
        "<h2>Signature</h2>",
        *_signature(document.get("signature"), report["id"]),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f"<title>Restore {_text(report['id'])}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _text(value: object) -> str:
    return escape(str(value)) if value not in (None, "") else "–"


def _facts(pairs: Iterable[tuple[str, object]]) -> str:
    rows = (f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in pairs)
    return f"<dl>{''.join(rows)}</dl>"


def _list(said: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(line)}</li>' for line in said)}</ul>"


def _section(title: str, said: list[str]) -> Iterator[str]:
    if said:
        yield f"<h2>{_text(title)}</h2>"
        yield _list(said)


def _table(heads: Iterable[tuple[str, bool]], rows: Iterable[Iterable[object]]) -> str:
    """`heads` say of each column whether it holds numbers."""
    columns = [(name, ' class="n"' if number else "") for name, number in heads]
    head = "".join(f"<th{form}>{_text(name)}</th>" for name, form in columns)
    body = "".join(f"<tr>{''.join(_cells(columns, row))}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(columns: Iterable[tuple[str, str]], row: Iterable[object]) -> Iterator[str]:
    for (_, form), value in zip(columns, row, strict=True):
        yield f"<td{form}>{_text(value)}</td>"


def _error(error: Mapping[str, str] | None) -> Iterator[str]:
    if error:
        yield f'<p class="bad"><code>{_text(error["code"])}</code> {_text(error["message"])}</p>'
        if error["hint"]:
            yield f'<p class="soft">{_text(error["hint"])}</p>'


def _summary(report: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    source, target, approval = report["source"], report["target"], report["approval"]
    yield (
        "Target",
        f"{target['host']}:{target['port']}, PostgreSQL {target['serverVersion'] or '?'}",
    )
    yield "Source server", source["server"] or source["container"]
    if source["recoveryPoint"]:
        yield "Recovery point", f"{source['recoveryPoint']} of {source['recoveryPointTime']}"
    yield "Data as of", source["dataAsOfTime"] or source["dataAsOf"]
    yield "Compared by", f"{report['level']}, and the levels before it"
    if approval["required"]:
        yield "Plan approved", approval["at"] if approval["approved"] else "no"
    if report["undone"]:
        yield "Undone", "what was replaced has its name again"
    tools = report["tools"]
    clients = ", ".join(map(str, tools["clients"])) or "none"
    yield "Made by", f"{tools['product']} {tools['version']}, PostgreSQL clients {clients}"
    yield "Report as of", report["asOf"]


def _database(database: Mapping[str, Any]) -> Iterator[str]:
    state = "published" if database["published"] else "not published"
    tone = _GOOD if database["published"] and not database["lost"] else _POOR
    yield f'<h3>{_text(database["target"])} <span class="{tone}">{state}</span></h3>'
    for failure in database["failures"]:
        yield from _error(failure)
    yield _facts(
        (
            ("From", f"{database['name']}, file {database['file']}"),
            ("By", f"{database['engine']}, PostgreSQL {database['clientMajor']} client"),
            ("Rows", _rows(database)),
        )
    )
    heads = (("Level", False), ("Compared", True), ("Of what", False), ("Result", False))
    yield _table(heads, (_check(check) for check in database["checks"]))
    for check in database["checks"]:
        if check["hash"]:
            yield f"<p>Hash of all rows: <code>{_text(check['hash'])}</code></p>"
        if check["unchecked"] and check["done"]:
            yield f'<p class="soft">Not checked by {_text(check["level"])}:</p>'
            yield _list(check["unchecked"])
    if database["lost"]:
        yield '<p class="bad">Lost:</p>'
        yield _list(database["lost"])


def _rows(database: Mapping[str, Any]) -> str:
    found, expected = database["rowsFound"], database["rowsExpected"]
    if found is None:
        return "not counted"
    return f"{found:,}" if expected is None else f"{found:,} of {expected:,} expected"


def _check(check: Mapping[str, Any]) -> tuple[object, ...]:
    if not check["done"]:
        return check["level"], "", "", "not done: " + "; ".join(check["unchecked"])
    different = len(check["different"])
    result = f"{different} differ" if different else "all equal"
    return check["level"], f"{check['checked']:,}", check["what"], result


def _files(files: Iterable[Mapping[str, Any]]) -> str:
    heads = (("File", False), ("Bytes", True), ("SHA-256, or what stands for it", False))
    rows = (
        (
            file["name"],
            f"{file['sizeBytes']:,}",
            file["sha256"] or f"{file['proof']} ({file['etag']})",
        )
        for file in files
    )
    return _table(heads, rows)


def _objectives(report: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name in ("rto", "rpo"):
        objective = report[name]
        took = objective["milliseconds"]
        reached = "unknown" if took is None else _duration(took)
        yield name.upper(), f"{reached} ({objective['meaning']})"


def _duration(milliseconds: int) -> str:
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds:.0f} s"


def _spans(phases: Iterable[Mapping[str, Any]], tasks: Iterable[Mapping[str, Any]]) -> str:
    heads = (("Phase or task", False), ("Took", True), ("Tries", True), ("End", False))
    rows = (
        (span["name"], _duration(span["milliseconds"]), span["attempts"], span["state"])
        for span in (*phases, *tasks)
    )
    return _table(heads, rows)


def _signature(signature: Mapping[str, str] | None, restore_id: str) -> Iterator[str]:
    if signature is None:
        yield '<p class="poor">This report is not signed: the installation has no key for it.</p>'
        return
    yield _facts((("Algorithm", signature["algorithm"]), ("Key", signature["keyId"])))
    yield (
        "<p>The signature is over the report as JSON, not over this page. Fetch it without"
        " <code>format=html</code>, and check it:</p>"
    )
    yield f"<pre>python -m restore verify-report {_text(restore_id)}.json --key public.pem</pre>"
