"""Alerts in: which restore each of them starts. Each call may come twice, or die at any line."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from restore import flows
from restore.control import Control, check_allowed
from restore.core import alert as payloads
from restore.core import rules as documents
from restore.core.alert import Alert, Handshake
from restore.core.request import RestoreRequest
from restore.core.request_error import RequestError
from restore.core.rules import Rules
from restore.errors import (
    ConflictError,
    InputError,
    MessageError,
    NotFoundError,
    RestoreError,
)

log = logging.getLogger("restore")

RULES = "recovery-rules.yaml"
_TRIES = 50


class RulesError(InputError):
    """The rules cannot be used as they are; until they are corrected no alert starts anything."""

    code = "recovery-rules"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an alert starts, or why nothing."""

    alert: str
    action: str  # start, none
    reason: str
    rule: str = ""
    restore: str = ""
    request: dict[str, Any] | None = None  # that was posted, or would be

    def as_json(self) -> dict[str, Any]:
        found = {
            "alert": self.alert,
            "action": self.action,
            "reason": self.reason,
            "rule": self.rule,
            "restore": self.restore,
            "request": self.request,
        }
        return {name: value for name, value in found.items() if value}


def alerted(
    control: Control, body: bytes, *, dry_run: bool = False
) -> tuple[Decision, ...] | Handshake:
    """What each alert in `body` starts; with `dry_run` nothing is started, nor remembered.

    Raises MessageError for what is no alert, RulesError for rules that cannot be used.
    """
    found = payloads.alerts(body)
    if isinstance(found, Handshake):
        return found
    rules = _rules(control)
    return tuple(_decided(control, rules, alert, dry_run) for alert in found)


def problems(control: Control) -> list[str]:
    """What is wrong with the rules, all of them: also with those no alert has met yet."""
    try:
        rules = _rules(control)
    except RulesError as exc:
        return [exc.message]
    return [*_not_allowed(control, rules)]


def _not_allowed(control: Control, rules: Rules) -> Iterator[str]:
    for rule in rules.rules:
        try:
            check_allowed(control, documents.request(rule, documents.EXAMPLE))
        except InputError as exc:
            yield f"rule {rule.name!r}: {exc.message}"


def carry_on(control: Control) -> None:
    """Begin the restores that were marked, and that nobody lived to begin.

    One that cannot be begun does not keep the others waiting; it is raised at the end.
    """
    if control.documents is None:
        return
    troubles = []
    for target in control.targets:
        mark = _read(control, _name(target))[0]
        try:
            if mark is not None and control.clock() < mark.until:
                _begin(control, mark)
        except RestoreError as exc:
            exc.add_note(f"restore {mark.restore if mark else ''}")
            troubles.append(exc)
    if troubles:
        raise ExceptionGroup(f"{len(troubles)} restores that alerts started", troubles)


def _decided(control: Control, rules: Rules, alert: Alert, dry_run: bool) -> Decision:
    decision = _decide(control, rules, alert, dry_run)
    about = {"alert": alert.id, "rule": decision.rule, "restore": decision.restore}
    log.info("alert", extra={**about, "action": decision.action, "reason": decision.reason})
    return decision


def _decide(control: Control, rules: Rules, alert: Alert, dry_run: bool) -> Decision:
    if alert.resolved:
        return Decision(alert.id, "none", "it is resolved")
    rule = rules.fit(alert)
    if rule is None:
        return Decision(alert.id, "none", f"none of {len(rules.rules)} rules fits it")
    body = documents.body(rule, alert)
    try:
        request = documents.request(rule, alert)
        check_allowed(control, request)
    except InputError as exc:
        raise RulesError(f"rule {rule.name!r}: {exc.message}", exc.hint) from exc
    key = f"alert {alert.id} {rule.name}"
    restore_id = flows.id_of(key)
    if _exists(control, restore_id):
        return Decision(alert.id, "none", "it has started one already", rule.name, restore_id)
    now = control.clock()
    until = now + timedelta(minutes=rule.cool_down_minutes)
    ours = _Mark(restore_id, now, until, key, body.decode())
    mark = _claim(control, request, ours, dry_run)
    if not dry_run:
        _begin(control, mark)
    if mark.restore != restore_id:
        reason = f"restore {mark.restore} covers the target until {mark.until:%Y-%m-%d %H:%M} UTC"
        return Decision(alert.id, "none", reason, rule.name, mark.restore)
    reason = "it would be started" if dry_run else "it is started"
    return Decision(alert.id, "start", reason, rule.name, restore_id, json.loads(body))


def _rules(control: Control) -> Rules:
    document = control.rules.encode()
    if not document and control.documents is not None:
        with suppress(NotFoundError):
            document = control.documents.read(RULES).body
    if not document:
        return Rules(1)
    try:
        return documents.read(document)
    except RequestError as exc:
        raise RulesError(f"{RULES}: {exc.message}", exc.hint) from exc


def _exists(control: Control, restore_id: str) -> bool:
    try:
        control.states.load(restore_id)
    except NotFoundError:
        return False
    return True


# ---- one restore of a target, until it has cooled down ------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mark:
    """Which restore an alert started last on a target.

    It holds what is asked for, so that whoever comes next can begin it if its writer died.
    """

    restore: str
    at: datetime
    until: datetime
    key: str
    request: str  # JSON


def _claim(control: Control, request: RestoreRequest, ours: _Mark, dry_run: bool) -> _Mark:
    """The mark of the restore that covers the target now: this one's, or another's.

    Of many at once, one writes it; the others read it then.
    """
    if control.documents is None:
        raise RulesError("cool-down: expected a place to keep it, found none")
    name = _name(request.target.address)
    for _ in range(_TRIES):
        found, etag = _read(control, name)
        if found is not None and (found.restore == ours.restore or ours.at < found.until):
            return found
        if dry_run:
            return ours
        try:
            control.documents.write(name, _encoded(ours), etag)
        except ConflictError:
            continue
        return ours
    raise ConflictError("cool-down: expected to save a mark, found others faster")


def _begin(control: Control, mark: _Mark) -> None:
    """Begin what the mark says, unless it is: the same key gives the same restore."""
    if not _exists(control, mark.restore):
        flows.start(control, mark.request.encode(), mark.key)


def _name(target: str) -> str:
    return f"cool-downs/{hashlib.sha256(target.encode()).hexdigest()[:32]}.json"


def _read(control: Control, name: str) -> tuple[_Mark | None, str | None]:
    """The mark and its ETag. What is no mark covers nothing, and can be replaced."""
    assert control.documents is not None, "whoever asks has looked"
    try:
        document = control.documents.read(name)
    except NotFoundError:
        return None, None
    try:
        return _mark(document.body), document.etag
    except MessageError as exc:
        log.warning("mark left out", extra={"blob": name, "reason": exc.message})
        return None, document.etag


def _encoded(mark: _Mark) -> bytes:
    body = {
        "restore": mark.restore,
        "at": mark.at.isoformat(),
        "until": mark.until.isoformat(),
        "key": mark.key,
        "request": mark.request,
    }
    return json.dumps(body).encode()


def _mark(body: bytes) -> _Mark:
    try:
        found = json.loads(body)
        at, until = (datetime.fromisoformat(found[name]) for name in ("at", "until"))
        restore, key, request = (str(found[name]) for name in ("restore", "key", "request"))
        return _Mark(restore, at, until, key, request)
    except (ValueError, KeyError, TypeError) as exc:
        raise MessageError(f"cool-down: expected a mark, found {len(body)} other bytes") from exc
