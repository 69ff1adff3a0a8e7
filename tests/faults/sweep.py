"""One run for each fault, and what must be so after it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from restore.core.state import Phase, Restore
from tests.faults.parts import FAMILIES, Fault, Parts, Run, Way

_RIGHT = (Phase.SUCCEEDED, Phase.SUCCEEDED_WITH_WARNINGS)


@dataclass(frozen=True)
class Outcome:
    """How a run with a fault ended, in a few words."""

    family: str
    way: str
    at: int
    where: str
    end: str


class Broken(AssertionError):
    """Something is so that must not be; it names the run that repeats it."""


class Sweep:
    """`calls` are how many each family has in a run without a fault."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.calls: dict[str, int] = {}
        self._content: list[tuple[object, ...]] = []
        self._memberships: set[tuple[str, ...]] = set()
        run = Run(parts, Fault())
        before = _around(run)
        restore = run.end()
        assert restore.phase in _RIGHT, restore.failure
        self.calls = {family: run.fault.counts[family] for family in FAMILIES}
        self._content = run.content()
        self._memberships = run.memberships()
        run.wipe(before[1])

    def all(self, every: int = 1) -> Iterator[tuple[str, int, Way]]:
        """Of the many statements to PostgreSQL each `every`-th; all of the other calls."""
        for family, calls in self.calls.items():
            for at in range(1, calls + 1, every if family == "postgres" else 1):
                for way in ways(family):
                    yield family, at, way

    def some(self, seed: int, count: int) -> list[tuple[str, int, Way]]:
        chance = random.Random(seed)
        families = [FAMILIES[number % len(FAMILIES)] for number in range(count)]
        return [(f, chance.randint(1, self.calls[f]), chance.choice(ways(f))) for f in families]

    def outcome(self, family: str, at: int, way: Way) -> Outcome:
        """Raises Broken, with the command that repeats it."""
        run = Run(self._parts, Fault(family, at, way))
        before = _around(run)
        again = f"python -m tests.faults --only {family} --at {at} --way {way.name.lower()}"
        try:
            restore = run.end()
            self._check(run, restore, before)
        except Exception as exc:
            raise Broken(f"{run.fault.where}: {exc}\nagain: {again}") from exc
        finally:
            run.wipe(before[1])
        end = restore.phase.value if run.fault.met else "not met"
        if restore.failure is not None:
            end = f"failed: {restore.failure.code}"
        return Outcome(family, way.value, at, run.fault.where, end)

    def _check(self, run: Run, restore: Restore, before: tuple[list[str], set[str]]) -> None:
        if restore.phase in _RIGHT:
            assert run.content() == self._content, "the content is another one"
            assert restore.published == (0,)
            assert _staged(run) == []
        else:
            assert restore.phase is Phase.FAILED, restore.phase
            assert restore.failure is not None
            assert restore.failure.message, "a failure without a word"
            assert run.databases() == before[0], "the target was changed"
            clean = Run(self._parts, Fault())
            assert clean.end().phase in _RIGHT, "a clean run does not converge"
            assert run.content() == self._content
        assert restore.debts == ()
        assert run.memberships() == self._memberships, "what was borrowed was not given back"
        assert run.sessions_left(patience_seconds=10) == []


def ways(family: str) -> list[Way]:
    return [way for way in Way if family == "postgres" or way is not Way.RESTART]


def _around(run: Run) -> tuple[list[str], set[str]]:
    return run.databases(), run.roles()


def _staged(run: Run) -> list[str]:
    return [name for name in run.databases() if "__restoring_" in name]
