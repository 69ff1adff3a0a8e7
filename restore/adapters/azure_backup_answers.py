"""What Azure Backup answers -> values of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from urllib.parse import urlsplit

from azure.mgmt.dataprotection import models

from restore.adapters import azure_backup_errors as errors
from restore.core.backup import Instance, Operation, OperationState, Outcome, RecoveryPoint
from restore.errors import NotFoundError

_DATASOURCE = "microsoft.dbforpostgresql/flexibleservers"
_VAULT = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.DataProtection/backupVaults/(?P<name>[^/]+)",
    re.IGNORECASE,
)

# `status` is a free string in the API; a word not listed here counts as running.
# Source: Microsoft.DataProtection 2026-06-01, AzureBackupJob; recordings of real restores.
_STATES: Mapping[str, OperationState] = {
    "succeeded": OperationState.SUCCEEDED,
    "completed": OperationState.SUCCEEDED,
    "completedwithwarnings": OperationState.SUCCEEDED,
    "failed": OperationState.FAILED,
    "cancelled": OperationState.FAILED,
    "canceled": OperationState.FAILED,
}


@dataclass(frozen=True, slots=True)
class VaultId:
    """The ARM id of a vault, taken apart."""

    id: str
    subscription: str
    group: str
    name: str

    @classmethod
    def parse(cls, arm_id: str) -> VaultId:
        """Of a vault, or of anything inside one. Raises NotFoundError for any other text."""
        found = _VAULT.match(arm_id)
        if found is None:
            raise NotFoundError(
                f"ARM id: expected one of a backup vault or below, found {arm_id!r:.200}",
                "vaults are named by their whole id: /subscriptions/…/backupVaults/<name>",
            )
        return cls(found[0], found["subscription"], found["group"], found["name"])

    def instance(self, name: str) -> str:
        return f"{self.id}/backupInstances/{name}"

    def location(self, region: str) -> str:
        """Where a paired region is asked about this vault."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.DataProtection/locations/{region}"


def instances(vault: str, listed: Iterable[models.BackupInstanceResource]) -> Iterator[Instance]:
    """The flexible servers among what is protected in `vault`."""
    for item in listed:
        if item.properties is None:
            continue
        source = item.properties.data_source_info
        if (source.datasource_type or "").lower() == _DATASOURCE:
            yield Instance(
                vault=vault,
                name=str(item.name),
                server=source.resource_id,
                region=source.resource_location or "",
                protection=_word(item.properties.current_protection_state),
            )


def points(listed: Iterable[models.AzureBackupRecoveryPointResource]) -> Iterator[RecoveryPoint]:
    """A point without a state (as listed by a paired region) is a whole one."""
    for item in listed:
        point = item.properties
        if isinstance(point, models.AzureBackupDiscreteRecoveryPoint):
            state = _word(point.recovery_point_state) or "Completed"
            time = point.recovery_point_time.astimezone(UTC)
            yield RecoveryPoint(str(item.name), time, state)


def operation(document: object) -> Outcome | None:
    """How an operation stands; None if the document is no status."""
    if not isinstance(document, Mapping) or "status" not in document:
        return None
    state = _state(str(document["status"]))
    if state is not OperationState.FAILED:
        return Outcome(state, job=job_id(document))
    refusal = errors.read(document)
    message = refusal.message("Azure Backup", "the request to be accepted")
    return Outcome(state, code=refusal.code, message=message, hint=refusal.hint)


def job_id(document: object) -> str:
    """The job an operation created: in its status, or in its result. "" if there is none."""
    if not isinstance(document, Mapping):
        return ""
    inner = document.get("properties")
    return str((inner if isinstance(inner, Mapping) else document).get("jobId") or "")


def whole_id(job: str, operation: Operation) -> str:
    """The job's ARM id: Azure's own examples give its bare name, too.

    "" where the operation's URLs do not tell the vault either.
    """
    if not job or "/" in job:
        return job
    paths = (urlsplit(url).path for url in (operation.status_url, operation.result_url))
    vault = next((found[0] for path in paths if (found := _VAULT.match(path))), "")
    return f"{vault}/backupJobs/{job}" if vault else ""


def is_restore(job: models.AzureBackupJobResource) -> bool:
    return job.properties is not None and _word(job.properties.operation).lower() == "restore"


def destination(job: models.AzureBackupJobResource) -> str | None:
    """The container's URL, in lower case; None where the job does not say."""
    info = job.properties.extended_info if job.properties else None
    return str(info.recovery_destination or "").rstrip("/").lower() if info else None


def started(job: models.AzureBackupJobResource) -> str:
    return str(job.properties.get("startTime", "")) if job.properties else ""


def outcome(job: models.AzureBackupJobResource) -> Outcome:
    """How a job stands; why it failed, as Azure says it."""
    if job.properties is None:
        return Outcome(OperationState.RUNNING)
    status = str(job.properties.status)
    state = _state(status)
    if state is OperationState.FAILED:
        details = job.properties.error_details or []
        refusal = errors.read(details[0].as_dict() if details else {})
        message = refusal.message("vault job", "it to complete", status)
        return Outcome(state, code=refusal.code, message=message, hint=refusal.hint)
    warnings = _warnings(job.properties) if state is OperationState.SUCCEEDED else ()
    return Outcome(state, job=str(job.id), warnings=warnings)


def _warnings(job: models.AzureBackupJob) -> tuple[str, ...]:
    details = (job.extended_info and job.extended_info.warning_details) or []
    named = [(detail.resource_name or "vault job", detail.warning) for detail in details]
    told = tuple(f"{name}: {warning.code}: {warning.message}" for name, warning in named)
    if not told and str(job.status).lower() == "completedwithwarnings":
        return ("vault job: completed with warnings that it does not name",)
    return told


def _word(value: str | None) -> str:
    """The text on the wire, whether the SDK knows the word (then it is an enum) or not."""
    return str(getattr(value, "value", value) or "")


def _state(status: str) -> OperationState:
    return _STATES.get(status.lower(), OperationState.RUNNING)
