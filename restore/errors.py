"""Everything raised on purpose: the family decides, the class names, the hint helps.

    RestoreError(message, hint="")      code = "restore"
    ├── InputError       HTTP 4xx | dead-letter          someone must change the input
    ├── ExecutionError   HTTP 500 | failed, dead-letter  the restore itself went wrong
    └── TransientError   HTTP 503 | tried again          only not ready yet

A message reads: thing, expected, found; one line, lower case, no secret. A `code` never changes
once released.
"""

from __future__ import annotations


class RestoreError(Exception):
    """The root: catches everything this project raises on purpose."""

    code = "restore"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InputError(RestoreError):
    """Someone must change the input; trying again gives the same answer."""

    code = "input"


class ExecutionError(RestoreError):
    """The restore itself went wrong."""

    code = "execution"


class TransientError(RestoreError):
    """Only not ready yet: the same attempt may pass later."""

    code = "transient"


class DumpSetError(InputError):
    """The files in the container are not one restorable set."""

    code = "dump-set"


class ArchiveError(InputError):
    """A pg_dump archive is damaged, truncated, or of a kind that cannot be read here."""

    code = "archive"


class ScriptError(InputError):
    """An SQL script is damaged, truncated, or holds what must not be run."""

    code = "script"


class MessageError(InputError):
    """A bus message is not one of ours, or of a version this release cannot read."""

    code = "message"


class NotFoundError(InputError):
    """The thing named does not exist."""

    code = "not-found"


class ConflictError(TransientError):
    """Someone else changed the same thing first; load it again and decide again."""

    code = "conflict"


class VaultError(InputError):
    """Azure Backup refused, and will refuse again until someone changes something."""

    code = "vault"


class TargetError(InputError):
    """The target server cannot take this restore as it is."""

    code = "target"


class DataLossError(ExecutionError):
    """What arrived in the server is not what was in the dump."""

    code = "data-loss"


class ToolError(ExecutionError):
    """psql or pg_restore failed."""

    code = "tool"


class MachineError(TransientError):
    """The worker's own machine ran out of something; another one may have it."""

    code = "worker-machine"
