"""The server as a whole: whether it can be written to, and settings that will hurt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from restore.core.az import is_azure
from restore.core.estimate import Estimate
from restore.core.facts import Finding
from restore.core.preflight.case import Case
from restore.core.request import RestoreRequest
from restore.core.sql import quote_identifier

_POOLER_PORT = 6432  # Source: learn.microsoft.com/azure/postgresql, "PgBouncer"


def early(request: RestoreRequest) -> tuple[Finding, ...]:
    """What can be refused without a connection, which might fail for that very reason."""
    target = request.target
    return (_pooler(request),) if target.port == _POOLER_PORT and is_azure(target) else ()


def refusals(case: Case) -> Iterator[Finding]:
    target, request = case.target, case.request
    if request.target.port == _POOLER_PORT != (target.port or _POOLER_PORT):
        yield _pooler(request)
    if target.is_replica:
        promote = ("replica promote", "--promote-mode", "standalone", "--promote-option", "planned")
        yield Finding(
            "read-replica",
            f"server {request.target.address}",
            "expected a primary, found a replica: nothing can be written there",
            "restore to its primary; or make it a server of its own, for good",
            (case.commands.az(*promote),) if case.commands.azure else ("SELECT pg_promote();",),
        )
    elif case.setting("default_transaction_read_only") == "on":
        name = quote_identifier(target.login)
        yield Finding(
            "read-only",
            f"server {request.target.address}",
            "expected one that takes writes, found default_transaction_read_only on: a flexible"
            " server sets it where less than 5 % or 5 GiB of its storage is free",
            "give it more storage; or take the setting back, from the login or the server",
            (
                *case.commands.free_storage(),
                f"ALTER ROLE {name} RESET default_transaction_read_only;",
                *case.commands.set_parameter("default_transaction_read_only", "off"),
            ),
        )


def _pooler(request: RestoreRequest) -> Finding:
    """Source: learn.microsoft.com/azure/postgresql, "PgBouncer": its pool mode is transaction."""
    return Finding(
        "pooler",
        f"server {request.target.address}",
        "expected PostgreSQL itself, found PgBouncer: a restore needs sessions that stay,"
        " with locks and settings of their own",
        'set "port": 5432 in "target"',
    )


# ---- settings ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Advice:
    """A parameter that will hurt: where `hurts` says so of its value, and what to set instead."""

    hurts: Callable[[int, Estimate], bool]
    better: str
    unit: str
    message: str
    restarts: bool = False


# Source: learn.microsoft.com/azure/postgresql, "Best practices for pg_dump and pg_restore".
_ADVICE = {
    "max_wal_size": Advice(
        lambda mb, expected: expected.most_bytes > 2 * mb * 1024**2 and mb < 16384,
        "16384",
        " MB",
        "a checkpoint each time so much is written, and all pages in full after each; more takes"
        " as much more disk",
    ),
    "checkpoint_timeout": Advice(
        lambda seconds, expected: expected.most_seconds > 4 * seconds and seconds < 1800,
        "3600",
        " s",
        "a checkpoint each time, and all pages in full after each",
    ),
    "max_parallel_maintenance_workers": Advice(
        lambda workers, expected: workers < 1, "4", "", "each index is built by one process alone"
    ),
    "max_worker_processes": Advice(
        lambda workers, expected: workers < 2,
        "8",
        "",
        "each index is built by one process alone",
        restarts=True,
    ),
}


def notes(case: Case, expected: Estimate) -> Iterator[Finding]:
    asked = case.request.server_parameters
    if expected.is_large:
        for name, advice in _ADVICE.items():
            value = case.number(name)
            if value is not None and name not in asked and advice.hurts(value, expected):
                yield _slow(case, name, f"{value}{advice.unit}", advice)
        if case.setting("autovacuum") == "on" and "autovacuum" not in asked:
            message = "it will work on tables while they are loaded, for nothing"
            advice = Advice(lambda _, __: True, "off", "", message)
            yield _slow(case, "autovacuum", "on", advice)
    yield from _timeouts(case)
    yield from _logged(case)
    yield from _slots(case)


def _slow(case: Case, name: str, value: str, advice: Advice) -> Finding:
    by_us = f'or let the restore do so: "serverParameters": {{"{name}": "{advice.better}"}}'
    return Finding(
        "slow-setting",
        f"server parameter {name}",
        f"{value}: {advice.message}",
        "set it for the time of the restore" + ("" if advice.restarts else f"; {by_us}"),
        case.commands.set_parameter(name, advice.better, restarts=advice.restarts),
    )


def _timeouts(case: Case) -> Iterator[Finding]:
    """Those that our sessions do not set to none by themselves: not every server knows them."""
    name = quote_identifier(case.target.login)
    for parameter, ends in (
        ("idle_session_timeout", "sessions that watch over others end"),
        ("transaction_timeout", "long loads and index builds are broken off"),
    ):
        milliseconds = case.number(parameter)
        if milliseconds:
            yield Finding(
                "timeout",
                f"login {case.target.login!r}",
                f"{parameter} is {milliseconds} ms: {ends}",
                "take it off this login",
                (f"ALTER ROLE {name} SET {parameter} = 0;",),
            )


def _logged(case: Case) -> Iterator[Finding]:
    """Source: postgresql.org/docs/18/sql-createrole.html, Notes: passwords in the server's log."""
    said = case.setting("log_statement")
    if said in ("ddl", "mod", "all") and case.created_roles:
        yield Finding(
            "statements-logged",
            "server parameter log_statement",
            f"{said}: the roles' password hashes go into the server's log",
            "set it to none while roles are created",
            case.commands.set_parameter("log_statement", "none"),
        )


def _slots(case: Case) -> Iterator[Finding]:
    for slot in sorted(case.target.idle_slots):
        yield Finding(
            "idle-slot",
            f"replication slot {slot!r}",
            "nobody reads it: all that the restore writes is kept for it as WAL, besides the data",
            "let its reader catch up, or drop it",
            (f"SELECT pg_drop_replication_slot('{slot}');",),
            passing=True,
        )
