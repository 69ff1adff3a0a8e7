"""What a person sees at the end of a restore."""

import io

import pytest
from rich.console import Console

from restore.cli.terminal import outcome


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
