"""Timer triggers: each waits for its next due time, runs, and only then waits again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime

from local.functions import payloads, schedule
from local.functions.app import App
from local.functions.errors import FunctionAppError
from local.functions.index import Function, TriggerKind


class Timer:
    """One timer function; never runs twice at once, not even when an administrator starts it."""

    def __init__(self, app: App, function: Function) -> None:
        self._app = app
        self._function = function
        self._one_at_a_time = asyncio.Lock()
        try:
            self._schedule = schedule.parse(str(function.trigger["schedule"]))
            self._schedule.next_after(_now())
        except FunctionAppError as error:
            raise FunctionAppError(f"function {function.name!r}: {error}", error.hint) from error

    async def fire(self, past_due: bool = False) -> None:
        """Run the function once, after the run that may be going on."""
        async with self._one_at_a_time:
            await self._app.succeeds(self._function, payloads.timer(past_due))

    async def run(self, stopping: asyncio.Event) -> None:
        """Run the function whenever it is due, until `stopping`.

        Times that pass while it runs are skipped, as in Azure. It counts as past due when the time
        after that one has passed too: the machine slept, or the process was held.
        """
        if self._function.trigger.get("runOnStartup"):
            await self.fire()
        last = _now()
        while not stopping.is_set():
            # Never before `last`: a wait may end a moment early, and the same time be due again.
            due = self._schedule.next_after(max(last, _now()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(0.0, (due - _now()).total_seconds()))
            if not stopping.is_set():
                await self.fire(past_due=self._schedule.next_after(due) <= _now())
            last = due


def timers(app: App) -> Mapping[str, Timer]:
    """The timers of an app by function name.

    Raises FunctionAppError for a schedule that cannot be read, or never comes.
    """
    return {function.name: Timer(app, function) for function in app.of_kind(TriggerKind.TIMER)}


def _now() -> datetime:
    return datetime.now(UTC)
