"""The landing account, closed to Azure Backup except while a vault writes into it.

What was changed to open it is kept in a document, with the restores that need it open; whoever
leaves last puts that back, and nothing else: others may have changed the account meanwhile.
Source: learn.microsoft.com/azure/backup, "Restore Azure Database for PostgreSQL - Flexible Server":
the account has to allow cross-tenant replication, and its network to let the vault in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from restore.core.shape import shape

DOCUMENT = "landing-guard.json"


@dataclass(frozen=True, slots=True)
class Access:
    """Who gets into the account: another tenant's services; by resource id, through its network.

    `resources` is None where the network is open to all.
    """

    cross_tenant: bool
    resources: tuple[str, ...] | None = None

    def lets_in(self, vault: str) -> bool:
        return self.cross_tenant and (self.resources is None or vault.lower() in self.resources)

    def letting_in(self, vault: str) -> Access:
        resources = self.resources
        if resources is not None and vault.lower() not in resources:
            resources = (*resources, vault.lower())
        return Access(True, resources)


@dataclass(frozen=True, slots=True)
class Guard:
    """`users`: restores that need the account open. `closing`: the last of them is shutting it."""

    users: tuple[str, ...] = ()
    crossed: bool = False  # cross-tenant replication was off
    added: tuple[str, ...] = ()  # resources that the network did not let in
    closing: bool = False
    version: Literal[1] = 1

    def joined(self, restore_id: str, access: Access, vault: str) -> Guard:
        """With one more who needs it. To be stored before anything is changed."""
        wanted = access.letting_in(vault)
        new = set(wanted.resources or ()) - set(access.resources or ())
        return replace(
            self,
            users=tuple(sorted({*self.users, restore_id})),
            crossed=self.crossed or not access.cross_tenant,
            added=tuple(sorted({*self.added, *new})),
        )

    def left(self, restore_id: str, known: Collection[str]) -> Guard:
        """With one less. Restores that nobody knows any more need nothing."""
        users = tuple(user for user in self.users if user != restore_id and user in known)
        return replace(self, users=users, closing=not users)

    def shut(self, access: Access) -> Access:
        """The account as it was, as far as it was changed for us."""
        resources = access.resources
        if resources is not None:
            resources = tuple(each for each in resources if each not in self.added)
        return Access(access.cross_tenant and not self.crossed, resources)


def encode(guard: Guard) -> bytes:
    return shape(Guard).dump_json(guard)


def decode(body: bytes) -> Guard:
    """Raises ValueError for what another release wrote, and this one does not know."""
    return shape(Guard).validate_json(body, extra="ignore")
