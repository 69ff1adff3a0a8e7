"""Where passwords come from: Key Vault, or a folder with one file per secret."""

from __future__ import annotations

import re
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.keyvault.secrets import SecretClient

from restore.adapters.azure_errors import translated
from restore.errors import InputError, NotFoundError

# Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates, object names
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")

_ACCESS_HINT = (
    "the worker's identity needs the role Key Vault Secrets User on the vault (a new assignment "
    "takes up to ten minutes), and the vault's firewall must let it in"
)


class SecretError(InputError):
    """That is no secret's name, or no secret that can be used."""

    code = "secret"


class KeyVaultSecrets:
    """The secrets of one Key Vault, by name; always the newest version."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self._client = SecretClient(url, credential)

    def close(self) -> None:
        self._client.close()

    def get(self, name: str) -> str:
        _check(name)
        with translated(f"secret {name!r}", _ACCESS_HINT):
            value = self._client.get_secret(name).value
        if not value:
            raise _empty(name)
        return value


class NoSecrets:
    """Where none are kept: every target must take a Microsoft Entra login."""

    def get(self, name: str) -> str:
        raise NotFoundError(
            f"secret {name!r}: expected a place to look it up, found none",
            "set RESTORE_KEY_VAULT_URL for the workers, or leave target.secret out of the request",
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
