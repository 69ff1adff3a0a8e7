"""The roles that a script as a whole tells of."""

from __future__ import annotations

from collections.abc import Iterable

from restore.core import entra
from restore.core.role_script import (
    PASSWORD,
    AlterRole,
    CreateRole,
    RoleStatement,
    SecurityLabel,
)


class Roster:
    """`created`: those it creates. `tells_passwords`: is there a password of any role in it?"""

    def __init__(self, script: Iterable[RoleStatement]) -> None:
        statements = tuple(script)
        self.created = {s.role for s in statements if isinstance(s, CreateRole)}
        given: dict[str, set[str]] = {}
        for statement in statements:
            if isinstance(statement, AlterRole):
                words = (
                    a.keyword for a in statement.attributes if a.keyword != PASSWORD or a.value
                )
                given.setdefault(statement.role, set()).update(words)
        self._attributes = given
        labels = (s for s in statements if isinstance(s, SecurityLabel))
        self._principals = {label.role for label in labels if label.provider == entra.PROVIDER}
        self.tells_passwords = any(PASSWORD in words for words in given.values())

    def lacks_password(self, role: str) -> bool:
        """Is it a login by password whose password is not known?"""
        words = self._attributes.get(role, set())
        return "LOGIN" in words and PASSWORD not in words and role not in self._principals

    def inherits(self, role: str) -> bool:
        return "NOINHERIT" not in self._attributes.get(role, set())
