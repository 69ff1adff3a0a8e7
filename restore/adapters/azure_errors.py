"""What azure-core raises, as ours: one table by HTTP status, one by class where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from azure.core import exceptions as azure

from restore.errors import (
    ConflictError,
    ExecutionError,
    InputError,
    NotFoundError,
    RestoreError,
    TransientError,
)


class AccessError(InputError):
    """Azure knows who we are, or does not, and lets us in no further."""

    code = "access"


class ServiceError(ExecutionError):
    """Azure refused a request that should have been right."""

    code = "azure-service"


BY_CLASS: Mapping[type[Exception], type[RestoreError]] = {
    azure.AzureError: ServiceError,
    azure.ServiceRequestError: TransientError,
    azure.ServiceRequestTimeoutError: TransientError,
    azure.ServiceResponseError: TransientError,
    azure.ServiceResponseTimeoutError: TransientError,
    azure.HttpResponseError: ServiceError,
    azure.DecodeError: TransientError,
    azure.IncompleteReadError: TransientError,
    azure.ResourceExistsError: ConflictError,
    azure.ResourceNotFoundError: NotFoundError,
    azure.ResourceModifiedError: ConflictError,
    azure.ResourceNotModifiedError: ConflictError,
    azure.ClientAuthenticationError: AccessError,
    azure.TooManyRedirectsError: ServiceError,
    azure.ODataV4Error: ServiceError,
    azure.StreamConsumedError: ServiceError,
    azure.StreamClosedError: ServiceError,
    azure.ResponseNotReadError: ServiceError,
    azure.SerializationError: ServiceError,
    azure.DeserializationError: ServiceError,
}

BY_STATUS: Mapping[int, type[RestoreError]] = {
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    408: TransientError,
    409: ConflictError,
    412: ConflictError,
    429: TransientError,
}

# Refusals whose status says one thing and whose code says that waiting helps.
# Source: learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
_PASSING = frozenset({"ContainerBeingDeleted", "ContainerBeingDisabled"})


@contextmanager
def translated(what: str, access_hint: str) -> Iterator[None]:
    """Whatever azure-core raises inside, raised as ours. `what` is the thing asked for or of."""
    try:
        yield
    except (azure.AzureError, azure.SerializationError, azure.DeserializationError) as exc:
        raise translate(exc, what, access_hint) from exc


def translate(exc: Exception, what: str, access_hint: str = "") -> RestoreError:
    """Ours for `exc`. Its own text is left out: it can hold URLs, and what was signed."""
    status, code = status_of(exc), code_of(exc)
    ours = TransientError if code in _PASSING else kind(type(exc), status)
    found = f"{status} {code}".strip() if status else type(exc).__name__
    hint = access_hint if ours is AccessError else _HINTS.get(ours, "")
    return ours(f"{what}: expected success, found {found}", hint)


def kind(foreign: type[BaseException], status: int | None) -> type[RestoreError]:
    """The class of ours: by status where the service answered, otherwise by class."""
    if status is not None and status in BY_STATUS:
        return BY_STATUS[status]
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError
    return next(BY_CLASS[base] for base in foreign.__mro__ if base in BY_CLASS)


def status_of(exc: Exception) -> int | None:
    """The HTTP status, unless the request found no answer, or only half of one."""
    if isinstance(exc, azure.HttpResponseError) and not isinstance(exc, azure.DecodeError):
        return exc.status_code
    return None


def code_of(exc: Exception) -> str:
    """The service's own code for the refusal, or ""."""
    storage = getattr(exc, "error_code", None)
    if storage:
        return str(getattr(storage, "value", storage))
    return str(getattr(getattr(exc, "error", None), "code", None) or "")


_HINTS: Mapping[type[RestoreError], str] = {
    NotFoundError: "is the name right, and was it removed?",
    TransientError: "Azure is busy or cannot be reached: tried again by itself",
    ServiceError: "see the log for what was asked; is this release older than the service?",
}
