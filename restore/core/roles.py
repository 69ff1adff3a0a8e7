"""The roles of a backup, as far as a managed server takes them, and why the rest is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from restore.core.role_script import (
    AlterRole,
    Attribute,
    CreateRole,
    GrantRole,
    OtherStatement,
    RoleStatement,
    SecurityLabel,
    SetParameter,
    printed,
)

SYSTEM_ROLES = frozenset(
    {"azuresu", "azure_su", "azure_superuser", "azure_pg_admin", "replication"}
)
"""The service's own roles; those of PostgreSQL start with `pg_`.

Source: learn.microsoft.com/azure/postgresql, "Restore to flexible server": roles to leave out.
"""

_SUPERUSER_PARAMETERS = """
    allow_in_place_tablespaces allow_system_table_mods backtrace_functions commit_delay
    compute_query_id deadlock_timeout debug_discard_caches dynamic_library_path event_triggers
    extension_control_path ignore_checksum_failure jit_debugging_support jit_dump_bitcode
    jit_profiling_support lc_messages lo_compat_privileges log_connections log_disconnections
    log_duration log_error_verbosity log_executor_stats log_lock_failures log_lock_waits
    log_min_duration_sample log_min_duration_statement log_min_error_statement log_min_messages
    log_parameter_max_length log_parser_stats log_planner_stats log_replication_commands
    log_statement log_statement_sample_rate log_statement_stats log_temp_files
    log_transaction_sample_rate max_stack_depth session_preload_libraries session_replication_role
    temp_file_limit track_activities track_cost_delay_timing track_counts track_functions
    track_io_timing track_wal_io_timing update_process_title wal_compression
    wal_consistency_checking wal_init_zero wal_recycle zero_damaged_pages
