"""What the adapter asks of Azure Backup, and what it makes of every answer."""

import pytest
from azure.core.credentials import AccessToken
from azure.mgmt.dataprotection import DataProtectionMgmtClient, models

from restore.adapters import azure_backup, azure_backup_answers, azure_backup_errors
from restore.adapters.azure_backup import AzureBackup
from restore.adapters.azure_backup_errors import BUSY, REMEDIES, RefusedError, VaultBusyError
from restore.core.backup import Instance, Operation, OperationState, Outcome
from restore.errors import InputError, NotFoundError, TransientError, VaultError
from restore.ports import Destination
from tests.contract.arm import arm

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
VAULT = f"{GROUP}/providers/Microsoft.DataProtection/backupVaults/vault-1"
INSTANCE = Instance(VAULT, "pg-0c0ffee0", f"{GROUP}/…/flexibleServers/pg", "westeurope", "")
URL = "https://landing.blob.core.windows.net/restore-1"
LANDING = Destination(URL)
FAR = Destination(URL, "northeurope")
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/landing"
QUERY = "?api-version=2026-06-01"
JOB = f"{VAULT}/backupJobs/571e2403-8092-49ca-ac77-474a6e329270"


class Token:
    """A credential that must not be needed for a local endpoint."""

    def get_token(self, *scopes, **_):
        return AccessToken("REAL-TOKEN", 4_000_000_000)


@pytest.fixture
def azure():
    with arm() as server:
        yield server


@pytest.fixture
def vault(azure):
    vault = AzureBackup(azure.url, Token())
    yield vault
    vault.close()


def accepted(azure, status="/status?s=1", result="/result?s=2"):
    urls = {"Azure_AsyncOperation": azure.url + status, "Location": azure.url + result}
    return azure.say(202, None, **urls)


# ---- requests


def restore_request(region="westeurope", **target):
    return {
        "objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
        "recoveryPointId": "64c1",
        "sourceDataStoreType": "VaultStore",
        "restoreTargetInfo": {
            "objectType": "RestoreFilesTargetInfo",
            "recoveryOption": "FailIfExists",
            "restoreLocation": region,
            "targetDetails": {
                "filePrefix": "dummyprefix",
                "restoreTargetLocationType": "AzureBlobs",
                "url": URL,
                **target,
            },
        },
    }


def test_a_validation_posts_the_request_wrapped_and_keeps_the_urls_as_they_came(azure, vault):
    operation = accepted(azure) and vault.begin_validation(INSTANCE, "64c1", LANDING)
    (asked,) = azure.asked
    assert asked.method == "POST"
    assert asked.target == f"{VAULT}/backupInstances/pg-0c0ffee0/validateRestore{QUERY}"
    assert asked.body == {"restoreRequestObject": restore_request()}
    assert operation == Operation(f"{azure.url}/status?s=1", f"{azure.url}/result?s=2")


def test_a_restore_posts_the_same_request_bare(azure, vault):
    accepted(azure)
    vault.begin_restore(INSTANCE, "64c1", LANDING)
    assert azure.asked[0].target == f"{VAULT}/backupInstances/pg-0c0ffee0/restore{QUERY}"
    assert azure.asked[0].body == restore_request()


def test_for_another_subscription_the_container_is_named_by_its_own_arm_id(azure):
    vault = AzureBackup(azure.url, Token(), ACCOUNT + "/")
    accepted(azure)
    vault.begin_restore(INSTANCE, "64c1", LANDING)
    vault.close()
    arm_id = f"{ACCOUNT}/blobServices/default/containers/restore-1"
    assert azure.asked[0].body == restore_request(targetResourceArmId=arm_id)


@pytest.mark.parametrize(
    ("begin", "path"),
    [("begin_validation", "validateCrossRegionRestore"), ("begin_restore", "crossRegionRestore")],
)
def test_a_paired_region_is_asked_there_and_told_where_the_backup_is(azure, vault, begin, path):
    accepted(azure)
    getattr(vault, begin)(INSTANCE, "64c1", FAR)
    provider = f"{GROUP}/providers/Microsoft.DataProtection"
    assert azure.asked[0].target == f"{provider}/locations/northeurope/{path}{QUERY}"
    assert azure.asked[0].body == {
        "restoreRequestObject": restore_request("northeurope"),
        "crossRegionRestoreDetails": {
            "sourceRegion": "westeurope",
            "sourceBackupInstanceId": f"{VAULT}/backupInstances/pg-0c0ffee0",
        },
    }


