"""What can be made to go wrong, and how Azure Backup says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Denial(Enum):
    """How a refusal arrives: as the answer, or as the end of an operation that was accepted."""

    AT_ONCE = "at once"  # HTTP 400
    LATER = "later"  # 202, then status Failed


@dataclass(frozen=True, slots=True)
class Faults:
    """Set `LocalVault.faults` to one of these; the default is a vault in good health."""

    permission_missing: Denial | None = None  # the vault's identity may not write the container
    operation_polls: int = 1  # operationStatus answers Inprogress so often first
    job_polls: int = 1  # and a job InProgress so often, even if its work is done
    seconds_per_blob: float = 0.0
    job_failed: str = ""  # the error code a job ends with after its first blob
    late_blobs: int = 0  # so many come only `late_seconds` after the job said Completed
    late_seconds: float = 0.5
    truncated: str = ""  # the database whose dump arrives cut in half
    lost_answers: int = 0  # so many accepted restores are answered by a cut connection
    throttled: int = 0  # so many requests are answered 429


class Refusal(Exception):
    """A request that Azure Resource Manager answers with an error document."""

    def __init__(self, status: int, code: str, message: str, recommendation: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.recommendation = recommendation


def permission_missing() -> Refusal:
    """Source: Microsoft Learn, Troubleshoot PostgreSQL flexible server backup."""
    return Refusal(
        400,
        "UserErrorMSIMissingPermissions",
        "Appropriate permissions to perform the operation is missing.",
        "Grant the vault's identity Storage Blob Data Contributor on the storage account.",
    )


def account_locked() -> Refusal:
    """Its network is shut, or it forbids replication from another tenant."""
    return Refusal(
        400,
        "UserErrorStorageAccountInLockedState",
        "The storage account does not let the vault in.",
        "Allow cross-tenant replication and the vault's network access.",
    )


def container_missing(url: str) -> Refusal:
    return Refusal(
        400,
        "UserErrorAzureResourceNotFoundByPlugin",
        f"The target container could not be found: {url}.",
        "Create the container, then restore again.",
    )


def wrong_container_id() -> Refusal:
    """The message is Azure's; its code is not known."""
    return Refusal(
        400,
        "UserErrorInvalidTargetResourceArmId",
        "TargetResourceArmId field is invalid or it points to a different resource "
        "than the Url field.",
    )


def blob_exists(name: str) -> Refusal:
    """recoveryOption can only be FailIfExists; the code Azure uses is not known."""
    return Refusal(
        400,
        "UserErrorTargetBlobAlreadyExists",
        f"The target container already holds a blob of that name: {name}.",
        "Restore into an empty container.",
    )


def not_found(what: str) -> Refusal:
    return Refusal(404, "ResourceNotFound", f"The Resource '{what}' was not found.")


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def throttled() -> Refusal:
    return Refusal(429, "TooManyRequests", "The request is being throttled.")
