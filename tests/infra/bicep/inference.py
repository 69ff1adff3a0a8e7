"""The type of an expression, where it can be told; None where it cannot."""

from __future__ import annotations

from tree_sitter import Node

from tests.infra.bicep.language import (
    COMPARISONS,
    GIVE_ARRAY,
    GIVE_BOOLEAN,
    GIVE_INTEGER,
    GIVE_STRING,
)
from tests.infra.bicep.project import Project
from tests.infra.bicep.source import BicepFile
from tests.infra.bicep.syntax import children, literal, part, path, text
from tests.infra.bicep.types import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NAMED,
    OBJECT,
    RESOURCE,
    STRING,
    Kind,
    Type,
)

_AT_A_GLANCE = {
    "multiline_string": STRING,
    "boolean": BOOLEAN,
    "null": Type(Kind.NULL),
    "object": OBJECT,
    "array": ARRAY,
    "for_statement": ARRAY,
}
_TOLD = (Kind.STRING, Kind.INTEGER, Kind.BOOLEAN, Kind.LITERAL, Kind.ARRAY, Kind.OBJECT)


class Inference:
    """Of expressions of one file. `local` are the names of loops and lambdas around them."""

    def __init__(self, project: Project, file: BicepFile) -> None:
        self._project, self._file = project, file

    def type(self, node: Node, local: frozenset[str]) -> Type | None:
        if node.type in _AT_A_GLANCE:
            return _AT_A_GLANCE[node.type]
        match node.type:
            case "string":
                known = literal(node)
                return STRING if known is None else Type(Kind.LITERAL, literal=known)
            case "number":
                return Type(Kind.INTEGER, literal=int(text(node)))
            case "parenthesized_expression":
                return self.type(children(node)[0], local)
            case "unary_expression":
                return BOOLEAN if text(node).startswith("!") else INTEGER
            case "binary_expression":
                return self._of_binary(node, local)
            case "call_expression":
                return _of_call(part(node, "function"))
            case "identifier":
                return self._of_name(text(node), local)
            case "member_expression":
                return self._of_member(node)
        return None

    def _of_binary(self, node: Node, local: frozenset[str]) -> Type | None:
        operator = next((child.type for child in node.children if not child.is_named), "")
        if operator in COMPARISONS:
            return BOOLEAN
        return self.type(part(node, "right"), local) if operator == "??" else INTEGER

    def _of_name(self, name: str, local: frozenset[str]) -> Type | None:
        file = self._file
        if name in local:
            return None
        if name in file.parameters:
            type_ = file.parameters[name].type
            return ARRAY if type_.endswith("[]") else NAMED.get(type_)
        if name in file.variables:
            return self.type(file.variables[name], local)
        return RESOURCE if name in file.resources else None

    def _of_member(self, node: Node) -> Type | None:
        start, names = path(node)
        if (symbol := self._file.resource_of(start)) is not None:
            return self._of_property(symbol, names)
        if text(start) in self._file.modules and names[0] == "outputs" and len(names) == 2:
            module = self._project.module(self._file, text(start))
            if module and names[1] in module.outputs:
                return NAMED.get(text(children(module.outputs[names[1]])[1]))
        return None

    def _of_property(self, symbol: str, names: list[str]) -> Type | None:
        resource = self._file.resources[symbol]
        found = self._project.types.of(resource.type, resource.version)
        for name in names:
            if found is None or found.kind is not Kind.OBJECT or name not in found.properties:
                return None
            found = found.properties[name].type()
        return found if found and found.kind in _TOLD else None


def _of_call(function: Node) -> Type | None:
    name = text(function)
    for names, type_ in (
        (GIVE_STRING, STRING),
        (GIVE_BOOLEAN, BOOLEAN),
        (GIVE_INTEGER, INTEGER),
        (GIVE_ARRAY, ARRAY),
    ):
        if name in names:
            return type_
    return None