def test_the_vaults_own_region_is_no_other_however_it_is_spelled(azure, vault):
    accepted(azure)
    vault.begin_restore(INSTANCE, "64c1", Destination(URL, "West Europe"))
    assert azure.asked[0].target.endswith(f"/restore{QUERY}")


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_a_restore_is_posted_once_whatever_comes_back(azure, vault, status):
    azure.say(status, {"error": {"code": "ServerBusy", "message": "later"}}, Retry_After="60")
    with pytest.raises(TransientError, match=str(status)):
        vault.begin_restore(INSTANCE, "64c1", LANDING)
    assert len(azure.asked) == 1


def test_the_api_version_is_the_one_the_sdk_is_made_for():
    with DataProtectionMgmtClient(Token(), "s") as client:
        assert client._config.api_version == azure_backup.API_VERSION


# ---- tokens


def test_a_local_endpoint_never_sees_a_real_token(azure, vault):
    azure.say(200, {"value": []})
    vault.instances(VAULT)
    assert azure.asked[0].authorization == "Bearer local"


def test_plain_http_is_refused_for_any_other_host():
    with pytest.raises(InputError, match="expected https"):
        AzureBackup("http://management.example", Token())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/operationStatus/1",
        "{endpoint}@evil.example/x",
        "{endpoint}.evil.example/x",
        "{endpoint}\\@evil.example/x",
        "https://management.azure.com/x",
        "file:///etc/passwd",
    ],
)
def test_an_operation_elsewhere_is_never_asked(azure, vault, url):
    with pytest.raises(VaultError, match="URL of an operation"):
        vault.poll(Operation(url.format(endpoint=azure.url)))
    azure.say(202, None, Azure_AsyncOperation="https://evil.example/x")
    with pytest.raises(VaultError, match="URL of an operation"):
        vault.begin_validation(INSTANCE, "64c1", LANDING)
    assert len(azure.asked) == 1


def test_a_redirect_is_not_followed(azure, vault):
    azure.say(302, None, Location="https://evil.example/x")
    with pytest.raises(VaultError):
        vault.poll(Operation(f"{azure.url}/status"))


# ---- operations


def test_a_signed_url_is_asked_for_byte_for_byte(azure, vault):
    signed = "/a/operationStatus/MTI7YWI=="
    signed += "?api-version=2023-11-01&t=638&c=MII%2Fx%2B-_~.a&s={0}{x}&h=a+b%20c"
    azure.say(200, {"status": "Inprogress"})
    assert vault.poll(Operation(azure.url + signed)) == Outcome(OperationState.RUNNING)
    assert azure.asked[0].target.replace("%7B", "{").replace("%7D", "}") == signed


def test_success_carries_the_job_from_the_status(azure, vault):
    azure.say(200, {"status": "Succeeded", "properties": {"jobId": JOB}})
    outcome = vault.poll(Operation(f"{azure.url}/status", f"{azure.url}/result"))
    assert outcome == Outcome(OperationState.SUCCEEDED, job=JOB)
    assert len(azure.asked) == 1


def test_success_carries_the_job_from_the_result_where_the_status_has_none(azure, vault):
    azure.say(200, {"status": "Succeeded"})
    azure.say(200, {"objectType": "OperationJobExtendedInfo", "jobId": JOB.rpartition("/")[2]})
    status = f"{azure.url}{VAULT}/operationStatus/1"
    assert vault.poll(Operation(status, f"{azure.url}/result")).job == JOB


def test_success_is_one_though_the_result_may_not_be_seen(azure, vault):
    azure.say(200, {"status": "Succeeded"})
    azure.say(403, {"error": {"code": "AuthorizationFailed", "message": "no authorization"}})
    status = f"{azure.url}{VAULT}/operationStatus/1"
    outcome = vault.poll(Operation(status, f"{azure.url}/result"))
    assert outcome == Outcome(OperationState.SUCCEEDED, job="")


def test_an_operation_beside_the_vault_that_may_not_be_seen_is_left_to_the_next(azure, vault):
    """As of another region, whose URL is the subscription's."""
    azure.say(403, {"error": {"code": "AuthorizationFailed", "message": "no authorization"}})
    status = "/subscriptions/x/providers/Microsoft.DataProtection/locations/y/operationStatus/1"
    outcome = vault.poll(Operation(f"{azure.url}{status}"))
    assert outcome == Outcome(OperationState.SUCCEEDED, job="")


def test_an_operation_of_the_vault_that_may_not_be_seen_is_refused(azure, vault):
    azure.say(403, {"error": {"code": "AuthorizationFailed", "message": "no authorization"}})
    with pytest.raises(RefusedError, match="403"):
        vault.poll(Operation(f"{azure.url}{VAULT}/operationStatus/1"))


