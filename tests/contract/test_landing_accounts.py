"""Who gets into a storage account: the fake, and requests to the local management API."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.vault import LocalVault
from restore.adapters.azure_errors import AccessError
from restore.adapters.credentials import credential
from restore.adapters.landing_account import LandingAccounts as RealLandingAccounts
from restore.core.guard import Access
from restore.errors import NotFoundError
from restore.ports import LandingAccounts
from tests.fakes import MemoryLandingAccounts

STORAGE = "UseDevelopmentStorage=true"
TENANT = "00000000-0000-0000-0000-00000000000a"
SHUT = Access(cross_tenant=False)


@dataclass
class Held:
    accounts: LandingAccounts
    id: str
    vault: str


@pytest.fixture(params=["fake", "local"])
def held(request: pytest.FixtureRequest) -> Iterator[Held]:
    with LocalVault(None, STORAGE) as vault:
        vault.account.shut()
        account = vault.landing_account_id
        if request.param == "fake":
            accounts: LandingAccounts = MemoryLandingAccounts({account: SHUT})
        else:
            accounts = RealLandingAccounts(vault.url, TENANT, credential(), local=True)
        yield Held(accounts, account, vault.names.vault_id)


def test_it_is_opened_to_a_vault_and_shut_again(held):
    shut = held.accounts.read(held.id)
    assert shut == SHUT
    assert not shut.lets_in(held.vault)
    held.accounts.write(held.id, shut.letting_in(held.vault), shut)
    assert held.accounts.read(held.id).lets_in(held.vault)
    held.accounts.write(held.id, shut, shut.letting_in(held.vault))
    assert held.accounts.read(held.id) == shut


def test_a_network_that_is_open_to_all_stays_so(held):
    held.accounts.write(held.id, Access(cross_tenant=True, open_network=True), SHUT)
    assert held.accounts.read(held.id).cross_tenant


def test_an_unknown_account_is_not_found(held):
    with pytest.raises(NotFoundError):
        held.accounts.read(held.id + "other")
    with pytest.raises(NotFoundError):
        held.accounts.write(held.id + "other", SHUT, SHUT)


def test_everything_else_of_the_account_stays_as_it_is():
    with LocalVault(None, STORAGE) as vault:
        vault.account.shut()
        accounts = RealLandingAccounts(vault.url, TENANT, credential(), local=True)
        shut = accounts.read(vault.landing_account_id)
        accounts.write(vault.landing_account_id, shut.letting_in(vault.names.vault_id), shut)
        network = vault.account.properties["networkAcls"]
        rule = {"tenantId": TENANT, "resourceId": vault.names.vault_id.lower()}
        assert network["resourceAccessRules"] == [rule]
        assert network["ipRules"] == [{"value": "203.0.113.7", "action": "Allow"}]
        assert network["bypass"] == "AzureServices"
        vault.account.properties["networkAcls"] = {"defaultAction": "Allow"}
        assert accounts.read(vault.landing_account_id) == Access(True, open_network=True)
        opened = Access(True, open_network=True)
        accounts.write(vault.landing_account_id, Access(False, open_network=True), opened)
        assert vault.account.properties["networkAcls"] == {"defaultAction": "Allow"}


@pytest.mark.parametrize("denied", ["GET", "PATCH"])
def test_who_may_not_change_it_is_told_which_right_is_missing(denied):
    with LocalVault(None, STORAGE) as vault:
        vault.account.shut()
        vault.account.denied = frozenset({denied})
        accounts = RealLandingAccounts(vault.url, TENANT, credential(), local=True)
        with pytest.raises(AccessError, match="landing account") as denial:
            accounts.write(vault.landing_account_id, Access(cross_tenant=True), SHUT)
        assert "Microsoft.Storage/storageAccounts/read and write" in denial.value.hint
        assert not vault.account.properties["allowCrossTenantReplication"]
