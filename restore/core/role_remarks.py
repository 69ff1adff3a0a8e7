"""What a person should know of the roles that are not restored as they were."""

from __future__ import annotations

from collections import Counter

from restore.core import entra
from restore.core.entra import Principal
from restore.core.facts import Finding
from restore.core.sql import quote_identifier


class Remarks:
    """Warnings tell of what is lost; notes of all other changes. Each is made once."""

    def __init__(self) -> None:
        self._warnings: dict[Finding, None] = {}
        self._notes: dict[Finding, None] = {}
        self._silent: Counter[str] = Counter()

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(self._warnings)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """With one line for each clause that is left out everywhere."""
        return (*self._notes, *map(self._everywhere, sorted(self._silent)))

    def left_out(self, what: str, reason: str, by: str = "", *fix: str, lost: bool) -> None:
        """Something of the script that is not done; `by` whom it can be, with which commands."""
        self._say(Finding("role-left-out", what, f"left out: {reason}", by, fix), lost)

    def changed(self, role: str, message: str, by: str = "", *fix: str, lost: bool) -> None:
        """A role that is not as the script says."""
        self._say(Finding("role-changed", f"role {role!r}", message, by, fix), lost)

    def default(self, clause: str) -> None:
        """A clause that says what holds anyway."""
        self._silent[clause] += 1

    def disabled(self, role: str, *, lost: bool) -> None:
        """A login that cannot log in for now."""
        found = Finding(
            "login-disabled",
            f"role {role!r}",
            "NOLOGIN until somebody sets a password: the backup has none",
            "after the restore",
            (f"ALTER ROLE {quote_identifier(role)} LOGIN PASSWORD '<password>';",),
        )
        self._say(found, lost)

    def principal(self, who: Principal) -> None:
        """A role whose label only a Microsoft Entra administrator may set."""
        found = Finding(
            "entra-role",
            f"role {who.role!r}",
            f"a plain role, not yet a Microsoft Entra {who.type}: nobody can log in as it",
            "as a Microsoft Entra administrator in database postgres, the first before the restore"
            " or the second after it",
            (entra.creation(who), entra.labelling(who)),
        )
        self._say(found, lost=True)

    def _say(self, found: Finding, lost: bool) -> None:
        (self._warnings if lost else self._notes)[found] = None

    def _everywhere(self, clause: str) -> Finding:
        reason = "the default, and the restoring login may not say it"
        if clause == "GRANTED BY":
            reason = "the restoring login grants; only a superuser may name another"
        what = f"{clause}, {self._silent[clause]} times"
        return Finding("role-left-out", what, f"left out: {reason}")
