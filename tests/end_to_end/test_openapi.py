"""What the document allows to be sent is answered as it documents, by the running app."""

from __future__ import annotations

import os

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS

from local.stack import Stack
from restore.core import openapi

_CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
_EXAMPLES = 100 if os.environ.get("SOAK") else 6


def test_every_answer_is_documented(stack: Stack):
    schema = schemathesis.openapi.from_dict(stack.client.call("GET", "/api/openapi.json").body)
    checks = [check for check in CHECKS.get_all() if check.__name__ in _CHECKED]
    assert len(checks) == len(_CHECKED)
    asked = 0
    for found in schema.get_all_operations():

        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=found.ok().as_strategy())
        def conforms(case):
            case.call_and_validate(
                base_url=f"{stack.client.url}/api",
                headers={"x-functions-key": stack.client.key},
                checks=checks,
            )

        conforms()
        asked += 1
    assert asked == sum(map(len, openapi.PATHS.values()))
