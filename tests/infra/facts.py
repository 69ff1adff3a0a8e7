"""What the variables, resources and modules of a file say, as flat facts."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from tests.infra.bicep.source import BicepFile
from tests.infra.bicep.syntax import children, key, properties, text, unwrapped, value


def facts(file: BicepFile) -> dict[str, str]:
    """`host.minimumTlsVersion` -> `'TLS1_2'`: without the `properties` in between.

    Variables by their names, a resource by its symbol, one in another by both (`restore.blob`);
    of a condition or a loop what it makes; an array of plain values as one, of objects by their
    numbers (`rules.0.enabled`).
    """
    bodies = [*file.variables.items()]
    bodies += [(name, resource.body) for name, resource in file.resources.items()]
    bodies += [(name, value(node)) for name, node in file.modules.items()]
    return {
        ".".join(path): said
        for name, body in bodies
        for path, said in _leaves((name.replace("::", "."),), body)
    }


def _leaves(path: tuple[str, ...], node: Node) -> Iterator[tuple[tuple[str, ...], str]]:
    inner = unwrapped(node)
    if inner.type == "object":
        for entry in properties(inner):
            name = key(entry) or text(entry)
            yield from _leaves(path if name == "properties" else (*path, name), value(entry))
    elif inner.type == "array" and any(each.type == "object" for each in children(inner)):
        for number, each in enumerate(children(inner)):
            yield from _leaves((*path, str(number)), each)
    else:
        yield path, " ".join(text(node).split())
