"""All there is to judge a restore by."""

from __future__ import annotations

from dataclasses import dataclass

from restore.core.az import Commands, commands_for
from restore.core.dumps import DumpSet, Format
from restore.core.facts import DumpFacts, TargetFacts
from restore.core.options import EngineChoice, Roles
from restore.core.request import RestoreRequest


@dataclass(frozen=True, slots=True)
class Name:
    """A name a database is to get, and whether the target has one of that name."""

    source: str
    target: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What the installation allows one restore to take of its target."""

    databases: int = 8  # at the same time
    connections: int = 256  # of the engines of all of them


@dataclass(frozen=True, slots=True)
class Case:
    """A request, what it is about, and where it goes. `facts` in the order of their names."""

    request: RestoreRequest
    dumps: DumpSet
    facts: tuple[DumpFacts, ...]
    target: TargetFacts
    created_roles: frozenset[str]
    room: Room = Room()

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

    @property
    def commands(self) -> Commands:
        """What changes the target server."""
        return commands_for(self.request.target, azure=self.target.allow_list is not None)

    def missing_owners(self, fact: DumpFacts) -> list[str]:
        return sorted(set(fact.owners) - self.roles)

    def setting(self, name: str) -> str:
        """A parameter of the server as our sessions have it, in its base unit; "" if unknown."""
        return self.target.settings.get(name, "")

    def number(self, name: str) -> int | None:
        """The same of a parameter that is a number."""
        text = self.setting(name)
        return int(text) if text.lstrip("-").isdigit() else None


def left_to_pg_restore(case: Case, fact: DumpFacts) -> str:
    """Why pg_restore restores this archive, and not the engine; "" for the engine."""
    if case.request.engine is EngineChoice.PG_RESTORE:
        return "the request asks for it"
    return "it is a tar archive" if fact.format is Format.TAR else fact.unsuited
