"""All that is wrong with a folder of Bicep, as far as it can be told without Azure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tree_sitter import Node

from tests.infra.bicep.inference import Inference
from tests.infra.bicep.names import Local, Names
from tests.infra.bicep.project import Project, module_path
from tests.infra.bicep.source import BicepFile, Finding, Parameter, Resource, near
from tests.infra.bicep.syntax import children, key, named, properties, text, value
from tests.infra.bicep.types import NAMED, OBJECT, STRING, Kind, literals
from tests.infra.bicep.values import Values

_RESOURCE_TYPE = re.compile(r"[A-Za-z0-9.]+(/[A-Za-z0-9]+)+")
_OF_BICEP = ("parent", "scope", "dependsOn")  # of every resource, whatever its type
_OF_MODULES = ("name", "params", "scope", "dependsOn", "identity")
_NOWHERE: Local = frozenset()


def problems(folder: Path) -> Iterator[str]:
    """`file:line: what is wrong`, and nothing where all is right."""
    project = Project(folder)
    for path in sorted(folder.rglob("*.bicep")):
        for line, what in _Check(project, project.file(path)).findings():
            yield f"{path.relative_to(folder)}:{line}: {what}"
    yield from project.parameter_problems()


class _Check:
    """Of one file, which may use others."""

    def __init__(self, project: Project, file: BicepFile) -> None:
        self._project, self._file, self._wrong = project, file, file.wrong
        self._inference = Inference(project, file)
        self._names = Names(project, file)
        self._values = Values(file, self._inference, self._names)

    def findings(self) -> list[Finding]:
        file = self._file
        for parameter in file.parameters.values():
            if parameter.default is not None:
                self._names.check(parameter.default, _NOWHERE)
        for content in file.variables.values():
            self._names.check(content, _NOWHERE)
        for name, node in file.outputs.items():
            self._output(name, node)
        for symbol in file.resources:
            self._resource(symbol)
        for symbol in file.modules:
            self._module(symbol)
        for name, parameter in file.parameters.items():
            self._is_used(name, parameter.node, "parameter")
        for name, content in file.variables.items():
            self._is_used(name, content, "variable")
        return sorted(set(file.found))

    def _is_used(self, name: str, node: Node, what: str) -> None:
        if len(re.findall(rb"\b" + name.encode() + rb"\b", self._file.source)) < 2:
            self._wrong(node, f"{what} {name} is never used")

    def _each(self, body: Node, local: Local, look: Callable[[Node, Local], None]) -> None:
        """The body itself, or that of each round of its loop; conditions are checked on the way."""
        if body.type == "for_statement":
            self._names.loop(body, local, lambda inner, names: self._each(inner, names, look))
        else:
            look(self._names.conditional(body, local), local)

    # ---- outputs

    def _output(self, name: str, node: Node) -> None:
        content = value(node)
        self._names.check(content, _NOWHERE)
        wanted = NAMED.get(text(children(node)[1]))
        given = self._inference.type(content, _NOWHERE)
        if wanted is None or given is None:
            return
        if given.kind is not Kind.RESOURCE:
            self._values.fits(content, given, wanted, f"output {name}")
        elif wanted is not OBJECT:
            self._wrong(content, f"output {name}: resource given")

    # ---- resources

    def _resource(self, symbol: str) -> None:
        """What is nested in a resource sees what is nested beside it."""
        file, resource = self._file, self._file.resources[symbol]
        siblings = {
            other.rpartition("::")[2]
            for other in file.resources
            if resource.parent and other.startswith(resource.parent)
        }
        self._each(
            resource.body,
            frozenset(siblings),
            lambda body, local: self._resource_body(symbol, resource, body, local),
        )

    def _resource_body(self, symbol: str, resource: Resource, body: Node, local: Local) -> None:
        if body.type != "object":
            self._wrong(body, "resource body must be an object")
            return
        for entry in properties(body):
            if len(children(entry)) > 1:
                if key(entry) is None:
                    self._names.check(children(entry)[0], local)
                self._names.check(value(entry), local)
        named_ = f"{resource.type}@{resource.version}"
        if not _RESOURCE_TYPE.fullmatch(resource.type) or not resource.version:
            self._wrong(resource.node, f"bad type {named_}")
            return
        type_ = self._project.types.of(resource.type, resource.version)
        if type_ is None:
            self._wrong(resource.node, f"unknown type or version {named_}")
            return
        keys = self._file.keys(body)
        if "name" not in keys:
            self._wrong(body, f"{symbol}: name is required")
        if resource.is_existing:
            for name in keys:
                if name not in ("name", "scope", "parent", None):
                    self._wrong(body, f"{symbol}: existing resource sets {name}")
        else:
            # The types' patterns are of whole names; a child here has but the last segment.
            is_child = resource.type.count("/") > 1 and type_.kind is not Kind.TAGGED
            skip = (*_OF_BICEP, "name") if is_child else _OF_BICEP
            self._values.object(body, type_, local, symbol, skip)
        self._parent(symbol, resource, body)

    def _parent(self, symbol: str, resource: Resource, body: Node) -> None:
        parent, depth = named(body, "parent"), resource.type.count("/")
        if parent is not None:
            outer = self._file.resource_of(parent)
            if outer is None:
                self._wrong(parent, f"{symbol}: parent must be a resource")
                return
            found = self._file.resources[outer].type
            if found.lower() != resource.type.rpartition("/")[0].lower():
                self._wrong(parent, f"{symbol}: parent is {found}")
        elif depth > 1 and not resource.parent:
            name = named(body, "name")
            if name is not None and text(name).count("/") < depth - 1:
                what = "child resource without parent, or a name of too few segments"
                self._wrong(body, f"{symbol}: {what}")

    # ---- modules

    def _module(self, symbol: str) -> None:
        node = self._file.modules[symbol]
        if self._project.is_missing(self._file, symbol):
            self._wrong(node, f"module {module_path(self._file, symbol)} not found")
        self._each(
            value(node), _NOWHERE, lambda body, local: self._module_body(symbol, body, local)
        )

    def _module_body(self, symbol: str, body: Node, local: Local) -> None:
        for entry in children(body):
            if key(entry) not in _OF_MODULES:
                self._wrong(entry, f"module {symbol} has no property {key(entry)}")
            self._names.check(value(entry), local)
        module = self._project.module(self._file, symbol)
        if module is None:
            return
        if module.scope != self._file.scope and named(body, "scope") is None:
            self._wrong(body, f"module {symbol} targets {module.scope}; scope is required")
        parameters = named(body, "params")
        given = {key(e): e for e in children(parameters)} if parameters is not None else {}
        for name, entry in given.items():
            if name in module.parameters:
                self._argument(symbol, name or "", module.parameters[name or ""], entry, local)
            else:
                hint = near(name or "", module.parameters)
                self._wrong(entry, f"module {symbol} has no parameter {name}{hint}")
        for name, parameter in module.parameters.items():
            if parameter.is_required and name not in given:
                self._wrong(body, f"module {symbol}: parameter {name} is required")

    def _argument(
        self, symbol: str, name: str, parameter: Parameter, entry: Node, local: Local
    ) -> None:
        wanted = NAMED.get(parameter.type.rstrip("?"))
        if wanted is STRING and parameter.allowed:
            wanted = literals(parameter.allowed)
        content = value(entry)
        given = self._inference.type(content, local)
        if wanted is None or given is None:
            return
        if given.kind is Kind.RESOURCE:
            self._wrong(content, f"module {symbol}.{name}: a resource symbol given")
        else:
            self._values.fits(content, given, wanted, f"module {symbol}.{name}")
