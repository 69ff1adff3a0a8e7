"""What comes after a restore's end: what was replaced is kept for a while, and debts are collected.

The restore has its final phase and keeps it. Its outbox holds what is to come, if anything is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from restore.core.announcements import told
from restore.core.decider import Decider, set_tasks, union
from restore.core.events import (
    AccountAsked,
    AccountIs,
    Announced,
    Called,
    Claimed,
    Event,
    ParametersAsked,
    ParametersSet,
    Purged,
    Reported,
    Sent,
    StillRead,
    Stumbled,
    Ticked,
    TimeCame,
    UndoAsked,
    Watched,
)
from restore.core.messages import Failure, TaskResult
from restore.core.policy import Policy
from restore.core.state import Command, Do, Restore, Task, TaskState, Undo, UndoState

LEFT_OPEN = "landing account: expected to shut it"
_HOUR_SECONDS = 3600.0
_DAY_SECONDS = 24 * _HOUR_SECONDS


def afterwards(restore: Restore, now: datetime, policy: Policy) -> Restore:
    """A restore that has just ended, with what is still to come."""
    outbox: tuple[Command, ...] = ()
    undo = None
    if _has_kept(restore):
        hours = restore.request.undo_hours
        until = now + timedelta(hours=policy.undo_hours if hours is None else hours)
        undo = Undo(UndoState.OPEN, until)
        outbox = (Command(Do.RETIRE, until),)
    if restore.request.source.container is None:  # what was adopted is its owner's
        keep = timedelta(hours=_keep_hours(restore, policy))
        outbox = (*outbox, Command(Do.PURGE, now + keep))
    if restore.tuned:
        outbox = (*outbox, Command(Do.UNTUNE, now))
    if restore.opened:
        outbox = (*outbox, Command(Do.SHUT, now, begun=now))
    if restore.request.callback is not None:
        outbox = (*outbox, Command(Do.CALL, now))
    if restore.debts:
        outbox = (*outbox, Command(Do.COLLECT, now + timedelta(seconds=policy.debt_seconds)))
    return replace(restore, undo=undo, outbox=outbox)


def _keep_hours(restore: Restore, policy: Policy) -> float:
    """How long the files stay; where nothing came of them, another restore may want them."""
    if restore.request.keep_files is not None:
        return restore.request.keep_files
    return policy.keep_files_hours if restore.published else policy.keep_failed_files_hours


def _has_kept(restore: Restore) -> bool:
    """Is there a database that was published over one which is kept?"""
    return restore.plan is not None and any(
        step.before and step.keeps and index in restore.published
        for index, step in enumerate(restore.plan.databases)
    )


class Afterwards(Decider):
    """After its end: one task at a time, on a server that is ours meanwhile."""

    __slots__ = ()

    def on(self, event: Event) -> Restore:
        restore = self.restore
        match event:
            case UndoAsked() if self.can_undo():
                return self.carry_on(self.undo_is(restore, UndoState.ASKED))
            case TimeCame(Do.RETIRE) if self.is_due(Do.RETIRE):
                if restore.after:
                    return self.again(restore, Do.RETIRE, self.policy.poll_seconds)
                return self.want("retire", self.undo_is(restore, UndoState.CLOSING))
            case TimeCame(Do.COLLECT) if self.is_due(Do.COLLECT):
                if restore.after:
                    return self.again(restore, Do.COLLECT, self.policy.debt_seconds)
                return self.want("debts", replace(restore, debt_tries=restore.debt_tries + 1))
            case Purged() if self.pending(Do.PURGE):
                return replace(self.without(restore, Do.PURGE), purged=self.now)
            case StillRead() if self.pending(Do.PURGE):
                return self.again(restore, Do.PURGE, _HOUR_SECONDS)
            case Called() if self.pending(Do.CALL):
                return self.without(restore, Do.CALL)
            case Ticked():
                return self.stuck()
            case Announced(number):
                return told(restore, number)
            case ParametersAsked(Do.UNTUNE) if self.pending(Do.UNTUNE):
                return self.again(restore, Do.UNTUNE, self.policy.settle_seconds)
            case ParametersSet(Do.UNTUNE) if self.pending(Do.UNTUNE):
                return replace(self.without(restore, Do.UNTUNE), tuned=())
            case AccountAsked(Do.OPEN) | AccountIs(Do.OPEN) | Stumbled(Command(Do.OPEN), _):
                # Too late: it was under way when the restore was stopped.
                rest = self.without(replace(restore, opened=True), Do.SHUT)
                again = Command(Do.SHUT, self.now, begun=self.now)
                return replace(rest, outbox=(*rest.outbox, again))
            case AccountAsked(Do.SHUT) if self.pending(Do.SHUT):
                due = self.later(self.policy.settle_seconds)
                return self.amend(Do.SHUT, lambda shut: replace(shut, failures=0, due=due))
            case AccountIs(Do.SHUT) if self._is_first_look():
                # The answer may be that of a look before the end: one more.
                return self.again(restore, Do.SHUT, 0)
            case AccountIs(Do.SHUT) if self.pending(Do.SHUT):
                return replace(self.without(restore, Do.SHUT), opened=False)
            case Claimed(holder) if self.pending(Do.CLAIM):
                return self.claimed(holder)
            case Sent(ticket):
                return self.sent(ticket)
            case Reported(result):
                return self.reported(result)
            case Watched(seen) if self.pending(Do.WATCH):
                return self.watched(seen)
            case Stumbled(command, failure) if self.outstanding(command):
                return self.stumbled(command, failure)
        return restore

    def can_undo(self) -> bool:
        undo = self.restore.undo
        return undo is not None and undo.state is UndoState.OPEN and self.now < undo.until

    def undo_is(self, restore: Restore, state: UndoState) -> Restore:
        """The same restore, its undo in another state; once it was done, that stays known."""
        undo = restore.undo
        assert undo is not None, "only what can be undone comes here"
        undone = undo.undone or state is UndoState.DONE
        return replace(restore, undo=replace(undo, state=state, undone=undone))

    # ---- one task at a time

    def carry_on(self, restore: Restore) -> Restore:
        """The undo that somebody waits for, once nobody works for this restore."""
        asked = restore.undo is not None and restore.undo.state is UndoState.ASKED
        return self.want("undo", restore) if asked and not restore.after else restore

    def want(self, task_id: str, restore: Restore) -> Restore:
        """That task, once the server is ours."""
        known = restore.task(task_id)
        task = Task(task_id, attempt=known.attempt + 1 if known else 1)
        others = tuple(task for task in restore.tasks if task.id != task_id)
        asked = replace(restore, tasks=(*others, task), after=task_id)
        outbox = tuple(c for c in asked.outbox if c.do is not _WAITED[task_id])
        return replace(asked, outbox=(*outbox, Command(Do.CLAIM, self.now)))

    def claimed(self, holder: str) -> Restore:
        if holder != self.restore.id:
            waiting = replace(self.restore, waits_for=holder)
            return self.next(waiting, Do.CLAIM, Do.CLAIM, self.later(self.policy.poll_seconds))
        ours = self.without(replace(self.restore, waits_for=""), Do.CLAIM)
        return self.send(ours, self.restore.after)

    def task_ended(self, restore: Restore, result: TaskResult) -> Restore:
        if result.task in _ENDS:
            restore = self.undo_is(restore, _ENDS[result.task])
        return self.over(restore, result.task)

    def task_failed(self, restore: Restore, task: Task, failure: Failure) -> Restore:
        """Debts have times of their own to be tried again; the others are tried at once.

        What such a task may have left behind is a debt.
        """
        failures = (*task.failures, failure)
        if task.id != "debts" and self.may_pass(failures):
            return self.try_again(restore, task, failures)
        restore = set_tasks(restore, (task.id,), state=TaskState.FAILED, failures=failures)
        if task.id in _FAILS:
            state, words = _FAILS[task.id]
            said = (f"{words}, found: {failure.message}",)
            restore = replace(
                self.undo_is(restore, state),
                warnings=union(restore.warnings, said),
                debts=union(restore.debts, said),
            )
        return self.over(self.prolonged(restore) if task.id == "undo" else restore, task.id)

    def prolonged(self, restore: Restore) -> Restore:
        """Who asked in time may ask again, though it is late by now."""
        undo, least = restore.undo, self.later(_DAY_SECONDS)
        if undo is None or undo.until >= least:
            return restore
        restore = replace(restore, undo=replace(undo, until=least))
        return self.again(restore, Do.RETIRE, _DAY_SECONDS)

    def given_up(self, command: Command, failure: Failure) -> Restore:
        """No worker will report: the task has failed. What was changed is never left as it is."""
        if command.do in _SAID:
            said = (f"{_SAID[command.do]}, found: {failure.message}",)
            warned = replace(self.restore, warnings=union(self.restore.warnings, said))
            if command.do is Do.CALL:
                return self.without(warned, Do.CALL)
            return self.again(warned, command.do, _HOUR_SECONDS)
        task = self.restore.task(self.restore.after)
        return self.restore if task is None else self.task_failed(self.restore, task, failure)

    def over(self, restore: Restore, task_id: str) -> Restore:
        """Nobody works for it any more; what is owed, and what is asked for, comes next."""
        outbox = tuple(c for c in restore.outbox if c.do in _LATER)
        tries = restore.debt_tries if task_id == "debts" else 0
        free = replace(restore, outbox=outbox, after="", waits_for="", debt_tries=tries)
        return self.carry_on(self.collect(free))

    def collect(self, restore: Restore) -> Restore:
        """What is owed is tried again later each time, until somebody has to see to it."""
        if not restore.debts:
            return replace(self.without(restore, Do.COLLECT), debt_tries=0)
        tries = restore.debt_tries
        if tries < self.policy.max_debt_tries:
            return self.again(restore, Do.COLLECT, self.policy.debt_seconds * 2**tries)
        left = tuple(f"given up after {tries} tries: {debt}" for debt in restore.debts)
        return replace(restore, warnings=union(restore.warnings, left))

    def _is_first_look(self) -> bool:
        """`begun` marks the look that was asked for when the restore ended, or was opened late."""
        return any(c.do is Do.SHUT and c.begun is not None for c in self.restore.outbox)

    def again(self, restore: Restore, do: Do, wait_seconds: float) -> Restore:
        rest = self.without(restore, do)
        return replace(rest, outbox=(*rest.outbox, Command(do, self.later(wait_seconds))))

    def without(self, restore: Restore, do: Do) -> Restore:
        outbox = tuple(command for command in restore.outbox if command.do is not do)
        return replace(restore, outbox=outbox)


_LATER = frozenset({Do.RETIRE, Do.COLLECT, Do.UNTUNE, Do.SHUT, Do.PURGE, Do.CALL})
_SAID = {
    Do.UNTUNE: "server parameters: expected to put them back",
    Do.SHUT: LEFT_OPEN,
    Do.PURGE: "landing container: expected to delete it",
    Do.CALL: "callback: expected to tell the end",
}
_WAITED = {"undo": Do.CLAIM, "retire": Do.RETIRE, "debts": Do.COLLECT}
_ENDS = {"undo": UndoState.DONE, "retire": UndoState.CLOSED}
_FAILS = {
    "undo": (UndoState.OPEN, "undo: expected what was replaced to get its name again"),
    "retire": (UndoState.CLOSED, "what was replaced: expected to drop it"),
}
