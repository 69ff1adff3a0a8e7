"""A membership as a server can say it: with INHERIT and SET, or without."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class GrantRole:
    """A membership; `inherit` and `settable` are None where the server's default holds."""

    role: str
    member: str
    admin: bool = False
    inherit: bool | None = None
    settable: bool | None = None
    grantor: str = ""


def either(one: GrantRole, other: GrantRole) -> GrantRole:
    """One membership with the rights of both: servers from 16 keep one for each grantor."""
    return replace(
        one,
        admin=one.admin or other.admin,
        inherit=_more(one.inherit, other.inherit),
        settable=_more(one.settable, other.settable),
    )


def lacking(grant: GrantRole, found: GrantRole | None) -> GrantRole | None:
    """What to grant where `found` is there already: never less than that; None for nothing."""
    if found is None:
        return grant
    wider = either(grant, found)
    return None if wider == found else wider


def without_options(grant: GrantRole) -> GrantRole:
    """The membership for a server before 16, where it gives all of the role's rights."""
    return replace(grant, inherit=None, settable=None)


def why_not_without_options(grant: GrantRole, member_inherits: bool) -> str:
    """What is not said by the same membership without its options; "" if nothing is.

    Before 16 a membership can always be used by SET ROLE, and whether it is inherited is said by
    the member alone.
    Source: postgresql.org/docs/15/role-membership.html and docs/16/release-16.html.
    """
    inherits = member_inherits if grant.inherit is None else grant.inherit
    differences = [
        said
        for said, is_other in (
            ("SET FALSE", grant.settable is False),
            (f"INHERIT {str(inherits).upper()}", inherits is not member_inherits),
        )
        if is_other
    ]
    return " and ".join(differences)


def _more(one: bool | None, other: bool | None) -> bool | None:
    """The wider of two: yes, then what the server gives by itself, then no."""
    if one or other:
        return True
    return None if None in (one, other) else False
