"""Joins settings and adapters into a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

from restore.adapters.azure_errors import translated
from restore.adapters.credentials import credential
from restore.adapters.postgres import Tls
from restore.adapters.secrets import FolderSecrets, KeyVaultSecrets, NoSecrets
from restore.adapters.servicebus import ServiceBus
from restore.adapters.storage import BlobLanding, BlobRecords, BlobStates
from restore.adapters.tools import find_clients
from restore.core.preflight import Room
from restore.errors import ToolError
from restore.ports import Secrets
from restore.settings import Settings
from restore.worker.job import Limits
from restore.worker.worker import Worker

_TOKEN_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
"""Source: learn.microsoft.com/azure/postgresql, "Connect with Microsoft Entra": the token scope."""


@contextmanager
def connected(settings: Settings) -> Iterator[Worker]:
    """A worker on real adapters; they are closed with the context.

    Raises ToolError on a machine without psql and pg_restore.
    """
    clients = find_clients(settings.pg_bindirs)
    if not clients:
        raise ToolError(
            "PostgreSQL client: expected psql and pg_restore, found none",
            "install postgresql-client, or name their folders in RESTORE_PG_BINDIRS",
        )
    with ExitStack() as closed:
        bus = closed.enter_context(closing(ServiceBus(settings.bus)))
        yield Worker(
            clock=lambda: datetime.now(UTC),
            states=closed.enter_context(closing(BlobStates(settings.state))),
            records=closed.enter_context(closing(BlobRecords(settings.state))),
            landing=closed.enter_context(closing(BlobLanding(settings.landing))),
            bus=bus,
            inbox=bus,
            secrets=_secrets(settings, closed),
            token=lambda: _token(settings),
            targets=settings.targets,
            tls=Tls(settings.pg_sslmode, settings.pg_sslrootcert),
            clients=clients,
            limits=Limits(
                jobs=settings.restore_jobs,
                scratch_bytes=settings.scratch_bytes,
                room=Room(settings.max_databases, settings.max_connections),
            ),
        )


def _token(settings: Settings) -> str:
    hint = "the worker's identity must be a Microsoft Entra principal of the target server"
    with translated("Microsoft Entra token for PostgreSQL", hint):
        return credential(settings.client_id).get_token(_TOKEN_SCOPE).token


def _secrets(settings: Settings, closed: ExitStack) -> Secrets:
    if settings.secrets_folder:
        return FolderSecrets(settings.secrets_folder)
    if not settings.key_vault_url:
        return NoSecrets()
    vault = KeyVaultSecrets(settings.key_vault_url, credential(settings.client_id))
    return closed.enter_context(closing(vault))
