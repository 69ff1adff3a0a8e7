"""The roles of a backup, as far as a managed server takes them, and why the rest is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from restore.core import entra, membership
from restore.core.facts import Finding
from restore.core.membership import GrantRole
from restore.core.options import ExistingRoles, WithoutPassword
from restore.core.request import RolePolicy
from restore.core.role_remarks import Remarks
from restore.core.role_script import (
    CONNECTION_LIMIT,
    FLAGS,
    VALID_UNTIL,
    AlterRole,
    Attribute,
    CommentOnRole,
    CreateRole,
    GrantOnParameter,
    OtherStatement,
    RoleStatement,
    SecurityLabel,
    SetParameter,
    printed,
)
from restore.core.role_target import (
    SUPERUSER_PARAMETERS,
    ExistingRole,
    RoleTarget,
    is_system,
)
from restore.core.roster import Roster
from restore.core.sql import quote_identifier

_STAYS = "exists on the target and stays as it is"
_ASKED_TO_SKIP = "a login without a password, left out on request"
_NOT_GIVEN = "the restoring login may not give it"
_NOT_RESTORED = "the database is not restored"
_AS_EXPECTED = frozenset(
    {
        "a system role",
        "the login that restores",
        "left out on request",
        _STAYS,
        _ASKED_TO_SKIP,
        _NOT_RESTORED,
    }
)
_SET_PARAMETER = (
    "az postgres flexible-server parameter set --resource-group <resource-group>"
    " --server-name <server> --name {} --value <value>"
)
_ENCODING = "SET client_encoding = 'UTF8';"


@dataclass(frozen=True, slots=True)
class Sanitised:
    """What to run, in one transaction and this order, and what is not done as written.

    `settings` are those of roles in one database: they wait for it. `generated` are logins that
    get a password nobody knows yet. Warnings tell of what is lost; notes of all other changes.
    """

    statements: tuple[RoleStatement, ...] = field(repr=False)
    settings: tuple[SetParameter, ...]
    created: tuple[str, ...]
    generated: tuple[str, ...]
    warnings: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def sql(self) -> tuple[str, ...]:
        """The statements as a script; holds passwords."""
        return (_ENCODING, *map(printed, self.statements)) if self.statements else ()


def sanitise(
    statements: Iterable[RoleStatement],
    target: RoleTarget,
    policy: RolePolicy | None = None,
    databases: Collection[str] = (),
) -> Sanitised:
    """What `target` accepts of `statements`, in the same order, memberships last.

    `databases` are those of the backup that are restored, by their names in it. The same
    statements against a target that has them already give nothing more to do: safe to repeat.
    """
    work = _Work(tuple(statements), target, policy or RolePolicy(), frozenset(databases))
    for statement in work.script:
        work.take(statement)
    memberships = tuple(work.memberships())
    return Sanitised(
        statements=(*work.kept, *memberships),
        settings=tuple(work.settings),
        created=tuple(s.role for s in work.kept if isinstance(s, CreateRole)),
        generated=tuple(work.generated),
        warnings=work.remarks.warnings,
        notes=work.remarks.notes,
    )


class _Work:
    """One pass over a script: what is kept, and what is changed or left out and why."""

    def __init__(
        self,
        script: tuple[RoleStatement, ...],
        target: RoleTarget,
        policy: RolePolicy,
        databases: frozenset[str],
    ) -> None:
        self.script = script
        self.told = Roster(script)
        self.remarks = Remarks()
        self.target = target
        self.policy = policy
        self.databases = databases
        wanted = {role for role in self.told.created if not self.why_not(role)}
        self.created = wanted - set(target.existing)
        self.updated = wanted & set(target.existing)
        self.kept: list[RoleStatement] = []
        self.settings: list[SetParameter] = []
        self.generated: dict[str, None] = {}
        self.grants: dict[tuple[str, str], GrantRole] = {}
        self.there = {(m.role, m.member): m for m in target.memberships}

    def leave_out(self, what: str, role: str, why: str, by: str = "", *fix: str) -> None:
        """What is not done because of `role`; `by` whom it can be."""
        lost = why not in _AS_EXPECTED
        reason = f"{role!r}: {why}" if role else why
        self.remarks.left_out(what, reason, *((by, *fix) if lost else ()), lost=lost)

    # ---- which roles

    def why_not(self, role: str) -> str:
        """Why nothing is done to `role`; "" if it is to be created or updated."""
        if why := self.why_never(role):
            return why
        if role not in self.target.existing:
            return ""
        if self.policy.existing is ExistingRoles.KEEP:
            return _STAYS
        return self.target.why_not_alter(role)

    def why_never(self, role: str) -> str:
        """Why `role` is nobody's business, whether it exists or not; "" if it is."""
        if is_system(role):
            return "a system role"
        if role == self.target.admin:
            return "the login that restores"
        if role in self.target.left_out:
            return "left out on request"
        if self.policy.without_password is not WithoutPassword.SKIP:
            return ""
        is_meant = role not in self.target.existing and self.told.lacks_password(role)
        return _ASKED_TO_SKIP if is_meant else ""

    # ---- statement by statement

    def take(self, statement: RoleStatement) -> None:
        match statement:
            case GrantRole():
                self.grant(statement)
            case SecurityLabel():
                self.label(statement)
            case SetParameter() if statement.database:
                self.set_in_database(statement)
            case GrantOnParameter(_, _, role) if self.may_grant_on_parameters(role):
                self.kept.append(statement)
            case GrantOnParameter(_, parameter, role):
                why = self.why_never(role) or "only a superuser may grant it"
                self.leave_out(f"right of role {role!r} on parameter {parameter}", "", why)
            case OtherStatement(start):
                self.leave_out(f"statement {start}", "", "not one of a roles script's")
            case _ if statement.role in self.created:
                self.make(statement)
            case _ if statement.role in self.updated:
                self.add_to(statement, self.target.existing[statement.role])
            case _:
                why = self.why_not(statement.role) or "not created by the script"
                self.leave_out(f"role {statement.role!r}", "", why)

    def make(self, statement: RoleStatement) -> None:
        """What belongs to a role that is created."""
        match statement:
            case AlterRole(role, attributes):
                kept = tuple(a for a in attributes if self.keeps(role, a))
                if kept:
                    self.kept.append(AlterRole(role, kept))
            case SetParameter():
                if self.can_set(statement):
                    self.kept.append(statement)
            case _:
                self.kept.append(statement)

    def keeps(self, role: str, attribute: Attribute) -> bool:
        keyword = attribute.keyword
        if keyword == "LOGIN" and self.told.lacks_password(role):
            return self.keeps_login(role)
        flag = keyword.removeprefix("NO")
        if self.target.may_give(flag):
            return True
        if keyword == flag:
            fix = f"ALTER ROLE {quote_identifier(role)} {keyword};"
            message = f"without {keyword}: {_NOT_GIVEN}"
            self.remarks.changed(role, message, "as a superuser", fix, lost=True)
        else:
            self.remarks.default(keyword)
        return False

    def keeps_login(self, role: str) -> bool:
        """Can a new login whose password is not known stay one?"""
        if self.policy.without_password is WithoutPassword.GENERATE:
            self.generated[role] = None
            return True
        self.disable(role)
        return False

    def disable(self, role: str) -> None:
        """A loss where the script tells no password at all: then nobody can log in."""
        self.remarks.disabled(role, lost=not self.told.tells_passwords)

    def add_to(self, statement: RoleStatement, found: ExistingRole) -> None:
        """What a role that exists lacks. Nothing is taken from it."""
        match statement:
            case AlterRole(role, attributes):
                lacking = tuple(a for a in attributes if self.lacks(role, a, found))
                if lacking:
                    gets = ", ".join(attribute.keyword for attribute in lacking)
                    self.add(AlterRole(role, lacking), gets)
            case SetParameter(role, parameter):
                if parameter.lower() in found.settings:
                    self.remarks.changed(role, f"keeps its own value of {parameter}", lost=False)
                elif self.can_set(statement):
                    self.add(statement, f"the setting {parameter}")
            case CommentOnRole(role):
                if found.is_commented:
                    self.remarks.changed(role, "keeps its comment", lost=False)
                else:
                    self.add(statement, "the comment")

    def add(self, statement: AlterRole | SetParameter | CommentOnRole, what: str) -> None:
        self.kept.append(statement)
        self.remarks.changed(statement.role, f"gets from the backup: {what}", lost=False)

    def lacks(self, role: str, attribute: Attribute, found: ExistingRole) -> bool:
        keyword, value = attribute.keyword, attribute.value
        if keyword == CONNECTION_LIMIT:
            more, same = found.is_below(int(value)), int(value) == found.limit
        elif keyword == VALID_UNTIL:
            more, same = found.ends_before(value), found.ends_at(value)
        elif keyword in FLAGS and keyword.startswith("NO"):
            more, same = False, keyword.removeprefix("NO") not in found.flags
        elif keyword == "LOGIN" and keyword not in found.flags and self.told.lacks_password(role):
            self.disable(role)
            return False
        elif keyword in FLAGS:
            return keyword not in found.flags and self.keeps(role, attribute)
        else:
            return True  # the password, which an update asks for
        if not (more or same):
            message = f"{keyword} is not taken over: it may more there"
            self.remarks.changed(role, message, lost=False)
        return more

    # ---- settings

    def can_set(self, statement: SetParameter) -> bool:
        parameter = statement.parameter
        if self.target.may_set(parameter):
            return True
        where = f" in database {statement.database!r}" if statement.database else ""
        name = parameter.lower()
        by = ("for all roles", _SET_PARAMETER.format(name)) if name in SUPERUSER_PARAMETERS else ()
        self.leave_out(
            f"setting {parameter} of role {statement.role!r}{where}",
            "",
            "only a superuser may set this parameter, or the server lacks it",
            *by,
        )
        return False

    def set_in_database(self, statement: SetParameter) -> None:
        """Part of that database, so roles that stay as they are have theirs there as well."""
        role, database = statement.role, statement.database
        what = f"setting {statement.parameter} of role {role!r} in database {database!r}"
        if database not in self.databases:
            self.leave_out(what, "", _NOT_RESTORED)
        elif why := self.why_not_in_database(role):
            self.leave_out(what, role, why)
        elif self.can_set(statement):
            self.settings.append(statement)

    def may_grant_on_parameters(self, role: str) -> bool:
        return self.target.superuser and role in self.created | self.updated

    def why_not_in_database(self, role: str) -> str:
        if role in self.target.existing:
            return self.why_never(role) or self.target.why_not_alter(role)
        return "" if role in self.created else self.why_never(role) or "there is none"

    # ---- labels

    def label(self, label: SecurityLabel) -> None:
        """Only an administrator of its provider may set one: it is told what to say."""
        role = label.role
        who = entra.principal(label)
        there = role in self.created or role in self.target.existing
        why = self.why_never(role)
        if why or not there:
            self.leave_out(f"label of role {role!r}", "", why or "there is no such role")
        elif who is None:
            reason = "only its provider's administrator may set it"
            self.leave_out(f"label of role {role!r} for {label.provider!r}", "", reason)
        elif role not in self.target.labelled:
            self.remarks.principal(who)

    # ---- memberships

    def grant(self, grant: GrantRole) -> None:
        what = f"membership of {grant.member!r} in {grant.role!r}"
        if grant.grantor:
            self.remarks.default("GRANTED BY")
        for role, why in self.why_no_membership(grant):
            fix = printed(replace(grant, grantor=""))
            self.leave_out(what, role, why, "by a role that may", fix)
            return
        if not self.target.has_options:
            if grant.inherit is False and grant.settable is False:
                why = f"one without its rights, which server {self.target.major} cannot say"
                self.leave_out(what, "", why)
                return
            if said := membership.why_not_without_options(grant, self.inherits(grant.member)):
                why = f"server {self.target.major} has no such"
                self.leave_out(f"{said} of the {what}", "", why)
            grant = membership.without_options(grant)
        grant = replace(grant, grantor="")
        known = self.grants.get((grant.role, grant.member), grant)
        self.grants[grant.role, grant.member] = membership.either(known, grant)

    def why_no_membership(self, grant: GrantRole) -> Iterator[tuple[str, str]]:
        """Which of the two roles stands in the way, and why."""
        existing, keep = self.target.existing, self.policy.existing is ExistingRoles.KEEP
        for role in (grant.member, grant.role):
            is_predefined = role == grant.role and role.startswith("pg_")
            why = "" if is_predefined else self.why_never(role)
            if why:
                yield role, why
            elif role not in self.created and role not in existing:
                yield role, "the server has no such role" if is_predefined else "not created"
        if grant.member not in self.created and grant.role not in self.created and keep:
            yield grant.member, _STAYS
        if grant.role in existing and (why := self.target.why_not_grant(grant.role)):
            yield grant.role, why

    def memberships(self) -> Iterator[GrantRole]:
        for pair, grant in self.grants.items():
            if lacking := membership.lacking(grant, self.there.get(pair)):
                if grant.member in self.target.existing:
                    message = f"gets from the backup: membership in {grant.role!r}"
                    self.remarks.changed(grant.member, message, lost=False)
                yield lacking

    def inherits(self, member: str) -> bool:
        found = self.target.existing.get(member)
        return "INHERIT" in found.flags if found else self.told.inherits(member)
