"""The real client, and the calls a restore makes with it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import AccessToken
from azure.mgmt.dataprotection import DataProtectionMgmtClient
from azure.mgmt.dataprotection import models as m

from local.vault import Names, RecoveryPoint

HTTP = {"enforce_https": False}  # a token over plain http: the client refuses unless told
NAMES = Names()


class Token:
    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken("local", int(time.time()) + 3600)


def request_for(
    point: RecoveryPoint | str, url: str, container_id: str | None = None
) -> m.AzureBackupRecoveryPointBasedRestoreRequest:
    return m.AzureBackupRecoveryPointBasedRestoreRequest(
        recovery_point_id=point if isinstance(point, str) else point.id,
        source_data_store_type=m.SourceDataStoreType.VAULT_STORE,
        restore_target_info=m.RestoreFilesTargetInfo(
            recovery_option=m.RecoveryOption.FAIL_IF_EXISTS,
            restore_location=NAMES.region,
            target_details=m.TargetDetails(
                file_prefix="ignored",
                restore_target_location_type=m.RestoreTargetLocationType.AZURE_BLOBS,
                url=url,
                target_resource_arm_id=container_id,
            ),
        ),
    )


@dataclass(frozen=True)
class Restoring:
    """The calls a restore makes, through the real client."""

    client: DataProtectionMgmtClient

    def validate(self, request: m.AzureBackupRestoreRequest) -> Any:
        return self.client.backup_instances.begin_validate_for_restore(
            NAMES.resource_group,
            NAMES.vault,
            NAMES.instance,
            m.ValidateRestoreRequestObject(restore_request_object=request),
            **HTTP,
        ).result()

    def trigger(self, request: m.AzureBackupRestoreRequest) -> str:
        """The job's name."""
        poller = self.client.backup_instances.begin_trigger_restore(
            NAMES.resource_group, NAMES.vault, NAMES.instance, request, **HTTP
        )
        job_id: str = poller.result().job_id
        return job_id.rsplit("/", 1)[-1]

    def finished(self, job: str) -> m.AzureBackupJobResource:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            document = self.client.jobs.get(NAMES.resource_group, NAMES.vault, job, **HTTP)
            if document.properties.status != "InProgress":
                return document
            time.sleep(0.02)
        raise AssertionError(f"job {job} did not end")
