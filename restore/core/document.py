"""Documents that people write: YAML or JSON as a value of its kind, and that kind's JSON Schema."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from restore.core.request_error import Problem, RequestError, problem_of
from restore.core.shape import shape

_T = TypeVar("_T")


def read(kind: type[_T], document: bytes, limit_bytes: int, hint: str) -> _T:
    """What `document` says. Raises RequestError with every problem found."""
    import yaml  # here, as few events need it, and every start would wait for it

    if len(document) > limit_bytes:
        problem = Problem("", f"at most {limit_bytes} bytes", f"{len(document)} bytes")
        raise RequestError(problem, hint=hint)
    try:
        # As if it came as JSON: YAML has dates and more, where a request has text.
        return shape(kind).validate_json(json.dumps(yaml.safe_load(document), default=str))
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "somewhere"
        raise RequestError(Problem("", "YAML", f"something else in {where}"), hint=hint) from exc
    except ValidationError as exc:
        raise RequestError(*map(problem_of, exc.errors(include_url=False)), hint=hint) from exc
    except (ValueError, TypeError, RecursionError) as exc:
        raise RequestError(Problem("", "text, numbers, lists", "more"), hint=hint) from exc


def schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of such documents."""
    found = shape(kind).json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
