"""The JSON documents of the DataProtection REST API, in the shapes recorded of flexible servers.

Source: Azure/azure-cli-extensions, src/dataprotection, the recording
test_dataprotection_backup_and_restore_pgflex.yaml; azure-rest-api-specs, dataprotection 2026-06-01.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from local.vault.backup import RecoveryPoint
from local.vault.faults import Refusal
from local.vault.landing import Job
from local.vault.names import Names

Document = dict[str, Any]

_NEVER = "0001-01-01T00:00:00Z"
_DATASOURCE = "Microsoft.DBforPostgreSQL/flexibleServers"
_PROVIDER = "Microsoft.DataProtection/backupVaults"


def page(values: Sequence[Document]) -> Document:
    return {"value": list(values)}


def timestamp(moment: datetime) -> str:
    """An instant as the service writes it, to a tenth of a microsecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def duration(length: timedelta) -> str:
    """An ISO 8601 duration: `PT2M5.6503519S`."""
    seconds = length.total_seconds()
    minutes, rest = divmod(seconds, 60)
    return f"PT{int(minutes)}M{rest:.7f}S" if minutes else f"PT{rest:.7f}S"


def instance(names: Names) -> Document:
    source = {
        "datasourceType": _DATASOURCE,
        "resourceID": names.server_id,
        "resourceLocation": names.region,
        "resourceName": names.server,
        "resourceType": _DATASOURCE,
        "resourceUri": names.server_id,
    }
    return {
        "properties": {
            "friendlyName": names.server,
            "dataSourceInfo": {"objectType": "Datasource", **source},
            "dataSourceSetInfo": {"objectType": "DatasourceSet", **source},
            "policyInfo": {"policyId": names.policy_id, "policyVersion": ""},
            "protectionStatus": {"status": "ProtectionConfigured"},
            "currentProtectionState": "ProtectionConfigured",
            "provisioningState": "Succeeded",
            "objectType": "BackupInstance",
        },
        "id": names.instance_id,
        "name": names.instance,
        "type": f"{_PROVIDER}/backupInstances",
    }


def recovery_point(names: Names, point: RecoveryPoint) -> Document:
    store = {
        "id": "0f23ffa3-3a4f-45f5-965d-606f3eacc7f8",
        "type": "VaultStore",
        "creationTime": timestamp(point.time),
        "expiryTime": None,
        "metaData": None,
        "visible": True,
        "state": "COMMITTED",
        "rehydrationExpiryTime": None,
        "rehydrationStatus": None,
    }
    return {
        "properties": {
            "objectType": "AzureBackupDiscreteRecoveryPoint",
            "recoveryPointId": point.id,
            "recoveryPointTime": timestamp(point.time),
            "recoveryPointType": "Full",
            "friendlyName": point.id,
            "recoveryPointDataStoresDetails": [store],
            "retentionTagName": "default",
            "retentionTagVersion": "638483410928586093",
            "policyName": "pgflexpolicy",
            "policyVersion": None,
            "expiryTime": None,
            "recoveryPointState": "Completed" if point.complete else "Partial",
        },
        "id": f"{names.instance_id}/recoveryPoints/{point.id}",
        "name": point.id,
        "type": f"{_PROVIDER}/backupInstances/recoveryPoints",
    }


def operation(
    path: str, status: str, started: datetime, ended: datetime | None, job_id: str = ""
) -> Document:
    """An operationStatus; `job_id` is a full ARM id, and only known once it succeeded."""
    document: Document = {
        "id": path,
        "name": path.rsplit("/", 1)[-1],
        "status": status,
        "startTime": timestamp(started),
        "endTime": timestamp(ended) if ended else _NEVER,
    }
    if job_id:
        document["properties"] = operation_job(job_id)
    return document


def operation_job(job_id: str) -> Document:
    return {"objectType": "OperationJobExtendedInfo", "jobId": job_id}


def job_id(names: Names, job: Job) -> str:
    return f"{names.vault_id}/backupJobs/{job.id}"


def job(names: Names, job: Job, status: str) -> Document:
    """A restore job that says `status`; it says nothing of its end while it is InProgress."""
    ended = None if status == "InProgress" else job.ended
    return {
        "properties": {
            "activityID": job.activity,
            "subscriptionId": names.subscription,
            "backupInstanceId": names.instance_id,
            "policyId": names.policy_id,
            "dataSourceId": names.server_id,
            "vaultName": names.vault,
            "backupInstanceFriendlyName": names.server,
            "policyName": "pgflexpolicy",
            "sourceResourceGroup": names.resource_group,
            "dataSourceSetName": None,
            "dataSourceName": names.server,
            "sourceDataStoreName": None,
            "sourceDataStoreType": "VaultStore",
            "destinationDataStoreName": None,
            "progressEnabled": True,
            "etag": f"W/\"datetime'{timestamp(ended or job.started)}'\"",
            "sourceSubscriptionID": names.subscription,
            "dataSourceLocation": names.region,
            "startTime": timestamp(job.started),
            "endTime": timestamp(ended) if ended else None,
            "dataSourceType": _DATASOURCE,
            "operationCategory": "Restore",
            "operation": "Restore",
            "status": status,
            "restoreType": None,
            "isUserTriggered": True,
            "rehydrationPriority": None,
            "supportedActions": [""],
            "duration": duration(ended - job.started) if ended else "PT0S",
            "progressUrl": None,
            "isCrossRegionRestore": True if job.order.cross_region else None,
            "errorDetails": [_user_facing_error(job.error)] if ended and job.error else None,
            "extendedInfo": _extended_info(job, status),
        },
        "id": job_id(names, job),
        "name": job.id,
        "type": f"{_PROVIDER}/backupJobs",
    }


def _extended_info(job: Job, status: str) -> Document:
    details = {
        "DataTransferredInBytes": str(job.transferred_bytes),
        "TaskId": job.activity,
        "DatasourceType": _DATASOURCE,
    }
    return {
        "backupInstanceState": None,
        "dataTransferredInBytes": None,
        "targetRecoverPoint": None,
        "sourceRecoverPoint": {
            "recoveryPointID": job.point.id,
            "recoveryPointTime": timestamp(job.point.time),
        },
        "recoveryDestination": job.order.url,
        "subTasks": [
            {
                "taskId": 1,
                "taskName": "Trigger Restore",
                "taskStatus": status,
                "taskProgress": None,
                "additionalDetails": None if status == "InProgress" else details,
            }
        ],
        "additionalDetails": {"Restore File Prefix": job.order.file_prefix},
        "warningDetails": None,
    }


def error(refusal: Refusal) -> Document:
    """The body of a refused request. Source: ARM's CloudError, with innerError as the service's."""
    details = {"RecommendationString": refusal.recommendation} if refusal.recommendation else {}
    return {
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "target": "",
            "details": [],
            "innerError": {"code": refusal.code, "additionalInfo": details},
        }
    }


def _user_facing_error(refusal: Refusal) -> Document:
    return {
        "code": refusal.code,
        "message": refusal.message,
        "target": None,
        "isRetryable": False,
        "isUserError": refusal.code.startswith("UserError"),
        "recommendedAction": [refusal.recommendation] if refusal.recommendation else [],
        "details": [],
        "innerError": None,
        "properties": {},
    }
