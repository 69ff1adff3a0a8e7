"""JSON Schema of objects that take nothing but what is named, so that a typing error is found."""

from __future__ import annotations

from typing import Any


def strict(required: tuple[str, ...] = (), **properties: object) -> dict[str, Any]:
    """An object with these properties, of which some are `required`, and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }
