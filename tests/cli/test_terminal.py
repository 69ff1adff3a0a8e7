"""What a person sees at the end of a restore."""

import io

import pytest
from rich.console import Console

from restore.cli.terminal import outcome, progress


@pytest.mark.parametrize(("target", "width"), [("Tenants & Größe", 70), ("Tenants & Größe 2", 80)])
def test_the_table_keeps_its_verdict_and_its_numbers_in_a_narrow_terminal(target, width):
    database = {
        "name": "Tenants & Größe",
        "target": target,
        "phase": "published",
        "tables": 1234,
        "rows": {"expected": 24_840_000, "found": 24_840_000},
        "seconds": 1000.5,
        "lost": ["a"] * 12,
    }
    status = {
        "status": "partial", "seconds": 8.0, "warnings": [], "notes": [], "databases": [database],
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=width).print(outcome(status))
    table = [line for line in out.getvalue().splitlines() if line[:1] in "┏┃┡│└"]
    assert {line[-1] for line in table} == set("┓┃┩│┘")
    assert "…" not in out.getvalue()
    assert out.getvalue().count("24,840,000") == 2
    assert "objects" in out.getvalue()


def shown(eta):
    status = {"id": "4f79696ef73954ee", "status": "restoring", "doing": "", "filesLanded": 0}
    out = io.StringIO()
    Console(file=out, width=200).print(progress({**status, "databases": [], "eta": eta}))
    return out.getvalue()


def test_the_headline_says_when_it_ends_how_sure_that_is_and_whether_it_is_late():
    eta = {"seconds": 300, "least": 90, "most": 9000, "late": False, "basis": "benchmarks"}
    assert ", about 5 min left (90 s to 2 h 30, by benchmarks)" in shown(eta)
    late = shown({**eta, "late": True, "basis": "3 runs on this server"})
    assert ", longer than expected, about 5 min left (90 s to 2 h 30, by 3 runs on" in late
    assert "left" not in shown(None)
