"""Every exception of the SDKs has a translation, and none takes a secret along."""

import inspect

import pytest
from azure.core import exceptions as core
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.servicebus import exceptions as bus

from restore.adapters import azure_errors, servicebus
from restore.errors import ConflictError, NotFoundError, RestoreError, TransientError


def classes(module):
    found = inspect.getmembers(module, inspect.isclass)
    return [c for _, c in found if issubclass(c, Exception) and c.__module__ == module.__name__]


@pytest.mark.parametrize("foreign", classes(core))
def test_every_error_of_azure_core_has_a_translation(foreign):
    assert issubclass(azure_errors.BY_CLASS[foreign], RestoreError)


@pytest.mark.parametrize("foreign", classes(bus))
def test_every_error_of_service_bus_has_a_translation(foreign):
    assert issubclass(servicebus.ERRORS[foreign], RestoreError)


class Answer:
    """As much of a response as an HttpResponseError looks at."""

    reason = "because"
    content_type = "application/json"

    def __init__(self, status_code):
        self.status_code = status_code
        self.headers = {}

    def text(self):
        return '{"error": {"code": "SomeCode", "message": "sig=S3CR3T"}}'


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (400, azure_errors.ServiceError),
        (401, azure_errors.AccessError),
        (403, azure_errors.AccessError),
        (404, NotFoundError),
        (408, TransientError),
        (409, ConflictError),
        (412, ConflictError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        (504, TransientError),
    ],
)
def test_the_status_decides_where_the_service_answered(status, ours):
    error = azure_errors.translate(HttpResponseError(response=Answer(status)), "blob x", "a role")
    assert type(error) is ours
    assert error.message == f"blob x: expected success, found {status} SomeCode"
    assert (error.hint == "a role") is (ours is azure_errors.AccessError)


def test_a_container_that_is_just_being_deleted_is_only_not_ready_yet():
    gone = HttpResponseError(response=Answer(409))
    gone.error_code = "ContainerBeingDeleted"
    assert type(azure_errors.translate(gone, "container x")) is TransientError


def test_a_foreign_text_never_becomes_ours():
    unreached = ServiceRequestError("Max retries exceeded with url: /c?sig=S3CR3T")
    for error in (
        azure_errors.translate(unreached, "blob x"),
        azure_errors.translate(HttpResponseError(response=Answer(403)), "blob x"),
        servicebus.translate(bus.ServiceBusAuthenticationError(message="S3CR3T"), "queue x"),
    ):
        assert "S3CR3T" not in error.message + error.hint


def test_a_cause_is_kept():
    with (
        pytest.raises(TransientError) as caught,
        azure_errors.translated("blob x", ""),
    ):
        raise ServiceRequestError("refused")
    assert isinstance(caught.value.__cause__, ServiceRequestError)
