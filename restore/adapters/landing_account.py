"""Who gets into a storage account, through the management API. Nothing here waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import AzureKeyCredentialPolicy
from azure.core.rest import HttpRequest

from restore.adapters import azure_errors
from restore.core.guard import Access

if TYPE_CHECKING:
    from azure.mgmt.core import ARMPipelineClient

# Source: learn.microsoft.com/rest/api/storagerp/storage-accounts, Get Properties and Update
_API_VERSION = "2025-01-01"
_ACCESS = (
    "give the function app's identity a role on the landing account with"
    " Microsoft.Storage/storageAccounts/read and write, or switch the guard off"
)


class LandingAccounts:
    """Accounts behind one ARM endpoint. `tenant` is that of the resources that are let in.

    `local`: a stand-in that wants no real token.
    """

    def __init__(
        self, arm_endpoint: str, tenant: str, credential: TokenCredential, *, local: bool
    ) -> None:
        self._endpoint = arm_endpoint.rstrip("/")
        self._tenant = tenant
        self._credential = credential
        self._local = local

    def read(self, account: str) -> Access:
        with self._client(account) as client:
            return _access(self._properties(client, account))

    def write(self, account: str, access: Access, was: Access) -> None:
        """Network rules are written as a whole, so all others are read just before."""
        with self._client(account) as client:
            properties = self._properties(client, account)
            network = dict(properties.get("networkAcls") or {})
            there = _access(properties)
            wanted = access.since(was, there)
            body: dict[str, Any] = {}
            if wanted.cross_tenant != there.cross_tenant:
                body["allowCrossTenantReplication"] = wanted.cross_tenant
            if wanted.resources != there.resources:
                known = {str(rule["resourceId"]).lower(): rule for rule in _rules(network)}
                network["resourceAccessRules"] = [
                    known.get(each, {"tenantId": self._tenant, "resourceId": each})
                    for each in wanted.resources
                ]
                body["networkAcls"] = network
            if body:
                self._send(client, "PATCH", account, {"properties": body})

    def _properties(self, client: ARMPipelineClient[Any, Any], account: str) -> dict[str, Any]:
        found: dict[str, Any] = self._send(client, "GET", account, None).get("properties", {})
        return found

    def _send(
        self, client: ARMPipelineClient[Any, Any], method: str, account: str, body: Any
    ) -> dict[str, Any]:
        url = f"{self._endpoint}{account}"
        request = HttpRequest(method, url, params={"api-version": _API_VERSION}, json=body)
        response = client.send_request(request)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    @contextmanager
    def _client(self, account: str) -> Iterator[ARMPipelineClient[Any, Any]]:
        # Here: it takes long to load, and only who guards its account needs it.
        from azure.mgmt.core import ARMPipelineClient
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        policies = [
            AzureKeyCredentialPolicy(AzureKeyCredential("local"), "Authorization", prefix="Bearer")
            if self._local
            else ARMChallengeAuthenticationPolicy(self._credential, f"{self._endpoint}/.default")
        ]
        try:
            client: ARMPipelineClient[Any, Any] = ARMPipelineClient(
                base_url=self._endpoint, policies=policies
            )
            with client:
                yield client
        except AzureError as exc:
            name = account.rpartition("/")[2]
            raise azure_errors.translate(exc, f"landing account {name!r}", _ACCESS) from exc


def _access(properties: dict[str, Any]) -> Access:
    network = properties.get("networkAcls") or {}
    return Access(
        cross_tenant=bool(properties.get("allowCrossTenantReplication")),
        resources=tuple(str(rule["resourceId"]).lower() for rule in _rules(network)),
        open_network=str(network.get("defaultAction", "Allow")).lower() == "allow",
    )


def _rules(network: dict[str, Any]) -> list[dict[str, Any]]:
    return network.get("resourceAccessRules") or []
