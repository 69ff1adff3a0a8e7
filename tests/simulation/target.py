"""The target server, as far as restores can do it harm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from restore.core.options import OnExisting
from restore.core.state import Restore
from tests.simulation.scheduler import Actor, Scheduler


class Broken(BaseException):
    """Something happened that must never happen. No code under test can take it for its own."""


@dataclass
class Database:
    oid: int
    name: str
    parts: int = 0  # of its rows
    is_proven: bool = False
    by: str = ""  # the restore that made it; "" for one that was there


@dataclass
class Server:
    """Databases by oid, fences that fall with whoever holds them, and what is borrowed.

    `published` counts, for each restored database, how often it got its final name.
    """

    scheduler: Scheduler
    databases: dict[int, Database] = field(default_factory=dict)
    fences: dict[str, Actor] = field(default_factory=dict)
    borrowed: set[str] = field(default_factory=set)
    published: dict[int, int] = field(default_factory=dict)
    parts_loaded: dict[tuple[int, int], int] = field(default_factory=dict)
    _oids: itertools.count[int] = field(default_factory=lambda: itertools.count(16384))

    def create(self, name: str, by: str = "") -> Database:
        if self.named(name) is not None:
            raise Broken(f"database {name!r} is made twice")
        made = Database(next(self._oids), name, by=by)
        self.databases[made.oid] = made
        return made

    def named(self, name: str) -> Database | None:
        return next((d for d in self.databases.values() if d.name == name), None)

    def load(self, database: Database, part: int) -> None:
        """A part and its note in the ledger, in one transaction."""
        if database.oid not in self.databases:
            return
        key = (database.oid, part)
        self.parts_loaded[key] = self.parts_loaded.get(key, 0) + 1
        if self.parts_loaded[key] > 1:
            raise Broken(f"part {part} of {database.name!r} is loaded twice")
        database.parts += 1

    def rename(self, pairs: list[tuple[Database, str]], by: str) -> None:
        """All in one transaction."""
        for database, name in pairs:
            there = self.named(name)
            if there is not None and there is not database:
                raise Broken(f"{database.name!r} cannot become {name!r}: it is taken")
            database.name = name
        for database, name in pairs:
            if database.by == by and "__" not in name:
                if not database.is_proven:
                    raise Broken(f"{name!r} is published, but not proven")
                self.published[database.oid] = self.published.get(database.oid, 0) + 1

    def drop(self, database: Database, restore: Restore) -> None:
        """Raises Broken where that loses what somebody may still want."""
        undo = restore.undo
        kept = restore.request.on_existing is OnExisting.SWAP and not database.by
        if kept and (undo is None or self.scheduler.now < undo.until):
            raise Broken(f"{database.name!r} is dropped before it is too late to have it back")
        if not database.by and self.named(database.name.partition("__")[0]) is None:
            raise Broken(f"{database.name!r} is dropped, and nothing has its name")
        del self.databases[database.oid]

    def take_fence(self, name: str) -> bool:
        """A session lock: it falls with the session of whoever took it."""
        actor = self.scheduler.running
        assert actor is not None, "only an actor takes a fence"
        if self.fences.setdefault(name, actor) is not actor:
            return False
        actor.leave.append(lambda: self.give_fence(name, actor))
        return True

    def give_fence(self, name: str, actor: Actor | None = None) -> None:
        if self.fences.get(name) is (actor or self.scheduler.running):
            del self.fences[name]
