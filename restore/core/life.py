"""The life of a restore, as one pure function: decide(restore, event, now, policy) -> restore.

What has to happen next is part of the state (`outbox`): a command stays there until an event
answers it, and each is safe to carry out again, so whoever comes next can carry on. A restore that
has not ended always has a command in its outbox.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from restore.core.afterwards import LEFT_OPEN, Afterwards, afterwards
from restore.core.announcements import announced, told
from restore.core.backup import OperationState, Outcome
from restore.core.decider import Decider, set_tasks, union
from restore.core.dumps import Blob
from restore.core.events import (
    Accepted,
    AccountAsked,
    AccountIs,
    Announced,
    Approved,
    Begun,
    CancelAsked,
    Claimed,
    ContainerCreated,
    Event,
    FileLanded,
    InDoubt,
    JobFound,
    Listed,
    ParametersAsked,
    ParametersSeen,
    ParametersSet,
    PointFound,
    Polled,
    Reported,
    Sent,
    Stumbled,
    Ticked,
    TimeCame,
    Watched,
)
from restore.core.facts import Finding
from restore.core.messages import Failure, TaskResult
from restore.core.options import Approval, Publish, WhenBusy
from restore.core.plan import Plan
from restore.core.policy import Policy
from restore.core.request import RestoreRequest
from restore.core.state import (
    CARRIED_THROUGH,
    Change,
    Command,
    Do,
    Phase,
    Restore,
    Task,
    TaskState,
)

_MOST_LANDED = 2000  # names kept of what events told: more than a backup has files
_PATIENCE = Policy()
_HURRY_SECONDS = 2.0  # between two looks at the vault's job, where files land


def begin(
    restore_id: str,
    request: RestoreRequest,
    container: str,
    now: datetime,
    policy: Policy = _PATIENCE,
) -> Restore:
    """A new restore. One that adopts files goes straight to looking at them."""
    adopted = request.source.container is not None
    new = Restore(
        id=restore_id,
        request=request,
        container=container,
        created=now,
        updated=now,
        outbox=(Command(Do.LIST_FILES if adopted else Do.FIND_POINT, now),),
        history=(Change(now, Phase.REQUESTED),),
    )
    return announced(None, new, now) if policy.announce else new


def due(restore: Restore, now: datetime) -> Command | None:
    """The first command whose time has come, or None."""
    return next((command for command in restore.outbox if command.due <= now), None)


def decide(restore: Restore, event: Event, now: datetime, policy: Policy) -> Restore:
    """What `event` makes of `restore`. The very same object if it changes nothing.

    An event that comes twice, late, or too late changes nothing.
    """
    decider = Afterwards if restore.ended else _Life
    decided = decider(restore, now, policy).on(event)
    if decided is restore or decided == restore:
        return restore
    changed = decided.phase is not restore.phase
    history = (*decided.history, Change(now, decided.phase)) if changed else decided.history
    decided = replace(decided, updated=now, history=history)
    return announced(restore, decided, now) if policy.announce else decided


class _Life(Decider):
    """Until its end."""

    __slots__ = ()

    def on(self, event: Event) -> Restore:
        restore = self.restore
        match event:
            case PointFound(instance, point) if self.pending(Do.FIND_POINT):
                found = replace(restore, instance=instance, point=point, phase=Phase.EXTRACTING)
                return self.next(found, Do.FIND_POINT, Do.CREATE_CONTAINER)
            case ContainerCreated() if self.pending(Do.CREATE_CONTAINER):
                if not self.policy.guards:
                    return self.next(restore, Do.CREATE_CONTAINER, Do.VALIDATE)
                return self.next(replace(restore, opened=True), Do.CREATE_CONTAINER, Do.OPEN)
            case AccountAsked(do) if self.pending(do):
                return self.account_asked(do)
            case AccountIs(Do.OPEN) if self.pending(Do.OPEN):
                return self.next(restore, Do.OPEN, Do.VALIDATE)
            case AccountIs(Do.SHUT) if self.pending(Do.SHUT):
                return self.next(restore, Do.SHUT, Do.CLAIM)  # and looked at again after the end
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
            case Approved(plan_hash) if restore.phase is Phase.AWAITING_APPROVAL:
                return self.approved(plan_hash)
            case ParametersSeen(before) if self.pending(Do.TUNE):
                return replace(restore, tuned=before)
            case ParametersAsked(Do.TUNE) if self.pending(Do.TUNE):
                wait = self.later(self.policy.settle_seconds)
                return self.next(restore, Do.TUNE, Do.TUNE, wait)
            case ParametersSet(Do.TUNE) if self.pending(Do.TUNE):
                return self.tuned(restore)
            case TimeCame(Do.EXPIRE) if self.is_due(Do.EXPIRE):
                return self.stop(restore, _not_approved(self.policy))
            case Ticked() if self.overdue():
                return self.stop(restore, _too_late(self.deadline_hours))
            case Ticked():
                return self.stuck()
            case Announced(number):
                return told(restore, number)
        return restore

    # ---- while Azure Backup works

    def account_asked(self, do: Do) -> Restore:
        """Again in a moment. Where it is asked in vain for long, somebody put it back each time."""
        limit = self.policy.stuck_seconds
        since = next(c.begun or self.now for c in self.restore.outbox if c.do is do)
        if do is Do.SHUT and self.now - since > timedelta(seconds=limit):
            return self.left_open(f"it does not change though it was asked for {limit:g} seconds")
        return self.in_vain(do, self.policy.settle_seconds)

    def in_vain(self, do: Do, wait_seconds: float) -> Restore:
        """Asked again after a while; `begun` is since when, so that it is stuck in the end."""
        due = self.later(wait_seconds)
        return self.amend(do, lambda c: replace(c, due=due, begun=c.begun or self.now, failures=0))

    def left_open(self, found: str) -> Restore:
        """The files are complete, so nobody waits for it; it is tried again after the end."""
        warned = union(self.restore.warnings, (f"{LEFT_OPEN}, found: {found}",))
        return self.next(replace(self.restore, warnings=warned), Do.SHUT, Do.CLAIM)

    def polled(self, do: Do, outcome: Outcome) -> Restore:
        restore = self.restore
        if outcome.state is OperationState.RUNNING:
            return self.next(restore, do, do, self.later(self.policy.poll_seconds))
        if outcome.state is OperationState.FAILED:
            code = "vault-job-failed" if do is Do.POLL_JOB else "vault-refused"
            return self.stop(restore, Failure(outcome.code or code, outcome.message, outcome.hint))
        warned = replace(restore, warnings=union(restore.warnings, outcome.warnings))
        if do is Do.POLL_VALIDATION:
            return self.next(replace(warned, operation=None), do, Do.TRIGGER)
        if do is Do.POLL_TRIGGER:
            if not outcome.job:  # accepted, but its job cannot be seen yet
                waiting = self.in_vain(do, self.policy.poll_seconds)
                return replace(waiting, warnings=warned.warnings)
            return self.next(replace(warned, operation=None, job=outcome.job), do, Do.POLL_JOB)
        return self.next(warned, do, Do.LIST_FILES)

    def listed(self, files: tuple[Blob, ...]) -> Restore:
        """The files are taken as complete when two listings some time apart are equal.

        The job never says which files it wrote, so its end and a quiet container are all there is.
        A file that an event told of is waited for, but not for ever: it may have been temporary.
        So is any file at all, where a job has just written some.
        """
        quiet = self.restore.listed and files == self.restore.files
        since = (self.restore.quiet_since or self.now) if quiet else None
        restore = replace(
            self.restore, phase=Phase.EXTRACTING, files=files, listed=True, quiet_since=since
        )
        waited = since is not None and self.now - since >= timedelta(
            seconds=self.policy.missing_seconds
        )
        if quiet and not files and (waited or restore.job is None):
            return self.stop(restore, _EMPTY)
        missing = sorted(set(restore.landed) - {blob.name for blob in files})
        if quiet and files and (waited or not missing):
            gone = (f"file {name!r} was announced but is not there" for name in missing)
            listed = replace(restore, warnings=union(restore.warnings, tuple(gone)))
            return self.next(listed, Do.LIST_FILES, Do.SHUT if restore.opened else Do.CLAIM)
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
            return replace(restore, warnings=union(restore.warnings, (late,)))
        # Asked at most so often, however many files land at once.
        hurry = self.later(self.policy.poll_seconds - _HURRY_SECONDS)
        hurried = self.amend(
            Do.POLL_JOB, lambda c: replace(c, due=self.now) if self.now < c.due <= hurry else c
        )
        fits = name not in restore.landed and len(restore.landed) < _MOST_LANDED
        told = replace(hurried, landed=(*restore.landed, name)) if fits else hurried
        for do in (Do.SHUT, Do.CLAIM):
            if self.pending(do) and not listed:  # not so quiet after all
                return self.next(told, do, Do.LIST_FILES)
        return told

    # ---- while workers work

    def claimed(self, holder: str) -> Restore:
        """One restore works on a server at a time: they would give back what the other borrowed."""
        if holder == self.restore.id:
            return self.prepare(replace(self.restore, waits_for=""))
        if self.restore.request.when_busy is WhenBusy.REFUSE:
            return self.stop(self.restore, busy(self.restore.request.target.address, holder))
        waiting = replace(self.restore, waits_for=holder)
        return self.next(waiting, Do.CLAIM, Do.CLAIM, self.later(self.policy.poll_seconds))

    def prepare(self, restore: Restore) -> Restore:
        """Look at dumps and target; once more after an approval, which may have taken a day.

        What the first plan warned of may have been cured meanwhile.
        """
        known, plan = restore.task("prepare"), restore.plan
        task = Task("prepare", attempt=known.attempt + 1 if known else 1)
        old = set(map(str, (*plan.warnings, *plan.notes))) if plan else ()
        restore = replace(
            restore,
            phase=Phase.PREPARING,
            tasks=(task,),
            outbox=(),
            warnings=tuple(text for text in restore.warnings if text not in old),
            notes=tuple(text for text in restore.notes if text not in old),
        )
        return self.send(restore, "prepare")

    def task_ended(self, restore: Restore, result: TaskResult) -> Restore:
        if result.plan is not None:
            return self.planned(restore, result.plan)
        return self.advance(replace(restore, published=_published(restore, result)))

    def task_failed(self, restore: Restore, task: Task, failure: Failure) -> Restore:
        failures = (*task.failures, failure)
        if self.may_pass(failures) and (task.kind in CARRIED_THROUGH or not restore.stopping):
            return self.try_again(restore, task, failures)
        restore = set_tasks(restore, (task.id,), state=TaskState.FAILED, failures=failures)
        if task.id == "cleanup" or (task.id == "finish" and restore.published):
            left = f"something may be left on the target: {failure.message}"
            return self.advance(replace(restore, debts=union(restore.debts, (left,))))
        if restore.stopping:
            return self.advance(restore)
        blamed = self.blame(restore, task, failure)
        if restore.request.publish is Publish.EACH and task.database is not None:
            return self.without(restore, task.database, blamed)
        return self.stop(restore, blamed)

    def without(self, restore: Restore, index: int, failure: Failure) -> Restore:
        """One database less: it is not published, the others go on, if there are any."""
        tasks = tuple(
            replace(task, state=TaskState.CANCELLED)
            if task.database == index and task.state is TaskState.WAITING
            else task
            for task in restore.tasks
        )
        left = replace(restore, tasks=tasks)
        if all(task.state in _LOST for task in tasks if task.kind == "publish"):
            return self.stop(left, failure)
        return self.advance(replace(left, warnings=union(left.warnings, (failure.message,))))

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
            warnings=union(restore.warnings, tuple(map(str, plan.warnings))),
            notes=union(restore.notes, tuple(map(str, plan.notes))),
        )
        if plan.refusals:
            return self.stop(restore, _refused(plan.refusals))
        if restore.request.dry_run:
            return self.end(restore)
        if restore.request.approval is Approval.REQUIRED and restore.approved != plan.hash:
            patience = timedelta(hours=self.policy.approval_hours)
            expire = Command(Do.EXPIRE, self.now + patience)
            return replace(restore, phase=Phase.AWAITING_APPROVAL, outbox=(expire,))
        tasks = (*restore.tasks, *map(Task, _task_ids(restore, plan)))
        restore = replace(restore, tasks=tasks, phase=Phase.RESTORING)
        if restore.request.server_parameters:
            return replace(restore, outbox=(Command(Do.TUNE, self.now),))
        return self.advance(restore)

    def tuned(self, restore: Restore) -> Restore:
        """The server's parameters are as they shall be, or as near as they come."""
        outbox = tuple(command for command in restore.outbox if command.do is not Do.TUNE)
        return self.advance(replace(restore, outbox=outbox))

    def approved(self, plan_hash: str) -> Restore:
        """The server may have changed meanwhile: it is looked at again before anything is done.

        If the plan has changed as well, it has to be approved anew.
        """
        if self.restore.plan is None or plan_hash != self.restore.plan.hash:
            return self.restore
        agreed = replace(self.restore, approved=plan_hash, phase=Phase.PREPARING)
        return self.next(agreed, Do.EXPIRE, Do.CLAIM)

    def advance(self, restore: Restore) -> Restore:
        """Send what can run now: roles before what they own, finish after everything is proven."""
        if restore.stopping:
            return self.take_back(restore)
        for group in _groups(restore.tasks):
            waiting = [task.id for task in group if task.state is TaskState.WAITING]
            ready = [name for name in waiting if _is_ready(restore, name)]
            ready = self.admitted(group, ready)
            if "finish" in ready:
                restore = replace(restore, phase=Phase.FINISHING)
            if ready:
                restore = self.send(restore, *ready)
            if ready or any(task.state not in _OVER for task in group):
                return restore
        if restore.request.drop and restore.task("cleanup") is None:
            return self.clean(restore)
        return self.end(restore)

    def admitted(self, group: list[Task], ready: list[str]) -> list[str]:
        """Of the databases only so many at the same time, in their order; of all else, all."""
        at_work = sum(task.kind == "database" and task.state is TaskState.SENT for task in group)
        databases = [name for name in ready if name.startswith("database-")]
        kept = set(databases[max(0, self.policy.max_databases - at_work) :])
        return [name for name in ready if name not in kept]

    # ---- ends

    def given_up(self, command: Command, failure: Failure) -> Restore:
        """No worker will report on a ticket that was not sent: its task has failed.

        Parameters of the server only make it faster: it goes without.
        """
        if command.do is Do.TUNE:
            said = f"server parameters: expected to change them, found: {failure.message}"
            warned = replace(self.restore, warnings=union(self.restore.warnings, (said,)))
            return self.tuned(warned)
        if command.do is Do.SHUT:
            return self.left_open(failure.message)
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

    @property
    def deadline_hours(self) -> float:
        return self.restore.request.deadline_hours or self.policy.deadline_hours

    def overdue(self) -> bool:
        """The time in which somebody thinks about the plan does not count: it has its own limit."""
        restore, limit = self.restore, timedelta(hours=self.deadline_hours)
        waits = restore.phase is Phase.AWAITING_APPROVAL
        late = self.now - _working_since(restore) > limit
        return late and not waits and not restore.stopping and not self.publishing()

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
            return self.clean(restore)
        return self.end(restore)

    def clean(self, restore: Restore) -> Restore:
        tasks = (*restore.tasks, Task("cleanup"))
        return self.send(replace(restore, phase=Phase.FINISHING, tasks=tasks), "cleanup")

    def end(self, restore: Restore) -> Restore:
        """What is published counts: then a failure is told, but the restore has not failed."""
        if restore.published and restore.failure is not None:
            warnings = union(restore.warnings, (restore.failure.message,))
            restore = replace(restore, failure=None, warnings=warnings)
        ended = replace(restore, phase=_final_phase(restore), outbox=(), operation=None)
        return afterwards(ended, self.now, self.policy)


