"""Names that other programs take for something else are names here, and nothing but names."""

from __future__ import annotations

import pytest

from restore.core.state import Phase
from tests.worker.bench import DATA
from tests.worker.conftest import bench, dump, servers, source, target  # noqa: F401

CRM = 'Cr\'m_database_€ "x".sql'

# libpq takes a database's name with an = or a scheme in it for a whole connection string.
NAMES = {
    "connection string": "dbname=postgres host=192.0.2.1 port=1",
    "address": "postgresql://intruder:secret@192.0.2.1:1/postgres",
    "short address": "postgres://192.0.2.1/postgres",
    "option": "--host=192.0.2.1",
    "short option": "-h192.0.2.1",
    "statement": 'x"; DROP DATABASE postgres; --',
    "literal": "x'; SELECT pg_sleep(1000); --",
    "shell": "$(touch /tmp/abused)`touch /tmp/abused`; touch /tmp/abused",
    "variable": ":DBNAME :'USER' %s %(name)s {0}",
    "path": "../../postgres",
    "backslash": "a\\! touch /tmp/abused",
    "encoded": "%2e%2e%2fpostgres%00",
    "quotes": "'\"'\"'",
}
ALWAYS = ("connection string", "address", "option", "statement")
CASES = [
    pytest.param(engine, what, marks=() if what in ALWAYS else pytest.mark.soak)
    for engine in ("stream", "pg_restore")
    for what in NAMES
]


@pytest.mark.parametrize(("engine", "what"), CASES)
def test_a_database_can_have_that_name(bench, engine, what):  # noqa: F811
    name = NAMES[what]
    before = bench.databases()
    bench.put(f"database_{CRM}.sql", (DATA / "crm-pg16.dump").read_bytes())
    bench.put("roles.sql", (DATA / "roles-pg16.sql").read_bytes())
    asked = {"databases": {"rename": {CRM: name}}, "verify": "schema", "engine": engine}
    restore = bench.run(**asked)
    assert restore.failure is None, restore.failure
    assert restore.phase in (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)
    assert bench.databases() == sorted([*before, name])
    swapped = bench.run(**asked, onExisting="swap", publish="each")
    assert swapped.failure is None, swapped.failure
    assert name in bench.databases()
    assert len(bench.databases()) == len(before) + 2
