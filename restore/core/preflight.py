"""What stands in the way of a restore, and what a person should know before it starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from restore.core.dumps import SYSTEM_DATABASES, DumpSet, Format
from restore.core.facts import DumpFacts, Finding, TargetFacts
from restore.core.request import EngineChoice, OnExisting, RestoreRequest, Roles, Script


@dataclass(frozen=True, slots=True)
class Name:
    """A name a database is to get, and whether the target has one of that name."""

    source: str
    target: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Case:
    """All there is to judge by."""

    request: RestoreRequest
    dumps: DumpSet
    facts: tuple[DumpFacts, ...]
    target: TargetFacts
    created_roles: frozenset[str]

    @property
    def chosen(self) -> tuple[DumpFacts, ...]:
        """The dumps to restore, largest first."""
        wanted = [fact for fact in self.facts if self.request.databases.wants(fact.database)]
        return tuple(sorted(wanted, key=lambda fact: (-fact.blob.size_bytes, fact.database)))

    @property
    def roles(self) -> frozenset[str]:
        """The roles there will be on the target once the roles script has run."""
        created = self.created_roles if self.request.globals.roles is Roles.SANITISE else ()
        return frozenset(self.target.roles).union(created)

    def missing_owners(self, fact: DumpFacts) -> list[str]:
        return sorted(set(fact.owners) - self.roles)


def refusals(case: Case, names: Collection[Name]) -> Iterator[Finding]:
    """Everything that forbids the restore, at once."""
    known = {fact.database for fact in case.facts}
    yield from _unknown_names(case, known | {name.source for name in names})
    if not names:
        found = ", ".join(sorted(known)) or "none"
        yield Finding(
            "nothing-to-restore", "databases", f"expected at least one, found none among: {found}"
        )
    yield from _names_in_the_way(case, names)
    for fact in case.chosen:
        yield from _unreadable(case, fact)
        yield from _unsuited(case, fact)
        yield from _missing_extensions(case, fact)
    yield from _missing_rights(case)


def _unknown_names(case: Case, known: set[str]) -> Iterator[Finding]:
    wanted = case.request.databases
    for field, names in (
        ("include", wanted.include or ()),
        ("exclude", wanted.exclude),
        ("rename", wanted.rename),
    ):
        for name in names:
            if name not in known | SYSTEM_DATABASES:
                yield Finding(
                    "unknown-database",
                    f"databases.{field}",
                    f"expected a database of this backup, found {name!r}",
                    f"the backup has: {', '.join(sorted(known)) or 'none'}",
                )


def _names_in_the_way(case: Case, names: Collection[Name]) -> Iterator[Finding]:
    refuse = case.request.on_existing is OnExisting.REFUSE
    targets = [name.target for name in names]
    for name in names:
        subject = f"target database {name.target!r}"
        if targets.count(name.target) > 1:
            yield Finding(
                "name-twice",
                subject,
                f"expected one source, found {targets.count(name.target)}",
                'give each database its own name in "databases.rename"',
            )
        if name.target in SYSTEM_DATABASES:
            yield Finding(
                "system-database",
                subject,
                "expected a name of your own, found the name of a system database",
                'give it another name in "databases.rename"',
            )
        elif name.taken and refuse:
            yield Finding(
                "database-exists",
                subject,
                "expected none of that name, found one",
                'set "onExisting": "swap" to keep it aside, or rename it in "databases.rename"',
            )


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
        yield Finding("dump-empty", subject, "expected a dump, found 0 bytes")
    elif case.target.client_for(fact.archive) is None:
        version = ".".join(map(str, fact.archive or ()))
        found = ", ".join(map(str, case.target.clients)) or "no client"
        yield Finding(
            "no-client",
            subject,
            f"expected a pg_restore that reads archive version {version}, found majors {found}",
            "install a newer PostgreSQL client beside the worker",
        )


def left_to_pg_restore(case: Case, fact: DumpFacts) -> str:
    """Why pg_restore restores this archive, and not the engine; "" for the engine."""
    if case.request.engine is EngineChoice.PG_RESTORE:
        return "the request asks for it"
    return "it is a tar archive" if fact.format is Format.TAR else fact.unsuited


def _unsuited(case: Case, fact: DumpFacts) -> Iterator[Finding]:
    reason = left_to_pg_restore(case, fact)
    if case.request.engine is EngineChoice.STREAM and fact.format is not Format.SCRIPT and reason:
        yield Finding(
            "engine-unsuited",
            f"dump {fact.blob.name!r}",
            f"expected an archive that can be streamed, found that {reason}",
            'set "engine": "auto", which leaves it to pg_restore',
        )


def _missing_extensions(case: Case, fact: DumpFacts) -> Iterator[Finding]:
    for name in sorted(set(fact.extensions) - set(case.target.extensions)):
        yield Finding(
            "extension-unavailable",
            f"database {fact.database!r}",
            f"expected extension {name!r} on the target, found that it cannot be created there",
            "allow it: az postgres flexible-server parameter set --name azure.extensions",
        )


def _missing_rights(case: Case) -> Iterator[Finding]:
    target = case.target
    subject = f"login {target.login!r}"
    if not (target.createdb or target.superuser):
        yield Finding(
            "no-createdb",
            subject,
            "expected CREATEDB, found a login without it",
            f'ALTER ROLE "{target.login}" CREATEDB',
        )
    if case.created_roles - set(target.roles) and not (target.createrole or target.superuser):
        yield Finding(
            "no-createrole",
            subject,
            "expected CREATEROLE, found a login without it",
            f'ALTER ROLE "{target.login}" CREATEROLE, or set "globals": {{"roles": "skip"}}',
        )


def warnings(case: Case) -> Iterator[Finding]:
    for fact in case.chosen:
        if missing := case.missing_owners(fact):
            yield Finding(
                "owner-missing",
                f"database {fact.database!r}",
                f"expected the owners {', '.join(missing)}, found no such roles: everything in it "
                f"will belong to {case.target.login}",
                "restore the roles as well, or create them first",
            )
        if fact.dump_major and fact.dump_major > case.target.major:
            yield Finding(
                "older-target",
                f"database {fact.database!r}",
                f"expected PostgreSQL {fact.dump_major} or newer, found {case.target.major}",
                "restore to a server of the same or a newer major",
            )
    if case.dumps.timestamp is None:
        yield Finding(
            "no-timestamp", "backupstarttimestamp", "expected it beside the dumps, found none"
        )
    for left in case.dumps.unknown:
        yield Finding("unknown-file", f"file {left.blob.name!r}", left.reason, "it is left alone")


def notes(case: Case, names: Collection[Name]) -> Iterator[Finding]:
    for left in case.dumps.skipped:
        yield Finding("skipped", f"file {left.blob.name!r}", left.reason)
    for fact in case.facts:
        if not case.request.databases.wants(fact.database):
            yield Finding("not-asked-for", f"database {fact.database!r}", "left out by the request")
    for fact in case.chosen:
        if fact.format is not Format.SCRIPT and (reason := left_to_pg_restore(case, fact)):
            yield Finding("engine", f"database {fact.database!r}", f"by pg_restore, as {reason}")
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
    for name in sorted({name.source for name in names} - {fact.database for fact in case.facts}):
        message = "has no dump: created from the schema script, without rows"
        yield Finding("applied", f"database {name!r}", message)
