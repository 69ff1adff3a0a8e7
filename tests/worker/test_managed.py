"""A nasty catalogue restored by a login that is no superuser: what it lacks, nothing else."""

from __future__ import annotations

import re
import subprocess

import pytest

from restore.core.state import Phase
from tests.engine.oracle import DATA, FEATURES, Oracle
from tests.worker.bench import Bench

# What of the source no login but a superuser can create: kinds of the TOC, with the first words of
# the reason. Everything else has to be there, with its owner and its grants.
LEFT_OUT = {
    "ACCESS METHOD": {"heap2"},
    "ACL": {
        "LANGUAGE plpgsql",
        "pg_catalog.FUNCTION pg_ls_dir(text)",
        "pg_catalog.TABLE pg_authid",
    },
    "CAST": {"CAST (point AS text)"},
    "COMMENT": {"EXTENSION plpgsql"},
    "EVENT TRIGGER": {"dis abled", "on ddl", "on_drop"},
    "FOREIGN DATA WRAPPER": {"dummy;"},
    "FOREIGN TABLE": {"app.far"},
    "FUNCTION": {
        "app.base_in(cstring)",
        "app.base_out(app.base_type)",
        "app.c_lower(text)",
        "app.inmy()",
        "app.leak(integer)",
        "app.setter()",
        "app.supported(text)",
    },
    "INDEX": {"app.keys_back"},
    "OPERATOR CLASS": {"app.int_backwards"},
    "OPERATOR FAMILY": {"app.int_backwards"},
    "PROCEDURAL LANGUAGE": {"myplpgsql"},
    "PUBLICATION": {"everything"},
    "PUBLICATION TABLES IN SCHEMA": {'We ird.Sch"ema.of_schema We ird.Sch"ema'},
    "SERVER": {"far away"},
    "SHELL TYPE": {"app.base_type", "app.shell_only"},
    "SUBSCRIPTION": {"sub", "sub16"},
    "TEXT SEARCH CONFIGURATION": {"app.tscfg"},
    "TEXT SEARCH PARSER": {"app.par"},
    "TEXT SEARCH TEMPLATE": {"app.tmpl"},
    "TYPE": {"app.base_type"},
    "USER MAPPING": {"USER MAPPING app_owner SERVER far away"},
    "VIEW": {"app.uses_c"},
}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """The archive, and the roles it needs, of PostgreSQL 16."""
    with Oracle(tmp_path_factory.mktemp("nasty")) as oracle:
        server = oracle.server(16)
        oracle.load(16, FEATURES, DATA / "engine/managed.sql")
        argv = [server.binaries / "pg_dumpall", "--roles-only"]
        environment = server.superuser_environment()
        roles = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True).stdout
        yield oracle.dump(16).read_bytes(), roles


@pytest.fixture
def bench_on(servers):
    used = []

    def on(major):
        bench = Bench(servers[major])
        used.append((bench, bench.roles(), bench.memberships()))
        return bench

    yield on
    for bench, roles, memberships in used:
        bench.wipe(roles)
        assert bench.memberships() == memberships


@pytest.mark.parametrize("major", [16, 18])
@pytest.mark.parametrize("engine", ["auto", "pg_restore"])
def test_only_what_a_superuser_has_to_make_is_left_out(bench_on, nasty, major, engine):
    archive, roles = nasty
    bench = bench_on(major)
    bench.put("roles.sql", roles)
    bench.put(f"database_{FEATURES}.sql", archive)
    restore = bench.run(engine=engine, verify="schema")
    (result,) = [t.result.database for t in restore.tasks if t.result and t.result.database]
    assert result.lost == ()
    assert restore.failure is None
    assert restore.phase is Phase.SUCCEEDED_WITH_WARNINGS
    unplanned = set(restore.warnings) - set(map(str, restore.plan.warnings))
    assert [w for w in unplanned if "could not be compared" not in w] == []
    assert result.rows_found == result.rows_expected > 0
    form = (
        "SELECT count(*) FROM pg_class c, aclexplode(relacl) a"
        " WHERE relname = %s AND grantee = %s::regrole"
    )
    assert bench.rows(form, FEATURES, ["of_azure_admin", "app_owner"]) == [(1,)]


def told(plan):
    """Kind and names of what the plan says is left out."""
    found = {}
    for warning in plan.warnings:
        if warning.code == "left-out":
            kind, names = re.fullmatch(r"([A-Z ]+) (.+?): .+", warning.message).groups()
            found.setdefault(kind.strip(), set()).update(names.split(", "))
    return found
