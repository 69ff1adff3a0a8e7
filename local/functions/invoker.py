"""The Python side of a function app: what indexes it and calls its functions."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from local.functions.index import Declaration
from local.functions.payloads import Answer, Invocation


class Invoker(Protocol):
    """Loads one app and calls its functions; one per process."""

    async def index(self, app_dir: Path) -> Sequence[Declaration]:
        """Load `function_app.py` in `app_dir` and declare its functions. To be called once.

        Raises FunctionAppError when the app cannot be loaded or Azure would refuse it.
        """

    async def invoke(self, name: str, invocation: Invocation) -> Answer:
        """What function `name` returned.

        Raises InvocationError when it raised, or its arguments or result could not be converted.
        """

    def close(self) -> None:
        """Wait for running functions and end their threads."""


def choose() -> Invoker:
    """The real runtime where it is installed (Python 3.13 and later), else the library alone."""
    if importlib.util.find_spec("azure_functions_runtime") is not None:
        from local.functions.runtime import RuntimeInvoker

        return RuntimeInvoker()
    from local.functions.library import LibraryInvoker

    return LibraryInvoker()
