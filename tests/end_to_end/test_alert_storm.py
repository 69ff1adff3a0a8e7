"""A storm of alerts on real storage and the vault's API: as many restores as the rules say."""

import json
import random
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.azurite import Azurite
from local.vault import LocalVault
from restore import alerting, flows
from restore.adapters.azure_backup import AzureBackup
from restore.adapters.credentials import credential
from restore.adapters.storage import BlobDocuments, BlobLanding, BlobRecords, BlobStates
from restore.control import Control
from restore.core.policy import Policy
from restore.errors import NotFoundError
from restore.settings import Connection
from tests.core.test_alert import payload
from tests.fakes import MemoryBus, MemoryServerParameters

NOW = datetime(2026, 11, 20, 3, 14, 15, tzinfo=UTC)
THREADS = 12


class Site:
    """Two instances on one storage account and one vault, with a target of their own."""

    def __init__(self, storage: Azurite, vault: LocalVault) -> None:
        self.now = NOW
        self.name = secrets.token_hex(4)
        self.host = f"pg-{self.name}.example.com"
        self.instances = [self._instance(storage, vault) for _ in range(2)]

    def _instance(self, storage: Azurite, vault: LocalVault) -> Control:
        connection = Connection(storage.connection_string)
        account_id = vault.names.storage_account_id(storage.account)
        request = {
            "source": {"server": vault.names.server_id},
            "target": {"host": self.host, "user": "admin", "secret": "pg"},
        }
        rule = {"name": "storm", "when": {"rule": "pg1 *"}, "request": request}
        return Control(
            clock=lambda: self.now,
            states=BlobStates(connection),
            records=BlobRecords(connection),
            landing=BlobLanding(connection),
            vault=AzureBackup(vault.url, credential(), account_id),
            parameters=MemoryServerParameters("", {}),
            bus=MemoryBus(clock=lambda: self.now),
            policy=Policy(),
            vaults=(vault.names.vault_id,),
            targets=(f"{self.host}:5432",),
            documents=BlobDocuments(connection),
            rules=json.dumps({"version": 1, "rules": [{**rule, "coolDownMinutes": 10}]}),
        )

    def alert(self, number: object, **essentials: str) -> bytes:
        """One that fires now; its id is this site's own, for the storage is shared."""
        document = json.loads(payload("metric-fired"))
        own = {"alertId": f"{self.name}/{number}", "firedDateTime": self.now.isoformat()}
        document["data"]["essentials"] |= {**own, **essentials}
        return json.dumps(document).encode()

    def storm(self, bodies: list[bytes]) -> list[alerting.Decision]:
        """All of them at once, in no order, each at one of the instances."""
        chosen = [(random.Random(n).choice(self.instances), body) for n, body in enumerate(bodies)]
        random.Random(1).shuffle(chosen)
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda one: alerting.alerted(*one)[0], chosen))

    def restores(self) -> set[str]:
        summaries = self.instances[0].states.summaries()
        return {s.id for s in summaries if s.target == f"{self.host}:5432"}

    def close(self) -> None:
        for restore_id in self.restores():
            flows.cancel(self.instances[0], restore_id)
        for one in self.instances:
            for port in (one.states, one.records, one.landing, one.vault, one.documents):
                port.close()


@pytest.fixture
def site(azurite: Azurite, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "backupstarttimestamp").write_text("2026-11-19")
    with LocalVault(None, azurite.connection_string) as vault:
        vault.add_backup(tmp_path, at=NOW - timedelta(days=1))
        site = Site(azurite, vault)
        yield site
        site.close()


@pytest.mark.parametrize(
    ("copies", "others"), [(60, 15), pytest.param(500, 200, marks=pytest.mark.soak)]
)
def test_a_storm_starts_what_the_rules_say(site: Site, copies: int, others: int) -> None:
    """Copies of one alert and others of the same trouble, then more of it after the cool-down."""
    first = [site.alert("first")] * copies + [site.alert(n) for n in range(others)]
    decisions = site.storm(first)
    (restore,) = site.restores()
    assert {decision.restore for decision in decisions} == {restore}
    (begun,) = {d.alert for d in decisions if d.action == "start"}

    site.now += timedelta(minutes=10)
    second = [site.alert("second")] * (copies // 5)
    late = [body for body in first if begun in body.decode()][: copies // 5]
    resolved = [site.alert("third", monitorCondition="Resolved")] * (copies // 10)
    decisions = site.storm(second + late + resolved)
    (again,) = site.restores() - {restore}
    started = {(d.alert, d.restore) for d in decisions if d.action == "start"}
    assert started == {(f"{site.name}/second", again)}
    assert {d.restore for d in decisions if d.alert == begun} == {restore}
    assert not any(d.restore for d in decisions if d.alert.endswith("/third"))


@pytest.mark.parametrize("comes_next", ["others", "the timer"])
def test_an_instance_that_died_with_its_mark_put(site: Site, comes_next: str) -> None:
    """What it promised is begun by those who come next, once."""
    body = site.alert("first")
    with pytest.raises(ConnectionAbortedError):
        alerting.alerted(replace(site.instances[0], states=_Gone()), body)
    assert site.restores() == set()
    if comes_next == "the timer":
        for instance in site.instances:
            alerting.carry_on(instance)
    else:
        assert {d.action for d in site.storm([site.alert(n) for n in range(20)])} == {"none"}
    (restore,) = site.restores()
    assert alerting.alerted(site.instances[1], body)[0].restore == restore


class _Gone:
    """States of an instance that ends when it would begin a restore."""

    def load(self, restore_id: str) -> None:
        raise NotFoundError(f"restore {restore_id}: expected one, found none")

    def create(self, restore: object) -> None:
        raise ConnectionAbortedError
