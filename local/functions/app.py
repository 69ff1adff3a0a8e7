"""A running function app: its functions, and every call of one of them counted and logged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping

from local.functions.errors import InvocationError
from local.functions.index import Function, TriggerKind
from local.functions.invoker import Invoker
from local.functions.payloads import Answer, Invocation

log = logging.getLogger("local.functions")


class App:
    """Functions by name, and the way to call them."""

    def __init__(self, functions: Mapping[str, Function], invoker: Invoker) -> None:
        self.functions = functions
        self._invoker = invoker
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def of_kind(self, kind: TriggerKind) -> list[Function]:
        """The functions with this trigger."""
        return [function for function in self.functions.values() if function.kind is kind]

    async def invoke(self, function: Function, invocation: Invocation) -> Answer:
        """Call `function`.

        Raises InvocationError, already logged, when it failed.
        """
        began = time.monotonic()
        with self._counted():
            try:
                answer = await self._invoker.invoke(function.name, invocation)
            except InvocationError as error:
                log.error(
                    "invocation failed function=%s id=%s seconds=%.3f error=%s\n%s",
                    *(function.name, invocation.id, time.monotonic() - began, error, error.trace),
                )
                raise
        log.info(
            "invocation succeeded function=%s id=%s seconds=%.3f",
            *(function.name, invocation.id, time.monotonic() - began),
        )
        return answer

    async def succeeds(self, function: Function, invocation: Invocation) -> bool:
        """Call `function` and say whether it succeeded; what went wrong is in the log."""
        try:
            await self.invoke(function, invocation)
        except InvocationError:
            return False
        return True

    async def drain(self, seconds: float) -> bool:
        """Wait until no call is running, at most so long; whether that came true."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self._running == 0

    def close(self) -> None:
        """End the Python side; to be called once nothing runs any more."""
        self._invoker.close()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if self._running == 0:
                self._idle.set()
