"""What is wrong with a request: every problem in one go, each with what was expected and found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import ErrorDetails, PydanticCustomError

from restore.errors import InputError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request. `field` is a JSON pointer (RFC 6901), "" for the whole."""

    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.field or 'request'}: expected {self.expected}, found {self.found}"


class RequestError(InputError):
    """The request cannot be understood; nothing was started."""

    code = "request"

    def __init__(self, *problems: Problem, hint: str = "") -> None:
        super().__init__("; ".join(map(str, problems)), hint)
        self.problems = problems


class TooLargeError(RequestError):
    code = "too-large"


def wrong(expected: str, found: str) -> PydanticCustomError:
    """What a check of a field raises."""
    return PydanticCustomError("wrong", "{expected}", {"expected": expected, "found": found})


_EXPECTED = {
    "missing": "a value",
    "unexpected_keyword_argument": "no such field",
    "string_type": "a string",
    "int_type": "a whole number",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "list_type": "an array",
    "too_short": "at least one",
    "json_invalid": "JSON",
    "timezone_aware": "an ISO 8601 instant with an explicit offset",
}


def problem_of(error: ErrorDetails) -> Problem:
    """One of pydantic's errors, in our words."""
    context: Mapping[str, Any] = error.get("ctx", {})
    kind = error["type"]
    path = "".join(f"/{_escape(part)}" for part in error["loc"] if part != "[key]")
    if kind == "wrong":
        return Problem(path, context["expected"], context["found"])
    if kind == "unexpected_keyword_argument":  # its value may be a secret put in the wrong place
        return Problem(path, _EXPECTED[kind], "one")
    if kind == "json_invalid":
        return Problem(path, "JSON", str(context.get("error", "something else")))
    found = "nothing" if kind == "missing" else short(error["input"])
    if kind == "enum":
        return Problem(path, f"one of {context['expected']}", found)
    return Problem(path, _EXPECTED.get(kind, error["msg"].removeprefix("Input should be ")), found)


def _escape(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def short(value: object) -> str:
    """What was found, as far as it fits into a sentence."""
    if isinstance(value, dict | list):
        empty = "" if value else " without anything in it"
        return ("an object" if isinstance(value, dict) else "an array") + empty
    if isinstance(value, datetime):
        return repr(value.isoformat())
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
