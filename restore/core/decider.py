"""What every decision about a restore is made with: its outbox, its tasks, who watches them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from restore.core.messages import Failure, Result, TaskResult, Ticket
from restore.core.policy import Policy
from restore.core.state import SETTLES, Command, Do, Restore, Task, TaskState


@dataclass(frozen=True, slots=True)
class Decider(ABC):
    """One restore, one event, one moment."""

    restore: Restore
    now: datetime
    policy: Policy

    @abstractmethod
    def task_failed(self, restore: Restore, task: Task, failure: Failure) -> Restore:
        """What follows from the failure of `task`."""

    @abstractmethod
    def task_ended(self, restore: Restore, result: TaskResult) -> Restore:
        """What comes after a task that did not fail."""

    @abstractmethod
    def given_up(self, command: Command, failure: Failure) -> Restore:
        """What follows when `command` cannot be carried out."""

    # ---- the outbox

    def pending(self, do: Do) -> bool:
        return any(command.do is do for command in self.restore.outbox)

    def is_due(self, do: Do) -> bool:
        return any(command.do is do and command.due <= self.now for command in self.restore.outbox)

    def outstanding(self, command: Command) -> bool:
        return any(same(command, other) for other in self.restore.outbox)

    def later(self, wait_seconds: float) -> datetime:
        return self.now + timedelta(seconds=wait_seconds)

    def next(self, restore: Restore, done: Do, do: Do, at: datetime | None = None) -> Restore:
        """`done` is answered, `do` comes after it. While Azure works, one command is pending."""
        asking = {done, Do.TRIGGER, Do.POLL_TRIGGER} if do is Do.POLL_JOB else {done}
        rest = tuple(command for command in restore.outbox if command.do not in asking)
        return replace(restore, outbox=(*rest, Command(do, at or self.now)))

    def amend(self, do: Do, change: Callable[[Command], Command]) -> Restore:
        outbox = tuple(change(c) if c.do is do else c for c in self.restore.outbox)
        return replace(self.restore, outbox=outbox)

    def send(self, restore: Restore, *ids: str, at: datetime | None = None) -> Restore:
        """Tickets for those tasks, visible from `at` on, and somebody to watch over them."""
        tickets = [
            Ticket(restore.id, task.id, task.attempt) for task in restore.tasks if task.id in ids
        ]
        sends = tuple(Command(Do.SEND, self.now, ticket, at) for ticket in tickets)
        others = tuple(command for command in restore.outbox if command.do is not Do.WATCH)
        watch = Command(Do.WATCH, self.later(self.policy.watch_seconds))
        chosen, when = frozenset(ids), at or self.now
        tasks = tuple(
            replace(task, state=TaskState.SENT, sent=when, since=task.since or when)
            if task.id in chosen
            else task
            for task in restore.tasks
        )
        return replace(restore, tasks=tasks, outbox=(*others, *sends, watch))

    def sent(self, ticket: Ticket) -> Restore:
        outbox = tuple(command for command in self.restore.outbox if command.ticket != ticket)
        return replace(self.restore, outbox=outbox)

    # ---- tasks

    def reported(self, result: TaskResult) -> Restore:
        task = self.restore.task(result.task)
        if task is None or task.state is not TaskState.SENT or task.attempt != result.attempt:
            return self.restore
        sends = tuple(
            command
            for command in self.restore.outbox
            if command.ticket is None or command.ticket.task != task.id
        )
        restore = replace(
            self.restore,
            outbox=sends,
            warnings=union(self.restore.warnings, result.warnings),
            notes=union(self.restore.notes, result.notes),
            data_as_of=result.data_as_of or self.restore.data_as_of,
        )
        if result.result is Result.FAILED:
            return self.task_failed(restore, task, result.failure or _UNSAID)
        done = result.result is Result.DONE
        owed = () if done and task.id in SETTLES else restore.debts
        kept = replace(result, plan=None, warnings=(), notes=(), debts=())
        restore = set_tasks(
            replace(restore, debts=union(owed, result.debts)),
            (task.id,),
            state=TaskState.DONE if done else TaskState.CANCELLED,
            result=kept,
        )
        return self.task_ended(restore, result)

    def may_pass(self, failures: tuple[Failure, ...]) -> bool:
        """Is the task worth another try, after it has failed like this?"""
        return failures[-1].transient and len(failures) < self.policy.max_attempts

    def try_again(self, restore: Restore, task: Task, failures: tuple[Failure, ...]) -> Restore:
        """The task once more, later each time."""
        wait_seconds = self.policy.retry_seconds * 2 ** (len(failures) - 1)
        changes = {"attempt": task.attempt + 1, "since": None, "taken": False}
        restore = set_tasks(restore, (task.id,), failures=failures, **changes)
        return self.send(restore, task.id, at=self.later(wait_seconds))

    def watched(self, seen: dict[str, datetime]) -> Restore:
        """A task nobody took is sent again; one whose worker fell silent counts as failed."""
        restore = self.next(self.restore, Do.WATCH, Do.WATCH, self.later(self.policy.watch_seconds))
        limit = self.now - timedelta(seconds=self.policy.silence_seconds)
        unsent = {command.ticket.task for command in restore.outbox if command.ticket}
        for task in restore.tasks:
            sent = task.sent or self.now
            if task.state is not TaskState.SENT:
                continue
            if not task.taken and seen.get(task.id, sent) > sent:
                restore = set_tasks(restore, (task.id,), taken=True)
            if max(sent, seen.get(task.id, sent)) > limit:
                continue
            if seen.get(task.id, sent) > sent:
                return self.task_failed(restore, task, SILENT)
            if task.id not in unsent:
                restore = self.send(restore, task.id)
        return restore

    def stuck(self) -> Restore:
        """The same restore, saying what of it has not gone on for too long; "" once it does."""
        found = stuck(self.restore, self.now, self.policy)
        return self.restore if found == self.restore.stuck else replace(self.restore, stuck=found)

    def stumbled(self, command: Command, failure: Failure) -> Restore:
        """Tried again later, or given up.

        Watching never is: reports may arrive all the same. Nor is telling others, which keeps
        nobody waiting.
        """
        failures = command.failures + 1
        lasting = not failure.transient or failures >= self.policy.max_command_failures
        if lasting and command.do not in (Do.WATCH, Do.ANNOUNCE):
            return self.given_up(command, replace(failure, transient=False))
        doublings = min(command.failures, 10)
        wait = min(300.0, self.policy.retry_seconds * 2**doublings)
        due = self.now + timedelta(seconds=wait)
        outbox = tuple(
            replace(other, failures=failures, due=due) if same(command, other) else other
            for other in self.restore.outbox
        )
        return replace(self.restore, outbox=outbox)


def stuck(restore: Restore, now: datetime, policy: Policy) -> str:
    """What somebody should look at: a task that no worker takes, a command that is tried in vain.

    Whoever thinks about a plan, or waits for another restore, is not stuck.
    """
    limit = now - timedelta(seconds=policy.stuck_seconds)
    for task in restore.tasks:
        if task.state is TaskState.SENT and not task.taken and (task.since or now) <= limit:
            return f"no worker has taken task {task.id} since {_said(task.since or now)}"
    for command in restore.outbox:
        if command.failures >= _STUCK_FAILURES:
            return f"{command.do.value} was tried {command.failures} times in vain"
        if command.begun is not None and command.begun <= limit:
            return f"{command.do.value} has been asked for in vain since {_said(command.begun)}"
        if command.due <= limit:
            return f"{command.do.value} has been due since {_said(command.due)}"
    return ""


def _said(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def same(one: Command, other: Command) -> bool:
    """Whether both are the same thing to do, however often it was tried."""
    return one.do is other.do and one.ticket == other.ticket


def set_tasks(restore: Restore, ids: tuple[str, ...], **changes: object) -> Restore:
    tasks = tuple(
        replace(task, **changes) if task.id in ids else task  # type: ignore[arg-type]
        for task in restore.tasks
    )
    return replace(restore, tasks=tasks)


def union(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """What was said, each once; of very much the first part, so that a state stays small."""
    if known and known[-1] == LEFT_OUT:
        return known
    said = (*known, *(text for text in dict.fromkeys(more) if text not in known))
    return said if len(said) <= MOST_SAID else (*said[: MOST_SAID - 1], LEFT_OUT)


MOST_SAID = 1000
LEFT_OUT = "… and more, which the log has"
_STUCK_FAILURES = 5
_UNSAID = Failure("internal", "task: expected a reason for its failure, found none")
SILENT = Failure(
    "worker-lost",
    "worker: expected a sign of life every few seconds, found none",
    "did its container run out of memory, or was it stopped?",
    transient=True,
)
