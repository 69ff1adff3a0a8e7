"""Joins settings and adapters for the function app."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache

from restore import settings as environment
from restore.adapters.azure_backup import AzureBackup
from restore.adapters.credentials import credential
from restore.adapters.servicebus import ServiceBus
from restore.adapters.storage import BlobLanding, BlobRecords, BlobStates
from restore.control import Control
from restore.core.policy import Policy


def now() -> datetime:
    return datetime.now(UTC)


@cache
def control() -> Control:
    """The control plane as the environment describes it; made once, at the first call.

    Raises SettingsError.
    """
    settings = environment.read(os.environ)
    vault = AzureBackup(
        settings.arm_endpoint, credential(settings.client_id), settings.landing_account_id
    )
    return Control(
        clock=now,
        states=BlobStates(settings.state),
        records=BlobRecords(settings.state),
        landing=BlobLanding(settings.landing),
        vault=vault,
        bus=ServiceBus(settings.bus),
        policy=policy(settings),
        vaults=settings.vaults,
        targets=settings.targets,
    )


def policy(settings: environment.Settings) -> Policy:
    return Policy(
        poll_seconds=settings.poll_seconds,
        settle_seconds=settings.settle_seconds,
        retry_seconds=settings.retry_seconds,
        watch_seconds=settings.poll_seconds,
        max_attempts=settings.max_attempts,
    )
