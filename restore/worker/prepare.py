"""Task prepare: read the dumps and the target, and answer with the plan. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from restore.adapters.target import read_facts
from restore.adapters.target_roles import read_role_target
from restore.core import archive, role_script, roles, script, selection
from restore.core import side as beside
from restore.core.dumps import (
    FORMAT_PREFIX_BYTES,
    Blob,
    Dump,
    DumpSet,
    Format,
    confirm,
    format_of,
    read_set,
)
from restore.core.facts import DumpFacts, Findings, Locale, TargetFacts
from restore.core.messages import TaskResult
from restore.core.options import Roles, Script
from restore.core.planning import early, plan
from restore.core.powers import powers
from restore.core.request import RestoreRequest
from restore.core.role_script import RoleStatement, SetParameter
from restore.core.role_target import is_system
from restore.core.sql import text_of, tokens
from restore.core.suited import unsuited
from restore.core.toc import Head
from restore.errors import ArchiveError, ScriptError
from restore.worker import side
from restore.worker.job import Job
from restore.worker.reading import read_head, read_tail
from restore.worker.role_settings import settings_of
from restore.worker.roles import chunks, findings

_TIMESTAMP_BYTES = 64
_GZIP = b"\x1f\x8b"
_OWNER_TO = re.compile(rb"ALTER\b.*\bOWNER TO (?P<role>.+);\s*", re.DOTALL)
_MAJOR = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Described:
    facts: DumpFacts
    warning: str = ""
    note: str = ""
    settings: tuple[SetParameter, ...] = ()  # of roles in this database


def run(job: Job) -> TaskResult:
    request = job.restore.request
    if refused := early(request):
        return job.done(plan=refused)
    job.meter.enter("reading the target")
    with job.session() as connection:
        target, role_target = read_facts(connection, job.clients), read_role_target(connection)
    job.meter.enter("reading the dumps")
    dumps = read_set(job.restore.files, request.databases.include or ())
    described = [_describe(job, dump, target) for dump in dumps.databases]
    statements = _roles_script(job, dumps)
    known = _schema_databases(job, dumps)
    sanitised = roles.sanitise(
        (*statements, *(setting for one in described for setting in one.settings)),
        role_target,
        request.roles,
        _wanted(request, [*(one.facts.database for one in described), *known]),
    )
    return job.done(
        plan=plan(
            job.restore.id,
            request,
            dumps,
            [one.facts for one in described],
            target,
            sanitised.created,
            known,
            findings(job, sanitised),
            job.limits.room,
        ),
        data_as_of=_timestamp(job, dumps),
        warnings=tuple(one.warning for one in described if one.warning),
        notes=tuple(one.note for one in described if one.note),
    )


def _wanted(request: RestoreRequest, databases: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in databases if request.databases.wants(name))


def _roles_script(job: Job, dumps: DumpSet) -> tuple[RoleStatement, ...]:
    wanted = job.restore.request.globals.roles is Roles.SANITISE
    if dumps.roles is None or not wanted:
        return ()
    return role_script.parse(chunks(job, dumps.roles))


def _schema_databases(job: Job, dumps: DumpSet) -> tuple[str, ...]:
    wanted = job.restore.request.globals.schema is Script.APPLY
    if dumps.schema is None or not wanted:
        return ()
    return script.databases(chunks(job, dumps.schema))


def _describe(job: Job, dump: Dump, target: TargetFacts) -> _Described:
    """What can be known of a dump without restoring it."""
    job.stop.check()
    blob = dump.blob
    prefix_bytes = min(FORMAT_PREFIX_BYTES, blob.size_bytes)
    prefix = job.landing.read(job.restore.container, blob, 0, prefix_bytes)
    form = format_of(prefix)
    if form is Format.ARCHIVE:
        return _describe_archive(job, dump, (prefix[5], prefix[6]), target)
    if form is Format.SCRIPT and job.restore.request.databases.wants(dump.database):
        return _Described(_script_facts(job, dump))
    packed = prefix.startswith(_GZIP)
    found = "a gzip file: unpack it first" if packed else "neither an archive nor SQL"
    damage = f"expected a dump of PostgreSQL, found {found}"
    unknown = damage if form is Format.UNKNOWN else ""
    chosen = selection.unsupported(dump.database, job.restore.request.objects, "a tar archive")
    scope = chosen if form is Format.TAR else None
    return _Described(DumpFacts(dump.database, blob, form, damage=unknown, scope=scope))


def _describe_archive(
    job: Job, dump: Dump, version: tuple[int, int], target: TargetFacts
) -> _Described:
    try:
        head = read_head(job.landing, job.restore.container, dump.blob)
        tail = read_tail(job.landing, job.restore.container, dump.blob, head.size_bytes)
        whole = archive.ends_cleanly(tail, head)
        confirmed = confirm(dump, head.dbname)
        damage = "" if whole else "expected the end of an archive, found its data cut off"
        facts = _archive_facts(confirmed.database, dump.blob, head, damage)
        if job.restore.request.databases.wants(facts.database):
            facts = _selected(job, facts, head, target)
    except archive.UnknownArchiveError as exc:  # a newer pg_restore than we know may read it
        reason = f"its version is not known here: {exc}"
        objects = job.restore.request.objects
        scope = selection.unsupported(dump.database, objects, "one of an unknown version")
        return _Described(
            DumpFacts(
                dump.database,
                dump.blob,
                Format.ARCHIVE,
                archive=version,
                unsuited=reason,
                scope=scope,
            )
        )
    except ArchiveError as exc:
        return _Described(DumpFacts(dump.database, dump.blob, Format.ARCHIVE, damage=str(exc)))
    settings = settings_of(head)
    if confirmed.agrees:
        return _Described(facts, note=confirmed.note, settings=settings)
    return _Described(facts, warning=confirmed.note, settings=settings)


def _archive_facts(database: str, blob: Blob, head: Head, damage: str) -> DumpFacts:
    dumped = head.database
    major = _MAJOR.match(head.dump_version)
    return DumpFacts(
        database=database,
        blob=blob,
        format=Format.ARCHIVE,
        archive=head.version[:2],
        dump_major=int(major[0]) if major else None,
        owner=next(iter(_own([dumped.owner])), None) if dumped else None,
        locale=Locale(dumped.encoding, dumped.provider, dumped.collate, dumped.ctype, dumped.locale)
        if dumped
        else Locale(),
        owners=_own(head.owners),
        system_owners=tuple(sorted(owner for owner in head.owners if is_system(owner))),
        extensions=head.extensions,
        tables=sum(1 for _ in head.each_table()),
        indexes=_count(head, "INDEX"),
        constraints=_count(head, "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT"),
        damage=damage,
        unsuited=unsuited(head),
    )


def _count(head: Head, *descriptions: str) -> int:
    """How many entries are one of those, as a table of contents says it."""
    return len(head.entries.described(*descriptions))


def _selected(job: Job, facts: DumpFacts, head: Head, target: TargetFacts) -> DumpFacts:
    """With what is left out of it, because of the request or of the login, and why."""
    request = job.restore.request
    found = selection.select(head, request.objects, powers(target))
    left_out, more = selection.told(head, found.refused)
    name = request.databases.target_name(facts.database)
    is_there = request.objects.side_schema is not None and name in target.databases
    there = side.schemas(job, name) if is_there else ()
    said = found.findings
    scope = Findings(
        (*said.refusals, *beside.refusals(head, found.left_out, request.objects, there)),
        (*said.warnings, *beside.warnings(head, found.left_out, request.objects)),
        said.notes,
    )
    return replace(facts, left_out=left_out, left_out_more=more, scope=scope)


def _script_facts(job: Job, dump: Dump) -> DumpFacts:
    """Plain SQL is read to its end, so that a script which must not be run is refused here.

    Raises ScriptError for such a script, and for one that is cut off.
    """
    owners: set[str] = set()
    tables = 0
    try:
        for piece in script.safe(chunks(job, dump.blob)):
            tables += piece.startswith(b"COPY ")
            if owner := _OWNER_TO.fullmatch(piece):
                owners.update(token.text for token in tokens(text_of(owner["role"])))
    except ScriptError as exc:
        raise ScriptError(f"dump {dump.blob.name!r}: {exc.message}", exc.hint) from exc
    return DumpFacts(
        dump.database,
        dump.blob,
        Format.SCRIPT,
        owners=_own(owners),
        tables=tables,
        scope=selection.unsupported(dump.database, job.restore.request.objects, "a script"),
    )


def _own(owners: Iterable[str]) -> tuple[str, ...]:
    """Without the roles of PostgreSQL and of the service: nobody but they can own for them."""
    return tuple(sorted(owner for owner in set(owners) if not is_system(owner)))


def _timestamp(job: Job, dumps: DumpSet) -> str:
    """When the backup started, as its own file says it."""
    if dumps.timestamp is None:
        return ""
    size_bytes = min(_TIMESTAMP_BYTES, dumps.timestamp.size_bytes)
    raw = job.landing.read(job.restore.container, dumps.timestamp, 0, size_bytes)
    text = raw.decode(errors="replace").strip("\ufeff \r\n\t\0")
    return text if text.isprintable() else ""
