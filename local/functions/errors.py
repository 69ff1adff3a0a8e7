"""What the local host raises on purpose."""

from __future__ import annotations

from restore.errors import ExecutionError, InputError


class FunctionAppError(InputError):
    """The app cannot be served: Azure would show zero functions, or a setting is missing."""

    code = "function-app"


class InvocationError(ExecutionError):
    """A function raised; the message is `TypeName: text`, the trace is the app's own."""

    code = "invocation"

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class HostProcessError(ExecutionError):
    """The host process ended, or did not get ready in time."""

    code = "functions-host"
