"""The roles of the target server, and what its login may do with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from restore.core.dumps import SYSTEM_ROLES
from restore.core.membership import GrantRole

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

OPTIONS_SINCE = 16
"""The first major whose memberships have INHERIT and SET, and whose CREATEROLE needs ADMIN OPTION.

Source: postgresql.org/docs/16/release-16.html, "Privileges".
"""


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def is_system(role: str) -> bool:
    return role in SYSTEM_ROLES or role.startswith("pg_")


@dataclass(frozen=True, slots=True)
class ExistingRole:
    """A role the server has: nothing of this is ever taken from it.

    `flags`: what it may, such as LOGIN. `limit`: of its sessions, -1 for none. `until`: when its
    password ends, as ISO 8601, "infinity", or "" for never. `settings`: parameters it has a value
    of its own for, in all databases.
    """

    flags: frozenset[str] = frozenset()
    limit: int = -1
    until: str = ""
    settings: frozenset[str] = frozenset()
    is_commented: bool = False

    def is_below(self, limit: int) -> bool:
        """Would `limit` sessions, or any number for a negative one, be more than it has?"""
        return self.limit >= 0 and (limit < 0 or limit > self.limit)

    def ends_before(self, until: str) -> bool:
        """Is `until` surely later? What cannot be read, or has no zone, is not."""
        if self.until in ("", "infinity"):
            return False
        new, old = _instant(until), _instant(self.until)
        return until == "infinity" or (new is not None and old is not None and new > old)

    def ends_at(self, until: str) -> bool:
        return until == self.until or _instant(until) == _instant(self.until) is not None


@dataclass(frozen=True, slots=True)
class RoleTarget:
    """The server the roles go to, as its login `admin` sees it.

    `memberships`: one for each role and member, with the rights of all grantors together.
    `labelled`: roles that are Microsoft Entra principals there already.
    `grantable`: roles `admin` may grant to others. With CREATEROLE it may, before 16, also grant
    all but a superuser's and PostgreSQL's own.
    `parameters`: those `admin` may set for a role; None where that is not known.
    `left_out`: roles that shall not be made, such as the source's administrator.
    """

    major: int
    admin: str
    existing: Mapping[str, ExistingRole] = field(default_factory=dict)
    memberships: tuple[GrantRole, ...] = ()
    labelled: frozenset[str] = frozenset()
    superuser: bool = False
    createrole: bool = True
    createdb: bool = True
    replication: bool = False
    bypassrls: bool = False
    grantable: frozenset[str] = frozenset()
    parameters: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()

    @property
    def has_options(self) -> bool:
        """Do memberships have INHERIT and SET there?"""
        return self.major >= OPTIONS_SINCE

    def may_give(self, flag: str) -> bool:
        """May `admin` give a role this attribute, or deny it in so many words?

        Denying one (NOREPLICATION, the default of a new role) takes the same right as giving it.
        Source: CreateRole and AlterRole in user.c, PostgreSQL 15 and 16.
        """
        if self.superuser:
            return True
        return {
            "SUPERUSER": False,
            "REPLICATION": self.has_options and self.replication,
            "BYPASSRLS": self.has_options and self.bypassrls,
            "CREATEDB": not self.has_options or self.createdb,
        }.get(flag, True)

    def may_set(self, parameter: str) -> bool:
        """Source: validate_option_array_item in guc.c: an extension's unknown ones are refused."""
        if self.superuser:
            return True
        name = parameter.lower()
        if self.parameters is not None:
            return name in self.parameters
        return name not in SUPERUSER_PARAMETERS and "." not in name

    def why_not_alter(self, role: str) -> str:
        """Why `admin` cannot alter a role that exists; "" if it can.

        Source: AlterRole and AlterRoleSet in user.c, PostgreSQL 15 (a role with REPLICATION is
        altered by superusers alone) and 16 (ADMIN OPTION is asked for).
        """
        flags = self.existing[role].flags
        if self.superuser:
            return ""
        if not self.createrole:
            return "the restoring login lacks CREATEROLE"
        if "SUPERUSER" in flags:
            return "it is a superuser there"
        if self.has_options:
            return "" if role in self.grantable else "the restoring login lacks ADMIN OPTION on it"
        if "REPLICATION" in flags:
            return f"it has REPLICATION there, which on {self.major} only a superuser may alter"
        return ""

    def why_not_grant(self, role: str) -> str:
        """Why `admin` cannot grant membership in a role that exists; "" if it can.

        Source: AddRoleMems in user.c, PostgreSQL 15, and check_role_membership_authorization, 16.
        """
        if self.superuser or role in self.grantable:
            return ""
        if self.createrole and not (self.has_options or role.startswith("pg_")):
            superuser = "SUPERUSER" in self.existing[role].flags
            return "it is a superuser there" if superuser else ""
        return "the restoring login lacks ADMIN OPTION on it"
