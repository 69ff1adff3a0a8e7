"""What workers leave beside the state, in memory and in storage."""

import secrets
from dataclasses import replace

import pytest

from restore.core.messages import Failure, Progress, Result, TaskResult
from tests.contract.conftest import NOON


@pytest.fixture
def restore_id():
    return secrets.token_hex(8)


def test_the_first_result_of_an_attempt_is_the_one_that_counts(records, restore_id):
    done = TaskResult("database-0", 1, Result.DONE, warnings=("ünïcode",))
    failed = TaskResult("database-0", 1, Result.FAILED, Failure("tool", "psql: exit 3"))
    assert records.put_result(restore_id, done) == done
    assert records.put_result(restore_id, failed) == done
    assert records.result(restore_id, "database-0", 1) == done


def test_each_attempt_has_a_result_of_its_own(records, restore_id):
    first = TaskResult("roles", 1, Result.CANCELLED)
    records.put_result(restore_id, first)
    assert records.result(restore_id, "roles", 2) is None
    records.put_result(restore_id, replace(first, attempt=2, result=Result.DONE))
    assert records.result(restore_id, "roles", 1) == first
    assert records.result(restore_id, "roles", 2).result is Result.DONE


def test_no_result_is_no_error(records, restore_id):
    assert records.result(restore_id, "prepare", 1) is None


def test_progress_is_the_newest_of_each_task_and_of_no_other_restore(records, restore_id):
    reading = Progress("database-0", 1, "reading", NOON, bytes_total=10)
    data = replace(reading, phase="data", bytes_done=7)
    other = Progress("database-1", 1, "schema", NOON)
    for progress in (reading, other, data):
        records.put_progress(restore_id, progress)
    records.put_progress(secrets.token_hex(8), reading)
    assert records.progress(restore_id) == {"database-0": data, "database-1": other}


def test_a_restore_without_progress_has_none(records, restore_id):
    assert records.progress(restore_id) == {}
