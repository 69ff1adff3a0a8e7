"""What Kubernetes and KEDA take as the worker's manifest, as far as this one uses it.

Source: keda.sh/docs, ScaledJob specification and Azure AD workload identity; PodSpec and Container
of Kubernetes' API, v1.33. Of what they leave open only what is used here is allowed, so that a
typing error is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from tests.strict_schema import strict

_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_TRUTH = {"type": "boolean"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}


def _list(of: object) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": of}


def _kind(api: str, kind: str, **rest: object) -> dict[str, Any]:
    meta = strict(("name",), name=_TEXT, annotations=_TEXTS)
    required = ("apiVersion", "kind", "metadata", *rest)
    return strict(required, apiVersion={"const": api}, kind={"const": kind}, metadata=meta, **rest)


_AMOUNT = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi)?$"}
_AMOUNTS = strict((), cpu=_AMOUNT, memory=_AMOUNT, **{"ephemeral-storage": _AMOUNT})
_CONTAINER = strict(
    ("name", "image"),
    name=_TEXT,
    image=_TEXT,
    args=_list(_TEXT),
    env=_list(strict(("name", "value"), name=_TEXT, value=_TEXT)),
    resources=strict((), requests=_AMOUNTS, limits=_AMOUNTS),
    securityContext=strict(
        (),
        allowPrivilegeEscalation=_TRUTH,
        readOnlyRootFilesystem=_TRUTH,
        capabilities=strict((), drop=_list(_TEXT)),
    ),
    volumeMounts=_list(strict(("name", "mountPath"), name=_TEXT, mountPath=_TEXT)),
)
_POD = strict(
    ("containers",),
    serviceAccountName=_TEXT,
    restartPolicy={"enum": ["Never", "OnFailure"]},  # of a job's pod
    terminationGracePeriodSeconds=_COUNT,
    securityContext=strict(
        (),
        runAsNonRoot=_TRUTH,
        runAsUser=_COUNT,
        runAsGroup=_COUNT,
        fsGroup=_COUNT,
        seccompProfile=strict(("type",), type={"enum": ["RuntimeDefault", "Localhost"]}),
    ),
    containers=_list(_CONTAINER),
    volumes=_list(strict(("name",), name=_TEXT, emptyDir=strict((), sizeLimit=_AMOUNT))),
)
_JOB = strict(
    ("template",),
    backoffLimit=_COUNT,
    activeDeadlineSeconds=_COUNT,
    template=strict(("spec",), metadata=strict((), labels=_TEXTS), spec=_POD),
)
_SCALED_JOB = strict(
    ("jobTargetRef", "triggers"),
    pollingInterval=_COUNT,
    minReplicaCount=_COUNT,
    maxReplicaCount=_COUNT,
    successfulJobsHistoryLimit=_COUNT,
    failedJobsHistoryLimit=_COUNT,
    scalingStrategy=strict((), strategy={"enum": ["default", "custom", "accurate", "eager"]}),
    triggers=_list(
        strict(
            ("type", "metadata"),
            type={"const": "azure-servicebus"},
            metadata=strict(
                ("queueName", "namespace"), queueName=_TEXT, namespace=_TEXT, messageCount=_TEXT
            ),
            authenticationRef=strict(("name",), name=_TEXT),
        )
    ),
    jobTargetRef=_JOB,
)
_IDENTITY = strict(("provider",), provider={"const": "azure-workload"}, identityId=_TEXT)
_KINDS: Mapping[str, dict[str, Any]] = {
    "ServiceAccount": _kind("v1", "ServiceAccount"),
    "TriggerAuthentication": _kind(
        "keda.sh/v1alpha1",
        "TriggerAuthentication",
        spec=strict(("podIdentity",), podIdentity=_IDENTITY),
    ),
    "ScaledJob": _kind("keda.sh/v1alpha1", "ScaledJob", spec=_SCALED_JOB),
}


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """`where: what is wrong`, for each."""
    kind = str(document.get("kind"))
    if kind not in _KINDS:
        yield f"{kind}: expected one of {', '.join(_KINDS)}"
        return
    for error in jsonschema.Draft202012Validator(_KINDS[kind]).iter_errors(document):
        yield f"{kind} {'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"
