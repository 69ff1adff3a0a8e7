"""The API as an OpenAPI 3.1 document: what may be sent, and every answer there is.

Source: spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from typing import Any

from restore import __version__
from restore.core import request

_KEY = "functionKey"
_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "of a restore: 16 hex digits",
    "schema": {"type": "string"},
}
_OBJECT = {"type": "object"}


def _answer(description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema or _OBJECT}}
    return {"description": description, "content": content}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {"description": description, "content": content}


_NEEDED = {
    "400": _problem("the request cannot be understood, or names what cannot be"),
    "401": {"description": "no function key, or a wrong one"},
    "503": _problem("not ready yet: try again after Retry-After"),
}
_OF_ONE = {"404": _problem("there is no such restore")}
_STATUS = {"$ref": "#/components/schemas/Status"}


def _route(summary: str, *answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    known = {code: answer for part in (_NEEDED, *answers) for code, answer in part.items()}
    return {"summary": summary, "responses": dict(sorted(known.items())), **more}


def _query(name: str, description: str, *choices: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if choices:
        schema["enum"] = list(choices)
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _body(schema: dict[str, Any], required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _form(description: str, media_type: str) -> dict[str, Any]:
    found = _answer(description)
    found["content"][media_type] = {"schema": {"type": "string"}}
    return {"200": found}


_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same key gives the same restore; 1 to 255 visible ASCII characters",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}

_REFUSED = {
    "403": _problem("a target, vault or container that this installation may not touch"),
    "409": _problem("another restore works on the target, and whenBusy is refuse"),
    "413": _problem("more than 64 KiB"),
    "422": _problem("the Idempotency-Key belongs to another request"),
}

PATHS: dict[str, dict[str, Any]] = {
    "/restores": {
        "get": _route("The newest 200 restores.", {"200": _answer("newest first")}),
        "post": _route(
            "Start a restore.",
            {"202": _answer("stored and begun; Location says where to wait for its end", _STATUS)},
            _REFUSED,
            parameters=[_IDEMPOTENCY],
            requestBody=_body({"$ref": "#/components/schemas/RestoreRequest"}),
        ),
    },
    "/restores/{id}": {
        "get": _route(
            "How it goes.",
            {"200": _answer("status", _STATUS), "304": {"description": "as If-None-Match has it"}},
            _OF_ONE,
            parameters=[_ID],
        )
    },
    "/restores/{id}/operation": {
        "get": _route(
            "Wait for its end: 202 until then.",
            {"200": _answer("ended"), "202": _answer("still running: ask again")},
            _OF_ONE,
            parameters=[_ID],
        )
    },
    "/restores/{id}/plan": {
        "get": _route(
            "What it will do.",
            _form("the plan", "text/plain"),
            _OF_ONE,
            {"409": _problem("there is none yet")},
            parameters=[_ID, _query("format", "text for people", "text")],
        )
    },
    "/restores/{id}/report": {
        "get": _route(
            "What was restored, and what proves it.",
            _form("the report, signed where there is a key", "text/html"),
            _OF_ONE,
            {"409": _problem("it has not ended"), "500": _problem("the key cannot be used")},
            parameters=[_ID, _query("format", "a page for people", "html")],
        )
    },
    "/restores/{id}/approve": {
        "post": _route(
            "Agree to the plan.",
            {"202": _answer("it goes on", _STATUS)},
            _OF_ONE,
            {"409": _problem("another plan by now, or nobody waits")},
            parameters=[_ID],
            requestBody=_body({"$ref": "#/components/schemas/Approval"}),
        )
    },
    "/restores/{id}/undo": {
        "post": _route(
            "Give what was replaced its name again.",
            {"202": _answer("it is under way", _STATUS)},
            _OF_ONE,
            {"409": _problem("there is nothing to be had back")},
            parameters=[_ID],
        )
    },
    "/restores/{id}/cancel": {
        "post": _route(
            "Stop it.",
            {"200": _answer("it has ended", _STATUS), "202": _answer("it is stopping", _STATUS)},
            _OF_ONE,
            parameters=[_ID],
        )
    },
    "/recovery-points": {
        "get": _route(
            "What can be restored of a server.",
            {"200": _answer("newest first")},
            {"403": _REFUSED["403"], "404": _problem("no such backup instance")},
            parameters=[
                _query("server", "ARM id of the server"),
                _query("instance", "or the name of its backup instance"),
                _query("vault", "ARM id of the vault"),
                _query("region", "the paired region"),
            ],
        )
    },
    "/alerts": {
        "post": _route(
            "An alert of Azure Monitor, Azure Backup or Event Grid.",
            {"200": _answer("nothing is started"), "202": _answer("a restore is started")},
            {"500": _problem("the rules cannot be used")},
            parameters=[_query("dryRun", "only say what would happen", "true", "false")],
            requestBody=_body({}),
        ),
        "options": _route(
            "Event Grid asks whether it may send.",
            {"200": {"description": "it may"}},
        ),
    },
    "/drills": {
        "get": _route(
            "Rehearsed restores, and how they went.",
            {"200": _answer("each with its last runs")},
            {"500": _problem("the document of drills cannot be used")},
        )
    },
    "/drills/{name}": {
        "post": _route(
            "Run one now.",
            {"202": _answer("it is begun", _STATUS)},
            {"404": _problem("no such drill"), "500": _problem("the drills cannot be used")},
            parameters=[{**_ID, "name": "name", "description": "of a drill"}],
        )
    },
    "/openapi.json": {"get": _route("This document.", {"200": _answer("OpenAPI 3.1")})},
    "/health": {
        "get": {
            "summary": "Whether it works.",
            "security": [],
            "responses": {
                "200": _answer("ok, or degraded"),
                "503": _answer("state or bus cannot be reached"),
            },
        }
    },
}
"""By path, behind /api, and method."""


def document(server: str = "/api") -> dict[str, Any]:
    """The document; `server` is the URL that the paths are behind."""
    asked = request.schema()
    definitions = asked.pop("$defs", {})
    definitions |= {"RestoreRequest": asked, "Approval": _APPROVAL, "Status": _SHOWN}
    definitions |= {"Problem": _PROBLEM, "Eta": _ETA}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Restore of Azure Database for PostgreSQL backups",
            "version": __version__,
            "description": "Takes a vaulted backup of a flexible server to a restored, proven one.",
        },
        "servers": [{"url": server}],
        "security": [{_KEY: []}],
        "paths": PATHS,
        "components": {
            "securitySchemes": {
                _KEY: {"type": "apiKey", "in": "header", "name": "x-functions-key"},
            },
            "schemas": _renamed(definitions),
        },
    }


def _renamed(value: Any) -> Any:
    """References into `$defs` as those into the document's own schemas."""
    if isinstance(value, dict):
        return {
            name: part.replace("#/$defs/", "#/components/schemas/")
            if name == "$ref" and isinstance(part, str)
            else _renamed(part)
            for name, part in value.items()
        }
    return [_renamed(part) for part in value] if isinstance(value, list) else value


