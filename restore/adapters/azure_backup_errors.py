"""What Azure Backup refuses with: code -> who must do what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import HttpResponseError

from restore.adapters import azure_errors
from restore.errors import NotFoundError, RestoreError, TransientError, VaultError

_MESSAGE_LIMIT = 600


class RefusedError(VaultError):
    """A refusal with a code of its own (`Remedy.code`)."""

    def __init__(self, message: str, hint: str, code: str) -> None:
        super().__init__(message, hint)
        self.code = code


class VaultBusyError(TransientError):
    """The vault runs as many operations for this server as it may."""

    code = "vault-busy"


@dataclass(frozen=True, slots=True)
class Remedy:
    """Our stable code for a refusal, and who must do what about it."""

    code: str
    hint: str


_ROLES_TAKE_TIME = "a new role assignment takes up to ten minutes to be seen"
_FLEX = "PostgreSQLFlexOperationFailedUserError"
BUSY = "UserErrorMaxConcurrentOperationLimitReached"

# A key with a slash is an outer code and the inner one that explains it: the same inner code means
# something else when Azure Resource Manager says it to us.
# Source: learn.microsoft.com/azure/backup, backup-azure-database-postgresql-flex-troubleshoot and
# blob-backup-troubleshoot; the rest from reports of real restores.
REMEDIES: Mapping[str, Remedy] = {
    "UserErrorMSIMissingPermissions": Remedy(
        "vault-identity",
        "give the vault's managed identity the role Storage Blob Data Contributor on the landing "
        f"account and Reader on the source server's resource group; {_ROLES_TAKE_TIME}",
    ),
    f"{_FLEX}/ServerNotReadyForLongTermBackup": Remedy(
        "vault-server-not-ready",
        "wait until the source server's state is Ready, then ask for the restore again",
    ),
    f"{_FLEX}/ResourceGroupNotFound": Remedy(
        "vault-group-missing",
        "the source server's resource group is gone: restore into a region and group that exist",
    ),
    f"{_FLEX}/ResourceNotFound": Remedy(
        "vault-server-missing",
        "the source server is gone or renamed: ask for the restore by the backup instance's name",
    ),
    f"{_FLEX}/AuthorizationFailed": Remedy(
        "vault-server-access",
        "give the vault's managed identity the role PostgreSQL Flexible Server Long Term Retention "
        f"Backup Role on the source server, and Reader on its resource group; {_ROLES_TAKE_TIME}",
    ),
    _FLEX: Remedy(
        "vault-server-operation",
        "look at the source server's state and activity log: the operation on it failed",
    ),
    BUSY: Remedy(VaultBusyError.code, "tried again by itself; Azure advises one restore a day"),
    "RestoreToTargetServerNotSupported": Remedy(
        "vault-restore-kind",
        "a flexible server can only be restored as files: is this release older than the service?",
    ),
    "UserErrorInvalidTargetResourceArmId": Remedy(
        "vault-container-id",
        "set RESTORE_LANDING_ACCOUNT_ID to the ARM id of the storage account itself, the one that "
        "the setting LandingStorage names",
    ),
    "UserErrorCrossTenantOrsPolicyDisabled": Remedy(
        "vault-cross-tenant",
        "allow cross-tenant replication on the landing account: Azure Backup writes from its own",
    ),
    "UserErrorAzureResourceNotFoundByPlugin": Remedy(
        "vault-resource-missing",
        "the container or its account is gone, or the account's firewall keeps Azure Backup out: "
        "allow trusted services, or this vault as a resource instance",
    ),
    "UserErrorStorageAccountInLockedState": Remedy(
        "vault-account-locked", "remove the lock from the landing account, then ask again"
    ),
    "UserErrorDatasourceSoftDeleted": Remedy(
        "vault-soft-deleted",
        "a backup instance of a server of the same name is soft-deleted: undelete or purge it",
    ),
    "AuthorizationFailed": Remedy(
        "vault-access",
        "give the function app's identity the project's custom restore role (or Backup Contributor)"
        f" on the vault; {_ROLES_TAKE_TIME}",
    ),
    "LinkedAuthorizationFailed": Remedy(
        "vault-access",
        "give the function app's identity the project's custom restore role on the landing account "
        f"too: the request names it; {_ROLES_TAKE_TIME}",
    ),
}

# Refusals known by their words only. Source: reports of real restores.
_BY_TEXT: Mapping[str, str] = {
    "targetresourcearmid field is invalid": "UserErrorInvalidTargetResourceArmId",
    "already associated with the backup instance": "UserErrorDatasourceSoftDeleted",
}
_ACCESS = REMEDIES["AuthorizationFailed"]
NO_ACCESS = _ACCESS.code
_UNKNOWN = Remedy("vault", "look at the vault's Backup jobs in the portal for more")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error document says: codes from the most to the least telling, text, advice."""

    codes: tuple[str, ...]
    text: str
    advice: str

    @property
    def remedy(self) -> Remedy:
        named = next((REMEDIES[code] for code in self.codes if code in REMEDIES), None)
        lower = self.text.lower()
        worded = next((REMEDIES[code] for words, code in _BY_TEXT.items() if words in lower), None)
        return named or worded or _UNKNOWN

    @property
    def code(self) -> str:
        """Ours; "" for a refusal that is not in the table."""
        return "" if self.remedy is _UNKNOWN else self.remedy.code

    @property
    def hint(self) -> str:
        return f"{self.remedy.hint}; Azure says: {self.advice}" if self.advice else self.remedy.hint

    def message(self, what: str, expected: str, status: str = "") -> str:
        found = f"{status} {self.codes[-1] if self.codes else ''}".strip() or "no reason given"
        return f"{what}: expected {expected}, found {found}: {self.text}".removesuffix(": ")


def read(document: object) -> Refusal:
    """The refusal in an error document: ARM's, an operation's or a job's. Never raises."""
    error = document.get("error", document) if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping):
        return Refusal((), "", "")
    text = " ".join(str(error.get("message") or "").split())[:_MESSAGE_LIMIT]
    advice = " ".join(" ".join(_advice(error)).split())[:_MESSAGE_LIMIT]
    return Refusal(tuple(_codes(error)), text, advice)


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    own = str(error.get("code") or "")
    inner = [code for part in _parts(error) for code in _codes(part)]
    yield from (f"{own}/{code}" for code in inner)
    yield from inner
    if own:
        yield own


def _advice(error: Mapping[str, Any]) -> Iterator[str]:
    yield from map(str, error.get("recommendedAction") or ())
    info = error.get("additionalInfo")
    if isinstance(info, Mapping) and (text := info.get("RecommendationString")):
        yield str(text)
    for part in _parts(error):
        yield from _advice(part)


def _parts(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("innerError", "innererror", "embeddedInnerError"):
        if isinstance(part := error.get(name), Mapping):
            yield part
    yield from (part for part in error.get("details") or () if isinstance(part, Mapping))


def refused(what: str, status: int, document: object) -> RestoreError:
    """The error for an answer with `status` and that body."""
    refusal = read(document)
    message = refusal.message(what, "it to be accepted", str(status))
    known = refusal.remedy is not _UNKNOWN
    if BUSY in refusal.codes:
        return VaultBusyError(message, refusal.hint)
    if azure_errors.kind(HttpResponseError, status) is TransientError:
        return TransientError(message, "Azure is busy: tried again by itself")
    if status == 404 and not known:
        return NotFoundError(message, "is the name right, and does it still exist?")
    if status in (401, 403) and not known:
        return RefusedError(message, _ACCESS.hint, _ACCESS.code)
    return RefusedError(message, refusal.hint, refusal.remedy.code)


def translate(exc: Exception, what: str) -> RestoreError:
    """Ours for what the SDK raised."""
    status = azure_errors.status_of(exc)
    if status is None or not isinstance(exc, HttpResponseError) or exc.response is None:
        return azure_errors.translate(exc, what, _ACCESS.hint)
    return refused(what, status, body(exc.response))


def body(response: Any) -> Any:
    """The JSON of an answer, or None where there is none that can be read."""
    try:
        return response.json()
    except ValueError:
        return None
