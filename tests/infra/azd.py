"""What Azure Developer CLI takes as azure.yaml, as far as this one uses it.

Source: azure.yaml.json, schema v1.0 of github.com/Azure/azure-dev. Of what it leaves open only
what is used here is allowed, so that a typing error is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema

_TEXT = {"type": "string", "minLength": 1}


def _object(required: tuple[str, ...] = (), **properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


_SCRIPT = _object(
    ("run",),
    shell={"enum": ["sh", "pwsh"]},
    run=_TEXT,
    continueOnError={"type": "boolean"},
    interactive={"type": "boolean"},
)
_HOOK = _object((), posix=_SCRIPT, windows=_SCRIPT)
_SERVICE = _object(
    ("project", "language", "host"),
    project=_TEXT,
    language={"enum": ["python"]},
    host={"enum": ["function", "containerapp"]},
    docker=_object((), path=_TEXT, context=_TEXT, remoteBuild={"type": "boolean"}),
)
_SCHEMA = _object(
    ("name", "services"),
    name={"type": "string", "minLength": 2, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    metadata=_object((), template=_TEXT),
    requiredVersions=_object((), azd=_TEXT),
    infra=_object((), provider={"enum": ["bicep"]}, path=_TEXT, module=_TEXT),
    services={"type": "object", "minProperties": 1, "additionalProperties": _SERVICE},
    hooks=_object((), preprovision=_HOOK, postprovision=_HOOK, predeploy=_HOOK, postdeploy=_HOOK),
)


def problems(document: object) -> Iterator[str]:
    """`where: what is wrong`, for each."""
    for error in jsonschema.Draft202012Validator(_SCHEMA).iter_errors(document):
        yield f"azure.yaml {'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"
