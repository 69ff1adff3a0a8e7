"""Predictions: from the history of the target server; and that history, written as restores end.

Neither is worth a restore: what goes wrong here is told in the log, and the restore goes on.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from restore.control import Control
from restore.core import history
from restore.core.events import Event, Reported
from restore.core.history import History
from restore.core.state import Restore
from restore.errors import ConflictError, InputError, NotFoundError, RestoreError
from restore.ports import Document, Documents

log = logging.getLogger("restore")

_WRITES = 5  # how often a write may lose against others


def foresee(control: Control, event: Event) -> Event:
    """The event; a plan that it brings has what the target server's past says of it."""
    if not isinstance(event, Reported) or control.documents is None:
        return event
    plan = event.result.plan
    if plan is None or not plan.databases:
        return event
    try:
        _, known = _read(control.documents, history.name(plan.server))
    except RestoreError as exc:
        log.warning("history", extra={"action": "read", "code": exc.code, "reason": exc.message})
        return event
    return Reported(replace(event.result, plan=history.foreseen(plan, known)))


def remember(control: Control, ended: Restore) -> None:
    """Put what the restore measured into the history of its target; once, however often called."""
    run = history.run(ended)
    if run is None or control.documents is None:
        return
    name = history.name(ended.request.target.address)
    try:
        for _ in range(_WRITES):
            document, known = _read(control.documents, name)
            after = history.added(known, run)
            if after == known:
                return
            try:
                etag = document.etag if document else None
                control.documents.write(name, history.encode(after), etag)
            except ConflictError:
                continue
            return
        raise ConflictError(f"document {name}: expected to write it, found others faster")
    except RestoreError as exc:
        about = {"restore": ended.id, "action": "write", "code": exc.code, "reason": exc.message}
        log.warning("history", extra=about)


class HistoryError(InputError):
    """The history of a server cannot be read: it is left alone, and nothing is learned from it."""

    code = "history"


def _read(documents: Documents, name: str) -> tuple[Document | None, History]:
    try:
        document = documents.read(name)
    except NotFoundError:
        return None, History()
    try:
        return document, history.decode(document.body)
    except ValueError as exc:
        raise HistoryError(
            f"document {name}: expected a history of version 1, found another",
            "was it written by a newer release? else delete it: a new one is begun",
        ) from exc
