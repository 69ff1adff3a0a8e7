from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from local.postgres import binaries
from restore.adapters import tools
from restore.adapters.tools import Child, Client
from restore.errors import ToolError

SHELL = "/bin/sh"
PATH = {"PATH": os.defpath}


def test_clients_are_found_by_asking_them_for_their_version(tmp_path):
    found = tools.find_clients([str(binaries(16)), str(binaries(18)), "/nowhere"], debian=tmp_path)
    assert {major: client.folder for major, client in found.items()} == {
        16: binaries(16),
        18: binaries(18),
    }


def test_named_folders_come_before_debians_and_what_cannot_say_its_version_is_passed_over(tmp_path):
    for name, answer in (("9", "exit 1"), ("17", "echo 'pg_restore (PostgreSQL) 18.99'")):
        folder = tmp_path / name / "bin"
        folder.mkdir(parents=True)
        for program in ("psql", "pg_restore"):
            (folder / program).write_text(f"#!/bin/sh\n{answer}\n")
            (folder / program).chmod(0o755)
    assert tools.find_clients([], debian=tmp_path)[18].folder == tmp_path / "17" / "bin"
    assert tools.find_clients([str(binaries(18))], debian=tmp_path)[18].folder == binaries(18)


def test_a_missing_major_is_named_with_those_that_are_there():
    with pytest.raises(ToolError, match="expected major 18, found 15, 16"):
        tools.pick({16: Client(16, binaries(16)), 15: Client(15, binaries(16))}, 18)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("crm", "dbname='crm'"), ("a=b host=x", "dbname='a=b host=x'"), (r"o'\x", r"dbname='o\'\\x'")],
)
def test_a_database_name_can_never_be_read_as_a_connection_string(name, expected):
    assert tools.conninfo(name) == expected


def test_no_password_is_in_any_argument():
    client = Client(18, binaries(18))
    program = str(binaries(18) / "pg_restore")
    assert tools.restore_argv(client, "d", jobs=3, file="/f", keep_owners=False) == [
        program,
        "--no-password",
        "--dbname=dbname='d'",
        "--no-owner",
        "--jobs=3",
        "/f",
    ]
    assert tools.restore_argv(client, "d") == [program, "--no-password", "--dbname=dbname='d'"]
    assert tools.rows_argv(client) == [program, "--data-only", "--file=-"]
    assert "--single-transaction" in tools.psql_argv(client, "d", single_transaction=True)
    assert "--single-transaction" not in tools.psql_argv(client, "d", single_transaction=False)


def test_a_child_inherits_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "ours")
    with Child([SHELL, "-c", "set"], {**PATH, "PGUSER": "x"}, read=True) as child:
        printed = b"".join(child.output()).decode()
        assert child.wait() == 0
    assert "ours" not in printed
    assert "PGUSER='x'" in printed


def test_what_is_fed_comes_out_and_what_is_said_is_heard():
    heard = []
    script = "echo one >&2; cat; echo two >&2; exit 3"
    with Child([SHELL, "-c", script], PATH, fed=True, read=True, on_line=heard.append) as child:
        assert child.feed(b"some" * 1000)
        child.close_input()
        assert b"".join(child.output()) == b"some" * 1000
        assert child.wait() == 3
    assert heard == ["one", "two"] == list(child.said)


def test_feeding_a_child_that_is_gone_says_so():
    with Child(["/bin/true"], PATH, fed=True) as child:
        child.wait()
        assert not child.feed(b"x")


def test_leaving_the_context_ends_the_child_before_its_input_is_closed(tmp_path):
    """psql would take a closed input for the end of the script, and commit."""
    witness = tmp_path / "committed"
    with Child([SHELL, "-c", f"cat; echo > '{witness}'"], PATH, fed=True) as child:
        child.feed(b"half a script")
    assert child.wait() == -signal.SIGTERM
    assert not witness.exists()


def test_a_child_and_its_own_children_end_together_from_any_thread():
    script = "sleep 600 & echo $!; wait"
    with Child([SHELL, "-c", script], PATH, read=True) as child:
        grandchild = int(next(child.output()))
        thread = threading.Thread(target=child.end)
        thread.start()
        assert child.wait() == -signal.SIGTERM
        thread.join()
    assert gone(grandchild)


def test_a_child_that_will_not_end_is_made_to(monkeypatch):
    monkeypatch.setattr(tools, "_GRACE_SECONDS", 0.05)
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    with Child([SHELL, "-c", script], PATH, read=True) as child:
        next(child.output())
        child.end()
        assert child.wait() == -signal.SIGKILL


def test_a_child_dies_with_us_even_if_we_are_killed():
    program = (
        "import sys, time\n"
        "from restore.adapters.tools import Child\n"
        "with Child(['/bin/sh', '-c', 'echo $$; exec sleep 600'], {}, read=True) as child:\n"
        "    print(next(child.output()).decode(), flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as worker:
        child = int(worker.stdout.readline())
        worker.kill()
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether the process ends within ten seconds; a zombie of somebody else's counts as ended."""
    for _ in range(500):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False
