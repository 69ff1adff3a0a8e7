"""Values held against types."""

from __future__ import annotations

import re

from tree_sitter import Node

from tests.infra.bicep.inference import Inference
from tests.infra.bicep.names import Local, Names
from tests.infra.bicep.source import BicepFile, near
from tests.infra.bicep.syntax import children, key, literal, properties, text, value
from tests.infra.bicep.types import Kind, Type

_OBJECTS = (Kind.OBJECT, Kind.TAGGED)


class Values:
    """`where` names the value in what is said of it."""

    def __init__(self, file: BicepFile, inference: Inference, names: Names) -> None:
        self._file, self._inference, self._names = file, inference, names
        self._wrong = file.wrong

    def check(self, node: Node, type_: Type | None, local: Local, where: str) -> None:
        if type_ is None or type_.kind is Kind.ANY:
            return
        match node.type:
            case "parenthesized_expression":
                self.check(children(node)[0], type_, local, where)
            case "ternary_expression":
                for name in ("consequence", "alternative"):
                    branch = node.child_by_field_name(name)
                    if branch is not None and text(branch) != "null":
                        self.check(branch, type_, local, where)
            case "object":
                self._an_object(node, type_, local, where)
            case "array" if type_.kind is Kind.ARRAY:
                for index, each in enumerate(children(node)):
                    self.check(each, type_.item, local, f"{where}[{index}]")
            case "for_statement" if type_.kind is Kind.ARRAY:
                self._names.loop(
                    node,
                    local,
                    lambda body, inner: self.check(body, type_.item, inner, f"{where}[]"),
                )
            case "array" | "for_statement":
                if type_.kind is not Kind.UNION:
                    self._wrong(node, f"{where}: array given, {type_} expected")
            case _:
                self._other(node, type_, local, where)

    def _an_object(self, node: Node, type_: Type, local: Local, where: str) -> None:
        kinds = (*_OBJECTS, Kind.ANY)
        fitting = [each for each in type_.elements or [type_] if each.kind in kinds]
        if not fitting:
            self._wrong(node, f"{where}: object given, {type_} expected")
        elif len(fitting) == 1 and fitting[0].kind is not Kind.ANY:
            self.object(node, fitting[0], local, where)

    def _other(self, node: Node, type_: Type, local: Local, where: str) -> None:
        given = self._inference.type(node, local)
        if given is None or given.kind is Kind.ANY:
            return
        if given.kind is not Kind.RESOURCE:
            self.fits(node, given, type_, where)
        elif type_.kind in (Kind.STRING, Kind.LITERAL, Kind.UNION, Kind.ARRAY):
            self._wrong(node, f"{where}: a resource symbol given, {type_} expected")

    def fits(self, node: Node, given: Type, type_: Type, where: str) -> None:
        if not _fits(given, type_):
            self._wrong(node, f"{where}: {given} given, {type_} expected")
        elif given.literal is None:
            return
        elif type_.kind is Kind.UNION:
            known = [each.literal for each in type_.elements if each.kind is Kind.LITERAL]
            if given.kind is Kind.LITERAL and known and given.literal not in known:
                hint = near(str(given.literal), map(str, known))
                self._wrong(node, f"{where}: {given} is not a known value of {type_}{hint}")
        elif type_.kind is Kind.STRING:
            shown = str(given.literal)
            if _is_outside(len(shown), type_.length):
                least, most = type_.length
                self._wrong(node, f"{where}: {given} has a length outside {least}..{most}")
            if type_.pattern and not re.search(type_.pattern, shown):
                self._wrong(node, f"{where}: {given} does not match {type_.pattern}")
        elif isinstance(given.literal, int) and _is_outside(given.literal, type_.range):
            least, most = type_.range
            self._wrong(node, f"{where}: {given.literal} outside {least}..{most}")

    def object(
        self, node: Node, type_: Type, local: Local, where: str, skip: tuple[str, ...] = ()
    ) -> None:
        """`skip` are properties that somebody else looks at."""
        entries: dict[str, Node] = {}
        for entry in properties(node):
            name = key(entry)
            if name is not None:
                entries[name] = entry
            elif type_.others:
                self.check(value(entry), type_.others(), local, f"{where}.*")
        if type_.kind is Kind.TAGGED:
            case = self._case(node, entries.get(type_.tag), type_, where)
            if case is None:
                return
            type_ = case
        for name, entry in entries.items():
            if name not in skip:
                self._property(name, entry, type_, local, where)
        if all(entry.type == "object_property" for entry in children(node)):  # nothing is spread
            for name, declared in type_.properties.items():
                if declared.is_required and name not in entries and name not in skip:
                    self._wrong(node, f"{where}: {name} is required")

    def _case(self, node: Node, entry: Node | None, type_: Type, where: str) -> Type | None:
        if entry is None:
            self._wrong(node, f"{where}: {type_.tag} is required")
            return None
        tag = literal(value(entry))
        if tag is None:
            return None
        if tag not in type_.cases:
            self._wrong(entry, f"{where}.{type_.tag}: '{tag}' is not one of {list(type_.cases)}")
            return None
        return type_.case(tag)

    def _property(self, name: str, entry: Node, type_: Type, local: Local, where: str) -> None:
        declared = type_.properties.get(name)
        if declared is not None and declared.is_read_only:
            self._wrong(entry, f"{where}.{name} is read-only")
        elif declared is not None:
            self.check(value(entry), declared.type(), local, f"{where}.{name}")
        elif type_.others:
            self.check(value(entry), type_.others(), local, f"{where}.{name}")
        else:
            same = [each for each in type_.properties if each.lower() == name.lower()]
            hint = f" (did you mean {same[0]}?)" if same else near(name, type_.properties)
            self._wrong(entry, f"{where}: {type_.name or 'object'} has no property {name}{hint}")


def _fits(given: Type, type_: Type) -> bool:
    if given.kind is Kind.NULL or type_.kind is Kind.ANY:
        return True
    if type_.kind is Kind.UNION:
        return any(_fits(given, each) for each in type_.elements)
    if given.kind is Kind.UNION:
        return any(_fits(each, type_) for each in given.elements)
    match type_.kind:
        case Kind.LITERAL:
            is_it = given.kind is Kind.LITERAL and given.literal == type_.literal
            return is_it or given.kind is Kind.STRING
        case Kind.STRING:
            return given.kind in (Kind.STRING, Kind.LITERAL)
        case Kind.OBJECT | Kind.TAGGED:
            return given.kind in _OBJECTS
        case Kind.INTEGER | Kind.BOOLEAN | Kind.ARRAY:
            return given.kind is type_.kind
    return True


def _is_outside(number: int, limits: tuple[int | None, int | None]) -> bool:
    least, most = limits
    return (least is not None and number < least) or (most is not None and number > most)