def _published(restore: Restore, result: TaskResult) -> tuple[int, ...]:
    """Which databases have their names, once that task has ended."""
    task, plan = restore.task(result.task), restore.plan
    if task is None or plan is None or task.state is not TaskState.DONE:
        return restore.published
    found: Collection[int] = result.published
    if task.id == "finish" and restore.request.publish is Publish.TOGETHER:
        found = range(len(plan.databases))
    elif task.kind == "publish" and task.database is not None:
        found = (task.database,)
    return tuple(sorted({*restore.published, *found}))


def _final_phase(restore: Restore) -> Phase:
    if restore.cancelled and not restore.published:
        return Phase.CANCELLED
    no_publishing = restore.request.dry_run or restore.request.drop
    if restore.failure is not None or not (restore.published or no_publishing):
        return Phase.FAILED
    if restore.plan is not None and 0 < len(restore.published) < len(restore.plan.databases):
        return Phase.PARTIAL
    results = [task.result for task in restore.tasks if task.result is not None]
    if any(result.database and result.database.lost for result in results):
        return Phase.PARTIAL
    told = restore.warnings or restore.debts
    return Phase.SUCCEEDED_WITH_WARNINGS if told else Phase.SUCCEEDED


def _working_since(restore: Restore) -> datetime:
    """Its begin, or the last approval."""
    waits = [
        later.at
        for earlier, later in pairwise(restore.history)
        if earlier.phase is Phase.AWAITING_APPROVAL
    ]
    return waits[-1] if waits else restore.created


