"""Alerts in: which restore each of them starts. Each call may come twice, or die at any line."""

from __future__ import annotations

import hashlib
import json
import logging
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
from restore.core.rules import Rule, Rules
from restore.errors import ConflictError, InputError, MessageError, NotFoundError

log = logging.getLogger("restore")

RULES = "recovery-rules.yaml"
_GRACE = timedelta(seconds=60)  # between the mark of a restore and the restore itself
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
    mark = _claim(control, request, rule, restore_id, dry_run)
    if mark.restore != restore_id:
        reason = f"restore {mark.restore} covers the target until {mark.until:%Y-%m-%d %H:%M} UTC"
        return Decision(alert.id, "none", reason, rule.name, mark.restore)
    if not dry_run:
        flows.start(control, body, key)
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
    """Which restore an alert started last on a target."""

    restore: str
    at: datetime
    until: datetime

    def covers(self, control: Control, now: datetime) -> bool:
        """Does it keep others from being started? Not if it never came to be."""
        fresh = now - self.at < _GRACE
        return now < self.until and (fresh or _exists(control, self.restore))


def _claim(
    control: Control, request: RestoreRequest, rule: Rule, restore_id: str, dry_run: bool
) -> _Mark:
    """The mark of the restore that covers the target now: this one's, or another's.

    Of many at once, one writes it; the others read it then.
    """
    if control.documents is None:
        raise RulesError("cool-down: expected a place to keep it, found none")
    name = f"cool-downs/{hashlib.sha256(request.target.address.encode()).hexdigest()[:32]}.json"
    for _ in range(_TRIES):
        now = control.clock()
        try:
            document = control.documents.read(name)
        except NotFoundError:
            found, etag = None, None
        else:
            found, etag = _mark(document.body), document.etag
        if found is not None and (found.restore == restore_id or found.covers(control, now)):
            return found
        ours = _Mark(restore_id, now, now + timedelta(minutes=rule.cool_down_minutes))
        if dry_run:
            return ours
        body = {"restore": restore_id, "at": now.isoformat(), "until": ours.until.isoformat()}
        try:
            control.documents.write(name, json.dumps(body).encode(), etag)
        except ConflictError:
            continue
        return ours
    raise ConflictError("cool-down: expected to save a mark, found others faster")


def _mark(body: bytes) -> _Mark:
    try:
        found = json.loads(body)
        at, until = (datetime.fromisoformat(found[name]) for name in ("at", "until"))
        return _Mark(str(found["restore"]), at, until)
    except (ValueError, KeyError, TypeError) as exc:
        raise MessageError(f"cool-down: expected a mark, found {len(body)} other bytes") from exc
