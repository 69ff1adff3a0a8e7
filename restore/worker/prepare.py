"""Task prepare: read the dumps and the target, and answer with the plan. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from restore.adapters.postgres import (
    Connection,
    PrivilegeError,
)
from restore.adapters.target import read_facts, read_role_target
from restore.core import archive, role_script, roles, script
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
from restore.core.facts import DumpFacts, Locale
from restore.core.messages import TaskResult
from restore.core.plan import Plan, plan
from restore.core.request import Roles, Script
from restore.core.role_script import RoleStatement
from restore.core.sql import text_of, tokens
from restore.core.suited import unsuited
from restore.core.toc import Head
from restore.errors import ArchiveError, ScriptError, TargetError
from restore.worker.job import Job
from restore.worker.reading import read_head, read_tail
from restore.worker.roles import chunks

_TIMESTAMP_BYTES = 64
_GZIP = b"\x1f\x8b"
_OWNER_TO = re.compile(rb"ALTER\b.*\bOWNER TO (?P<role>.+);\s*", re.DOTALL)
_MAJOR = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Described:
    facts: DumpFacts
    warning: str = ""
    note: str = ""


def run(job: Job) -> TaskResult:
    job.meter.enter("reading the dumps")
    request = job.restore.request
    dumps = read_set(job.restore.files, request.databases.include or ())
    described = [_describe(job, dump) for dump in dumps.databases]
    statements = _roles_script(job, dumps)
    known = _schema_databases(job, dumps)
    job.meter.enter("reading the target")
    with job.session() as connection:
        sanitised = roles.sanitise(statements, read_role_target(connection))
        decided = plan(
            job.restore.id,
            request,
            dumps,
            [one.facts for one in described],
            read_facts(connection, job.clients),
            sanitised.created,
            known,
        )
        if not decided.refusals:
            owners = _owners_to_act_for(connection, job, decided)
            decided = replace(decided, borrow=tuple(sorted({*decided.borrow, *owners})))
    return job.done(
        plan=decided,
        data_as_of=_timestamp(job, dumps),
        warnings=tuple(one.warning for one in described if one.warning),
        notes=(
            *(one.note for one in described if one.note),
            *(f"roles script: left out: {left.what}: {left.reason}" for left in sanitised.dropped),
        ),
    )


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


def _describe(job: Job, dump: Dump) -> _Described:
    """What can be known of a dump without restoring it."""
    job.stop.check()
    blob = dump.blob
    prefix_bytes = min(FORMAT_PREFIX_BYTES, blob.size_bytes)
    prefix = job.landing.read(job.restore.container, blob, 0, prefix_bytes)
    form = format_of(prefix)
    if form is Format.ARCHIVE:
        return _describe_archive(job, dump, (prefix[5], prefix[6]))
    if form is Format.SCRIPT and job.restore.request.databases.wants(dump.database):
        return _Described(_script_facts(job, dump))
    packed = prefix.startswith(_GZIP)
    found = "a gzip file: unpack it first" if packed else "neither an archive nor SQL"
    damage = f"expected a dump of PostgreSQL, found {found}"
    unknown = damage if form is Format.UNKNOWN else ""
    return _Described(DumpFacts(dump.database, blob, form, damage=unknown))


def _describe_archive(job: Job, dump: Dump, version: tuple[int, int]) -> _Described:
    try:
        head = read_head(job.landing, job.restore.container, dump.blob)
        tail = read_tail(job.landing, job.restore.container, dump.blob, head.size_bytes)
        whole = archive.ends_cleanly(tail, head)
        confirmed = confirm(dump, head.dbname)
        damage = "" if whole else "expected the end of an archive, found its data cut off"
        facts = _archive_facts(confirmed.database, dump.blob, head, damage)
    except archive.UnknownArchiveError as exc:  # a newer pg_restore than we know may read it
        reason = f"its version is not known here: {exc}"
        return _Described(
            DumpFacts(dump.database, dump.blob, Format.ARCHIVE, archive=version, unsuited=reason)
        )
    except ArchiveError as exc:
        return _Described(DumpFacts(dump.database, dump.blob, Format.ARCHIVE, damage=str(exc)))
    if confirmed.agrees:
        return _Described(facts, note=confirmed.note)
    return _Described(facts, warning=confirmed.note)


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
        extensions=head.extensions,
        tables=sum(1 for _ in head.each_table()),
        damage=damage,
        unsuited=unsuited(head),
    )


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
    return DumpFacts(dump.database, dump.blob, Format.SCRIPT, owners=_own(owners), tables=tables)


def _own(owners: Iterable[str]) -> tuple[str, ...]:
    """Without the roles of PostgreSQL and of the service: nobody but they can own for them."""
    system = roles.SYSTEM_ROLES
    return tuple(sorted(o for o in set(owners) if o not in system and not o.startswith("pg_")))


def _timestamp(job: Job, dumps: DumpSet) -> str:
    """When the backup started, as its own file says it."""
    if dumps.timestamp is None:
        return ""
    size_bytes = min(_TIMESTAMP_BYTES, dumps.timestamp.size_bytes)
    raw = job.landing.read(job.restore.container, dumps.timestamp, 0, size_bytes)
    text = raw.decode(errors="replace").strip("\ufeff \r\n\t\0")
    return text if text.isprintable() else ""


def _owners_to_act_for(connection: Connection, job: Job, decided: Plan) -> set[str]:
    """The owners of databases that will be set aside, where we may act for them but do not yet.

    Raises PrivilegeError where we may not: better now than hours later.
    Source: postgresql.org/docs/18/sql-alterdatabase.html, RENAME; sql-grant.html, Notes on roles.
    """
    taken = [step.target for step in decided.databases if step.before]
    maintenance = job.restore.request.target.database
    if maintenance in taken:
        raise TargetError(
            f"database {maintenance!r}: expected one to connect to while others are renamed,"
            " found the one to be replaced",
            'name another one in "target.database", such as "postgres"',
        )
    form = (
        "SELECT datname, pg_get_userbyid(datdba), pg_has_role(datdba, 'USAGE WITH ADMIN OPTION')"
        " FROM pg_database WHERE datname = ANY(%s) AND NOT pg_has_role(datdba, 'USAGE')"
    )
    rows = connection.execute(form, (taken,)).fetchall()
    if foreign := [(name, owner) for name, owner, grantable in rows if not grantable]:
        found = ", ".join(f"{name!r} of {owner}" for name, owner in foreign)
        raise PrivilegeError(
            f"databases to set aside: expected ours, found {found}",
            "make the login a member of the owner, or restore under another name",
        )
    return {owner for _, owner, _ in rows}
