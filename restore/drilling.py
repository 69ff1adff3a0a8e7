"""Drills: started by the timer when they are due, once, and what came of them."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from restore import flows
from restore.control import Control, check_allowed, find_instance
from restore.core import drills as documents
from restore.core.drill_events import drill_event
from restore.core.drills import Choice, Drill, Drills
from restore.core.request import parse
from restore.core.request_error import RequestError
from restore.core.state import Restore
from restore.errors import ConflictError, InputError, NotFoundError

log = logging.getLogger("restore")

DRILLS = "drills.yaml"
_TELL_MINUTE = 7  # of ten: it looks at every run there was
_LATE = timedelta(hours=6)  # an app that was away so long leaves a slot out


class DrillsError(InputError):
    """The document of drills cannot be used: none is started until somebody corrects it."""

    code = "drills"


def drill(control: Control, name: str, slot: datetime | None = None) -> Restore:
    """The restore of that drill and slot, begun; without a slot, one of now.

    Raises NotFoundError for an unknown name, DrillsError, and what `flows.start` raises.
    """
    return _start(control, _drills(control).named(name), slot or control.clock())


def tick(control: Control) -> None:
    """Start what is due, and tell what came of it. Safe to repeat, also by two at once."""
    now = control.clock()
    troubles = []
    for one in _drills(control).drills:
        try:
            slot = one.slot(now)
            if now - slot < _LATE and _find(control, one, slot) is None:
                _start(control, one, slot)
            if now.minute % 10 == _TELL_MINUTE:
                _tell(control, one, now)
        except Exception as exc:
            exc.add_note(f"drill {one.name}")
            troubles.append(exc)
    if troubles:
        raise ExceptionGroup(f"{len(troubles)} drills", troubles)


def histories(control: Control) -> dict[str, Any]:
    """Every drill with its last runs: how long they took, how old their data was."""
    now = control.clock()
    return {
        "drills": [
            documents.history(one, _runs(control, one, now), now) for one in _drills(control).drills
        ]
    }


def _start(control: Control, one: Drill, slot: datetime) -> Restore:
    key = one.key(slot)
    asked = parse(documents.body(one, key, None))
    point = None
    if one.recovery_point is Choice.RANDOM:
        found = find_instance(control, asked.source)
        known = control.vault.points(found, asked.source.region)
        point = documents.choose(one, key, known, slot)
    restore = flows.start(control, documents.body(one, key, point), key)
    log.info("drill", extra={"drill": one.name, "restore": restore.id})
    return restore


def _drills(control: Control) -> Drills:
    document = control.drills.encode()
    if not document and control.documents is not None:
        with suppress(NotFoundError):
            document = control.documents.read(DRILLS).body
    if not document:
        return Drills(1)
    try:
        found = documents.read(document)
        for one in found.drills:
            check_allowed(control, parse(documents.body(one, one.name, None)))
    except (RequestError, InputError) as exc:
        raise DrillsError(f"{DRILLS}: {exc.message}", exc.hint) from exc
    return found


def _find(control: Control, one: Drill, slot: datetime) -> Restore | None:
    try:
        return control.states.load(flows.id_of(one.key(slot))).restore
    except NotFoundError:
        return None


def _runs(control: Control, one: Drill, now: datetime) -> list[dict[str, Any]]:
    slots = list(one.slots(now))
    found = ((slot, _find(control, one, slot)) for slot in slots)
    return [documents.run(slot, restore) for slot, restore in found if restore is not None]


# ---- what others are told ------------------------------------------------------------------------


def _tell(control: Control, one: Drill, now: datetime) -> None:
    """That it passed or failed, once; that it is overdue, once a day."""
    if control.documents is None or not control.policy.announce:
        return
    runs = _runs(control, one, now)
    ended = [run for run in runs if run["passed"] is not None]
    if ended:
        word = "passed" if ended[0]["passed"] else "failed"
        _once(control, one, f"drill.{word}", ended[0]["restore"], ended[0], now)
    last = next((run["due"] for run in ended if run["passed"]), None)
    if ended and documents.is_overdue(one, last, now):
        said = {"lastPassed": last, "overdueDays": one.overdue_days}
        _once(control, one, "drill.overdue", f"{now:%Y-%m-%d}", said, now)


def _once(
    control: Control, one: Drill, type_: str, about: str, data: dict[str, Any], now: datetime
) -> None:
    """Told first and marked then: who dies between tells it again, under the same id."""
    assert control.documents is not None, "only who has a place for marks comes here"
    name = f"drills/{one.name}.{type_}.json"
    try:
        known = control.documents.read(name)
    except NotFoundError:
        known = None
    if known is not None and json.loads(known.body)["about"] == about:
        return
    control.bus.announce(f"drill-{one.name}", drill_event(one.name, type_, about, data, now))
    level = logging.INFO if type_ == "drill.passed" else logging.WARNING
    log.log(level, type_, extra={"drill": one.name, "about": about})
    with suppress(ConflictError):  # another one told it, too
        body = json.dumps({"about": about}).encode()
        control.documents.write(name, body, known.etag if known else None)
