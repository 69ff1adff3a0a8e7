"""Joins settings and adapters for the function app."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache

from restore import settings as environment
from restore.adapters.azure_backup import AzureBackup
from restore.adapters.credentials import credential
from restore.adapters.secrets import FolderSecrets, KeyVaultSecrets, NoSecrets
from restore.adapters.server_parameters import ServerParameters
from restore.adapters.servicebus import ServiceBus
from restore.adapters.signing import Ed25519Signer
from restore.adapters.storage import BlobLanding, BlobRecords, BlobStates
from restore.control import Control
from restore.core.policy import Policy
from restore.ports import Secrets, Signer


def now() -> datetime:
    return datetime.now(UTC)


@cache
def control() -> Control:
    """The control plane as the environment describes it; made once, at the first call.

    Raises SettingsError.
    """
    settings = environment.read(os.environ)
    identity = credential(settings.client_id)
    vault = AzureBackup(settings.arm_endpoint, identity, settings.landing_account_id)
    local = settings.arm_endpoint.startswith("http:")  # AzureBackup sees to it that it is here
    return Control(
        clock=now,
        states=BlobStates(settings.state),
        records=BlobRecords(settings.state),
        landing=BlobLanding(settings.landing),
        vault=vault,
        parameters=ServerParameters(settings.arm_endpoint, identity, local=local),
        bus=ServiceBus(settings.bus),
        policy=policy(settings),
        vaults=settings.vaults,
        targets=settings.targets,
        signer=_signer(settings),
    )


def _signer(settings: environment.Settings) -> Signer | None:
    """Who signs reports; the key is asked for each time, so that it can be exchanged."""
    if not settings.report_key:
        return None
    secrets: Secrets = NoSecrets()
    if settings.secrets_folder:
        secrets = FolderSecrets(settings.secrets_folder)
    elif settings.key_vault_url:
        secrets = KeyVaultSecrets(settings.key_vault_url, credential(settings.client_id))
    return Ed25519Signer(lambda: secrets.get(settings.report_key))


def policy(settings: environment.Settings) -> Policy:
    return Policy(
        poll_seconds=settings.poll_seconds,
        settle_seconds=settings.settle_seconds,
        retry_seconds=settings.retry_seconds,
        watch_seconds=settings.poll_seconds,
        max_attempts=settings.max_attempts,
        approval_hours=settings.approval_hours,
        undo_hours=settings.undo_hours,
        deadline_hours=settings.deadline_hours,
        keep_files_hours=settings.keep_files_hours,
        keep_failed_files_hours=settings.keep_failed_files_hours,
        max_databases=settings.max_databases,
    )