"""
SUPERUSER_PARAMETERS = frozenset(_SUPERUSER_PARAMETERS.split())
"""Source: pg_settings, context superuser and superuser-backend, PostgreSQL 15, 16 and 18."""

_OPTIONS_SINCE = 16
_STAYS = "exists on the target and stays as it is"


@dataclass(frozen=True, slots=True)
class RoleTarget:
    """The server the roles go to, as its login `admin` sees it.

    `grantable`: roles `admin` holds with ADMIN OPTION, which a server from 16 on asks for.
    `parameters`: those `admin` may set for a role; None where that is not known.
    `left_out`: roles that shall not be made, such as the source's administrator.
    """

    major: int
    admin: str
    existing: frozenset[str]
    superuser: bool = False
    createdb: bool = True
    replication: bool = False
    bypassrls: bool = False
    grantable: frozenset[str] = frozenset()
    parameters: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something of the script that is not done or not done as written; never holds a password."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sanitised:
    """The SQL to run, in one transaction; what it does not do; the roles it creates.

    `labels` of roles that are or will be there need their provider: they are for someone else.
    """

    sql: tuple[str, ...] = field(repr=False)
    dropped: tuple[Dropped, ...]
    created: tuple[str, ...]
    labels: tuple[SecurityLabel, ...]


def sanitise(statements: Iterable[RoleStatement], target: RoleTarget) -> Sanitised:
    """What `target` accepts of `statements`, in the same order, memberships last.

    Roles that exist on the target stay as they are. The same statements against a target that has
    the roles already give no role to create, and memberships that change nothing: safe to repeat.
    """
    script = tuple(statements)
    work = _Work(target, frozenset(s.role for s in script if isinstance(s, CreateRole)))
    for statement in script:
        work.take(statement)
    kept = [*work.kept, *work.memberships()]
    sql = ("SET client_encoding = 'UTF8';", *map(printed, kept)) if kept else ()
    created = tuple(s.role for s in work.kept if isinstance(s, CreateRole))
    return Sanitised(sql, (*work.dropped, *work.summary()), created, tuple(work.labels))


class _Work:
    """One pass over a script: what is kept, and what is dropped and why."""

    def __init__(self, target: RoleTarget, scripted: frozenset[str]) -> None:
        self.target = target
        self.created = frozenset(role for role in scripted if not self.why_not(role))
        self.kept: list[RoleStatement] = []
        self.dropped: dict[Dropped, None] = {}
        self.labels: list[SecurityLabel] = []
        self.grants: dict[tuple[str, str], GrantRole] = {}
        self.silent: Counter[str] = Counter()

    def why_not(self, role: str) -> str:
        """Why nothing is done to `role`; empty if it is to be created."""
        if role in SYSTEM_ROLES or role.startswith("pg_"):
            return "a system role"
        if role == self.target.admin:
            return "the login that restores"
        if role in self.target.left_out:
            return "left out on request"
        if role in self.target.existing:
            return _STAYS
        return ""

    def drop(self, what: str, reason: str) -> None:
        self.dropped[Dropped(what, reason)] = None

    def take(self, statement: RoleStatement) -> None:
        match statement:
            case GrantRole():
                self.grant(statement)
            case SecurityLabel(provider, role):
                self.labels.append(statement)
                self.drop(f"label of {role!r} for {provider!r}", "needs its provider: set apart")
            case OtherStatement(start):
                self.drop(f"statement {start}", "not one of a roles script's")
            case _ if statement.role not in self.created:
                self.drop(f"role {statement.role!r}", self.why_not(statement.role) or "not created")
            case AlterRole(role, attributes):
                kept = tuple(a for a in attributes if self.keeps(role, a))
                if kept:
                    self.kept.append(AlterRole(role, kept))
            case SetParameter():
                self.set(statement)
            case _:
                self.kept.append(statement)

    def keeps(self, role: str, attribute: Attribute) -> bool:
        """Can `admin` give a new role this attribute?

        Denying one (NOREPLICATION, the default of a new role) takes the same right as giving it.
        Source: CreateRole and AlterRole in user.c, PostgreSQL 15 and 16.
        """
        target, keyword = self.target, attribute.keyword
        own = target.major >= _OPTIONS_SINCE
        flag = keyword.removeprefix("NO")
        allowed = {
            "SUPERUSER": False,
            "REPLICATION": own and target.replication,
            "BYPASSRLS": own and target.bypassrls,
            "CREATEDB": not own or target.createdb,
        }.get(flag, True)
        if target.superuser or allowed:
            return True
        if keyword == flag:
            self.drop(f"{keyword} of role {role!r}", "the restoring login may not give it")
        else:
            self.silent[keyword] += 1
        return False

    def set(self, statement: SetParameter) -> None:
        what = f"setting {statement.parameter} of role {statement.role!r}"
        if statement.database:
            self.drop(f"{what} in {statement.database!r}", "the database has another name by now")
        elif not self.can_set(statement.parameter.lower()):
            self.drop(what, "only a superuser may set this parameter, or the server lacks it")
        else:
            self.kept.append(statement)

    def can_set(self, parameter: str) -> bool:
        """Source: validate_option_array_item in guc.c: an extension's unknown ones are refused."""
        if self.target.superuser:
            return True
        if self.target.parameters is not None:
            return parameter in self.target.parameters
        return parameter not in SUPERUSER_PARAMETERS and "." not in parameter

    def grant(self, grant: GrantRole) -> None:
        what = f"membership of {grant.member!r} in {grant.role!r}"
        if grant.grantor:
            self.silent["GRANTED BY"] += 1
        if reason := self.why_no_membership(grant):
            self.drop(what, reason)
            return
        options = self.target.major >= _OPTIONS_SINCE
        if not options and grant.inherit is False and grant.settable is False:
            self.drop(what, f"one without its rights, which server {self.target.major} cannot say")
            return
        if not options and (grant.inherit is False or grant.settable is False):
            self.drop(f"limits of the {what}", f"server {self.target.major} knows no such limits")
        if not options:
            grant = replace(grant, inherit=None, settable=None)
        grant = replace(grant, grantor="")
        known = self.grants.get((grant.role, grant.member), grant)
        self.grants[grant.role, grant.member] = _either(known, grant)

    def why_no_membership(self, grant: GrantRole) -> str:
        if grant.member not in self.created:
            reason = self.why_not(grant.member)
            if grant.member not in self.target.existing or reason != _STAYS:
                return f"{grant.member!r}: {reason or 'not created'}"
        if grant.role in self.created:
            return ""
        if grant.role == self.target.admin or grant.role in SYSTEM_ROLES:
            return f"{grant.role!r}: {self.why_not(grant.role)}"
        if grant.role not in self.target.existing and not grant.role.startswith("pg_"):
            return f"{grant.role!r}: {self.why_not(grant.role) or 'not created'}"
        return self.why_not_grantable(grant.role)

    def why_not_grantable(self, role: str) -> str:
        target = self.target
        if target.superuser or role in target.grantable:
            return ""
        if target.major < _OPTIONS_SINCE and not role.startswith("pg_"):
            return ""
        return f"{role!r}: the restoring login holds it without ADMIN OPTION"

    def memberships(self) -> Iterable[GrantRole]:
        return self.grants.values()

    def summary(self) -> Iterable[Dropped]:
        """What is dropped everywhere, each in one line."""
        for clause, times in sorted(self.silent.items()):
            reason = "the default, and the restoring login may not say it"
            if clause == "GRANTED BY":
                reason = "the restoring login grants; only a superuser may name another"
            yield Dropped(f"{clause}, {times} times", reason)


def _either(one: GrantRole, other: GrantRole) -> GrantRole:
    """One membership with the rights of both: servers from 16 keep one for each grantor."""
    return replace(
        one,
        admin=one.admin or other.admin,
        inherit=_more(one.inherit, other.inherit),
        settable=_more(one.settable, other.settable),
    )


def _more(one: bool | None, other: bool | None) -> bool | None:
    """The wider of two: yes, then what the server gives by itself, then no."""
    if one or other:
        return True
    return None if None in (one, other) else False
