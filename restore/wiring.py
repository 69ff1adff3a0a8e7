"""Joins settings and adapters for the function app."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from azure.core.credentials import TokenCredential

from restore import settings as environment
from restore import telemetry
from restore.adapters.callback import HttpsCaller
from restore.adapters.credentials import credential
from restore.adapters.landing_account import LandingAccounts
from restore.adapters.recording import recorder
from restore.adapters.secrets import FolderSecrets, KeyVaultSecrets, NoSecrets
from restore.adapters.server_parameters import ServerParameters
from restore.adapters.servicebus import ServiceBus
from restore.adapters.signing import Ed25519Signer
from restore.adapters.storage import BlobDocuments, BlobLanding, BlobRecords, BlobStates
from restore.control import Control, LandingGuard
from restore.core.policy import Policy
from restore.ports import Secrets, Signer, Vault


def now() -> datetime:
    return datetime.now(UTC)


@cache
def control() -> Control:
    """The control plane as the environment describes it; made once, at the first call.

    Raises SettingsError.
    """
    settings = environment.read(os.environ)
    telemetry.use(recorder(settings, "control"))
    atexit.register(telemetry.close)
    identity = credential(settings.client_id)
    local = settings.arm_endpoint.startswith("http:")  # settings see to it that it is here
    return Control(
        clock=now,
        states=BlobStates(settings.state),
        records=BlobRecords(settings.state),
        landing=BlobLanding(settings.landing),
        vault=cast(Vault, _AtFirstUse(lambda: _vault(settings))),
        parameters=ServerParameters(settings.arm_endpoint, identity, local=local),
        bus=ServiceBus(settings.bus, events=settings.events_topic),
        policy=policy(settings),
        vaults=settings.vaults,
        targets=settings.targets,
        documents=BlobDocuments(settings.state),
        rules=settings.rules,
        drills=settings.drills,
        signer=_signer(settings),
        callbacks=tuple(host.lower() for host in settings.callback_hosts),
        caller=_caller(settings),
        guard=_guard(settings, identity, local=local),
    )


class _AtFirstUse:
    """A port that is made when it is needed: its SDK takes long to load, and few events need it."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def _vault(settings: environment.Settings) -> Vault:
    from restore.adapters.azure_backup import AzureBackup

    identity = credential(settings.client_id)
    return AzureBackup(settings.arm_endpoint, identity, settings.landing_account_id)


def _guard(
    settings: environment.Settings, identity: TokenCredential, *, local: bool
) -> LandingGuard | None:
    if not settings.guard_tenant:
        return None
    accounts = LandingAccounts(settings.arm_endpoint, settings.guard_tenant, identity, local=local)
    return LandingGuard(accounts, settings.landing_account_id)


def _signer(settings: environment.Settings) -> Signer | None:
    """Who signs reports; the key is asked for each time, so that it can be exchanged."""
    if not settings.report_key:
        return None
    secrets = _secrets(settings)
    return Ed25519Signer(lambda: secrets.get(settings.report_key))


def _caller(settings: environment.Settings) -> HttpsCaller | None:
    if not settings.callback_secret:
        return None
    secrets = _secrets(settings)
    return HttpsCaller(lambda: secrets.get(settings.callback_secret))


def _secrets(settings: environment.Settings) -> Secrets:
    if settings.secrets_folder:
        return FolderSecrets(settings.secrets_folder)
    if settings.key_vault_url:
        return KeyVaultSecrets(settings.key_vault_url, credential(settings.client_id))
    return NoSecrets()


def policy(settings: environment.Settings) -> Policy:
    return Policy(
        announce=settings.events_topic != "off",
        guards=bool(settings.guard_tenant),
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
