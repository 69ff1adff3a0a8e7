"""The life of a restore, as one pure function: decide(restore, event, now, policy) -> restore.

What has to happen next is part of the state (`outbox`): a command stays there until an event
answers it, and each is safe to carry out again, so whoever comes next can carry on. A restore that
has not ended always has a command in its outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from restore.core.backup import OperationState, Outcome
from restore.core.dumps import Blob
from restore.core.events import (
    Accepted,
    Begun,
    CancelAsked,
    Claimed,
    ContainerCreated,
    Event,
    FileLanded,
    InDoubt,
    JobFound,
    Listed,
    PointFound,
    Polled,
    Reported,
    Sent,
    Stumbled,
    Ticked,
    Watched,
)
from restore.core.facts import Finding
from restore.core.messages import Failure, Result, TaskResult, Ticket
from restore.core.plan import Plan
from restore.core.policy import Policy
from restore.core.request import RestoreRequest
from restore.core.state import Change, Command, Do, Phase, Restore, Task, TaskState

_HURRY_SECONDS = 2.0  # between two looks at the vault's job, where files land


def begin(restore_id: str, request: RestoreRequest, container: str, now: datetime) -> Restore:
    """A new restore. One that adopts files goes straight to looking at them."""
    adopted = request.source.container is not None
    return Restore(
        id=restore_id,
        request=request,
        container=container,
        created=now,
        updated=now,
        outbox=(Command(Do.LIST_FILES if adopted else Do.FIND_POINT, now),),
        history=(Change(now, Phase.REQUESTED),),
    )


def due(restore: Restore, now: datetime) -> Command | None:
    """The first command whose time has come, or None."""
    return next((command for command in restore.outbox if command.due <= now), None)


def decide(restore: Restore, event: Event, now: datetime, policy: Policy) -> Restore:
    """What `event` makes of `restore`. The very same object if it changes nothing.

    An event that comes twice, late, or for a restore that has ended changes nothing.
    """
    if restore.ended:
        return restore
    decided = _Life(restore, now, policy).on(event)
    if decided is restore or decided == restore:
        return restore
    changed = decided.phase is not restore.phase
    history = (*decided.history, Change(now, decided.phase)) if changed else decided.history
    return replace(decided, updated=now, history=history)


@dataclass(frozen=True, slots=True)
class _Life:
    restore: Restore
    now: datetime
    policy: Policy

    def on(self, event: Event) -> Restore:
        restore = self.restore
        match event:
            case PointFound(instance, point) if self.pending(Do.FIND_POINT):
                found = replace(restore, instance=instance, point=point, phase=Phase.EXTRACTING)
                return self.next(found, Do.FIND_POINT, Do.CREATE_CONTAINER)
            case ContainerCreated() if self.pending(Do.CREATE_CONTAINER):
                return self.next(restore, Do.CREATE_CONTAINER, Do.VALIDATE)
            case Accepted(Do.VALIDATE, operation) if self.pending(Do.VALIDATE):
                asked = replace(restore, operation=operation)
                return self.next(asked, Do.VALIDATE, Do.POLL_VALIDATION)
            case Accepted(Do.TRIGGER, operation) if self.pending(Do.TRIGGER):
                asked = replace(restore, operation=operation)
                return self.next(asked, Do.TRIGGER, Do.POLL_TRIGGER)
            case Begun(do):
                return self.amend(do, lambda command: replace(command, begun=self.now))
            case InDoubt():
                return self.amend(
                    Do.TRIGGER, lambda c: replace(c, due=self.later(self.policy.poll_seconds))
                )
            case JobFound(job) if self.pending(Do.TRIGGER) or self.pending(Do.POLL_TRIGGER):
                found = replace(restore, job=job, operation=None)
                return self.next(found, Do.TRIGGER, Do.POLL_JOB)
            case Polled(do, outcome) if self.pending(do):
                return self.polled(do, outcome)
            case Listed(files) if self.is_due(Do.LIST_FILES):  # two at once are no two looks
                return self.listed(files)
            case Claimed(holder) if self.pending(Do.CLAIM):
                return self.claimed(holder)
            case FileLanded(name):
                return self.landed(name)
            case Sent(ticket):
                return self.sent(ticket)
            case Reported(result):
                return self.reported(result)
            case Watched(seen) if self.pending(Do.WATCH):
                return self.watched(seen)
            case Stumbled(command, failure) if self.outstanding(command):
                return self.stumbled(command, failure)
            case CancelAsked():
                return self.cancel()
            case Ticked() if self.overdue():
                return self.stop(restore, _too_late(self.policy))
        return restore

    # ---- the outbox

    def pending(self, do: Do) -> bool:
        return any(command.do is do for command in self.restore.outbox)

    def is_due(self, do: Do) -> bool:
        return any(command.do is do and command.due <= self.now for command in self.restore.outbox)

    def outstanding(self, command: Command) -> bool:
        return any(_same(command, other) for other in self.restore.outbox)

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

    # ---- while Azure Backup works

    def polled(self, do: Do, outcome: Outcome) -> Restore:
        restore = self.restore
        if outcome.state is OperationState.RUNNING:
            return self.next(restore, do, do, self.later(self.policy.poll_seconds))
        if outcome.state is OperationState.FAILED:
            code = "vault-job-failed" if do is Do.POLL_JOB else "vault-refused"
            return self.stop(restore, Failure(outcome.code or code, outcome.message, outcome.hint))
        warned = replace(restore, warnings=_union(restore.warnings, outcome.warnings))
        if do is Do.POLL_VALIDATION:
            return self.next(replace(warned, operation=None), do, Do.TRIGGER)
        if do is Do.POLL_TRIGGER:
            if not outcome.job:  # accepted, but its job cannot be seen yet
                return self.next(warned, do, do, self.later(self.policy.poll_seconds))
            return self.next(replace(warned, operation=None, job=outcome.job), do, Do.POLL_JOB)
        return self.next(warned, do, Do.LIST_FILES)

    def listed(self, files: tuple[Blob, ...]) -> Restore:
        """The files are taken as complete when two listings some time apart are equal.

        The job never says which files it wrote, so its end and a quiet container are all there is.
        A file that an event told of is waited for, but not for ever: it may have been temporary.
        """
        restore = replace(self.restore, files=files)
        first = restore.phase is Phase.REQUESTED
        if first:
            restore = replace(restore, phase=Phase.EXTRACTING)
        quiet = not first and files == self.restore.files
        if quiet and not files:
            return self.stop(restore, _EMPTY)
        since = (restore.quiet_since or self.now) if quiet else None
        restore = replace(restore, quiet_since=since)
        missing = sorted(set(restore.landed) - {blob.name for blob in files})
        patience = timedelta(seconds=self.policy.missing_seconds)
        if since is not None and (not missing or self.now - since >= patience):
            gone = (f"file {name!r} was announced but is not there" for name in missing)
            listed = replace(restore, warnings=_union(restore.warnings, tuple(gone)))
            return self.next(listed, Do.LIST_FILES, Do.CLAIM)
        return self.next(
            restore, Do.LIST_FILES, Do.LIST_FILES, self.later(self.policy.settle_seconds)
        )

    def landed(self, name: str) -> Restore:
        restore = self.restore
        listed = name in {blob.name for blob in restore.files}
        if restore.phase not in (Phase.REQUESTED, Phase.EXTRACTING):
            if listed:
                return restore
            late = f"file {name!r} landed after the container had been quiet: it is not restored"
            return replace(restore, warnings=_union(restore.warnings, (late,)))
        # Asked at most so often, however many files land at once.
        hurry = self.later(self.policy.poll_seconds - _HURRY_SECONDS)
        hurried = self.amend(
            Do.POLL_JOB, lambda c: replace(c, due=self.now) if self.now < c.due <= hurry else c
        )
        told = replace(hurried, landed=_union(restore.landed, (name,)))
        if self.pending(Do.CLAIM) and not listed:  # not so quiet after all
            return self.next(told, Do.CLAIM, Do.LIST_FILES)
        return told

    # ---- while workers work

    def claimed(self, holder: str) -> Restore:
        """One restore works on a server at a time: they would give back what the other borrowed."""
        if holder == self.restore.id:
            return self.prepare(replace(self.restore, waits_for=""))
        waiting = replace(self.restore, waits_for=holder)
        return self.next(waiting, Do.CLAIM, Do.CLAIM, self.later(self.policy.poll_seconds))

    def prepare(self, restore: Restore) -> Restore:
        restore = replace(restore, phase=Phase.PREPARING, tasks=(Task("prepare"),), outbox=())
        return self.send(restore, "prepare")

    def send(self, restore: Restore, *ids: str, at: datetime | None = None) -> Restore:
        """Tickets for those tasks, visible from `at` on, and somebody to watch over them."""
        tickets = [
            Ticket(restore.id, task.id, task.attempt) for task in restore.tasks if task.id in ids
        ]
        sends = tuple(Command(Do.SEND, self.now, ticket, at) for ticket in tickets)
        others = tuple(command for command in restore.outbox if command.do is not Do.WATCH)
        watch = Command(Do.WATCH, self.later(self.policy.watch_seconds))
        sent = replace(restore, outbox=(*others, *sends, watch))
        return _set(sent, ids, state=TaskState.SENT, sent=at or self.now)

    def sent(self, ticket: Ticket) -> Restore:
        outbox = tuple(command for command in self.restore.outbox if command.ticket != ticket)
        return replace(self.restore, outbox=outbox)

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
            warnings=_union(self.restore.warnings, result.warnings),
            notes=_union(self.restore.notes, result.notes),
            data_as_of=result.data_as_of or self.restore.data_as_of,
        )
        if result.result is Result.FAILED and result.failure is not None:
            return self.task_failed(restore, task, result.failure)
        done = result.result is Result.DONE
        state = TaskState.DONE if done else TaskState.CANCELLED
        kept = replace(result, plan=None, warnings=(), notes=())
        restore = _set(restore, (task.id,), state=state, result=kept)
        if result.plan is not None:
            return self.planned(restore, result.plan)
        return self.advance(restore)

    def task_failed(self, restore: Restore, task: Task, failure: Failure) -> Restore:
        failures = (*task.failures, failure)
        again = failure.transient and task.attempt < self.policy.max_attempts
        if again and (task.id == "cleanup" or not restore.stopping):
            wait = timedelta(seconds=self.policy.retry_seconds * 2 ** (task.attempt - 1))
            restore = _set(restore, (task.id,), attempt=task.attempt + 1, failures=failures)
            return self.send(restore, task.id, at=self.now + wait)
        restore = _set(restore, (task.id,), state=TaskState.FAILED, failures=failures)
        if restore.stopping:
            if task.id == "cleanup":
                left = f"something may be left on the target: {failure.message}"
                restore = replace(restore, warnings=_union(restore.warnings, (left,)))
            return self.advance(restore)
        return self.stop(restore, self.blame(restore, task, failure))

    def blame(self, restore: Restore, task: Task, failure: Failure) -> Failure:
        """The failure as the whole restore's: which database it was about."""
        index = task.database
        if index is None or restore.plan is None:
            return replace(failure, transient=False)
        name = restore.plan.databases[index].name
        message = f"database {name!r}: {failure.message}"
        return replace(failure, message=message, transient=False)

    def planned(self, restore: Restore, plan: Plan) -> Restore:
        restore = replace(
            restore,
            plan=plan,
            warnings=_union(restore.warnings, tuple(map(str, plan.warnings))),
            notes=_union(restore.notes, tuple(map(str, plan.notes))),
        )
        if plan.refusals:
            return self.stop(restore, _refused(plan.refusals))
        ids = [name for name in ("roles", "tablespaces") if getattr(plan, name)]
        if plan.borrow and "roles" not in ids:
            ids.insert(0, "roles")
        ids += [f"database-{index}" for index in range(len(plan.databases))] + ["finish"]
        tasks = (*restore.tasks, *map(Task, ids))
        return self.advance(replace(restore, tasks=tasks, phase=Phase.RESTORING))

    def advance(self, restore: Restore) -> Restore:
        """Send what can run now: roles before what they own, finish after everything is proven."""
        if restore.stopping:
            return self.take_back(restore)
        for group in _groups(restore.tasks):
            if all(task.state is TaskState.DONE for task in group):
                continue
            ready = [task.id for task in group if task.state is TaskState.WAITING]
            if ready == ["finish"]:
                restore = replace(restore, phase=Phase.FINISHING)
            return self.send(restore, *ready) if ready else restore
        return self.end(restore)

    def watched(self, seen: dict[str, datetime]) -> Restore:
        """A task nobody took is sent again; one whose worker fell silent counts as failed."""
        restore = self.next(self.restore, Do.WATCH, Do.WATCH, self.later(self.policy.watch_seconds))
        limit = self.now - timedelta(seconds=self.policy.silence_seconds)
        unsent = {command.ticket.task for command in restore.outbox if command.ticket}
        for task in restore.tasks:
            sent = task.sent or self.now
            if task.state is not TaskState.SENT or max(sent, seen.get(task.id, sent)) > limit:
                continue
            if seen.get(task.id, sent) > sent:
                return self.task_failed(restore, task, _SILENT)
            if task.id not in unsent:
                restore = self.send(restore, task.id)
        return restore

    # ---- ends

    def stumbled(self, command: Command, failure: Failure) -> Restore:
        """Tried again later, or given up; but for watching: reports may arrive all the same."""
        failures = command.failures + 1
        lasting = not failure.transient or failures >= self.policy.max_command_failures
        if lasting and command.do is not Do.WATCH:
            return self.given_up(command, replace(failure, transient=False))
        doublings = min(command.failures, 10)
        wait = min(300.0, self.policy.retry_seconds * 2**doublings)
        due = self.now + timedelta(seconds=wait)
        outbox = tuple(
            replace(other, failures=failures, due=due) if _same(command, other) else other
            for other in self.restore.outbox
        )
        return replace(self.restore, outbox=outbox)

    def given_up(self, command: Command, failure: Failure) -> Restore:
        """No worker will report on a ticket that was not sent: its task has failed."""
        ticket = command.ticket
        task = self.restore.task(ticket.task) if ticket else None
        if ticket is None or task is None:
            return self.stop(self.restore, failure)
        return self.task_failed(self.sent(ticket), task, failure)

    def cancel(self) -> Restore:
        """Accepted until publishing begins; from then on the restore is seen through."""
        if self.restore.stopping or self.publishing():
            return self.restore
        return self.stop(replace(self.restore, cancelled=True), None)

    def publishing(self) -> bool:
        finish = self.restore.task("finish")
        return finish is not None and finish.state is not TaskState.WAITING

    def overdue(self) -> bool:
        limit = timedelta(hours=self.policy.deadline_hours)
        late = self.now - self.restore.created > limit
        return late and not self.restore.stopping and not self.publishing()

    def stop(self, restore: Restore, failure: Failure | None) -> Restore:
        """No more work from here on; what was begun on the target is taken back first.

        Tickets still go out: their tasks count as sent, and a worker has to say that it stopped.
        """
        tasks = tuple(
            replace(task, state=TaskState.CANCELLED) if task.state is TaskState.WAITING else task
            for task in restore.tasks
        )
        workers = (Do.SEND, Do.WATCH)
        outbox = tuple(command for command in restore.outbox if command.do in workers)
        stopped = replace(restore, failure=failure, tasks=tasks, outbox=outbox)
        return self.take_back(stopped)

    def take_back(self, restore: Restore) -> Restore:
        """Once every worker has stopped: the cleanup, if there is anything to clean; the end."""
        if any(task.state is TaskState.SENT for task in restore.tasks):
            return replace(restore, phase=Phase.FINISHING)
        touched = any(task.id != "prepare" and task.sent is not None for task in restore.tasks)
        if touched and restore.task("cleanup") is None:
            tasks = (*restore.tasks, Task("cleanup"))
            restore = replace(restore, phase=Phase.FINISHING, tasks=tasks)
            return self.send(restore, "cleanup")
        return self.end(restore)

    def end(self, restore: Restore) -> Restore:
        return replace(restore, phase=_final_phase(restore), outbox=(), operation=None)


