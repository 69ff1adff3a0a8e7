"""How values of a kind are read from JSON and written, worked out when one is needed first."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

_T = TypeVar("_T")
_made: Any = cache(TypeAdapter)


def shape(kind: type[_T]) -> TypeAdapter[_T]:
    """The adapter of `kind`. To make one takes milliseconds, and most events need few of them."""
    return cast("TypeAdapter[_T]", _made(kind))
