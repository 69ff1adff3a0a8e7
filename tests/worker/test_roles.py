from __future__ import annotations

import pytest

from tests.fakes import MemoryRecords, MemorySecrets

CRM = "crm_database_archive"
TABLESPACES = b"""--
-- PostgreSQL database cluster dump
--
SET client_encoding = 'UTF8';
CREATE TABLESPACE "Fast 1" OWNER azuresu LOCATION '';
ALTER TABLESPACE "Fast 1" SET (seq_page_cost=1.5);
CREATE TABLESPACE slow OWNER azuresu LOCATION '';
--
-- PostgreSQL database cluster dump complete
--
"""


def test_the_roles_task_may_run_twice(bench, dump):
    bench.put("roles.sql", dump("pg_dumpall", "--roles-only"))
    bench.put(f"database_{CRM}.sql", dump("pg_dump", "-Fc", CRM))
    bench.start()
    ticket = bench.until("roles")
    bench.deliver(ticket)
    once = bench.roles(), bench.memberships()
    bench.records = MemoryRecords()
    bench.deliver(ticket)
    assert bench.records.result(ticket.restore, "roles", 1).failure is None
    assert (bench.roles(), bench.memberships()) == once
    borrowed = bench.restore.plan.borrow
    assert "shop_owner" in borrowed
    ours = {role for role, member, by in once[1] if member == by == bench.server.admin}
    assert set(borrowed) <= {role.strip('"') for role in ours}
    assert bench.finish().failure is None


@pytest.fixture
def superuser(bench):
    """The provider's own login, where tablespaces need no folder."""
    bench.rows("ALTER ROLE azuresu SET allow_in_place_tablespaces = on")
    bench.secrets = MemorySecrets({"target": bench.server.superuser_password})
    yield {"host": "127.0.0.1", "port": bench.port, "user": "azuresu", "secret": "target"}
    for name in ('"Fast 1"', "slow"):
        bench.rows(f"DROP TABLESPACE IF EXISTS {name}")
    bench.rows("ALTER ROLE azuresu RESET allow_in_place_tablespaces")


def test_tablespaces_are_made_where_asked_for_and_those_that_exist_stay(bench, dump, superuser):
    bench.rows("CREATE TABLESPACE slow LOCATION ''")
    bench.put("tablespaces.sql", TABLESPACES)
    bench.put(
        f"database_{CRM}.sql", dump("pg_dump", "-Fc", "--no-owner", "--no-acl", "-t", "part*", CRM)
    )
    restore = bench.run(target=superuser, globals={"tablespaces": "apply"})
    assert restore.failure is None
    found = bench.rows("SELECT spcname, spcoptions FROM pg_tablespace WHERE oid > 16384 ORDER BY 1")
    assert found == [("Fast 1", ["seq_page_cost=1.5"]), ("slow", None)]
