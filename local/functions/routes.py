"""ASP.NET-style route templates: what they match, and which of several wins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from local.functions.errors import FunctionAppError

_HEX = "[0-9a-f]"
_CONSTRAINTS = {
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
    "guid": rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}|{_HEX}{{32}}",
    "alpha": "[a-z]+",
    "bool": "true|false",
}
_PARAMETER = re.compile(
    r"\{(?P<star>\*{0,2})(?P<name>[A-Za-z_]\w*)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}"
)

# Ranks of a segment; the lowest sequence of them wins.
# Source: ASP.NET Core, RoutePrecedence.ComputeInbound.
_LITERAL, _CONSTRAINED, _PLAIN, _CONSTRAINED_REST, _REST = 1, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Route:
    """One compiled template; of several that match, Azure takes the lowest `precedence`."""

    template: str
    pattern: re.Pattern[str]
    precedence: tuple[int, ...]

    def match(self, path: str) -> Mapping[str, str] | None:
        """The route parameters when `path` (decoded) matches, else None.

        Case and one trailing slash do not matter; an optional parameter that is absent has no key.
        """
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return {name: value for name, value in found.groupdict().items() if value}


def decode(raw_path: str) -> str:
    """`raw_path` without percent escapes, except %2F: an escaped slash never splits a segment.

    Source: ASP.NET Core Kestrel, PathDecoder.
    """
    return unquote(re.sub("%2f", "%252F", raw_path, flags=re.IGNORECASE))


def compile_route(template: str, prefix: str = "") -> Route:
    """The route that serves `template` under `prefix` (host.json's routePrefix; may be empty).

    Understands literals, `{name}`, `{name:int}` and its like, `{name?}`, `{*rest}` and mixed
    segments (`{name}.{ext}`).
    Raises FunctionAppError on anything else: better than a route that never matches.
    """
    segments = [part for part in f"{prefix}/{template}".split("/") if part]
    pattern, ranks = "", []
    for position, segment in enumerate(segments):
        expression, rank, open_end = _segment(segment, template)
        if open_end and position != len(segments) - 1:
            raise _refusal(template, "an optional or catch-all parameter only at the end")
        pattern += f"(?:/{expression})?" if open_end else f"/{expression}"
        ranks.append(rank)
    try:
        compiled = re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL)
    except re.error:
        raise _refusal(template, "each parameter once") from None
    return Route(template, compiled, tuple(ranks))


def _segment(segment: str, template: str) -> tuple[str, int, bool]:
    """Pattern and rank of one segment, and whether it may be missing."""
    whole = _PARAMETER.fullmatch(segment)
    if whole is not None:
        return _parameter(whole, template)
    expression, last, mixed = "", 0, False
    for found in _PARAMETER.finditer(segment):
        inner, _, open_end = _parameter(found, template)
        if open_end:
            raise _refusal(template, "optional and catch-all parameters to be a whole segment")
        expression += re.escape(segment[last : found.start()]) + inner
        last, mixed = found.end(), True
    rest = segment[last:]
    if "{" in rest or "}" in rest:
        raise _refusal(template, "parameters like {name}, {name:int}, {name?} or {*rest}")
    return expression + re.escape(rest), _CONSTRAINED if mixed else _LITERAL, False


def _parameter(found: re.Match[str], template: str) -> tuple[str, int, bool]:
    constraint = found["constraint"]
    if constraint is not None and constraint not in _CONSTRAINTS:
        raise _refusal(template, f"a constraint of {', '.join(sorted(_CONSTRAINTS))}")
    if found["star"]:
        rank = _CONSTRAINED_REST if constraint else _REST
        return (
            f"(?P<{found['name']}>{_CONSTRAINTS[constraint] if constraint else '.*'})",
            rank,
            True,
        )
    rank = _CONSTRAINED if constraint else _PLAIN
    inner = _CONSTRAINTS[constraint] if constraint else "[^/]+"
    return f"(?P<{found['name']}>{inner})", rank, bool(found["optional"])


def _refusal(template: str, expected: str) -> FunctionAppError:
    return FunctionAppError(f"route template: expected {expected}, found {template!r}")
