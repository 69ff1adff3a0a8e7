"""Function keys: who may call what."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from local.functions.errors import FunctionAppError

HEADER = "x-functions-key"
QUERY = "code"

_NAMES = (_DEFAULT, _MASTER, _EVENT_GRID) = ("default", "_master", "eventgrid_extension")


class AuthLevel(Enum):
    """What a caller must show; the value is the binding's `authLevel`."""

    ANONYMOUS = "ANONYMOUS"
    FUNCTION = "FUNCTION"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The host's keys, named as Azure names them: `default`, `_master`, `eventgrid_extension`."""

    default: str
    master: str
    event_grid: str

    @classmethod
    def random(cls) -> Keys:
        """New keys that nobody can guess."""
        return cls(*(secrets.token_urlsafe(24) for _ in _NAMES))

    @classmethod
    def from_json(cls, text: str) -> Keys:
        """The keys in a JSON object `{name: key}`; those it does not name are random.

        Raises FunctionAppError when it is no such object, or names another key.
        """
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(
            isinstance(key, str) and key for key in given.values()
        ):
            raise FunctionAppError(
                "function keys: expected a JSON object of texts, found something else"
            )
        unknown = given.keys() - set(_NAMES)
        if unknown:
            raise FunctionAppError(
                f"function keys: expected {', '.join(_NAMES)}, found {sorted(unknown)[0]!r}"
            )
        named = {**cls.random().as_mapping(), **given}
        return cls(named[_DEFAULT], named[_MASTER], named[_EVENT_GRID])

    def as_mapping(self) -> Mapping[str, str]:
        """`{name: key}`, with Azure's names."""
        return {_DEFAULT: self.default, _MASTER: self.master, _EVENT_GRID: self.event_grid}

    def allow(self, level: AuthLevel, given: str) -> bool:
        """Whether `given` opens a function of this level; the master key opens every one."""
        match level:
            case AuthLevel.ANONYMOUS:
                return True
            case AuthLevel.FUNCTION:
                return _equal(given, self.default) or _equal(given, self.master)
            case AuthLevel.ADMIN:
                return _equal(given, self.master)

    def allow_event_grid(self, given: str) -> bool:
        """Whether `given` opens the Event Grid webhook: its system key or the master key."""
        return _equal(given, self.event_grid) or _equal(given, self.master)


def presented(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The key of a request: the header comes first, `?code=` counts only without it."""
    return headers.get(HEADER) or query.get(QUERY) or ""


def _equal(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode(), key.encode())
