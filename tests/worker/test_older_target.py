"""Dumps written by PostgreSQL 18's pg_dump, restored to a server of 16 where the roles exist."""

from __future__ import annotations

import subprocess

import pytest

from local.postgres import binaries
from local.sample.fingerprint import differences, fingerprint
from restore.core.state import Phase
from tests.worker.bench import Bench

CRM = "crm_database_archive"


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_newer_clients_settings_are_no_loss_on_an_older_server(source, form):
    bench = Bench(source)
    before = bench.roles(), bench.memberships()
    argv = [binaries(18) / "pg_dump", f"--format={form}", CRM]
    dumped = subprocess.run(
        argv, env=source.superuser_environment(), stdout=subprocess.PIPE, check=True
    ).stdout
    bench.put(f"database_{CRM}.sql", dumped)
    try:
        restore = bench.run(databases={"rename": {CRM: "copy"}}, globals={"roles": "skip"})
        found = fingerprint(source.superuser_conninfo(), "copy")
    finally:
        bench.rows("DROP DATABASE IF EXISTS copy")
    expected = fingerprint(source.superuser_conninfo(), CRM)
    if form == "plain":  # which does not say who owns the database
        del expected["database"], found["database"]
    assert (restore.failure, restore.phase is Phase.PARTIAL) == (None, False)
    assert differences(expected, found) == []
    assert (bench.roles(), bench.memberships()) == before
