"""Names in expressions: of parameters, resources, modules, functions, and of what these have."""

from __future__ import annotations

import json
from collections.abc import Callable

from tree_sitter import Node

from tests.infra.bicep.language import FUNCTIONS, LOADERS, NAMESPACES
from tests.infra.bicep.project import Project
from tests.infra.bicep.source import BicepFile, near
from tests.infra.bicep.syntax import children, key, literal, part, path, text, value
from tests.infra.bicep.types import Kind

_NO_NAMES = ("escape_sequence", "property_identifier", "string_content")
Local = frozenset[str]


class Names:
    """Looks at every expression of one file."""

    def __init__(self, project: Project, file: BicepFile) -> None:
        self._project, self._file = project, file
        self._wrong = file.wrong

    def check(self, node: Node, local: Local) -> None:
        """`local` are the names of the loops and lambdas around it."""
        looks: dict[str, Callable[[Node, Local], None]] = {
            "identifier": self._name,
            "call_expression": self._call,
            "member_expression": self._member,
            "resource_expression": self._nested,
            "for_statement": lambda loop, names: self.loop(loop, names, self.check),
            "lambda_expression": self._lambda,
            "object": self._object,
        }
        if node.type in looks:
            looks[node.type](node, local)
            return
        for child in children(node):
            if child.type not in _NO_NAMES:
                self.check(child, local)

    def loop(self, node: Node, local: Local, inside: Callable[[Node, Local], None]) -> None:
        """Checks what a `for` goes over, and has `inside` look at its body."""
        parts = children(node)
        body = node.child_by_field_name("body") or parts[-1]
        initializer = node.child_by_field_name("initializer")
        variables = [initializer] if initializer and initializer.type == "identifier" else []
        for each in parts:
            if each.type == "for_loop_parameters":
                variables += children(each)
        inner = local | {text(variable) for variable in variables}
        for each in parts:
            if each != body and each not in variables and each.type != "for_loop_parameters":
                self.check(each, inner)
        inside(body, inner)

    def conditional(self, node: Node, local: Local) -> Node:
        """The body within `if`s, whose conditions are checked."""
        while node.type in ("if_statement", "parenthesized_expression"):
            *conditions, node = children(node)
            for condition in conditions:
                self.check(condition, local)
        return node

    def _name(self, node: Node, local: Local) -> None:
        name, symbols = text(node), self._file.symbols
        if name not in local and name not in symbols and name not in NAMESPACES:
            self._wrong(node, f"unknown name {name}{near(name, symbols)}")

    def _call(self, node: Node, local: Local) -> None:
        function, arguments = part(node, "function"), part(node, "arguments")
        if function.type == "identifier":
            name = text(function)
            if name not in FUNCTIONS and not name.startswith("list"):
                self._wrong(function, f"unknown function {name}{near(name, FUNCTIONS)}")
            if name in LOADERS:
                file = literal(children(arguments)[0])
                if file and not (self._file.path.parent / file).exists():
                    self._wrong(node, f"{file} not found")
        else:
            self.check(function.child_by_field_name("object") or function, local)
        for argument in children(arguments):
            self.check(argument, local)

    def _member(self, node: Node, local: Local) -> None:
        start, names = path(node)
        file, name = self._file, text(start)
        if start.type == "identifier" and name not in local:
            if name in file.modules:
                self._of_module(node, name, names)
                return
            if name in file.variables and self._is_of_variable(node, name, names[0]):
                return
        symbol = file.resource_of(start)
        if symbol is None:
            self.check(start, local)
        else:
            self._of_resource(node, symbol, names)

    def _of_module(self, node: Node, symbol: str, names: list[str]) -> None:
        if names[0] not in ("outputs", "name"):
            self._wrong(node, f"module has no member {names[0]}")
        elif names[0] == "outputs" and len(names) > 1:
            module = self._project.module(self._file, symbol)
            if module and names[1] not in module.outputs:
                hint = near(names[1], module.outputs)
                self._wrong(node, f"module {symbol} has no output {names[1]}{hint}")

    def _is_of_variable(self, node: Node, variable: str, name: str) -> bool:
        """Whether the variable's content is known, so that nothing else is to be looked at."""
        content = self._file.variables[variable]
        if content.type == "object":
            keys = self._file.keys(content)
            if None not in keys and name not in keys and "?" not in text(node):
                self._wrong(node, f"{variable} has no property {name}{near(name, keys)}")
            return True
        if content.type == "call_expression" and text(content).startswith("loadJsonContent"):
            loaded = literal(children(part(content, "arguments"))[0])
            path_ = self._file.path.parent / (loaded or "")
            if path_.is_file():
                keys = list(json.loads(path_.read_text(encoding="utf-8")))
                if name not in keys:
                    self._wrong(node, f"{loaded} has no key {name}{near(name, keys)}")
            return True
        return False

    def _of_resource(self, node: Node, symbol: str, names: list[str]) -> None:
        resource = self._file.resources[symbol]
        found = self._project.types.of(resource.type, resource.version)
        for name in names:
            if found is None or found.kind is not Kind.OBJECT:
                return
            if name not in found.properties:
                if not found.others:
                    hint = near(name, found.properties)
                    self._wrong(node, f"{resource.type} has no property {'.'.join(names)}{hint}")
                return
            found = found.properties[name].type()

    def _nested(self, node: Node, _: Local) -> None:
        if self._file.resource_of(node) is None:
            self._wrong(node, f"unknown nested resource {text(node)}")

    def _lambda(self, node: Node, local: Local) -> None:
        *variables, body = children(node)
        names = {
            text(name)
            for each in variables
            for name in ([each] if each.type == "identifier" else children(each))
        }
        self.check(body, local | names)

    def _object(self, node: Node, local: Local) -> None:
        seen: set[str] = set()
        for entry in children(node):
            if entry.type != "object_property":
                self.check(entry, local)
                continue
            name = key(entry)
            if name is None:
                self.check(children(entry)[0], local)
            elif name in seen:
                self._wrong(entry, f"property {name} twice")
            else:
                seen.add(name)
            if len(children(entry)) < 2:
                self._wrong(entry, f"property {name} has no value")
            else:
                self.check(value(entry), local)
