"""The management API of the vault: which request is answered by what, in one table."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from local.vault import documents, faults
from local.vault.faults import Refusal
from local.vault.landing import Order

if TYPE_CHECKING:
    from local.vault.vault import LocalVault, Operation

_API_VERSION = "2026-06-01"


class AnswerLost(Exception):
    """The request was carried out, and its answer never arrives."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `parts` are the path's variable parts."""

    path: str
    query: str
    parts: dict[str, str]
    body: dict[str, Any]

    def parameter(self, name: str) -> str:
        return parse_qs(self.query).get(name, [""])[0]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: documents.Document | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Api:
    """Answers to requests, each from the vault's state; raises Refusal for the rest."""

    def __init__(self, vault: LocalVault, base_url: Callable[[], str]) -> None:
        self._vault = vault
        self._base_url = base_url
        self._signed: dict[str, str] = {}  # path and query, verbatim -> operation

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Response:
        """`target` is the path with its query, as it came."""
        if not headers.get("Authorization", "").startswith("Bearer "):
            raise Refusal(401, "AuthenticationFailed", "The 'Authorization' header is missing.")
        if self._vault.throttles():
            raise faults.throttled()
        if operation := self._signed.get(target):
            return self._operation(target, operation)
        url = urlsplit(target)
        path = "/" + unquote(url.path).strip("/")
        if not parse_qs(url.query).get("api-version"):
            raise Refusal(400, "MissingApiVersionParameter", "The api-version is missing.")
        for verb, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, path, re.IGNORECASE)
            if found and verb == method:
                request = Request(path, url.query, found.groupdict(), _json(body))
                self._in_scope(request)
                return handler(self, request)
        raise faults.not_found(path)

    def _in_scope(self, request: Request) -> None:
        names = self._vault.names
        expected = {
            "subscription": names.subscription,
            "group": names.resource_group,
            "vault": names.vault,
            "instance": names.instance,
            "location": names.paired_region,
        }
        for part, value in request.parts.items():
            if part in expected and value.lower() != expected[part].lower():
                raise faults.not_found(request.path)

    def instances(self, request: Request) -> Response:
        return Response(200, documents.page([documents.instance(self._vault.names)]))

    def instance(self, request: Request) -> Response:
        return Response(200, documents.instance(self._vault.names))

    def instances_of(self, request: Request) -> Response:
        names = self._vault.names
        protected = "/" + request.parts["resource"].strip("/").lower() == names.server_id.lower()
        return Response(200, documents.page([documents.instance(names)] if protected else []))

    def points(self, request: Request) -> Response:
        return self._points(request.parameter("$filter"))

    def point(self, request: Request) -> Response:
        point = self._vault.point(request.parts["point"])
        return Response(200, documents.recovery_point(self._vault.names, point))

    def secondary_points(self, request: Request) -> Response:
        self._from_our_instance(request.body, "sourceBackupInstanceId")
        return self._points(request.parameter("$filter"))

    def _points(self, filter_text: str) -> Response:
        names = self._vault.names
        found = self._vault.points(*_dates(filter_text))
        return Response(200, documents.page([documents.recovery_point(names, p) for p in found]))

    def validate(self, request: Request) -> Response:
        order = Order.read(_restore_request(request.body))
        return self._accepted(self._vault.validate(order))

    def restore(self, request: Request) -> Response:
        return self._restore(Order.read(request.body))

    def validate_cross_region(self, request: Request) -> Response:
        return self._accepted(self._vault.validate(self._cross_region(request)))

    def restore_cross_region(self, request: Request) -> Response:
        return self._restore(self._cross_region(request))

    def _cross_region(self, request: Request) -> Order:
        self._from_our_instance(
            request.body.get("crossRegionRestoreDetails", {}), "sourceBackupInstanceId"
        )
        return Order.read(_restore_request(request.body), cross_region=True)

    def _from_our_instance(self, body: dict[str, Any], name: str) -> None:
        names = self._vault.names
        expected = {"sourceregion": names.region, name.lower(): names.instance_id}
        given = {key.lower(): str(value) for key, value in body.items()}
        for key, value in expected.items():
            if given.get(key, "").lower() != value.lower():
                raise faults.bad_request(f"{key}: expected {value}, found {given.get(key)}")

    def _restore(self, order: Order) -> Response:
        operation = self._vault.restore(order)
        if self._vault.loses_answer():
            raise AnswerLost
        return self._accepted(operation)

    def job(self, request: Request) -> Response:
        job, status = self._vault.job(request.parts["job"])
        return Response(200, documents.job(self._vault.names, job, status))

    def jobs(self, request: Request) -> Response:
        return self._jobs(cross_region=False)

    def secondary_job(self, request: Request) -> Response:
        job, status = self._vault.job(str(request.body.get("jobId")), cross_region=True)
        return Response(200, documents.job(self._vault.names, job, status))

    def secondary_jobs(self, request: Request) -> Response:
        return self._jobs(cross_region=True)

    def _jobs(self, *, cross_region: bool) -> Response:
        names = self._vault.names
        found = self._vault.jobs(cross_region=cross_region)
        return Response(200, documents.page([documents.job(names, *entry) for entry in found]))

    def parameters(self, request: Request) -> Response:
        return Response(200, self._vault.parameters.document(self._server(request)))

    def change_parameter(self, request: Request) -> Response:
        self._server(request)
        self._vault.parameters.change(request.parts["parameter"], request.body)
        return Response(202)

    def _server(self, request: Request) -> str:
        server = "/" + request.parts["server"].strip("/")
        if server.lower() != self._vault.names.target_id.lower():
            raise faults.not_found(request.path)
        return server

    def account(self, request: Request) -> Response:
        return Response(200, self._vault.account.document(self._landing_account(request)))

    def change_account(self, request: Request) -> Response:
        account = self._landing_account(request, "PATCH")
        self._vault.account.change(request.body)
        return Response(200, self._vault.account.document(account))

    def _landing_account(self, request: Request, method: str = "GET") -> str:
        if method in self._vault.account.denied:
            raise Refusal(403, "AuthorizationFailed", "The client has no authorization to do that.")
        if request.path.lower() != self._vault.landing_account_id.lower():
            raise faults.not_found(request.path)
        return request.path

    def unsigned(self, request: Request) -> Response:
        """An operation's URL that is not, byte for byte, one of those handed out."""
        raise Refusal(403, "AuthorizationFailed", "The signature of the operation's URL is wrong.")

    def _accepted(self, operation: Operation) -> Response:
        """As recorded: 202, no body, two signed URLs, and no Retry-After."""
        names = self._vault.names
        name = base64.b64encode(f"{secrets.token_hex(18)};{operation.id}".encode()).decode()
        status = self._sign(f"{names.vault_id}/operationStatus/{name}", operation)
        location = names.location_id(names.region)
        result = self._sign(f"{location}/operationResults/{name}", operation)
        return Response(202, None, (("Azure-AsyncOperation", status), ("Location", result)))

    def _sign(self, path: str, operation: Operation) -> str:
        """A URL as long as a real one: it carries a certificate and a signature."""
        target = (
            f"{path}?api-version={_API_VERSION}&t={secrets.randbelow(10**18):018}"
            f"&c={secrets.token_urlsafe(1900)}&s={secrets.token_urlsafe(256)}"
            f"&h={secrets.token_urlsafe(32)}"
        )
        self._signed[target] = operation.id
        return self._base_url() + target

    def _operation(self, target: str, operation_id: str) -> Response:
        operation = self._vault.operation(operation_id)
        path = unquote(urlsplit(target).path)
        job = documents.job_id(self._vault.names, operation.job) if operation.job else ""
        if "/operationResults/" in path:
            return self._result(target, operation, job)
        started, ended = operation.started, operation.ended
        if ended is None:
            return Response(200, documents.operation(path, "Inprogress", started, None))
        if operation.error:
            document = documents.operation(path, "Failed", started, ended)
            return Response(200, document | documents.error(operation.error))
        return Response(200, documents.operation(path, "Succeeded", started, ended, job))

    def _result(self, target: str, operation: Operation, job: str) -> Response:
        if operation.ended is None:
            return Response(202, None, (("Location", self._base_url() + target),))
        if operation.error:
            raise operation.error
        return Response(200, documents.operation_job(job)) if job else Response(204)