def _refused(refusals: tuple[Finding, ...]) -> Failure:
    """All of them in one message, as far as somebody would read it; the hint of the first."""
    said = list(dict.fromkeys(map(str, refusals)))
    if len(said) > _REFUSALS_SAID:
        said[_REFUSALS_SAID:] = [f"… and {len(said) - _REFUSALS_SAID} more"]
    return Failure(refusals[0].code, "; ".join(said), refusals[0].cure)


def _task_ids(restore: Restore, plan: Plan) -> list[str]:
    ids = [name for name in ("roles", "tablespaces") if getattr(plan, name)]
    if plan.borrow and "roles" not in ids:
        ids.insert(0, "roles")
    numbers = range(len(plan.databases))
    if restore.request.drop:
        return [*ids, *(f"database-{number}" for number in numbers)]
    kinds = ["database"] if restore.request.publish is Publish.TOGETHER else ["database", "publish"]
    return [*ids, *(f"{kind}-{number}" for kind in kinds for number in numbers), "finish"]


def _groups(tasks: tuple[Task, ...]) -> list[list[Task]]:
    """The tasks in the order of their groups; those of one group run side by side."""
    databases = [task for task in tasks if task.database is not None]
    alone = {task.id: [task] for task in tasks}
    before = [alone[name] for name in ("prepare", "roles", "tablespaces") if name in alone]
    return [*before, databases, *([alone["finish"]] if "finish" in alone else [])]


_LOST = frozenset({TaskState.FAILED, TaskState.CANCELLED})
_OVER = _LOST | {TaskState.DONE}


def _is_ready(restore: Restore, task_id: str) -> bool:
    """A database can be published once it is proven."""
    kind, _, index = task_id.partition("-")
    proof = restore.task(f"database-{index}") if kind == "publish" else None
    return proof is None or proof.state is TaskState.DONE


def busy(target: str, holder: str) -> Failure:
    return Failure(
        "server-busy",
        f"target {target}: expected no other restore on it, found {holder}",
        'wait for its end, or ask with "whenBusy": "queue"',
    )


def _too_late(hours: float) -> Failure:
    return Failure(
        "deadline",
        f"restore: expected to end within {hours:g} hours, found it still running",
        "the status shows which task it was at",
    )


def _not_approved(policy: Policy) -> Failure:
    return Failure(
        "not-approved",
        f"plan: expected somebody to approve it within {policy.approval_hours:g} hours,"
        " found nobody did",
        "nothing was changed: start the restore again, and approve its plan in time",
    )


_REFUSALS_SAID = 20
_EMPTY = Failure(
    "no-files",
    "container: expected the files of a backup, found none",
    "was the container's name right, and did the vault's job write into it?",
)
