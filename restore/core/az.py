"""The commands that change a target server, to be copied: `az` for a flexible server, else SQL.

Source: learn.microsoft.com/cli/azure/postgres/flexible-server; "Load libraries" in
learn.microsoft.com/azure/postgresql; postgresql.org/docs/18/sql-altersystem.html.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from restore.core.request import Target
from restore.core.sql import quote_literal

_ARM_ID = re.compile(r"/subscriptions/[^/]+/resourcegroups/([^/]+)/.*/([^/]+)", re.IGNORECASE)
_DOMAINS = (
    ".postgres.database.azure.com",
    ".postgres.database.chinacloudapi.cn",
    ".postgres.database.usgovcloudapi.net",
)


@dataclass(frozen=True, slots=True)
class Commands:
    """For one server. Without its ARM id, the resource group is left to be filled in."""

    server: str
    resource_group: str = "<resource-group>"
    azure: bool = True

    def az(self, verb: str, *arguments: str) -> str:
        """`az postgres flexible-server <verb>`, for verbs that call the server `--name`."""
        return self._az(verb, "--name", *arguments)

    def set_parameter(self, name: str, value: str, *, restarts: bool = False) -> tuple[str, ...]:
        """Give a parameter that value, in place of the whole value it has."""
        if not self.azure:
            items = value.split(",") if name == "shared_preload_libraries" else [value]
            said = ", ".join(quote_literal(item) for item in items)
            set_it = f"ALTER SYSTEM SET {name} = {said};"
            return (set_it, "pg_ctl restart") if restarts else (set_it, "SELECT pg_reload_conf();")
        words = ("--name", name, "--value", shlex.quote(value))
        set_it = self._az("parameter set", "--server-name", *words)
        return (set_it, self.az("restart")) if restarts else (set_it,)

    def free_storage(self) -> tuple[str, ...]:
        """What shows how much of its disk is free: no SQL does."""
        if not self.azure:
            return ()
        kind = "Microsoft.DBforPostgreSQL/flexibleServers"
        return (
            f"az monitor metrics list --resource-group {self.resource_group} --resource "
            f"{self.server} --resource-type {kind} --metric storage_free --output table",
        )

    def _az(self, verb: str, which: str, *arguments: str) -> str:
        words = ("--resource-group", self.resource_group, which, self.server, *arguments)
        return f"az postgres flexible-server {verb} {' '.join(words)}"


def commands_for(target: Target, *, azure: bool) -> Commands:
    """Those for the server of a request; `azure`: it has been seen to be a flexible server."""
    azure = azure or is_azure(target)
    if target.server and (found := _ARM_ID.fullmatch(target.server)):
        return Commands(found[2], shlex.quote(found[1]), azure)
    label = target.host.partition(".")[0].lower()
    return Commands("<server>" if label.isdigit() else label, azure=azure)


def is_azure(target: Target) -> bool:
    """Does the request say so: by the host's domain, or by an ARM id?"""
    return bool(target.server) or target.host.lower().endswith(_DOMAINS)
