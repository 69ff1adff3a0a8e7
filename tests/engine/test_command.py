"""`python -m restore.engine` as a person uses it: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from local.processes import free_port
from restore.engine.__main__ import DONE, FAILED, INTERRUPTED, LOST
from tests.engine.bulk import BULK, LEDGER
from tests.engine.oracle import DATA, ROOT
from tests.proxy import proxy
from tests.range_server import QUERY, Fault, range_server
from tests.waiting import eventually

PASSWORD = "s3cr€t"


# ---- how it is called ----------------------------------------------------------------------------


def test_help_says_what_it_takes_and_that_it_carries_on(command):
    said = command("--help")
    assert (said.code, said.err) == (0, "")
    text = " ".join(said.out.split())
    for part in ("DUMP", "--target DSN", "--connections N", "--no-owner", "--json", "PGPASSWORD"):
        assert part in text
    assert "the same command carries on" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x.dump"],
        ["x.dump", "--target=dbname=x", "--connections=0"],
        ["x.dump", "--target=dbname=x", "--connections=65"],
        ["x.dump", "--target=dbname=x", "--connections=many"],
    ],
    ids=" ".join,
)
def test_another_call_is_refused_with_the_usage(command, arguments):
    said = command(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("usage: python -m restore.engine")


# ---- where it restores to ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "just words",
        f"dbname=x password=not {PASSWORD}",
        f"postgresql://u:{PASSWORD}@[::1]x/d",
        f"postgresql://u:{PASSWORD}/more@h/d",
        f"postgresql://u:{PASSWORD}%zz@h/d",
        f"postgresql://u:{PASSWORD} more@h/d",
        f"dbname=x {PASSWORD}=x",
        "dbname=x port=first",
    ],
)
def test_a_target_that_is_no_connection_string_is_not_repeated(little, command, target):
    """Part of it may be a password that was not escaped."""
    said = command(little.dumps["pipe"], f"--target={target}")
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("target: target: expected a ")
    assert "hint: 'host=… port=… user=… dbname=…' or 'postgresql://" in said.err
    assert PASSWORD not in said.err


def test_a_wrong_password_is_said_to_be_wrong_but_not_what_it_is(
    little, command, empty, monkeypatch
):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    said = command(little.dumps["pipe"], database=empty)
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("target-login: target 127.0.0.1:")
    assert "password authentication failed" in said.err
    assert PASSWORD not in said.err


def test_a_password_in_the_target_is_not_repeated(little, command):
    target = f"postgresql://somebody:{PASSWORD}@127.0.0.1:{little.server.port}/{BULK}"
    said = command(little.dumps["pipe"], f"--target={target}")
    assert said.code == FAILED
    assert said.err.startswith("target-login: ")
    assert PASSWORD not in said.err


def test_a_server_that_is_not_there_is_unreachable(little, command):
    said = command(little.dumps["pipe"], f"--target=host=127.0.0.1 port={free_port()} user=u")
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("target-unreachable: target 127.0.0.1:")


def test_a_database_that_is_not_there_is_named(little, command):
    said = command(little.dumps["pipe"], database="nowhere")
    assert said.code == FAILED
    assert 'database "nowhere" does not exist' in said.err


def test_a_database_that_holds_something_is_left_alone(little, command, empty):
    little.rows("CREATE TABLE mine (a int)", empty)
    said = command(little.dumps["pipe"], database=empty)
    assert (said.code, said.out) == (FAILED, "")
    assert said.err == (
        f"target-not-empty: database '{empty}': expected it empty, found mine\n"
        "hint: restore into a new database: createdb --template=template0\n"
    )
    assert little.rows("SELECT to_regclass('bulk.event')", empty) == [(None,)]


def test_what_another_archive_has_begun_is_left_alone(little, command, empty):
    with little.running(empty, "pipe", held=["data"]) as running:
        assert running.has_told(held="data")
    said = command(little.dumps["file"], database=empty)
    assert said.code == FAILED
    assert "expected the beginnings of this archive, found those of another" in said.err
    assert command(little.dumps["pipe"], database=empty).code == DONE
    assert little.differences(empty) == []


# ---- what it restores ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "found"),
    [
        (["--format=tar"], "archive", "found a tar archive"),
        (["--format=plain"], "archive", "found plain SQL"),
        (["--format=custom", "--inserts"], "archive-unsuited", "its rows come by INSERT"),
    ],
    ids=["tar", "plain", "inserts"],
)
def test_a_dump_of_another_kind_is_left_to_others(
    little, command, empty, tmp_path, options, code, found
):
    path = tmp_path / "x.dump"
    argv = [little.server.binaries / "pg_dump", "--table=bulk.small_*", f"--file={path}"]
    subprocess.run([*argv, *options, BULK], env=little.server.admin_environment(), check=True)
    said = command(path, database=empty)
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith(f"{code}: dump 'x.dump': expected an archive")
    assert found in said.err
    assert "hint: " in said.err
    assert "pg_restore" in said.err.partition("hint: ")[2]
    assert little.rows(f"SELECT to_regnamespace('{LEDGER}')", empty) == [(None,)]


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b"\0\1" * 5000, "something else"), (b"PGDMP", "")],
    ids=["empty", "other", "magic"],
)
def test_what_is_no_dump_is_refused(command, empty, tmp_path, content, found):
    path = tmp_path / "x.dump"
    path.write_bytes(content)
    said = command(path, database=empty)
    assert (said.code, said.out) == (FAILED, "")
    assert said.err.startswith("archive: ")
    assert found in said.err


def test_a_file_that_is_not_there_is_named(command, empty, tmp_path):
    said = command(tmp_path / "gone.dump", database=empty)
    assert said.code == FAILED
    assert said.err.startswith("not-found: dump '")
    assert "gone.dump" in said.err


# ---- how it ends ---------------------------------------------------------------------------------


def test_the_end_is_one_line(little, command, empty):
    said = command(little.dumps["file"], database=empty)
    assert (said.code, said.err) == (DONE, "")
    assert re.fullmatch(r"39,050 rows in 26 tables, \d+\.\d s\n", said.out)
    assert little.differences(empty) == []


def test_the_end_is_one_line_of_json(little, command, empty):
    said = command("--json", little.dumps["pipe"], database=empty)
    assert (said.code, said.err) == (DONE, "")
    told = json.loads(said.out)
    assert said.out.count("\n") == 1
    assert (told["rows"], told["tables"], told["lost"], told["owners"]) == (39_050, 26, [], [])
    assert {"schema", "data", "indexes"} < told["phases"].keys()
    assert all(seconds >= 0 for seconds in (told["seconds"], *told["phases"].values()))


def test_what_could_not_be_made_is_named(command, empty):
    """The login is no superuser, and most of that dump's roles are not there."""
    said = command(DATA / "engine/features-pg17.dump", database=empty)
    assert (said.code, said.err) == (LOST, "")
    assert re.search("^not restored: CREATE EVENT TRIGGER .*: permission denied", said.out, re.M)
    assert re.search("^kept the login as owner: ALTER .* OWNER TO ", said.out, re.M)


