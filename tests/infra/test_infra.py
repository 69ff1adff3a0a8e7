"""infra/ is right, as far as that can be seen without Azure; and mistakes in it are found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from restore import settings
from tests.infra import policy
from tests.infra.policy import INFRA, ROOT

# file, what is there, what is planted
MISTAKES = [
    ("core/storage.bicep", "supportsHttpsTrafficOnly", "supportsHttpTrafficOnly"),
    ("core/storage.bicep", "kind: 'StorageV2'", "kind: 'StorageV3'"),
    ("core/storage.bicep", "'TLS1_2'", "'TLS9'"),
    ("core/storage.bicep", "isHnsEnabled: false", "isHnsEnabled: true"),
    (
        "core/storage.bicep",
        "allowCrossTenantReplication: !landingGuard",
        "allowCrossTenantReplication: false",
    ),
    ("core/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    ("core/storage.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true"),
    ("core/storage.bicep", "resourceId: backupVaultResourceId", "resourceId: tenant().tenantId"),
    ("core/storage.bicep", "'restore-'", "'vault-'"),
    ("core/storage.bicep", "tenant().tenantId", "tenent().tenantId"),
    ("core/servicebus.bicep", "lockDuration: 'PT5M'", "lockDuration: 'PT10M'"),
    ("core/servicebus.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    (
        "core/servicebus.bicep",
        "requiresDuplicateDetection: true",
        "requiresDuplicateDetection: 'yes'",
    ),
    (
        "core/servicebus.bicep",
        "deadLetteringOnMessageExpiration: true",
        "deadLetteringOnMessageExpiration: false",
    ),
    ("core/servicebus.bicep", "namespaces/topics@2024-01-01", "namespaces/topics@2031-01-01"),
    ("core/servicebus.bicep", "  name: 'Standard'\n    tier", "  nam: 'Standard'\n    tier"),
    ("core/storage.bicep", "landingGuard ? [] : [", "landingGuard ? {} : ["),
    ("rbac/landing-role.bicep", "  scope: account\n", ""),
    ("rbac/landing-role.bicep", "restoreAccountName\n}", "accountName\n}"),
    ("main.bicep", "RESTORE_GUARD_TENANT", "RESTORE_GUARD"),
    ("main.bicep", "serverName: last(", "server: last("),
    ("core/registry.bicep", "@description('Region.')\n", ""),
    ("app/dashboard.bicep", "displayName: 'Restores'", "displayNam: 'Restores'"),
    ("app/dashboard.bicep", "queries/attention.kql", "queries/attentions.kql"),
    ("core/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true"),
    ("core/monitoring.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false"),
    ("core/monitoring.bicep", "Application_Type: 'web'\n", ""),
    ("core/keyvault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
    ("core/keyvault.bicep", "  properties: {", "  properties: ["),
    ("app/function.bicep", "version: '3.13'", "version: '3.8'"),
    ("app/function.bicep", "httpsOnly: true", "httpsOnly: 1"),
    ("app/function.bicep", "azd-service-name", "azd-service"),
    ("app/worker.bicep", "'2.0': '4Gi'", "'2.0': '6Gi'"),
    ("app/worker.bicep", "lifecycle: 'None'", "lifecycle: 'Never'"),
    ("app/worker.bicep", "              identity: scalerIdentityId\n", ""),
    ("app/worker.bicep", "replicaTimeout: timeoutSeconds\n", ""),
    ("app/worker.bicep", "replicaRetryLimit: 0", "replicaRetryLimit: 3"),
    ("app/worker.bicep", "logs.id", "loggs.id"),
    ("app/alerts.bicep", "operator: 'GreaterThan'", "operator: 'Above'"),
    ("rbac/roles.bicep", "  scope: restore::blob::deadLetters\n", ""),
    ("rbac/roles.bicep", "role: role.storageBlobDataReader", "role: role.storageBlobDataOwner"),
    (
        "rbac/roles.bicep",
        "workerPrincipalId, role: role.acrPull",
        "scalerPrincipalId, role: role.acrPull",
    ),
    ("rbac/roles.bicep", "  scope: namespace::tasks\n", "  scope: namespace\n"),
    ("app/worker.bicep", "memory: memory[cores]", "memory: memory"),
    ("main.bicep", "    cores: workerCores\n", ""),
    ("main.bicep", "empty(workerSubnetId) ?", "empty(functionSubnetId) ?"),
    ("app/alerts.bicep", "enabled: true", "enabled: false"),
    ("app/alerts.bicep", 'log.event == "stuck"', 'log.event == "stack"'),
    ("core/registry.bicep", "anonymousPullEnabled: false", "anonymousPullEnabled: true"),
    ("core/network.bicep", "target: signingId", "target: passwordsId"),
    ("main.bicep", "_URL: signing.outputs.uri", "_URL: passwords.outputs.uri"),
    ("main.bicep", "RESTORE_TARGETS: restoreTargets", "RESTORE_TARGETS: backupVaultResourceId"),
    ("rbac/restore-role.bicep", "backupVaults/read'", "backupVaults/*'"),
    ("rbac/restore-role.bicep", "dataActions: []", "dataActions: [ '*' ]"),
    ("rbac/roles.bicep", "principalId: item.principal", "principalId: controlPrincipalId"),
    ("rbac/roles.bicep", "ba92f5b4-2d11-453d", "ba92f5b4-2d11-453e"),
    ("subscription.bicep", "functions/blob_created", "functions/blob_made"),
    ("subscription.bicep", "endpointType: 'AzureFunction'", "endpointType: 'Function'"),
    ("rbac/roles.bicep", "  scope: namespace::tasks\n", ""),
    ("rbac/roles.bicep", "69a216fc-b8fb", "79a216fc-b8fb"),
    ("rbac/roles.bicep", "role.acrPull", "role.acrPush"),
    ("rbac/roles.bicep", "name: 'restore-reports'", "name: 'restore-report'"),
    ("rbac/roles.bicep", "  principalType: 'ServicePrincipal'\n", ""),
    ("main.bicep", "RESTORE_TARGETS:", "RESTORE_TARGET:"),
    ("main.bicep", "  RESTORE_VAULTS: backupVaultResourceId\n", ""),
    ("main.bicep", "TICK_SCHEDULE", "TICK_CRON"),
    ("main.bicep", "'restore-poison'", "'poison'"),
    ("main.bicep", "storage.outputs.restoreId", "storage.outputs.landingId"),
    ("main.bicep", "    keepFilesDays: keepFilesDays\n", ""),
    ("main.bicep", "azd-env-name", "env-name"),
    ("main.bicep", "@description('Receives operational alerts", "@metadata('Receives alerts"),
    ("main.parameters.json", '"restoreTargets"', '"targets"'),
]


def test_the_infrastructure_is_right():
    assert policy.findings(INFRA) == []


@pytest.mark.parametrize(
    ("file", "there", "planted"), MISTAKES, ids=[f"{n:02}" for n in range(len(MISTAKES))]
)
def test_a_planted_mistake_is_found(tmp_path, file, there, planted):
    folder = tmp_path / "infra"
    shutil.copytree(INFRA, folder)
    text = (folder / file).read_text()
    assert there in text
    (folder / file).write_text(text.replace(there, planted, 1))
    assert policy.findings(folder) != []


def test_an_assignment_beside_the_table_is_found(tmp_path):
    folder = tmp_path / "infra"
    shutil.copytree(INFRA, folder)
    file = folder / "app" / "events.bicep"
    more = """
