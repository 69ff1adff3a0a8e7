"""A Key Vault's data plane in memory, behind the real SDK: secrets of one vault, by name.

Source: learn.microsoft.com/rest/api/keyvault/secrets, Get Secret and Set Secret, and
learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import BaseAdapter

from restore.adapters.secrets import KeyVaultSecrets

URL = "https://local.vault.azure.net"
_CHALLENGE = (
    'Bearer authorization="https://login.microsoftonline.com/00000000-0000-4000-8000-000000000000",'
    ' resource="https://vault.azure.net"'
)


class Credential:
    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken("token", 4102444800)


class MemoryVault(BaseAdapter):
    """Answers as the service does; `refused` is a status for every request with a token."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        super().__init__()
        self.secrets = dict(secrets)
        self.refused = 0

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        status, body = self._answer(request)
        response = requests.Response()
        response.status_code = status
        response.request = request
        response.url = str(request.url)
        response.headers["Content-Type"] = "application/json"
        if status == 401:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        response.raw = io.BytesIO(json.dumps(body).encode())
        return response

    def close(self) -> None:
        pass

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, Mapping[str, object]]:
        if "Authorization" not in request.headers:
            return 401, {}
        if self.refused:
            return self.refused, {"error": {"code": "Forbidden", "message": "no"}}
        name = str(request.path_url).partition("?")[0].split("/")[2]
        if request.method == "PUT":
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            self.secrets[name] = json.loads(str(body))["value"]
        if name not in self.secrets:
            return 404, {"error": {"code": "SecretNotFound", "message": "none"}}
        return 200, {"value": self.secrets[name], "id": f"{URL}/secrets/{name}/1", "attributes": {}}


def key_vault(secrets: Mapping[str, str], vault: MemoryVault | None = None) -> KeyVaultSecrets:
    session = requests.Session()
    session.mount("https://", vault or MemoryVault(secrets))
    return KeyVaultSecrets(URL, Credential(), RequestsTransport(session=session))