def _same(one: Command, other: Command) -> bool:
    """Whether both are the same thing to do, however often it was tried."""
    return one.do is other.do and one.ticket == other.ticket


def _final_phase(restore: Restore) -> Phase:
    if restore.cancelled:
        return Phase.CANCELLED
    if restore.failure is not None:
        return Phase.FAILED
    results = [task.result for task in restore.tasks if task.result is not None]
    if any(result.database and result.database.lost for result in results):
        return Phase.PARTIAL
    return Phase.SUCCEEDED_WITH_WARNINGS if restore.warnings else Phase.SUCCEEDED


def _refused(refusals: tuple[Finding, ...]) -> Failure:
    """All of them in one message, as far as somebody would read it; the hint of the first."""
    said = list(dict.fromkeys(map(str, refusals)))
    if len(said) > _REFUSALS_SAID:
        said[_REFUSALS_SAID:] = [f"… and {len(said) - _REFUSALS_SAID} more"]
    return Failure(refusals[0].code, "; ".join(said), refusals[0].hint)


def _groups(tasks: tuple[Task, ...]) -> list[list[Task]]:
    """The tasks in the order of their groups; those of one group run side by side."""
    databases = [task for task in tasks if task.database is not None]
    alone = {task.id: [task] for task in tasks}
    before = [alone[name] for name in ("prepare", "roles", "tablespaces") if name in alone]
    return [*before, databases, alone["finish"]] if "finish" in alone else before


def _set(restore: Restore, ids: tuple[str, ...], **changes: object) -> Restore:
    tasks = tuple(
        replace(task, **changes) if task.id in ids else task  # type: ignore[arg-type]
        for task in restore.tasks
    )
    return replace(restore, tasks=tasks)


def _union(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return (*known, *(text for text in dict.fromkeys(more) if text not in known))


def _too_late(policy: Policy) -> Failure:
    return Failure(
        "deadline",
        f"restore: expected to end within {policy.deadline_hours:g} hours, found it still running",
        "the status shows which task it was at",
    )


_REFUSALS_SAID = 20
_EMPTY = Failure(
    "no-files",
    "container: expected the files of a backup, found none",
    "was the container's name right, and did the vault's job write into it?",
)
_SILENT = Failure(
    "worker-lost",
    "worker: expected a sign of life every few seconds, found none",
    "did its container run out of memory, or was it stopped?",
    transient=True,
)
