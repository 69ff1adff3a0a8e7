"""Where the vault, its server and its storage account lie in Azure Resource Manager's tree."""

from __future__ import annotations

from dataclasses import dataclass

_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True, slots=True)
class Names:
    """The names a vault is asked by; all ids are derived from them."""

    subscription: str = _SUBSCRIPTION
    resource_group: str = "rg-restore-local"
    vault: str = "vault-local"
    server: str = "pg-source"
    target: str = "pg-target"
    region: str = "westeurope"
    paired_region: str = "northeurope"
    storage_subscription: str = _SUBSCRIPTION

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def vault_id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.DataProtection/backupVaults/{self.vault}"

    @property
    def server_id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{self.server}"

    @property
    def target_id(self) -> str:
        """The server that is restored to."""
        return f"{self.group_id}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{self.target}"

    @property
    def policy_id(self) -> str:
        return f"{self.vault_id}/backupPolicies/pgflexpolicy"

    @property
    def instance(self) -> str:
        """A backup instance's name: the server's, and a GUID."""
        return f"{self.server}-faec6818-0720-11ec-bd1b-c8f750f92764"

    @property
    def instance_id(self) -> str:
        return f"{self.vault_id}/backupInstances/{self.instance}"

    def location_id(self, region: str) -> str:
        provider = "providers/Microsoft.DataProtection"
        return f"/subscriptions/{self.subscription}/{provider}/locations/{region}"

    def storage_account_id(self, account: str) -> str:
        group = f"/subscriptions/{self.storage_subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.Storage/storageAccounts/{account}"

    def container_id(self, account: str, container: str) -> str:
        return f"{self.storage_account_id(account)}/blobServices/default/containers/{container}"