_GROUP = r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
_PROVIDER = r"/providers/Microsoft\.DataProtection"
_VAULT = _GROUP + _PROVIDER + r"/backupVaults/(?P<vault>[^/]+)"
_INSTANCE = _VAULT + r"/backupInstances/(?P<instance>[^/]+)"
_LOCATION = _GROUP + _PROVIDER + r"/locations/(?P<location>[^/]+)"
_SERVER = r"(?P<server>/.+/providers/Microsoft\.DBforPostgreSQL/flexibleServers/[^/]+)"

ROUTES: tuple[tuple[str, str, Callable[[Api, Request], Response]], ...] = (
    ("GET", _VAULT + r"/backupInstances", Api.instances),
    ("GET", _INSTANCE, Api.instance),
    ("GET", _INSTANCE + r"/recoveryPoints", Api.points),
    ("GET", _INSTANCE + r"/recoveryPoints/(?P<point>[^/]+)", Api.point),
    ("POST", _INSTANCE + r"/validateRestore", Api.validate),
    ("POST", _INSTANCE + r"/restore", Api.restore),
    ("GET", _VAULT + r"/backupJobs", Api.jobs),
    ("GET", _VAULT + r"/backupJobs/(?P<job>[^/]+)", Api.job),
    ("POST", _LOCATION + r"/fetchSecondaryRecoveryPoints", Api.secondary_points),
    ("POST", _LOCATION + r"/validateCrossRegionRestore", Api.validate_cross_region),
    ("POST", _LOCATION + r"/crossRegionRestore", Api.restore_cross_region),
    ("POST", _LOCATION + r"/fetchCrossRegionRestoreJob", Api.secondary_job),
    ("POST", _LOCATION + r"/fetchCrossRegionRestoreJobs", Api.secondary_jobs),
    ("GET", r"/.+/providers/Microsoft\.Storage/storageAccounts/[^/]+", Api.account),
    ("PATCH", r"/.+/providers/Microsoft\.Storage/storageAccounts/[^/]+", Api.change_account),
    ("GET", _SERVER + r"/configurations", Api.parameters),
    ("PATCH", _SERVER + r"/configurations/(?P<parameter>[^/]+)", Api.change_parameter),
    ("GET", r".*/operation(Status|Results)/[^/]+", Api.unsigned),
    ("GET", r"(?P<resource>/.+)" + _PROVIDER + r"/backupInstances", Api.instances_of),
)


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise faults.bad_request(f"the body is not JSON: {error}") from error
    return document if isinstance(document, dict) else {}


def _restore_request(body: dict[str, Any]) -> dict[str, Any]:
    wrapped = body.get("restoreRequestObject")
    if not isinstance(wrapped, dict):
        raise faults.bad_request("restoreRequestObject is missing")
    return wrapped


def _dates(filter_text: str) -> tuple[datetime | None, datetime | None]:
    """The dates in a `$filter`; the service knows startDate and endDate, joined by "and"."""
    dates: dict[str, datetime] = {}
    for term in filter(None, filter_text.split(" and ")):
        found = re.fullmatch(r"\s*(startDate|endDate) eq '([^']+)'\s*", term)
        if found is None:
            raise faults.bad_request(f"$filter: expected startDate and endDate, found {term}")
        try:
            dates[found[1]] = datetime.fromisoformat(found[2])
        except ValueError as error:
            raise faults.bad_request(f"$filter: {error}") from error
    return dates.get("startDate"), dates.get("endDate")
