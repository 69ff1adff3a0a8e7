"""Server parameters of flexible servers, through the management API. Nothing here waits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import AzureKeyCredentialPolicy

from restore.adapters import azure_errors
from restore.core.tuning import Setting
from restore.errors import ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

_SERVER = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.DBforPostgreSQL/flexibleServers/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_BUSY = 409
_ACCESS = (
    "give the function app's identity the project's custom restore role on the target server:"
    " Microsoft.DBforPostgreSQL/flexibleServers/configurations/read and write"
)


class ServerParameters:
    """The servers behind one ARM endpoint. `local`: a stand-in that wants no real token."""

    def __init__(self, arm_endpoint: str, credential: TokenCredential, *, local: bool) -> None:
        self._endpoint = arm_endpoint.rstrip("/")
        self._credential = credential
        self._local = local

    def read(self, server: str, names: Collection[str]) -> tuple[Setting, ...]:
        """Raises NotFoundError for a name that the server does not have."""
        with self._client(server) as (client, group, name):
            listed = client.configurations.list_by_server(group, name)
            found = {
                str(one.name): Setting(str(one.name), str(one.value), str(one.source))
                for one in listed
                if one.name in names
            }
        if missing := sorted(set(names) - set(found)):
            raise NotFoundError(
                f"server parameters of {name!r}: expected {missing[0]!r}, found none of that name"
            )
        return tuple(found[one] for one in sorted(found))

    def write(self, server: str, setting: Setting) -> None:
        """The service takes one change at a time: a second one is refused until it is done.

        Source: learn.microsoft.com/rest/api/postgresql, Configurations - Update.
        """
        # It takes most of a second to load, and hardly any restore asks for it.
        from azure.mgmt.postgresqlflexibleservers.models import (
            ConfigurationForUpdate,
            ConfigurationProperties,
        )

        properties = ConfigurationProperties(value=setting.value, source=setting.source)
        body = ConfigurationForUpdate(properties=properties)
        with self._client(server) as (client, group, name):
            client.configurations.begin_update(group, name, setting.name, body, polling=False)

    @contextmanager
    def _client(self, server: str) -> Iterator[tuple[PostgreSQLManagementClient, str, str]]:
        from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

        named = _SERVER.fullmatch(server)
        if named is None:
            raise InputError(f"server: expected the ARM id of a flexible server, found {server!r}")
        options: dict[str, Any] = {
            "base_url": self._endpoint,
            "credential_scopes": [f"{self._endpoint}/.default"],
            "retry_total": 2,
            "retry_status": 0,
            "permit_redirects": False,
        }
        if self._local:
            options["authentication_policy"] = AzureKeyCredentialPolicy(
                AzureKeyCredential("local"), "Authorization", prefix="Bearer"
            )
        what = f"server parameters of {named['name']!r}"
        try:
            with PostgreSQLManagementClient(
                self._credential, named["subscription"], **options
            ) as client:
                yield client, named["group"], named["name"]
        except AzureError as exc:
            if azure_errors.status_of(exc) == _BUSY:
                message = f"{what}: expected no other change of them, found one under way"
                raise ConflictError(message) from exc
            raise azure_errors.translate(exc, what, _ACCESS) from exc
