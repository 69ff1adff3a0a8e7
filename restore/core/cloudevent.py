"""The envelope of what others are told, and its JSON Schema.

Source: github.com/cloudevents/spec, CloudEvents 1.0.2 and its JSON format.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
SECONDS = {"type": "number", "minimum": 0}
MOMENT = {"type": "string", "format": "date-time"}


def event(
    id_: str, source: str, type_: str, subject: str, time: datetime, data: Mapping[str, Any]
) -> dict[str, Any]:
    """The event in JSON format."""
    return {
        "specversion": "1.0",
        "id": id_,
        "source": source,
        "type": type_,
        "subject": subject,
        "time": time.isoformat(),
        "datacontenttype": "application/json",
        "data": dict(data),
    }


def schema(
    type_: str, id_: Mapping[str, Any], subject: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON Schema of the events of that type; the others are those of its parts."""
    members = {
        "specversion": {"const": "1.0"},
        "id": id_,
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"const": type_},
        "subject": subject,
        "time": MOMENT,
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": type_,
        **members_of(members),
    }


def members_of(members: Mapping[str, Any], optional: Collection[str] = ()) -> dict[str, Any]:
    """The schema of an object with these members, and no others."""
    return {
        "type": "object",
        "required": [name for name in members if name not in optional],
        "properties": dict(members),
        "additionalProperties": False,
    }
