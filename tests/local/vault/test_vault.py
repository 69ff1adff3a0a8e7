"""The whole way of a restore as files, by the client that the product uses."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.dataprotection import models as m

from local.vault import Denial, Faults, LocalVault
from local.vault.landing import Order
from tests.local.vault.client import HTTP, NAMES, request_for
from tests.waiting import eventually

ODD = "a/b_database_=1.sql"
SYSTEM = {"azure_maintenance", "azure_sys", "postgres", "template1"}
RECORDED = Path(__file__).parents[2] / "data/vault"


def names_in(container):
    return sorted(container.list_blob_names())


def raw(client, request):
    """Send a restore as the product does: its URLs are to be kept, not followed."""
    path = f"{NAMES.instance_id}/restore"
    post = HttpRequest("POST", path, params={"api-version": "2026-06-01"}, json=request.as_dict())
    return client.send_request(post, **HTTP)


def get(client, url):
    return client.send_request(HttpRequest("GET", url), **HTTP)


def filter_for(start, end):
    terms = {"startDate": start, "endDate": end}
    return " and ".join(f"{k} eq '{v:%Y-%m-%dT%H:%M:%S.%f}0Z'" for k, v in terms.items())


def test_the_instance_is_found_by_vault_and_by_server(client):
    [of_vault] = client.backup_instances.list(NAMES.resource_group, NAMES.vault, **HTTP)
    [of_server] = client.backup_instances_extension_routing.list(NAMES.server_id, **HTTP)
    by_name = client.backup_instances.get(NAMES.resource_group, NAMES.vault, NAMES.instance, **HTTP)
    assert of_vault.id == of_server.id == by_name.id == NAMES.instance_id
    source = by_name.properties.data_source_info
    assert (source.resource_id, source.resource_location) == (NAMES.server_id, NAMES.region)
    assert by_name.properties.current_protection_state == "ProtectionConfigured"


def test_a_server_that_is_not_protected_has_no_instance(client):
    assert list(client.backup_instances_extension_routing.list(f"{NAMES.server_id}2", **HTTP)) == []


def test_recovery_points_are_listed_newest_first_and_by_date(vault, client, tmp_path):
    old, new = (datetime(2021, 4, day, tzinfo=UTC) for day in (1, 8))
    for moment in (old, new):
        vault.add_backup(tmp_path, at=moment)

    def listed(start, end):
        points = client.recovery_points.list(
            NAMES.resource_group,
            NAMES.vault,
            NAMES.instance,
            filter=filter_for(start, end),
            **HTTP,
        )
        return [point.properties.recovery_point_time for point in points]

    assert listed(old, new) == [new, old]
    assert listed(old, new - timedelta(days=1)) == [old]


def test_a_partial_recovery_point_says_so(vault, client):
    vault.take_backup(at=datetime(2020, 1, 1, tzinfo=UTC), complete=False)
    points = client.recovery_points.list(
        NAMES.resource_group,
        NAMES.vault,
        NAMES.instance,
        filter=filter_for(datetime(2020, 1, 1), datetime(2020, 1, 2)),
        **HTTP,
    )
    [partial] = points
    assert partial.properties.recovery_point_state == "Partial"


def test_a_restore_puts_every_file_into_the_container(restoring, point, container):
    container_id = NAMES.container_id(container.account_name, container.container_name)
    request = request_for(point, container.url, container_id)
    assert restoring.validate(request) is None
    job = restoring.finished(restoring.trigger(request))
    assert job.properties.status == "Completed"
    assert job.properties.extended_info.recovery_destination == container.url
    marker, *rest = sorted(names_in(container), key=lambda name: name != "backupstarttimestamp")
    assert marker == "backupstarttimestamp"
    assert len({name[:36] for name in rest}) == 1
    databases = {f"database_{name}.sql" for name in SYSTEM | {ODD}}
    scripts = {"roles.sql", "schema.sql", "tablespaces.sql"}
    assert {name[37:] for name in rest} == databases | scripts


def test_the_files_are_what_pg_dump_writes_to_a_pipe(source, restoring, point, container, tmp_path):
    restoring.finished(restoring.trigger(request_for(point, container.url)))
    files = {name[37:]: container.download_blob(name).readall() for name in names_in(container)}
    archive = tmp_path / "odd.dump"
    archive.write_bytes(files[f"database_{ODD}.sql"])
    assert archive.read_bytes()[:5] == b"PGDMP"
    listing = subprocess.run(
        [source.binaries / "pg_restore", "-l", archive], capture_output=True, text=True, check=True
    ).stdout
    assert f"dbname: {ODD}" in listing
    assert "TABLE DATA public t" in listing
    assert b"PASSWORD 'SCRAM-SHA-256$" in files["roles.sql"]
    assert b"CREATE TABLE public.t" in files["schema.sql"]


def test_an_accepted_restore_answers_as_recorded(client, point, container):
    """202, no body, two URLs of thousands of characters, no Retry-After."""
    answer = raw(client, request_for(point, container.url))
    recorded = json.loads((RECORDED / "validateRestore.response202.headers.json").read_text())
    assert (answer.status_code, answer.text()) == (recorded["status"], recorded["body"])
    assert "Retry-After" not in answer.headers
    for header in ("Azure-AsyncOperation", "Location"):
        path, _, query = answer.headers[header].partition("?")
        real_path, _, _ = recorded["headers"][header.lower()].partition("?")
        assert path.count("/") == real_path.count("/")
        assert path.endswith("==")
        assert len(query) > 2500


def test_an_operation_answers_under_the_very_url_that_was_handed_out(client, point, container):
    answer = raw(client, request_for(point, container.url))
    url = answer.headers["Azure-AsyncOperation"]
    assert get(client, url).json()["status"] == "Inprogress"
    done = get(client, url).json()
    assert done["status"] == "Succeeded"
    assert done["properties"]["jobId"].startswith(f"{NAMES.vault_id}/backupJobs/")
    rebuilt = url.partition("?")[0] + "?api-version=2026-06-01"
    refused = get(client, rebuilt)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")


@pytest.mark.parametrize(("fault", "status"), [(Denial.AT_ONCE, 400), (Denial.LATER, 200)])
def test_missing_permission_is_found_by_validation(
    vault, restoring, point, container, fault, status
):
    vault.faults = Faults(permission_missing=fault)
    with pytest.raises(HttpResponseError) as caught:
        restoring.validate(request_for(point, container.url))
    assert caught.value.error.code == "UserErrorMSIMissingPermissions"
    assert caught.value.status_code == status
    assert names_in(container) == []


def wrong_point(point, container):
    return request_for("0" * 32, container.url)


def wrong_container(point, container):
    return request_for(point, f"{container.url}x")


def account_id(point, container):
    return request_for(point, container.url, NAMES.storage_account_id(container.account_name))


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (wrong_point, "ResourceNotFound"),
        (wrong_container, "UserErrorAzureResourceNotFoundByPlugin"),
        (account_id, "UserErrorInvalidTargetResourceArmId"),
    ],
)
def test_what_cannot_work_is_refused_by_validation(restoring, point, container, request_of, code):
    with pytest.raises(HttpResponseError) as caught:
        restoring.validate(request_of(point, container))
    assert caught.value.error.code == code


def test_a_container_that_holds_the_files_already_fails_the_job(restoring, point, container):
    request = request_for(point, container.url)
    restoring.finished(restoring.trigger(request))
    again = restoring.finished(restoring.trigger(request))
    assert again.properties.status == "Failed"
    assert again.properties.error_details[0].code == "UserErrorTargetBlobAlreadyExists"


def test_a_failed_job_leaves_what_it_had_written(vault, restoring, point, container):
    vault.faults = Faults(job_failed="CloudInternalError")
    job = restoring.finished(restoring.trigger(request_for(point, container.url)))
    assert job.properties.status == "Failed"
    assert job.properties.error_details[0].code == "CloudInternalError"
    assert len(names_in(container)) == 1


def test_a_dump_can_arrive_cut_in_half(vault, restoring, point, container):
    vault.faults = Faults(truncated=ODD)
    restoring.finished(restoring.trigger(request_for(point, container.url)))
    [cut] = [blob for blob in container.list_blobs() if blob.name.endswith(f"_{ODD}.sql")]
    [whole] = [file for file in point.files if file.name == cut.name]
    assert cut.size == whole.path.stat().st_size // 2


def test_the_last_files_can_come_after_the_job_is_done(vault, restoring, point, container):
    vault.faults = Faults(late_blobs=2, late_seconds=0.3)
    restoring.finished(restoring.trigger(request_for(point, container.url)))
    assert len(names_in(container)) == len(point.files) - 2
    assert eventually(lambda: len(names_in(container)) == len(point.files))


def test_a_restore_whose_answer_got_lost_shows_in_the_jobs(vault, client, point, container):
    vault.faults = Faults(lost_answers=1)
    with pytest.raises(AzureError):
        raw(client, request_for(point, container.url))
    jobs = client.jobs.list(NAMES.resource_group, NAMES.vault, **HTTP)
    destinations = [job.properties.extended_info.recovery_destination for job in jobs]
    assert destinations.count(container.url) == 1


def test_a_throttled_request_is_tried_again_by_the_client(vault, client):
    vault.faults = Faults(throttled=1)
    assert list(client.backup_instances.list(NAMES.resource_group, NAMES.vault, **HTTP))


def test_a_slow_restore_keeps_saying_in_progress(vault, client, restoring, point, container):
    vault.faults = Faults(operation_polls=3, job_polls=3)
    job = restoring.trigger(request_for(point, container.url))
    seen = [
        client.jobs.get(NAMES.resource_group, NAMES.vault, job, **HTTP).properties.status
        for _ in range(3)
    ]
    assert seen == ["InProgress"] * 3
    assert restoring.finished(job).properties.status == "Completed"


def test_a_restore_in_the_paired_region_goes_its_own_way(client, point, container):
    group, region = NAMES.resource_group, NAMES.paired_region
    secondary = client.fetch_secondary_recovery_points.list(
        group,
        region,
        m.FetchSecondaryRPsRequestParameters(
            source_region=NAMES.region, source_backup_instance_id=NAMES.instance_id
        ),
        **HTTP,
    )
    assert point.id in [found.name for found in secondary]
    details = m.CrossRegionRestoreDetails(
        source_region=NAMES.region, source_backup_instance_id=NAMES.instance_id
    )
    order = {
        "restore_request_object": request_for(point, container.url),
        "cross_region_restore_details": details,
    }
    instances = client.backup_instances
    instances.begin_validate_cross_region_restore(
        group, region, m.ValidateCrossRegionRestoreRequestObject(**order), **HTTP
    ).result()
    job = instances.begin_trigger_cross_region_restore(
        group, region, m.CrossRegionRestoreRequestObject(**order), **HTTP
    ).result()
    wanted = m.CrossRegionRestoreJobRequest(
        source_region=NAMES.region,
        source_backup_vault_id=NAMES.vault_id,
        job_id=job.job_id.rsplit("/", 1)[-1],
    )

    def done():
        found = client.fetch_cross_region_restore_job.get(group, region, wanted, **HTTP)
        return found.properties.status == "Completed"

    assert eventually(done)
    assert len(names_in(container)) == len(point.files)


def test_files_made_elsewhere_can_be_restored(vault, restoring, container, tmp_path):
    (tmp_path / "my_database_crm.sql").write_bytes(b"PGDMP")
    point = vault.add_backup(tmp_path, at=datetime(2019, 6, 1, tzinfo=UTC))
    restoring.finished(restoring.trigger(request_for(point, container.url)))
    assert names_in(container) == ["backupstarttimestamp", "my_database_crm.sql"]


def test_stopping_ends_a_slow_restore_and_removes_the_backups(azurite, container, tmp_path):
    (tmp_path / "slow").touch()
    with LocalVault(None, azurite.connection_string) as vault:
        vault.faults = Faults(seconds_per_blob=600)
        point = vault.add_backup(tmp_path)
        vault.restore(Order(point.id, container.url, "", ""))
        folder = vault._folder.path
        assert folder.exists()
    assert not folder.exists()
    assert names_in(container) == []
