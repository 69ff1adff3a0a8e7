"""One JSON object per event: what log collectors read, with the ids to search by."""

from __future__ import annotations

import json
import logging
import sys
from copy import copy
from datetime import UTC, datetime

from restore import telemetry

FIELDS = (
    "restore",
    "task",
    "attempt",
    "command",
    "state",
    "seconds",
    "bytes",
    "code",
    "reason",
    "hint",
    "ticket",
    "queue",
    "blob",
    "alert",
    "rule",
    "drill",
    "about",
    "action",
)


class JsonFormatter(logging.Formatter):
    """The fields of an event, and nothing that a library attached to it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if here := telemetry.here():
            _, line["trace"], line["span"], _ = here.split("-")
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _ThroughHost(logging.Handler):
    """Hands each record on to the root's handlers, its fields as part of the message."""

    def emit(self, record: logging.LogRecord) -> None:
        told = copy(record)
        told.msg, told.args, told.exc_info = self.format(record), None, None
        logging.getLogger().handle(told)


def to_stdout() -> None:
    """For a worker: ours from info on; those of the libraries from warning on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("restore").setLevel(logging.INFO)


def through_host() -> None:
    """For the function app: the Python worker of Functions sends a record's message alone.

    Source: github.com/Azure/azure-functions-python-worker, discussions 788 and 1681.
    """
    ours = logging.getLogger("restore")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    handler = _ThroughHost()
    handler.setFormatter(JsonFormatter())
    ours.handlers = [handler]
