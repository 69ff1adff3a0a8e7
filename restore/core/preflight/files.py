"""The files of the backup: which can be read, by what, and which are left alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from restore.core.dumps import Format
from restore.core.facts import DumpFacts, Finding
from restore.core.options import EngineChoice, Script
from restore.core.preflight.case import Case, Name, left_to_pg_restore


def refusals(case: Case) -> Iterator[Finding]:
    for fact in case.chosen:
        yield from _unreadable(case, fact)
        yield from _unsuited(case, fact)


def _unreadable(case: Case, fact: DumpFacts) -> Iterator[Finding]:
    subject = f"dump {fact.blob.name!r}"
    if fact.damage:
        yield Finding(
            "dump-damaged",
            subject,
            fact.damage,
            "restore this recovery point again into a fresh container, or choose another point",
        )
    elif fact.format is Format.EMPTY:
        yield Finding(
            "dump-empty",
            subject,
            "expected a dump, found 0 bytes",
            'choose another recovery point, or leave it out by "databases.exclude"',
        )
    elif case.target.client_for(fact.archive) is None:
        version = ".".join(map(str, fact.archive or ()))
        found = ", ".join(map(str, case.target.clients)) or "no client"
        yield Finding(
            "no-client",
            subject,
            f"expected a pg_restore that reads archive version {version}, found majors {found}",
            "install a newer PostgreSQL client beside the worker",
            (f"apt-get install postgresql-client-{fact.dump_major or case.target.major}",),
        )


def _unsuited(case: Case, fact: DumpFacts) -> Iterator[Finding]:
    reason = left_to_pg_restore(case, fact)
    if case.request.engine is EngineChoice.STREAM and fact.format is not Format.SCRIPT and reason:
        yield Finding(
            "engine-unsuited",
            f"dump {fact.blob.name!r}",
            f"expected an archive that can be streamed, found that {reason}",
            'set "engine": "auto", which leaves it to pg_restore',
        )


def warnings(case: Case) -> Iterator[Finding]:
    for fact in case.chosen:
        if fact.dump_major and fact.dump_major > case.target.major:
            upgrade = case.commands.az("upgrade", "--version", str(fact.dump_major))
            yield Finding(
                "older-target",
                f"database {fact.database!r}",
                f"expected PostgreSQL {fact.dump_major} or newer, found {case.target.major}:"
                " what only the newer one knows is refused, and counts as lost",
                "restore to a server of the same or a newer major",
                (upgrade,) if case.commands.azure else (),
            )
    if case.dumps.timestamp is None:
        yield Finding(
            "no-timestamp",
            "backupstarttimestamp",
            "expected it beside the dumps, found none: nothing tells of when the data is",
            "the recovery point's own time is close to it",
        )
    for left in case.dumps.unknown:
        yield Finding("unknown-file", f"file {left.blob.name!r}", left.reason, "it is left alone")


def notes(case: Case, wanted: Collection[Name]) -> Iterator[Finding]:
    for left in case.dumps.skipped:
        yield Finding("skipped", f"file {left.blob.name!r}", left.reason)
    for fact in case.facts:
        if not case.request.databases.wants(fact.database):
            yield Finding("not-asked-for", f"database {fact.database!r}", "left out by the request")
    for fact in case.chosen:
        if fact.format is not Format.SCRIPT and (reason := left_to_pg_restore(case, fact)):
            yield Finding("engine", f"database {fact.database!r}", f"by pg_restore, as {reason}")
    yield from _scripts(case)
    for name in sorted({name.source for name in wanted} - {fact.database for fact in case.facts}):
        message = "has no dump: created from the schema script, without rows"
        yield Finding("applied", f"database {name!r}", message)


def _scripts(case: Case) -> Iterator[Finding]:
    chosen = case.request.globals
    for what, blob, script in (
        ("schema", case.dumps.schema, chosen.schema),
        ("tablespaces", case.dumps.tablespaces, chosen.tablespaces),
    ):
        if blob and script is Script.SKIP:
            yield Finding("skipped", f"file {blob.name!r}", f'not run: "globals.{what}" is "skip"')
    if case.dumps.tablespaces and chosen.tablespaces is Script.APPLY:
        subject = f"file {case.dumps.tablespaces.name!r}"
        yield Finding("applied", subject, "creates the tablespaces that are not there yet")
