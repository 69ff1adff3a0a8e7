"""What Azure Resource Manager takes: Microsoft's types of resources, and those of Bicep itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parents[1] / "bicep_types.json"
_REQUIRED, _READ_ONLY = 1, 2  # flags of a property
_Raw = Mapping[str, Any]


class Kind(Enum):
    STRING = "str"
    INTEGER = "int"
    BOOLEAN = "bool"
    NULL = "null"
    LITERAL = "literal"
    UNION = "union"
    ARRAY = "array"
    OBJECT = "object"
    TAGGED = "object with cases"  # which one, the property `tag` says
    RESOURCE = "resource"
    ANY = "any"


@dataclass(frozen=True)
class Property:
    """Its type is made when it is asked for: types refer to themselves."""

    type: Callable[[], Type]
    is_required: bool
    is_read_only: bool


@dataclass
class Type:
    """Which fields count depends on the kind. An integer may have a literal value as well."""

    kind: Kind
    name: str = ""
    literal: object = None
    elements: list[Type] = field(default_factory=list)
    item: Type | None = None
    properties: dict[str, Property] = field(default_factory=dict)
    others: Callable[[], Type] | None = None  # of properties that are not named
    tag: str = ""
    cases: dict[str, Callable[[], Type]] = field(default_factory=dict)
    pattern: str | None = None
    length: tuple[int | None, int | None] = (None, None)
    range: tuple[int | None, int | None] = (None, None)

    def __str__(self) -> str:
        if self.kind is Kind.LITERAL:
            return f"'{self.literal}'"
        if self.kind is Kind.UNION:
            return " | ".join(map(str, self.elements[:8]))
        return self.name or self.kind.value

    def case(self, tag: str) -> Type:
        """The object that `tag` says, with what all cases have."""
        own = self.cases[tag]()
        properties = {**self.properties, **own.properties}
        return Type(Kind.OBJECT, own.name, properties=properties, others=own.others)


ANY = Type(Kind.ANY)
STRING, INTEGER, BOOLEAN = Type(Kind.STRING), Type(Kind.INTEGER), Type(Kind.BOOLEAN)
OBJECT, ARRAY, RESOURCE = Type(Kind.OBJECT), Type(Kind.ARRAY), Type(Kind.RESOURCE)
NAMED = {"string": STRING, "int": INTEGER, "bool": BOOLEAN, "object": OBJECT, "array": ARRAY}
"""By the words of Bicep."""


def literals(values: list[str]) -> Type:
    return Type(Kind.UNION, elements=[Type(Kind.LITERAL, literal=value) for value in values])


class ResourceTypes:
    """Those of the resources that infra/ declares.

    Source: github.com/Azure/bicep-types-az, pruned; the file says from which commit.
    """

    def __init__(self) -> None:
        types = json.loads(_FILE.read_text(encoding="utf-8"))["types"]
        self._raw: dict[str, list[_Raw]] = {name.lower(): raw for name, raw in types.items()}
        self._made: dict[tuple[str, int], Type] = {}

    def of(self, name: str, version: str) -> Type | None:
        """The body of a resource, or None for a type or version nobody knows here."""
        key = f"{name}@{version}".lower()
        for raw in self._raw.get(key, ()):
            if raw["$type"] == "ResourceType" and raw["name"].lower() == key:
                return self._type(key, _index(raw["body"]))
        return None

    def _type(self, key: str, index: int) -> Type:
        if (key, index) not in self._made:
            made = self._made[key, index] = Type(Kind.ANY)  # first: it may be a part of itself
            self._fill(made, key, self._raw[key][index])
        return self._made[key, index]

    def _fill(self, made: Type, key: str, raw: _Raw) -> None:
        made.name = raw.get("name", "")
        match raw["$type"]:
            case "StringType":
                made.kind, made.pattern = Kind.STRING, raw.get("pattern")
                made.length = raw.get("minLength"), raw.get("maxLength")
            case "IntegerType":
                made.kind = Kind.INTEGER
                made.range = raw.get("minValue"), raw.get("maxValue")
            case "BooleanType":
                made.kind = Kind.BOOLEAN
            case "NullType":
                made.kind = Kind.NULL
            case "StringLiteralType":
                made.kind, made.literal = Kind.LITERAL, raw["value"]
            case "UnionType":
                made.kind = Kind.UNION
                made.elements = [self._type(key, _index(each)) for each in raw["elements"]]
            case "ArrayType":
                made.kind, made.item = Kind.ARRAY, self._type(key, _index(raw["itemType"]))
            case "ObjectType":
                made.kind = Kind.OBJECT
                made.properties = self._properties(key, raw["properties"])
                if raw.get("additionalProperties"):
                    made.others = self._later(key, raw["additionalProperties"])
            case "DiscriminatedObjectType":
                made.kind, made.tag = Kind.TAGGED, raw["discriminator"]
                made.properties = self._properties(key, raw["baseProperties"])
                made.cases = {tag: self._later(key, each) for tag, each in raw["elements"].items()}

    def _properties(self, key: str, raw: _Raw) -> dict[str, Property]:
        return {
            name: Property(
                self._later(key, each["type"]),
                bool(each.get("flags", 0) & _REQUIRED),
                bool(each.get("flags", 0) & _READ_ONLY),
            )
            for name, each in raw.items()
        }

    def _later(self, key: str, reference: _Raw) -> Callable[[], Type]:
        return partial(self._type, key, _index(reference))


def _index(reference: _Raw) -> int:
    """`{"$ref": "#/12"}` -> 12"""
    return int(reference["$ref"].rpartition("/")[2])