@pytest.mark.parametrize(("code", "state"), [(202, "running"), (204, "succeeded")])
def test_where_azure_gives_one_url_only_its_status_code_tells(azure, vault, code, state):
    azure.say(202, None, Location=f"{azure.url}/result")
    operation = vault.begin_validation(INSTANCE, "64c1", LANDING)
    for _ in range(2):
        azure.say(code)
    assert vault.poll(operation).state == state


def test_a_failed_operation_says_why_and_who_must_do_what(azure, vault):
    error = {"code": "UserErrorMSIMissingPermissions", "message": "Permissions\n are missing."}
    azure.say(200, {"status": "Failed", "error": error})
    outcome = vault.poll(Operation(f"{azure.url}/status"))
    assert outcome.state is OperationState.FAILED
    assert outcome.message == (
        "Azure Backup: expected the request to be accepted, "
        "found UserErrorMSIMissingPermissions: Permissions are missing."
    )
    assert "managed identity" in outcome.hint


# ---- refusals


@pytest.mark.parametrize("code", [code for code in REMEDIES if code != BUSY])
def test_every_known_refusal_has_its_own_code_and_says_who_must_do_what(azure, vault, code):
    outer, _, inner = code.partition("/")
    error = {"code": outer, "message": "No.", "innerError": {"code": inner} if inner else None}
    azure.say(400, {"error": error})
    with pytest.raises(RefusedError) as caught:
        vault.begin_validation(INSTANCE, "64c1", LANDING)
    assert caught.value.code == REMEDIES[code].code
    assert caught.value.hint == REMEDIES[code].hint
    assert f"found 400 {outer}: No." in caught.value.message


@pytest.mark.parametrize(
    ("status", "error", "kind", "code"),
    [
        (404, {"code": "ResourceNotFound"}, NotFoundError, "not-found"),
        (403, {"code": "SomethingDenied"}, RefusedError, "vault-access"),
        (401, None, RefusedError, "vault-access"),
        (400, {"code": "UserErrorOfNextYear"}, RefusedError, "vault"),
        (400, {"code": BUSY}, VaultBusyError, "vault-busy"),
        (
            400,
            {"message": "TargetResourceArmId field is invalid or"},
            VaultError,
            "vault-container-id",
        ),
        (
            400,
            {"message": "Datasource is already associated with the backup instance x"},
            VaultError,
            "vault-soft-deleted",
        ),
        (418, {"details": [{"code": "LinkedAuthorizationFailed"}]}, VaultError, "vault-access"),
        (500, "<html>", TransientError, "transient"),
    ],
)
def test_a_refusal_is_told_by_its_code_its_words_or_its_status(
    azure, vault, status, error, kind, code
):
    azure.say(status, {"error": error} if isinstance(error, dict) else error)
    with pytest.raises(kind) as caught:
        vault.begin_validation(INSTANCE, "64c1", LANDING)
    assert caught.value.code == code
    assert caught.value.hint


def test_what_the_sdk_raises_is_read_in_the_same_way(azure, vault):
    azure.say(403, {"error": {"code": "AuthorizationFailed", "message": "does not have"}})
    with pytest.raises(RefusedError, match=r"'vault-1'.*403 AuthorizationFailed") as caught:
        vault.instances(VAULT)
    assert "custom restore role" in caught.value.hint


def test_nobody_there_is_only_not_ready_yet():
    vault = AzureBackup("http://127.0.0.1:9", Token())
    with pytest.raises(TransientError):
        vault.begin_restore(INSTANCE, "64c1", LANDING)
    vault.close()


@pytest.mark.parametrize("arm_id", ["", "vault-1", "/subscriptions/x/resourceGroups/y"])
def test_what_is_no_vault_is_never_asked_for(vault, arm_id):
    with pytest.raises(NotFoundError, match="backup vault"):
        vault.instances(arm_id)


def test_a_document_that_is_no_error_is_read_without_harm():
    for document in (None, [], "text", {"error": None}, {"error": {"details": ["x"]}}):
        assert azure_backup_errors.read(document).codes == ()


# ---- jobs


