"""Azure Backup: find, validate, restore as files, and follow. Nothing here waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.exceptions import AzureError, DeserializationError, SerializationError
from azure.core.pipeline.policies import AzureKeyCredentialPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.dataprotection import DataProtectionMgmtClient, models

from restore.adapters import azure_backup_answers as answers
from restore.adapters import azure_backup_errors as errors
from restore.adapters.azure_backup_answers import VaultId
from restore.core.backup import Instance, Operation, OperationState, Outcome, RecoveryPoint
from restore.errors import InputError, VaultError
from restore.ports import Destination

API_VERSION = "2026-06-01"

_LOCAL_HOSTS = ("127.0.0.1", "localhost")
_VAULTS = "/providers/microsoft.dataprotection/backupvaults/"
_CANDIDATES = 20  # how many jobs that say nothing of themselves are looked at one by one


class AzureBackup:
    """The vaults behind one ARM endpoint. A plain http one is local, and gets no real token."""

    def __init__(
        self, arm_endpoint: str, credential: TokenCredential, landing_account_id: str = ""
    ) -> None:
        self._endpoint = arm_endpoint.rstrip("/")
        self._credential = credential
        self._landing_account_id = landing_account_id.rstrip("/")
        self._clients: dict[str, DataProtectionMgmtClient] = {}
        url = urlsplit(self._endpoint)
        self._is_local = url.scheme == "http" and url.hostname in _LOCAL_HOSTS
        if url.scheme != "https" and not self._is_local:
            raise InputError(
                f"ARM endpoint: expected https, found {self._endpoint}",
                "set RESTORE_ARM_ENDPOINT to https://management.azure.com, or your cloud's",
            )

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    # ---- what can be restored

    def instances(self, vault: str) -> tuple[Instance, ...]:
        named = VaultId.parse(vault)
        client = self._client(named.subscription)
        with _translated(f"backup instances of vault {named.name!r}"):
            listed = client.backup_instances.list(named.group, named.name)
            return tuple(answers.instances(vault, listed))

    def points(self, instance: Instance, region: str | None = None) -> tuple[RecoveryPoint, ...]:
        vault = VaultId.parse(instance.vault)
        client = self._client(vault.subscription)
        with _translated(f"recovery points of {instance.name!r}"):
            if not _crosses(instance.region, region):
                near = client.recovery_points.list(vault.group, vault.name, instance.name)
                return tuple(answers.points(near))
            asked = models.FetchSecondaryRPsRequestParameters(
                source_region=instance.region,
                source_backup_instance_id=vault.instance(instance.name),
            )
            fetch = client.fetch_secondary_recovery_points
            return tuple(answers.points(fetch.list(vault.group, str(region), asked)))

    # ---- the restore

    def begin_validation(self, instance: Instance, point: str, landing: Destination) -> Operation:
        vault = VaultId.parse(instance.vault)
        body: dict[str, Any] = {"restoreRequestObject": self._request(instance, point, landing)}
        path = f"{vault.instance(instance.name)}/validateRestore"
        if landing.region and _crosses(instance.region, landing.region):
            body |= _source(vault, instance)
            path = f"{vault.location(landing.region)}/validateCrossRegionRestore"
        return self._begin(f"validation of a restore of {instance.name!r}", path, body)

    def begin_restore(self, instance: Instance, point: str, landing: Destination) -> Operation:
        vault = VaultId.parse(instance.vault)
        body = self._request(instance, point, landing)  # bare here, wrapped everywhere else
        path = f"{vault.instance(instance.name)}/restore"
        if landing.region and _crosses(instance.region, landing.region):
            body = {"restoreRequestObject": body, **_source(vault, instance)}
            path = f"{vault.location(landing.region)}/crossRegionRestore"
        return self._begin(f"restore of {instance.name!r}", path, body)

    def poll(self, operation: Operation) -> Outcome:
        answer = self._look(operation.status_url)
        if answer is None:  # what comes next tells how it went: the trigger validates again
            return Outcome(OperationState.SUCCEEDED)
        outcome = answers.operation(errors.body(answer))
        if outcome is None:  # the URL was that of the result: Azure gave no other
            pending = answer.status_code == 202
            outcome = Outcome(OperationState.RUNNING if pending else OperationState.SUCCEEDED)
        if outcome.state is not OperationState.SUCCEEDED:
            return outcome
        job = outcome.job
        if not job and operation.result_url:
            result = self._look(operation.result_url)
            job = answers.job_id(errors.body(result)) if result is not None else ""
        return Outcome(outcome.state, answers.whole_id(job, operation))

    def find_restore(self, instance: Instance, landing: Destination) -> str | None:
        """Lists may come without details: then the newest few are asked one by one."""
        vault = VaultId.parse(instance.vault)
        wanted = landing.url.rstrip("/").lower()
        with _translated(f"backup jobs of vault {vault.name!r}"):
            restores = filter(answers.is_restore, self._jobs(vault, instance.region, landing))
            newest = sorted(restores, key=answers.started, reverse=True)
            silent = [job for job in newest if answers.destination(job) is None]
            asked = (
                self._job(vault, str(job.name), instance.region, landing)
                for job in silent[:_CANDIDATES]
            )
            fit = (
                str(job.id)
                for jobs in (newest, asked)
                for job in jobs
                if answers.destination(job) == wanted
            )
            return next(fit, None)

    def job(self, instance: Instance, job: str, landing: Destination) -> Outcome:
        vault, name = VaultId.parse(instance.vault), job.rpartition("/")[2]
        with _translated(f"backup job {name!r}"):
            return answers.outcome(self._job(vault, name, instance.region, landing))

    # ---- requests

    def _client(self, subscription: str) -> DataProtectionMgmtClient:
        """One per subscription. It never sleeps through the Retry-After of a busy Azure."""
        if subscription not in self._clients:
            options: dict[str, Any] = {
                "base_url": self._endpoint,
                "credential_scopes": [f"{self._endpoint}/.default"],
                "api_version": API_VERSION,
                "retry_total": 2,
                "retry_status": 0,
                "permit_redirects": False,
            }
            if self._is_local:
                options["authentication_policy"] = AzureKeyCredentialPolicy(
                    AzureKeyCredential("local"), "Authorization", prefix="Bearer"
                )
            self._clients[subscription] = DataProtectionMgmtClient(
                self._credential, subscription, **options
            )
        return self._clients[subscription]

    def _request(self, instance: Instance, point: str, landing: Destination) -> dict[str, Any]:
        """The restore request as it goes over the wire.

        Flexible servers ignore the prefix, but the API demands one; this is PowerShell's. Vaults of
        another subscription need the container's own ARM id, not the account's.
        Source: Az.DataProtection 3.1.1, AzureDatabaseForPGFlexServer.json.
        """
        target = models.TargetDetails(
            file_prefix="dummyprefix",
            restore_target_location_type=models.RestoreTargetLocationType.AZURE_BLOBS,
            url=landing.url,
        )
        if self._landing_account_id:
            container = f"blobServices/default/containers/{landing.url.rpartition('/')[2]}"
            target.target_resource_arm_id = f"{self._landing_account_id}/{container}"
        request = models.AzureBackupRecoveryPointBasedRestoreRequest(
            recovery_point_id=point,
            source_data_store_type=models.SourceDataStoreType.VAULT_STORE,
            restore_target_info=models.RestoreFilesTargetInfo(
                recovery_option=models.RecoveryOption.FAIL_IF_EXISTS,
                restore_location=landing.region or instance.region,
                target_details=target,
            ),
        )
        return request.as_dict()

    def _begin(self, what: str, path: str, body: dict[str, Any]) -> Operation:
        """POST once. The SDK's own method waits for the end, and keeps the URLs to itself."""
        request = HttpRequest("POST", path, params={"api-version": API_VERSION}, json=body)
        answer = self._send(what, request)
        result_url = answer.headers.get("Location") or ""
        operation = Operation(answer.headers.get("Azure-AsyncOperation") or result_url, result_url)
        self._check_own(operation.status_url)
        return operation

    def _get(self, url: str) -> HttpResponse:
        self._check_own(url)
        verbatim = url.replace("{", "{{").replace("}", "}}")  # the client takes it for a template
        return self._send("operation of Azure Backup", HttpRequest("GET", verbatim))

    def _look(self, url: str) -> HttpResponse | None:
        """None where we may not: it lies beside the vault, outside of a role on the vault."""
        try:
            return self._get(url)
        except errors.RefusedError as exc:
            if exc.code != errors.NO_ACCESS or _VAULTS in url.lower():
                raise
            return None

    def _send(self, what: str, request: HttpRequest) -> HttpResponse:
        with _translated(what):
            answer = self._client("").send_request(request)
        if answer.status_code >= 300:
            raise errors.refused(what, answer.status_code, errors.body(answer))
        return answer

    def _check_own(self, url: str) -> None:
        """Our token must not travel to whatever host a stored or answered URL names."""
        if _origin(url) != _origin(self._endpoint):
            raise VaultError(
                f"URL of an operation: expected one of {self._endpoint}, "
                f"found {_origin(url) or 'none'}",
                "is RESTORE_ARM_ENDPOINT the one of your cloud?",
            )

    def _jobs(
        self, vault: VaultId, region: str, landing: Destination
    ) -> Iterator[models.AzureBackupJobResource]:
        client = self._client(vault.subscription)
        if not _crosses(region, landing.region):
            return iter(client.jobs.list(vault.group, vault.name))
        asked = models.CrossRegionRestoreJobsRequest(
            source_region=region, source_backup_vault_id=vault.id
        )
        fetch = client.fetch_cross_region_restore_jobs
        return iter(fetch.list(vault.group, str(landing.region), asked))

    def _job(
        self, vault: VaultId, name: str, region: str, landing: Destination
    ) -> models.AzureBackupJobResource:
        client = self._client(vault.subscription)
        if not _crosses(region, landing.region):
            return client.jobs.get(vault.group, vault.name, name)
        asked = models.CrossRegionRestoreJobRequest(
            source_region=region, source_backup_vault_id=vault.id, job_id=name
        )
        fetch = client.fetch_cross_region_restore_job
        return fetch.get(vault.group, str(landing.region), asked)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (AzureError, SerializationError, DeserializationError) as exc:
        raise errors.translate(exc, what) from exc


def _origin(url: str) -> str:
    """Scheme, host and port as one text; "" for what parsers could read in two ways."""
    if re.search(r"[\s\\]", url):
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    plain = parts.hostname and "@" not in parts.netloc
    return f"{parts.scheme}://{parts.hostname}:{port}" if plain else ""


def _crosses(region: str, other: str | None) -> bool:
    """Whether `other` names another region: "West Europe" and "westeurope" are one."""
    return other is not None and _plain(region) != _plain(other)


def _plain(region: str) -> str:
    return region.replace(" ", "").lower()


def _source(vault: VaultId, instance: Instance) -> dict[str, Any]:
    details = models.CrossRegionRestoreDetails(
        source_region=instance.region,
        source_backup_instance_id=vault.instance(instance.name),
    )
    return {"crossRegionRestoreDetails": details.as_dict()}