_APPROVAL = {
    "type": "object",
    "required": ["hash"],
    "properties": {"hash": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}},
    "additionalProperties": False,
}
_PROBLEM = {
    "description": "RFC 9457",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:restore:problem:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_SECONDS = {"type": "integer", "minimum": 0}
_ETA = {
    "description": "while databases are restored: when all of them will be proven",
    "type": "object",
    "required": ["seconds", "least", "most", "at", "late", "basis"],
    "properties": {
        "seconds": {**_SECONDS, "description": "left, most likely"},
        "least": {**_SECONDS, "description": "left at least"},
        "most": {**_SECONDS, "description": "left at most"},
        "at": {"type": "string", "format": "date-time"},
        "late": {"type": "boolean", "description": "it took longer than the longest expected"},
        "basis": {"type": "string", "description": "benchmarks, or runs on this server"},
    },
}
_SHOWN = {
    "type": "object",
    "required": ["id", "status", "ended", "created", "updated", "databases", "warnings", "links"],
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string"},
        "ended": {"type": "boolean"},
        "doing": {"type": "string", "description": "one line for a person"},
        "eta": {"$ref": "#/components/schemas/Eta"},
        "created": {"type": "string", "format": "date-time"},
        "updated": {"type": "string", "format": "date-time"},
        "databases": {"type": "array", "items": {"type": "object"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "fixes": {
            "description": "commands that cure warnings and refusals, by what they are about",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["about", "hint", "commands"],
                "properties": {
                    "about": {"type": "string"},
                    "hint": {"type": "string"},
                    "commands": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "notes": {"type": "array", "items": {"type": "string"}},
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
        "error": {"type": "object"},
    },
}
