"""One Bicep file: what it declares, and what is wrong with that by itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tree_sitter import Node

from tests.infra.bicep.language import DECORATORS
from tests.infra.bicep.syntax import (
    broken,
    children,
    key,
    literal,
    parse,
    part,
    text,
    unwrapped,
    value,
)
from tests.infra.bicep.types import NAMED

Finding = tuple[int, str]
"""The line, from 1, and what is wrong there."""

_TYPES = ("type", "nullable_type", "array_type", "union_type")
_LITERALS = {
    "string": "string",
    "boolean": "bool",
    "number": "int",
    "object": "object",
    "array": "array",
}
_IGNORED = (
    "ERROR",  # told as a syntax error
    "assert_statement",
    "import_statement",
    "import_with_statement",
    "metadata_declaration",
    "type_declaration",
)


@dataclass(frozen=True)
class Parameter:
    type: str
    default: Node | None
    allowed: list[str] | None
    node: Node

    @property
    def base(self) -> str:
        """The type of one value: without `?` and `[]`."""
        return self.type.rstrip("?").replace("[]", "")

    @property
    def is_required(self) -> bool:
        return self.default is None and not self.type.endswith("?")


@dataclass(frozen=True)
class Resource:
    """`parent` is the symbol of the resource that it is nested in."""

    type: str
    version: str
    is_existing: bool
    node: Node
    parent: str | None

    @property
    def body(self) -> Node:
        return value(self.node)

    @property
    def is_loop(self) -> bool:
        return self.body.type == "for_statement"


class BicepFile:
    """Its declarations by their symbols; a nested resource's is `outer::inner`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.read_bytes()
        self.found: list[Finding] = []
        self.parameters: dict[str, Parameter] = {}
        self.variables: dict[str, Node] = {}
        self.resources: dict[str, Resource] = {}
        self.modules: dict[str, Node] = {}
        self.outputs: dict[str, Node] = {}
        self.scope = "resourceGroup"
        self.tree = parse(self.source)
        for node in broken(self.tree):
            self.wrong(node, f"syntax error near {text(node)[:40]!r}")
        self._declare()

    @property
    def symbols(self) -> set[str]:
        declared = (self.parameters, self.variables, self.resources, self.modules)
        return {symbol for each in declared for symbol in each}

    def wrong(self, node: Node, what: str) -> None:
        self.found.append((node.start_point[0] + 1, what))

    def _declare(self) -> None:
        add: dict[str, Callable[[str, Node, list[Node]], None]] = {
            "parameter_declaration": self._add_parameter,
            "variable_declaration": lambda name, node, _: self._put(
                self.variables, name, value(node)
            ),
            "resource_declaration": lambda name, node, _: self._add_resource(node, None),
            "module_declaration": lambda name, node, _: self._put(self.modules, name, node),
            "output_declaration": lambda name, node, _: self._put(self.outputs, name, node),
        }
        decorators: list[Node] = []
        names: set[str] = set()
        for node in children(self.tree):
            if node.type == "decorators":
                decorators = children(node)
                continue
            self._check_decorators(decorators)
            if node.type in add:
                name = text(children(node)[0])
                if node.type != "output_declaration":
                    if name in names:
                        self.wrong(node, f"{name} declared twice")
                    names.add(name)
                add[node.type](name, node, decorators)
            elif node.type == "target_scope_assignment":
                self.scope = literal(value(node)) or self.scope
            elif node.type not in _IGNORED:
                self.wrong(node, f"unexpected {node.type}")
            decorators = []

    def _put(self, declared: dict[str, Node], name: str, node: Node) -> None:
        declared[name] = node

    def _check_decorators(self, decorators: Iterable[Node]) -> None:
        for decorator in decorators:
            name = text(_function(children(decorator)[0]))
            if name.rpartition(".")[2] not in DECORATORS:
                self.wrong(decorator, f"unknown decorator {name}")

    def _add_parameter(self, name: str, node: Node, decorators: list[Node]) -> None:
        parts = children(node)
        type_ = text(parts[1]) if len(parts) > 1 and parts[1].type in _TYPES else "any"
        default = parts[2] if len(parts) > 2 else None
        parameter = Parameter(type_, default, _allowed(decorators), node)
        self.parameters[name] = parameter
        base = parameter.base
        if base not in (*NAMED, "any") and not base.startswith(("'", "{", "(")):
            self.wrong(self.tree, f"unknown type {base}")
        if default is None:
            return
        if (
            parameter.allowed
            and default.type == "string"
            and literal(default) not in parameter.allowed
        ):
            self.wrong(node, f"default of {name} not in @allowed")
        given = _LITERALS.get(default.type)
        if given and base in NAMED and given != base:
            self.wrong(node, f"default of {name} is {given}, declared {base}")

    def _add_resource(self, node: Node, parent: str | None) -> None:
        parts = children(node)
        type_, _, version = (literal(parts[1]) or "").partition("@")
        if parent:
            outer = self.resources[parent]
            type_, version = f"{outer.type}/{type_}", version or outer.version
        is_existing = any(text(child) == "existing" for child in node.children)
        symbol = f"{parent}::{text(parts[0])}" if parent else text(parts[0])
        self.resources[symbol] = Resource(type_, version, is_existing, node, parent)
        for entry in children(unwrapped(parts[-1])):
            if entry.type == "object_property":
                inner = children(entry)[0]
                if inner.type == "resource_declaration":
                    self._add_resource(inner, symbol)

    def resource_of(self, node: Node) -> str | None:
        """The symbol of the resource that an expression is; an element of a loop's is one too."""
        if node.type == "identifier":
            name = text(node)
            return name if name in self.resources and not self.resources[name].is_loop else None
        if node.type == "subscript_expression":
            name = text(children(node)[0])
        elif node.type == "resource_expression":
            name = text(node).replace(" ", "")
        else:
            return None
        return name if name in self.resources else None

    def keys(self, node: Node) -> list[str | None]:
        return [key(entry) for entry in children(node)]


def _allowed(decorators: Iterable[Node]) -> list[str] | None:
    for decorator in decorators:
        call = children(decorator)[0]
        if call.type == "call_expression" and text(_function(call)) == "allowed":
            values = children(children(value(call))[0])
            return [literal(each) or text(each) for each in values]
    return None


def _function(node: Node) -> Node:
    return part(node, "function") if node.type == "call_expression" else node


def near(name: str, names: Iterable[str | None]) -> str:
    """A hint at the name that was probably meant, or nothing."""
    found = difflib.get_close_matches(name, [each for each in names if each], 1)
    return f" (did you mean {found[0]}?)" if found else ""
