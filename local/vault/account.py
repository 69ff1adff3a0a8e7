"""The landing account next to the vault, as the management API has it: who gets in."""

from __future__ import annotations

import copy
from typing import Any

from local.vault import documents
from local.vault.faults import Refusal


class Account:
    """Open to all, as an account of one's own is; `shut` makes it what careful people have."""

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {
            "allowCrossTenantReplication": True,
            "networkAcls": {"bypass": "AzureServices", "defaultAction": "Allow"},
        }

        self.denied: frozenset[str] = frozenset()  # methods that the caller has no right to

    def shut(self) -> None:
        self.properties = {
            "allowCrossTenantReplication": False,
            "networkAcls": {
                "bypass": "AzureServices",
                "defaultAction": "Deny",
                "ipRules": [{"value": "203.0.113.7", "action": "Allow"}],
                "resourceAccessRules": [],
            },
        }

    @property
    def resources(self) -> list[str]:
        rules = self.properties["networkAcls"].get("resourceAccessRules", [])
        return [rule["resourceId"].lower() for rule in rules]

    def lets_in(self, vault_id: str) -> bool:
        is_open = self.properties["networkAcls"]["defaultAction"] == "Allow"
        return self.properties["allowCrossTenantReplication"] and (
            is_open or vault_id.lower() in self.resources
        )

    def document(self, account_id: str) -> documents.Document:
        return {
            "id": account_id,
            "name": account_id.rpartition("/")[2],
            "type": "Microsoft.Storage/storageAccounts",
            "properties": copy.deepcopy(self.properties),
        }

    def change(self, body: dict[str, Any]) -> None:
        """What is named is replaced as a whole, the rest stays. Raises Refusal."""
        new = body.get("properties", {})
        if unknown := new.keys() - self.properties.keys():
            raise Refusal(400, "InvalidRequest", f"unknown properties {sorted(unknown)}")
        for rule in new.get("networkAcls", {}).get("resourceAccessRules", []):
            if not {"tenantId", "resourceId"} <= rule.keys():
                raise Refusal(400, "InvalidRequest", "a rule needs tenantId and resourceId")
        self.properties = {**self.properties, **copy.deepcopy(new)}