def test_what_could_not_be_made_is_named_in_any_encoding(command, empty):
    """That dump is in LATIN1, and so are its statements."""
    said = command(DATA / "latin-pg16.dump", database=empty)
    assert (said.code, said.err) == (LOST, "")
    assert 'kept the login as owner: ALTER TABLE public."Straße" OWNER TO azuresu: ' in said.out


def test_without_owners_all_belongs_to_the_login(little, command, empty):
    assert command("--no-owner", DATA / "crm-pg18.dump", database=empty).code == DONE
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'app'"
    assert little.rows(owners, empty) == [(little.server.admin,)]


# ---- an URL --------------------------------------------------------------------------------------


@pytest.fixture
def server(little):
    with range_server(little.dumps["pipe"].read_bytes()) as server:
        yield server


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(), DONE),
        (Fault(status=503), DONE),
        (Fault(silent=True), DONE),
        (Fault(status=403), FAILED),
        (Fault(whole=True), FAILED),
        (Fault(shift_bytes=7), FAILED),
    ],
    ids=str,
)
def test_the_query_of_an_url_is_not_repeated(command, empty, server, fault, code):
    """It may be a key."""
    server.faults.extend([Fault(), fault])
    said = command(server.url, database=empty)
    assert said.code == code
    assert QUERY not in said.out + said.err
    assert "file.dump" in said.err or code == DONE


