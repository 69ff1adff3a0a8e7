"""A folder of Bicep: its files, how they use each other, and all that is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.infra.bicep.source import BicepFile
from tests.infra.bicep.syntax import children, literal
from tests.infra.bicep.types import ResourceTypes

_ELSEWHERE = ("br/", "br:", "ts:")  # modules of a registry, or template specs


class Project:
    """`root` holds main.bicep and main.parameters.json."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.types = _resource_types()
        self._files: dict[Path, BicepFile] = {}

    def file(self, path: Path) -> BicepFile:
        path = path.resolve()
        if path not in self._files:
            self._files[path] = BicepFile(path)
        return self._files[path]

    def module(self, file: BicepFile, symbol: str) -> BicepFile | None:
        """The file that the module `symbol` of `file` is, if it is one of ours and there."""
        name = module_path(file, symbol)
        if name is None or name.startswith(_ELSEWHERE):
            return None
        path = file.path.parent / name
        return self.file(path) if path.exists() else None

    def is_missing(self, file: BicepFile, symbol: str) -> bool:
        name = module_path(file, symbol) or ""
        return self.module(file, symbol) is None and not name.startswith(_ELSEWHERE)

    def parameter_problems(self) -> Iterator[str]:
        """What main.parameters.json and main.bicep do not agree on."""
        values = json.loads((self.root / "main.parameters.json").read_text(encoding="utf-8"))
        given = values["parameters"]
        declared = self.file(self.root / "main.bicep").parameters
        for name in given:
            if name not in declared:
                yield f"main.parameters.json: {name} is not a parameter of main.bicep"
        for name, parameter in declared.items():
            if parameter.default is None and name not in given:
                yield f"main.parameters.json: {name} has no value and no default"


def module_path(file: BicepFile, symbol: str) -> str | None:
    return literal(children(file.modules[symbol])[1])


@cache
def _resource_types() -> ResourceTypes:
    return ResourceTypes()
