"""A vault, in memory and over HTTP."""

import secrets
import time

import pytest

from restore.core.backup import OperationState, Selection, choose
from restore.errors import InputError, TransientError
from restore.ports import Destination
from tests.contract.conftest import OWNER


@pytest.fixture
def landing(safe):
    url = safe.landing.url(f"restore-{secrets.token_hex(8)}")
    safe.landing.create(url, OWNER)
    return Destination(url)


def ended(look):
    """The first outcome that is not running."""
    end = time.monotonic() + 60
    while (outcome := look()).state is OperationState.RUNNING:
        assert time.monotonic() < end, "still running"
    return outcome


def test_the_protected_server_is_found_in_its_vault(safe):
    assert safe.instance.server == safe.names.server_id
    assert safe.instance.region == safe.names.region
    assert safe.instance.name == safe.names.instance


def test_its_recovery_points_can_be_chosen_from(safe):
    points = safe.vault.points(safe.instance)
    assert {point.id for point in points} == set(safe.points)
    assert choose(points, Selection()).id == safe.points[-1]


@pytest.mark.parametrize("far", [False, True])
def test_a_restore_goes_from_validation_to_files_in_its_container(safe, landing, far):
    landing = Destination(landing.url, safe.names.paired_region if far else None)
    vault, instance, point = safe.vault, safe.instance, safe.points[0]
    assert point in {p.id for p in vault.points(instance, landing.region)}
    validation = vault.begin_validation(instance, point, landing)
    assert ended(lambda: vault.poll(validation)).state is OperationState.SUCCEEDED
    assert vault.find_restore(instance, landing) is None
    trigger = vault.begin_restore(instance, point, landing)
    accepted = ended(lambda: vault.poll(trigger))
    assert accepted.job == vault.find_restore(instance, landing)
    done = ended(lambda: vault.job(instance, accepted.job, landing))
    assert done.state is OperationState.SUCCEEDED
    assert [b.name for b in safe.landing.blobs(landing.url)] == [
        "backupstarttimestamp",
        "x_roles.sql",
    ]


def test_a_job_is_found_by_its_container_alone(safe, landing):
    safe.vault.begin_restore(safe.instance, safe.points[0], landing)
    elsewhere = Destination(safe.landing.url(f"restore-{secrets.token_hex(8)}"))
    assert safe.vault.find_restore(safe.instance, elsewhere) is None


def test_a_restore_whose_answer_was_lost_is_found_again(safe, landing):
    safe.lose_answer()
    with pytest.raises(TransientError):
        safe.vault.begin_restore(safe.instance, safe.points[0], landing)
    job = safe.vault.find_restore(safe.instance, landing)
    done = ended(lambda: safe.vault.job(safe.instance, job, landing))
    assert done.state is OperationState.SUCCEEDED


def test_a_container_that_is_not_there_is_refused(safe):
    nowhere = Destination(safe.landing.url(f"restore-{secrets.token_hex(8)}"))
    with pytest.raises(InputError):
        safe.vault.begin_validation(safe.instance, safe.points[0], nowhere)


def test_a_recovery_point_that_is_not_there_is_refused(safe, landing):
    with pytest.raises(InputError):
        safe.vault.begin_restore(safe.instance, "0" * 32, landing)