resource more 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(restore.id, topic.id)
  scope: restore
  properties: {
    roleDefinitionId: topic.id
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
  }
}
"""
    file.write_text(file.read_text() + more)
    assert policy.findings(folder) == ["app/events.bicep: more: an assignment that is in no table"]


def test_azure_yaml_names_services_and_hooks_that_exist():
    assert policy.azure_yaml((ROOT / "azure.yaml").read_text(), ROOT) == []


@pytest.mark.parametrize(
    ("there", "planted"),
    [
        ("host: function", "host: functions"),
        ("  control:", "  app:"),
        ("postdeploy.sh", "deploy.sh"),
        ("services:", "service: {}\nservices:"),
        ("name: pgvault-restore", "name: Pgvault_Restore"),
        ("language: python", "languages: python"),
        ("remoteBuild: true", "remoteBuild: 'yes'"),
        ("shell: sh", "shell: bash"),
        ("postdeploy:", "afterdeploy:"),
    ],
)
def test_a_mistake_in_azure_yaml_is_found(there, planted):
    text = (ROOT / "azure.yaml").read_text()
    assert there in text
    assert policy.azure_yaml(text.replace(there, planted, 1), ROOT) != []


def test_hooks_are_clean():
    scripts = sorted(map(str, (INFRA / "hooks").glob("*.sh")))
    subprocess.run([Path(sys.executable).parent / "shellcheck", *scripts], check=True)


HOOK = ["/bin/sh", INFRA / "hooks" / "postdeploy.sh"]
GIVEN = (
    "AZURE_RESOURCE_GROUP",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_FUNCTION_APP_NAME",
    "RESTORE_SYSTEM_TOPIC_NAME",
    "RESTORE_STORAGE_ACCOUNT_NAME",
    "RESTORE_DEAD_LETTER_CONTAINER",
)


def hook(folder, az, **environment):
    """The hook, with `az` for the Azure CLI."""
    (folder / "az").write_text(f"#!/bin/sh\n{az}\n")
    (folder / "az").chmod(0o755)
    environment |= {"PATH": f"{folder}:/usr/bin:/bin", "RETRY_SECONDS": "0"}
    return subprocess.run(HOOK, env=environment, capture_output=True, text=True)


def test_the_outputs_feed_the_hook():
    outputs = re.findall(r"^output (\w+)", (INFRA / "main.bicep").read_text(), re.M)
    assert set(GIVEN) - set(outputs) == {"AZURE_SUBSCRIPTION_ID"}  # which azd itself gives
    assert all(name in HOOK[1].read_text() for name in GIVEN)


def test_a_hook_says_what_is_missing(tmp_path):
    done = hook(tmp_path, "exit 9")
    assert done.returncode == 1
    assert "expected AZURE_RESOURCE_GROUP" in done.stderr
    assert "azd hooks run postdeploy" in done.stderr


@pytest.mark.parametrize(("refusals", "code"), [(0, 0), (2, 0), (9, 1)])
def test_a_hook_waits_until_the_function_is_listed(tmp_path, refusals, code):
    calls = tmp_path / "calls"
    az = f'echo "$@" >> {calls}; test "$(wc -l < {calls})" -gt {refusals}'
    done = hook(tmp_path, az, **dict.fromkeys(GIVEN, "name"))
    assert done.returncode == code, done.stderr
    assert len(calls.read_text().splitlines()) == min(refusals + 1, 4)
    assert ("azd hooks run postdeploy" in done.stderr) is bool(code)


@pytest.mark.parametrize("who", ["app", "worker"])
def test_what_bicep_sets_is_read(who):
    """Literals are what Azure would set; expressions name Azure places, and get one of them."""
    values = dict(zip(("app", "worker"), policy.given(INFRA), strict=True))[who]
    environment = {name: value_of(name, text) for name, text in values.items()}
    read = settings.read(environment)
    assert read.bus.endpoint == PLACES["ServiceBusConnection__fullyQualifiedNamespace"]
    assert read.landing.endpoint != read.state.endpoint
    smallest = {name: text for name, text in environment.items() if name not in _tuned(values)}
    assert settings.read(smallest) == read  # the literals are the defaults


def _tuned(values):
    return {name for name, text in values.items() if text.startswith("'") and "RESTORE_" in name}


PLACES = {
    "ServiceBusConnection__fullyQualifiedNamespace": "sb.servicebus.windows.net",
    "LandingStorage__blobServiceUri": "https://landing.blob.core.windows.net/",
    "StateStorage__blobServiceUri": "https://host.blob.core.windows.net/",
    "RESTORE_TARGETS": "target.postgres.database.azure.com",
    "RESTORE_KEY_VAULT_URL": "https://kv.vault.azure.net/",
    "RESTORE_EVENTS_TOPIC": "restore-events",
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000001",
}


def value_of(name, text):
    return text.strip("'") if text.startswith("'") else PLACES.get(name, "")
