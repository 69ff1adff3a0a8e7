"""What the parts of the local installation have in common: they are started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Part(ABC):
    """Runs from `start` to `stop`, or inside a `with` block."""

    @abstractmethod
    def start(self) -> Self:
        """Itself, started; what it raises leaves nothing running."""

    @abstractmethod
    def stop(self) -> int | None:
        """End it; the exit code, if it is a process that has one to tell."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