def job(status="Completed", destination=URL, **properties):
    info = {"recoveryDestination": destination, **properties.pop("info", {})}
    return {
        "id": JOB,
        "name": JOB.rpartition("/")[2],
        "properties": {
            "operation": "Restore",
            "startTime": "2026-04-15T10:00:00.1234567Z",
            "status": status,
            "extendedInfo": info if destination else None,
            **properties,
        },
    }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Started", "running"),
        ("InProgress", "running"),
        ("Inprogress", "running"),
        ("Cancelling", "running"),
        ("SomethingNew", "running"),
        ("Completed", "succeeded"),
        ("Succeeded", "succeeded"),
        ("CompletedWithWarnings", "succeeded"),
        ("Failed", "failed"),
        ("Cancelled", "failed"),
        ("Canceled", "failed"),
    ],
)
def test_a_job_s_status_is_a_word_we_know_or_it_is_running(status, state):
    outcome = azure_backup_answers.outcome(models.AzureBackupJobResource(job(status)))
    assert outcome.state == state
    assert bool(outcome.message) is (state == "failed")
    assert bool(outcome.warnings) is (status == "CompletedWithWarnings")


def test_a_failed_job_says_why_and_what_azure_recommends(azure, vault):
    error = {
        "code": "PostgreSQLFlexOperationFailedUserError",
        "message": "Operation failed.",
        "recommendedAction": ["Try this.", "Or that."],
        "innerError": {
            "code": "X",
            "embeddedInnerError": {"code": "ServerNotReadyForLongTermBackup"},
        },
    }
    azure.say(200, job("Failed", errorDetails=[error]))
    outcome = vault.job(INSTANCE, JOB, LANDING)
    assert outcome.message == (
        "vault job: expected it to complete, "
        "found Failed PostgreSQLFlexOperationFailedUserError: Operation failed."
    )
    assert outcome.hint.endswith("Azure says: Try this. Or that.")


def test_a_job_s_warnings_are_handed_on(azure, vault):
    warning = {"resourceName": "pg", "warning": {"code": "W1", "message": "Mind this."}}
    azure.say(200, job("CompletedWithWarnings", info={"warningDetails": [warning]}))
    assert vault.job(INSTANCE, JOB, LANDING).warnings == ("pg: W1: Mind this.",)


def test_a_paired_region_s_job_is_asked_for_there(azure, vault):
    azure.say(200, job())
    assert vault.job(INSTANCE, JOB, FAR).state is OperationState.SUCCEEDED
    assert azure.asked[0].target.endswith(f"northeurope/fetchCrossRegionRestoreJob{QUERY}")
    assert azure.asked[0].body == {
        "sourceRegion": "westeurope",
        "sourceBackupVaultId": VAULT,
        "jobId": JOB.rpartition("/")[2],
    }


def test_a_restore_is_found_where_the_list_tells_its_destination(azure, vault):
    backup = job(operation="Backup")
    azure.say(200, {"value": [job(destination=URL + "x"), backup, job(destination=URL + "/")]})
    assert vault.find_restore(INSTANCE, LANDING) == JOB
    assert len(azure.asked) == 1


def test_a_restore_is_found_where_the_list_tells_nothing(azure, vault):
    azure.say(200, {"value": [job(destination=None)]})
    azure.say(200, job())
    assert vault.find_restore(INSTANCE, LANDING) == JOB


def test_no_restore_is_found_where_there_is_none(azure, vault):
    azure.say(200, {"value": []})
    assert vault.find_restore(INSTANCE, LANDING) is None


# ---- what is protected


def test_only_flexible_servers_are_listed(azure, vault):
    def protected(name, kind):
        source = {"objectType": "Datasource", "datasourceType": kind, "resourceID": f"/{name}"}
        return {"name": name, "properties": {"dataSourceInfo": source}}

    pages = [
        {"value": [protected("disk", "Microsoft.Compute/disks")], "nextLink": f"{azure.url}/next"},
        {"value": [protected("pg", "Microsoft.DBforPostgreSQL/flexibleServers"), {"name": "x"}]},
    ]
    for page in pages:
        azure.say(200, page)
    assert [(i.name, i.server) for i in vault.instances(VAULT)] == [("pg", "/pg")]


def test_a_replicated_point_without_a_state_is_a_whole_one(azure, vault):
    point = {"objectType": "AzureBackupDiscreteRecoveryPoint"}
    point["recoveryPointTime"] = "2026-04-15T10:30:46.2303875Z"
    azure.say(200, {"value": [{"name": "64c1", "properties": point}]})
    (found,) = vault.points(INSTANCE, "northeurope")
    assert found.complete
    assert found.time.isoformat() == "2026-04-15T10:30:46.230387+00:00"
    assert azure.asked[0].body["sourceRegion"] == "westeurope"


def test_a_partial_point_is_known_as_one(azure, vault):
    point = {
        "objectType": "AzureBackupDiscreteRecoveryPoint",
        "recoveryPointTime": "2026-04-15T10:30:46Z",
        "recoveryPointState": "Partial",
    }
    azure.say(200, {"value": [{"name": "64c1", "properties": point}]})
    assert [p.complete for p in vault.points(INSTANCE)] == [False]
