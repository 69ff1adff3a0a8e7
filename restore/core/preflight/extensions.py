"""Extensions: which the dumps need, and whether the server allows, has and loads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from restore.core.facts import Finding
from restore.core.preflight.case import Case
from restore.core.sql import quote_identifier


@dataclass(frozen=True, slots=True)
class Preload:
    """An extension's library that the server loads at its start.

    `is_needed`: without it CREATE EXTENSION fails; else it works, and the extension does nothing.
    """

    library: str
    is_needed: bool


# Source: learn.microsoft.com/azure/postgresql, "Considerations when using extensions", and
# _PG_init of each library: "can only be loaded via shared_preload_libraries", or its like.
_PRELOADED = {
    "age": Preload("age", False),
    "anon": Preload("anon", False),
    "azure_storage": Preload("azure_storage", False),
    "citus": Preload("citus", True),
    "credcheck": Preload("credcheck", False),
    "pg_cron": Preload("pg_cron", True),
    "pg_hint_plan": Preload("pg_hint_plan", False),
    "pg_partman": Preload("pg_partman_bgw", False),
    "pg_qualstats": Preload("pg_qualstats", True),
    "pg_squeeze": Preload("pg_squeeze", False),
    "pg_stat_kcache": Preload("pg_stat_kcache", True),
    "pg_stat_statements": Preload("pg_stat_statements", False),
    "pg_wait_sampling": Preload("pg_wait_sampling", False),
    "pgaudit": Preload("pgaudit", True),
    "pglogical": Preload("pglogical", True),
    "timescaledb": Preload("timescaledb", True),
}
_LISTED = "azure.extensions"


def refusals(case: Case) -> Iterator[Finding]:
    for name in _needed(case):
        if name not in case.target.extensions:
            yield _refused(case, name)
    if case.target.preloaded is not None:
        for name, preload in _not_preloaded(case):
            if preload.is_needed:
                yield _unloaded(case, name, "CREATE EXTENSION fails without it")


def warnings(case: Case) -> Iterator[Finding]:
    for name, preload in _not_preloaded(case):
        if case.target.preloaded is None:
            yield _unseen(case, name)
        elif not preload.is_needed:
            yield _unloaded(case, name, "the extension is created, and does not work")
    if "pg_cron" in _needed(case):
        yield Finding(
            "cron-elsewhere",
            _subject(case, "pg_cron"),
            "pg_cron can be created in the database that cron.database_name names, and in no other,"
            " such as one under restore: it counts as lost, with its jobs",
            "create it in that database afterwards, and schedule its jobs anew",
            ("SHOW cron.database_name;",),
        )


def notes(case: Case) -> Iterator[Finding]:
    """Which version each will have: an archive does not say which it had."""
    available = case.target.available
    made = [f"{name} {available[name]}" for name in _needed(case) if name in available]
    if made:
        message = f"in the versions of the server: {', '.join(made)}"
        yield Finding("extension-versions", "extensions", message)


def _refused(case: Case, name: str) -> Finding:
    subject, target = _subject(case, name), case.target
    expected = f"expected extension {name!r}, found that "
    if name not in target.available:
        return Finding(
            "extension-unavailable",
            subject,
            f"{expected}the server does not have it",
            'restore to a server that has it, or leave the database out by "databases.exclude"',
        )
    if target.allow_list is None:
        return Finding(
            "extension-unavailable",
            subject,
            f"{expected}only a superuser can create it there",
            "restore as a superuser, or let one trust the extension in its control file",
        )
    return Finding(
        "extension-not-allowed",
        subject,
        f"{expected}{_LISTED} does not allow it: it cannot be created",
        "allow all that are needed, in one go",
        case.commands.set_parameter(_LISTED, _with_missing(target.allow_list, _missing(case))),
    )


def _missing(case: Case) -> list[str]:
    """What is needed, could be created, and is not allowed."""
    target = case.target
    return [n for n in _needed(case) if n in target.available and n not in target.extensions]


def _unloaded(case: Case, name: str, what_happens: str) -> Finding:
    preload = _PRELOADED[name]
    missing = dict.fromkeys(preload.library for _, preload in _not_preloaded(case))
    loaded = case.target.preloaded or ()
    value = _with_missing(",".join(loaded), missing)
    return Finding(
        "extension-not-preloaded",
        _subject(case, name),
        f"expected library {preload.library!r} in shared_preload_libraries, found"
        f" {', '.join(loaded) or 'none'}: {what_happens}",
        "load all that are needed; the server restarts",
        case.commands.set_parameter("shared_preload_libraries", value, restarts=True),
    )


def _unseen(case: Case, name: str) -> Finding:
    login = quote_identifier(case.target.login)
    return Finding(
        "extension-not-preloaded",
        _subject(case, name),
        f"expected library {_PRELOADED[name].library!r} in shared_preload_libraries, which"
        f" {case.target.login} may not read: without it, extension {name!r} does not work",
        "let the login read it, as another administrator",
        (f"GRANT pg_read_all_settings TO {login};",),
    )


def _not_preloaded(case: Case) -> list[tuple[str, Preload]]:
    """Of what the server would create otherwise."""
    creatable = [name for name in _needed(case) if name in case.target.available]
    found = [(name, _PRELOADED[name]) for name in creatable if name in _PRELOADED]
    return [(name, p) for name, p in found if p.library not in (case.target.preloaded or ())]


def _needed(case: Case) -> list[str]:
    return sorted({name for fact in case.chosen for name in fact.extensions})


def _subject(case: Case, extension: str) -> str:
    using = sorted(repr(f.database) for f in case.chosen if extension in f.extensions)
    return f"database{'s' if len(using) > 1 else ''} {', '.join(using)}"


def _with_missing(listed: str, missing: Iterable[str]) -> str:
    """The whole list anew, since setting a parameter replaces what it had."""
    kept = [word.strip() for word in listed.split(",") if word.strip()]
    known = {word.lower() for word in kept}
    return ",".join([*kept, *(name for name in missing if name.lower() not in known)])
