"""The landing account, closed to Azure Backup except while a vault writes into it.

What was changed to open it is kept in a document, with the restores that need it open; whoever
leaves last puts that back, and nothing else: others may have changed the account meanwhile. It is
kept on for a while after that: a change that was on its way then may still arrive.
Source: learn.microsoft.com/azure/backup, "Restore Azure Database for PostgreSQL - Flexible Server":
the account has to allow cross-tenant replication, and its network to let the vault in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from restore.core.shape import shape

DOCUMENT = "landing-guard.json"


@dataclass(frozen=True, slots=True)
class Access:
    """Who gets into the account: another tenant's services; by resource id, through its network.

    `open_network`: everybody gets through, whatever `resources` says.
    """

    cross_tenant: bool
    resources: tuple[str, ...] = ()
    open_network: bool = False

    def lets_in(self, vault: str) -> bool:
        return self.cross_tenant and (self.open_network or vault.lower() in self.resources)

    def since(self, was: Access, there: Access) -> Access:
        """What is new in it against `was`, done to what is there by now."""
        gone = set(was.resources) - set(self.resources)
        new = [each for each in self.resources if each not in was.resources]
        kept = [each for each in there.resources if each not in gone]
        is_changed = self.cross_tenant != was.cross_tenant
        return replace(
            there,
            cross_tenant=self.cross_tenant if is_changed else there.cross_tenant,
            resources=(*kept, *(each for each in new if each not in kept)),
        )

    def letting_in(self, vault: str) -> Access:
        if self.open_network or vault.lower() in self.resources:
            return replace(self, cross_tenant=True)
        return replace(self, cross_tenant=True, resources=(*self.resources, vault.lower()))


@dataclass(frozen=True, slots=True)
class Guard:
    """`users`: restores that need the account open. `closing`: the last of them is shutting it."""

    users: tuple[str, ...] = ()
    crossed: bool = False  # cross-tenant replication was off
    added: tuple[str, ...] = ()  # resources that the network did not let in
    closing: bool = False
    shut_since: datetime | None = None  # it has been seen shut, and nobody needed it since
    version: Literal[1] = 1

    def joined(self, restore_id: str, access: Access, vault: str) -> Guard:
        """With one more who needs it. To be stored before anything is changed."""
        new = set(access.letting_in(vault).resources) - set(access.resources)
        return replace(
            self,
            users=tuple(sorted({*self.users, restore_id})),
            crossed=self.crossed or not access.cross_tenant,
            added=tuple(sorted({*self.added, *new})),
            shut_since=None,
        )

    def left(self, restore_id: str, known: Collection[str]) -> Guard:
        """With one less. Of the others those count that are `known` to need it still."""
        users = tuple(user for user in self.users if user != restore_id and user in known)
        return replace(self, users=users)

    def shut(self, access: Access) -> Access:
        """The account as it was, as far as it was changed for us."""
        resources = tuple(each for each in access.resources if each not in self.added)
        cross_tenant = access.cross_tenant and not self.crossed
        return replace(access, cross_tenant=cross_tenant, resources=resources)

    def was_changed(self, access: Access) -> bool:
        """Has somebody else put back a part of it, while it was to be open?"""
        is_less = self.crossed and not access.cross_tenant
        return is_less or not set(self.added) <= set(access.resources)


def encode(guard: Guard) -> bytes:
    return shape(Guard).dump_json(guard)


def decode(body: bytes) -> Guard:
    """Raises ValueError for what another release wrote, and this one does not know."""
    return shape(Guard).validate_json(body, extra="ignore")
