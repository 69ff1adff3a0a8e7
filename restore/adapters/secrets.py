"""Where passwords come from, and generated ones go: Key Vault, or a folder of files."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import HttpTransport

from restore.adapters.azure_errors import translated
from restore.errors import ConflictError, InputError, NotFoundError

# Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates, object names
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_CONTENT_TYPE = "password of a PostgreSQL role"

_ACCESS_HINT = (
    "the worker's identity needs the role Key Vault Secrets User on the vault (a new assignment "
    "takes up to ten minutes), and the vault's firewall must let it in"
)
_PUT_HINT = (
    "to put a password there the worker's identity needs the role Key Vault Secrets Officer on the "
    "vault (a new assignment takes up to ten minutes)"
)


class SecretError(InputError):
    """That is no secret's name, or no secret that can be used."""

    code = "secret"


class KeyVaultSecrets:
    """The secrets of one Key Vault, by name; always the newest version."""

    def __init__(
        self,
        url: str,
        credential: TokenCredential,
        transport: HttpTransport[Any, Any] | None = None,
    ) -> None:
        # Here, as most function apps need no secret, and it takes long to load.
        from azure.keyvault.secrets import SecretClient

        self._client = SecretClient(url, credential, transport=transport)

    def close(self) -> None:
        self._client.close()

    def get(self, name: str) -> str:
        _check(name)
        with translated(f"secret {name!r}", _ACCESS_HINT):
            value = self._client.get_secret(name).value
        if not value:
            raise _empty(name)
        return value

    @property
    def can_put(self) -> bool:
        return True

    def put(self, name: str, value: str) -> None:
        _check(name)
        try:
            with translated(f"secret {name!r}", _PUT_HINT):
                self._client.set_secret(name, value, content_type=_CONTENT_TYPE)
        except ConflictError as exc:
            raise SecretError(
                f"secret {name!r}: expected to put it, found a deleted one of that name",
                f"az keyvault secret recover --vault-name <vault> --name {name}, or purge it",
            ) from exc


class NoSecrets:
    """Where none are kept: every target must take a Microsoft Entra login."""

    can_put = False

    def get(self, name: str) -> str:
        raise NotFoundError(
            f"secret {name!r}: expected a place to look it up, found none",
            "set RESTORE_KEY_VAULT_URL for the workers, or leave target.secret out of the request",
        )

    def put(self, name: str, value: str) -> None:
        raise NotFoundError(
            f"secret {name!r}: expected a place to put it, found none",
            "set RESTORE_KEY_VAULT_URL for the workers",
        )


class FolderSecrets:
    """One file per secret, as Kubernetes and Container Apps mount them.

    A line break at the end belongs to the file, not to the secret. The file may be a link: that is
    how a mounted folder is exchanged as a whole.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def get(self, name: str) -> str:
        _check(name)
        try:
            value = (self._folder / name).read_text(encoding="utf-8").removesuffix("\n")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
            raise NotFoundError(
                f"secret {name!r}: expected a file in RESTORE_SECRETS_FOLDER, found none",
                "is the secret mounted into the worker, and the name right?",
            ) from exc
        except OSError as exc:
            raise SecretError(
                f"secret {name!r}: expected to read it, found {exc.strerror}"
            ) from exc
        except ValueError:
            # Not chained: the decoder's error holds the secret's bytes.
            raise SecretError(f"secret {name!r}: expected UTF-8, found other bytes") from None
        if not value:
            raise _empty(name)
        return value

    @property
    def can_put(self) -> bool:
        """A folder that is mounted from elsewhere is read-only as a rule."""
        return os.access(self._folder, os.W_OK)

    def put(self, name: str, value: str) -> None:
        """In one step, so that nobody reads half of it; nobody but us may read it."""
        _check(name)
        new = self._folder / f".{name}-{secrets.token_hex(4)}"
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(value.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._folder / name)
        except OSError as exc:
            new.unlink(missing_ok=True)
            raise SecretError(
                f"secret {name!r}: expected to put it into RESTORE_SECRETS_FOLDER,"
                f" found {exc.strerror}",
                "the worker must be allowed to write there, and the folder have room",
            ) from exc


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SecretError(
            f"secret {name!r:.140}: expected 1 to 127 letters, digits and hyphens, found others",
            "a request names a secret; it never holds one",
        )


def _empty(name: str) -> NotFoundError:
    return NotFoundError(
        f"secret {name!r}: expected a value, found an empty one", "set the secret's value"
    )
