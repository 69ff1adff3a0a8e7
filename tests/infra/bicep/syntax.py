"""Bicep as a tree, and what is read of its nodes."""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))
_COMMENTS = ("comment", "diagnostic_comment")
_WRAPPERS = ("if_statement", "for_statement", "parenthesized_expression")


def parse(source: bytes) -> Node:
    return _PARSER.parse(source).root_node


def text(node: Node) -> str:
    assert node.text is not None, "the source is kept"
    return node.text.decode()


def children(node: Node) -> list[Node]:
    """The named ones, without comments."""
    return [child for child in node.named_children if child.type not in _COMMENTS]


def descendants(node: Node) -> Iterator[Node]:
    """The node itself first."""
    yield node
    for child in node.children:
        yield from descendants(child)


def part(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    assert found is not None, f"{node.type} has a {name}"
    return found


def literal(node: Node) -> str | None:
    """The text of a string, or None where it is no string or interpolates."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    return text(node)[1:-1].replace("\\'", "'")


def key(entry: Node) -> str | None:
    """Of an object's property, or None where it is computed."""
    first = children(entry)[0]
    if first.type in ("identifier", "property_identifier"):
        return text(first)
    return literal(first)


def properties(node: Node) -> list[Node]:
    """Of an object; resources that are nested in it are none."""
    return [
        entry
        for entry in children(node)
        if entry.type == "object_property" and children(entry)[0].type != "resource_declaration"
    ]


def value(entry: Node) -> Node:
    return children(entry)[-1]


def named(node: Node, name: str) -> Node | None:
    """The value of an object's property of that name."""
    return next((value(entry) for entry in properties(node) if key(entry) == name), None)


def unwrapped(node: Node) -> Node:
    """The object within conditions and loops."""
    while node.type in _WRAPPERS:
        node = children(node)[-1]
    return node


def path(node: Node) -> tuple[Node, list[str]]:
    """`a.b.c` -> a and [b, c]"""
    names: list[str] = []
    while node.type == "member_expression":
        names.insert(0, text(part(node, "property")))
        node = part(node, "object")
    return node, names


def broken(node: Node) -> Iterator[Node]:
    """Where the parser did not understand the text."""
    if node.type == "ERROR" or node.is_missing:
        yield node
        return
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from broken(child)
