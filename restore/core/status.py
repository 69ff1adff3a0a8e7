"""A restore as a caller sees it: the JSON of GET /api/restores/{id}."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from restore.core.messages import Progress, Result, TableProgress
from restore.core.plan import DatabaseStep
from restore.core.prediction import Left, Range, done, left, overall
from restore.core.state import Do, Phase, Restore, TaskState, UndoState


def status(restore: Restore, progress: Mapping[str, Progress], now: datetime) -> dict[str, Any]:
    """Where the restore is, what each database is at, and what a person should know."""
    point = restore.point
    body: dict[str, Any] = {
        "id": restore.id,
        "status": restore.phase,
        "ended": restore.ended,
        "doing": _doing(restore),
        "created": restore.created,
        "updated": restore.updated,
        "seconds": round(((restore.ended_at or now) - restore.created).total_seconds(), 1),
        "target": {"host": restore.request.target.host, "port": restore.request.target.port},
        "container": restore.container,
        "filesLanded": len(restore.files) or len(restore.landed),
        "databases": _databases(restore, progress, now),
        "warnings": restore.warnings,
        "fixes": _fixes(restore),
        "notes": restore.notes,
        "links": _links(restore),
        "history": [{"at": change.at, "status": change.phase} for change in restore.history],
    }
    if point is not None:
        body["recoveryPoint"] = {"id": point.id, "time": point.time}
    if restore.data_as_of:
        body["dataAsOf"] = restore.data_as_of
    if restore.plan is not None:
        body["plan"] = {
            "hash": restore.plan.hash,
            "approved": restore.approved == restore.plan.hash,
        }
        for command in restore.outbox:
            if command.do is Do.EXPIRE:
                body["plan"]["approveUntil"] = command.due
    if eta := _eta(restore, progress, now):
        body["eta"] = eta
    if restore.undo is not None:
        body["undo"] = {"state": restore.undo.state, "until": restore.undo.until}
    if restore.request.dry_run:
        body["dryRun"] = True
    if restore.stuck:
        body["stuck"] = restore.stuck
    if restore.purged is not None:
        body["filesPurged"] = restore.purged
    for command in restore.outbox:
        if command.do is Do.PURGE:
            body["filesKeptUntil"] = command.due
    if restore.debts:
        body["debts"] = restore.debts
    if restore.job is not None:
        body["vaultJob"] = restore.job
    if restore.failure is not None:
        failure = restore.failure
        body["error"] = {"code": failure.code, "message": failure.message, "hint": failure.hint}
    return body


def _fixes(restore: Restore) -> list[dict[str, Any]]:
    """What to do about warnings, and about what the restore was refused for: commands to copy."""
    plan = restore.plan
    if plan is None:
        return []
    refused = plan.refusals if restore.failure else ()
    return [
        {"about": str(finding), "hint": finding.hint, "commands": finding.fix}
        for finding in (*refused, *plan.warnings)
        if finding.fix
    ]


def operation(restore: Restore) -> dict[str, Any]:
    """The restore as one of Azure's asynchronous operations, for who only waits for its end.

    Source: github.com/microsoft/api-guidelines, azure/Guidelines.md, long-running operations.
    """
    body: dict[str, Any] = {"id": restore.id, "status": "Running", "phase": restore.phase}
    if restore.ended:
        body["status"] = _OPERATION.get(restore.phase, "Succeeded")
        body["warnings"] = len(restore.warnings)
    if restore.failure is not None and restore.ended:
        body["error"] = {"code": restore.failure.code, "message": restore.failure.message}
    return body


_OPERATION = {
    Phase.PARTIAL: "Failed",  # something was lost: nobody should take it for a success
    Phase.FAILED: "Failed",
    Phase.CANCELLED: "Canceled",
}


def _links(restore: Restore) -> dict[str, str]:
    """Where there is more to read, or something to do now."""
    base = f"/api/restores/{restore.id}"
    links = {"self": base, "operation": f"{base}/operation"}
    if restore.plan is not None:
        links["plan"] = f"{base}/plan"
    if restore.phase is Phase.AWAITING_APPROVAL:
        links["approve"] = f"{base}/approve"
    if restore.undo is not None and restore.undo.state is UndoState.OPEN:
        links["undo"] = f"{base}/undo"
    last = "report" if restore.ended else "cancel"
    return {**links, last: f"{base}/{last}"}


_WORDS = {
    Do.FIND_POINT: "looking for the recovery point",
    Do.CREATE_CONTAINER: "creating the container",
    Do.OPEN: "letting Azure Backup into the landing account",
    Do.SHUT: "shutting the landing account",
    Do.VALIDATE: "asking Azure Backup whether the restore would work",
    Do.POLL_VALIDATION: "waiting for Azure Backup's validation",
    Do.TRIGGER: "starting the vault's job",
    Do.POLL_TRIGGER: "waiting for the vault's job to start",
    Do.POLL_JOB: "waiting for the vault's job to write the files",
    Do.LIST_FILES: "waiting until the container is quiet",
    Do.CLAIM: "claiming the target server",
    Do.TUNE: "changing the server's parameters",
    Do.UNTUNE: "putting the server's parameters back",
}


def _doing(restore: Restore) -> str:
    """One line for a person: what is being waited for now."""
    if restore.phase is Phase.AWAITING_APPROVAL:
        return "waiting for somebody to approve the plan"
    running = [task.id for task in restore.tasks if task.state is TaskState.SENT]
    if restore.waits_for:
        return f"waiting for restore {restore.waits_for}, which works on the same server"
    if running:
        return f"worker: {', '.join(running[:5])}{' …' if len(running) > 5 else ''}"
    rest = "" if restore.ended else "handing over"
    return next((_WORDS[c.do] for c in restore.outbox if c.do in _WORDS), rest)


def _databases(
    restore: Restore, progress: Mapping[str, Progress], now: datetime
) -> list[dict[str, Any]]:
    if restore.plan is None:
        return []
    return [
        _database(restore, index, step, progress, now)
        for index, step in enumerate(restore.plan.databases)
    ]


def _database(
    restore: Restore,
    index: int,
    step: DatabaseStep,
    progress: Mapping[str, Progress],
    now: datetime,
) -> dict[str, Any]:
    task = restore.task(f"database-{index}")
    state = task.state if task else TaskState.WAITING
    news = progress.get(task.id) if task else None
    body: dict[str, Any] = {
        "name": step.name,
        "target": step.target,
        "state": state,
        "phase": _phase(restore, index, state, news),
        "engine": step.engine,
        "bytes": {"done": 0, "total": step.blob.size_bytes},
    }
    publish = restore.task(f"publish-{index}")
    failures = (*(task.failures if task else ()), *(publish.failures if publish else ()))
    if failures:
        body["failures"] = [{"code": f.code, "message": f.message} for f in failures]
    if news is not None:
        total = news.bytes_total or step.blob.size_bytes
        body["bytes"] = {"done": news.bytes_done, "total": total}
        body["bytesPerSecond"] = round(news.rate_bytes_per_second)
        body["rowsLoaded"] = news.rows
        body["tablesLoading"] = [_table(table) for table in news.tables]
        body["phases"] = _phases(news.phases)
        if state is TaskState.SENT and news.rate_bytes_per_second > 0:
            body["etaSeconds"] = round((total - news.bytes_done) / news.rate_bytes_per_second)
    expected = _expected(restore, index)
    if expected is not None and task and task.since and state is TaskState.SENT:
        elapsed = (now - task.since).total_seconds()
        body["eta"] = _told(left(expected, elapsed, _share(restore, index, progress)), now)
        body["etaSeconds"] = body["eta"]["seconds"]
    result = task.result.database if task and task.result else None
    if result is not None and task and task.result and task.result.result is Result.DONE:
        body["bytes"] = {"done": step.blob.size_bytes, "total": step.blob.size_bytes}
        body["tables"] = result.tables
        body["rows"] = {"expected": result.rows_expected, "found": result.rows_found}
        body["seconds"] = round(result.seconds, 1)
        body["lost"] = result.lost
        body["phases"] = _phases(task.result.phases)
    return body


def _phases(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"phase": name, "seconds": round(took, 1)} for name, took in seconds.items()]


def _eta(
    restore: Restore, progress: Mapping[str, Progress], now: datetime
) -> dict[str, Any] | None:
    """When every database will be proven, while they are restored."""
    prediction = restore.plan.prediction if restore.plan else None
    if prediction is None or restore.phase is not Phase.RESTORING or restore.stopping:
        return None
    begun = [change.at for change in restore.history if change.phase is Phase.RESTORING][-1]
    shares = (_share(restore, index, progress) for index in range(len(prediction.databases)))
    share = overall(zip(prediction.databases, shares, strict=True))
    told = _told(left(prediction.seconds, (now - begun).total_seconds(), share), now)
    return {**told, "basis": prediction.basis}


def _expected(restore: Restore, index: int) -> Range | None:
    prediction = restore.plan.prediction if restore.plan else None
    if prediction is None or index >= len(prediction.databases):
        return None
    return prediction.databases[index].seconds


def _share(restore: Restore, index: int, progress: Mapping[str, Progress]) -> float:
    """Of one database's time, what is over."""
    task = restore.task(f"database-{index}")
    if task is None or task.state is not TaskState.SENT:
        waits = task is None or task.state is TaskState.WAITING
        return 0.0 if waits else 1.0
    news = progress.get(task.id)
    return done(news.bytes_done, news.bytes_total) if news else 0.0


def _told(found: Left, now: datetime) -> dict[str, Any]:
    """Seconds left, from the least to the most, and when that is."""
    seconds = found.seconds
    return {
        "seconds": round(seconds.likely),
        "least": round(seconds.least),
        "most": round(seconds.most),
        "at": now + timedelta(seconds=round(seconds.likely)),
        "late": found.late,
    }


def _table(table: TableProgress) -> dict[str, Any]:
    return {
        "table": table.table,
        "bytes": {"done": table.bytes_done, "total": table.bytes_total},
        "rows": table.rows,
        "sessions": table.sessions,
    }


def _phase(restore: Restore, index: int, state: TaskState, news: Progress | None) -> str:
    if state is TaskState.SENT:
        return news.phase if news else "queued"
    if index in restore.published and restore.plan is not None:
        undone = restore.undo is not None and restore.undo.undone
        return "undone" if undone and restore.plan.databases[index].before else "published"
    return "proven" if state is TaskState.DONE else state.value