# ---- while it runs -------------------------------------------------------------------------------


@dataclass
class Held:
    """A web server that does not give some rows of the biggest table before it is told to."""

    url: str
    faults: deque[Fault]
    is_reached: threading.Event
    release: threading.Event


@pytest.fixture
def held(bulk):
    content = bulk.dumps["file"].read_bytes()
    with range_server(content) as server:
        held = Held(server.url, server.faults, threading.Event(), server.released)

        def hold():
            first, last = server.asked[-1]
            if first <= len(content) // 2 <= last:
                held.is_reached.set()
                held.release.wait()

        server.before_answer = hold
        yield held
        held.release.set()


@contextmanager
def started(bulk, database, dump, port=0, **options):
    """The command in a process of its own; killed if it still runs at the end."""
    target = bulk.target(database, port)
    argv = [sys.executable, "-m", "restore.engine", str(dump), f"--target={target}"]
    files = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    with subprocess.Popen(argv, cwd=ROOT, env=bulk.environment, text=True, **files) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process):
    """Its exit code, output and errors, once it has ended."""
    out, err = process.communicate()
    return process.returncode, out, err


def some_rows(bulk, database):
    found = bulk.rows(f"SELECT to_regclass('{LEDGER}.part') IS NOT NULL", database)
    return found == [(True,)] and bulk.rows(f"SELECT 1 FROM {LEDGER}.part WHERE rows > 0", database)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_the_same_command_carries_on(bulk, database, held, number):
    with started(bulk, database, held.url) as process:
        assert held.is_reached.wait(60)
        assert eventually(lambda: some_rows(bulk, database))
        process.send_signal(number)
        held.release.set()
        assert said(process) == (INTERRUPTED, "", "stopped; the same command carries on\n")
    with started(bulk, database, held.url) as process:
        code, out, err = said(process)
    assert (code, err) == (DONE, "")
    assert out.startswith("191,050 rows in 26 tables, ")
    assert bulk.differences(database) == []


def test_interrupted_twice_it_waits_for_nothing(bulk, database, held):
    """Not even for a source that does not answer."""
    with started(bulk, database, held.url) as process:
        assert held.is_reached.wait(60)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert said(process) == (INTERRUPTED, "", "")
    assert bulk.restore(database, "file") == bulk.done
    assert bulk.differences(database) == []


def test_without_a_terminal_it_shows_nothing_on_the_way(bulk, database, held):
    """Nor what libraries have to say about what they lose and try again."""
    held.faults.extend([Fault(), Fault(silent=True), Fault(status=503)])
    held.release.set()
    with proxy(bulk.server.host, bulk.server.port) as between:
        between.cut_each([(5_000_000, True)])
        with started(bulk, database, held.url, between.port) as process:
            code, out, err = said(process)
        assert between.cut == 1
    assert (code, err) == (DONE, "")
    assert out.startswith("191,050 rows")


@contextmanager
def terminal():
    """Both ends of one."""
    ends = os.openpty()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def test_on_a_terminal_it_shows_how_far_it_is(bulk, database, held):
    """On one line, which is gone at the end."""
    shown = ""
    with terminal() as (ours, theirs):
        with started(bulk, database, held.url, stderr=theirs) as process:
            while not re.search(r"█+░+ +\d+% of 5 MB, [\d.]+ MB/s, .*\d rows  bulk.event", shown):
                shown += os.read(ours, 4096).decode()
            held.release.set()
            assert said(process)[0] == DONE
        os.write(theirs, b"end")
        while not shown.endswith("end"):
            shown += os.read(ours, 4096).decode()
    lines = shown.split("\r\x1b[K")
    assert lines[-1] == "end"
    assert all(len(line) < 80 and "\n" not in line for line in lines)
