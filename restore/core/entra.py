"""Microsoft Entra principals: roles that log in with a token instead of a password.

Their identity is a security label of the provider `pgaadauth`, which only a Microsoft Entra
administrator of the server may set.
Source: learn.microsoft.com/azure/postgresql/security/security-manage-entra-users: the label of an
existing role, and pgaadauth_create_principal_with_oid for one that is not there yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from restore.core.role_script import SecurityLabel
from restore.core.sql import quote_identifier, quote_literal

PROVIDER = "pgaadauth"

_LABEL = re.compile(
    r"aadauth,oid=(?P<oid>[0-9A-Fa-f-]{1,64}),type=(?P<type>user|group|service)"
    r"(?P<words>(?:,(?:admin|mfa))*)"
)


@dataclass(frozen=True, slots=True)
class Principal:
    """The Microsoft Entra object behind a role."""

    role: str
    oid: str
    type: str  # user, group, service
    admin: bool = False
    mfa: bool = False


def principal(label: SecurityLabel) -> Principal | None:
    """Whom the label means; None for one of another provider or form."""
    found = _LABEL.fullmatch(label.label)
    if label.provider != PROVIDER or found is None:
        return None
    words = found["words"].split(",")
    return Principal(label.role, found["oid"], found["type"], "admin" in words, "mfa" in words)


def creation(who: Principal) -> str:
    """The call that makes the role, which must not be there yet; in database postgres."""
    arguments = ", ".join(
        [
            *map(quote_literal, (who.role, who.oid, who.type)),
            str(who.admin).lower(),
            str(who.mfa).lower(),
        ]
    )
    return f"SELECT * FROM pgaadauth_create_principal_with_oid({arguments});"


def labelling(who: Principal) -> str:
    """The statement that makes a role which is there the principal's; in database postgres."""
    words = "".join(f",{word}" for word in ("admin", "mfa") if getattr(who, word))
    label = quote_literal(f"aadauth,oid={who.oid},type={who.type}{words}")
    return f"SECURITY LABEL FOR {PROVIDER} ON ROLE {quote_identifier(who.role)} IS {label};"
