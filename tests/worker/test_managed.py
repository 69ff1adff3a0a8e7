"""A nasty catalogue restored by a login that is no superuser: what it lacks, nothing else."""

from __future__ import annotations

import functools
import itertools
import subprocess

import pytest

from local.postgres import majors
from restore.adapters.tools import find_clients, restore_argv
from restore.core.complaints import Kind, Listener
from restore.core.state import Phase
from tests.engine.oracle import DATA, FEATURES, Oracle
from tests.worker.bench import Bench

# What of the source only a superuser can create, by kinds of the TOC. All else has to
# be there, with its owner and its grants.
LEFT_OUT = {
    "ACCESS METHOD": {"heap2"},
    "ACL": {"pg_catalog.FUNCTION pg_ls_dir(text)", "pg_catalog.TABLE pg_authid"},
    "ACL LANGUAGE": {"plpgsql"},
    "CAST": {"CAST (point AS text)"},
    "DEFAULT ACL": {
        "app.DEFAULT PRIVILEGES FOR SEQUENCES",
        "app.DEFAULT PRIVILEGES FOR TABLES",
        "DEFAULT PRIVILEGES FOR TABLES",
    },
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
    "SHELL TYPE": {"app.base_type"},
    "SUBSCRIPTION": {"sub"},
    "TEXT SEARCH CONFIGURATION": {"app.tscfg"},
    "TEXT SEARCH PARSER": {"app.par"},
    "TEXT SEARCH TEMPLATE": {"app.tmpl"},
    "TYPE": {"app.base_type", "app.shell_only"},
    "USER MAPPING": {"USER MAPPING app_owner SERVER far away"},
    "VIEW": {"app.uses_c"},
}
SINCE = {16: {"SUBSCRIPTION": {"sub16"}}, 18: {"EVENT TRIGGER": {"on_login"}}}


def left_out_of(major):
    """The same, with what only newer majors have."""
    newer = [extra for since, extra in SINCE.items() if since <= major]
    return {
        kind: names.union(*(extra.get(kind, set()) for extra in newer))
        for kind, names in LEFT_OUT.items()
    }


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """The archive of a major, and the roles it needs; made when it is asked for."""
    with Oracle(tmp_path_factory.mktemp("nasty")) as oracle:

        @functools.cache
        def made(major):
            server = oracle.server(major)
            oracle.load(major, FEATURES, DATA / "engine/managed.sql")
            return oracle.dump(major).read_bytes(), dumped(server, "pg_dumpall", "--roles-only")

        yield made


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


ALWAYS = {(16, 16, "pg_restore"), (18, 18, "auto")}
MATRIX = [
    pytest.param(*case, marks=() if case in ALWAYS else pytest.mark.soak)
    for case in itertools.product((15, 16, 18), (15, 16, 18), ("auto", "pg_restore"))
    if case[1] >= case[0]
]


@pytest.mark.parametrize(("source", "major", "engine"), MATRIX)
def test_only_what_a_superuser_has_to_make_is_left_out(bench_on, nasty, source, major, engine):
    if source not in majors():
        pytest.skip(f"needs PostgreSQL {source}: apt-get install postgresql-{source}")
    archive, roles = nasty(source)
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
    assert told(restore.plan) == left_out_of(source)
    assert result.rows_found == result.rows_expected > 0
    form = (
        "SELECT count(*) FROM pg_class c, aclexplode(relacl) a"
        " WHERE relname = %s AND grantee = %s::regrole"
    )
    assert bench.rows(form, FEATURES, ["of_azure_admin", "app_owner"]) == [(1,)]


def test_what_parallel_jobs_complain_of_at_the_same_time_is_all_heard(bench_on, tmp_path):
    """No publication's owner may create in the database; their lines mingle."""
    bench = bench_on(16)
    server, copy = bench.server, "copy"
    bench.rows(f"CREATE ROLE editor; GRANT editor TO {server.admin} WITH SET TRUE")
    one = "CREATE PUBLICATION p{0}; ALTER PUBLICATION p{0} OWNER TO editor;"
    bench.rows("CREATE DATABASE news")
    bench.rows("".join(map(one.format, range(200))), "news")
    archive = tmp_path / "news"
    archive.write_bytes(dumped(server, "pg_dump", "-Fc", "news"))
    bench.rows(f"CREATE DATABASE {copy} OWNER {server.admin}")
    argv = restore_argv(find_clients([str(server.binaries)])[16], copy, jobs=8, file=str(archive))
    environment = server.admin_environment(copy)
    done = subprocess.run(argv, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    listener = Listener()
    for line in done.stderr.splitlines():
        listener.hear(line)
    verdict = listener.verdict(done.returncode)
    assert (verdict.fatal, len(verdict.of(Kind.OWNER)), verdict.of(Kind.LOST)) == ("", 200, ())


def dumped(server, program, *options):
    argv = [server.binaries / program, *options]
    environment = server.superuser_environment()
    return subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True).stdout


def told(plan):
    """Kind and names of what the plan says is left out."""
    found = {}
    for warning in plan.warnings:
        if warning.code == "left-out":
            kinds = [kind for kind in LEFT_OUT if warning.message.startswith(kind + " ")]
            names = warning.message.removeprefix(max(kinds, key=len) + " ").partition(": ")[0]
            found.setdefault(max(kinds, key=len), set()).update(names.split(", "))
    return found
