"""What Azure Developer CLI takes as azure.yaml, as far as this one uses it.

Source: azure.yaml.json, schema v1.0 of github.com/Azure/azure-dev. Of what it leaves open only
what is used here is allowed, so that a typing error is found.
"""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema

from tests.strict_schema import strict

_TEXT = {"type": "string", "minLength": 1}


_SCRIPT = strict(
    ("run",),
    shell={"enum": ["sh", "pwsh"]},
    run=_TEXT,
    continueOnError={"type": "boolean"},
    interactive={"type": "boolean"},
)
_HOOK = strict((), posix=_SCRIPT, windows=_SCRIPT)
_SERVICE = strict(
    ("project", "language", "host"),
    project=_TEXT,
    language={"enum": ["python"]},
    host={"enum": ["function", "containerapp"]},
    docker=strict((), path=_TEXT, context=_TEXT, remoteBuild={"type": "boolean"}),
)
_SCHEMA = strict(
    ("name", "services"),
    name={"type": "string", "minLength": 2, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    metadata=strict((), template=_TEXT),
    requiredVersions=strict((), azd=_TEXT),
    infra=strict((), provider={"enum": ["bicep"]}, path=_TEXT, module=_TEXT),
    services={"type": "object", "minProperties": 1, "additionalProperties": _SERVICE},
    hooks=strict((), preprovision=_HOOK, postprovision=_HOOK, predeploy=_HOOK, postdeploy=_HOOK),
)


def problems(document: object) -> Iterator[str]:
    """`where: what is wrong`, for each."""
    for error in jsonschema.Draft202012Validator(_SCHEMA).iter_errors(document):
        yield f"azure.yaml {'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"
