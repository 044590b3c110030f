"""Reviews of every kind and version, whose configs are texts: a text can repeat keys."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dra_config.claims import CONFIG_LISTS, GROUP
from dra_config.gates import FeatureGates
from dra_config.scheme import COMPUTE_DOMAIN_DRIVER, DRIVERS, GPU_DRIVER
from webhook.admission import Policy
from webhook.admission import review as judge
from webhook.reply import render_decision
from webhook.review import RESOURCES, read_review

V1BETA1 = "resource.nvidia.com/v1beta1"
GATES = FeatureGates.parse("TimeSlicingSettings=true,MPSSupport=true")
"""The gates under which the reference driver's webhook was tried."""
POLICY = Policy(drivers=frozenset(DRIVERS), gates=GATES)


def config(kind: str = "GpuConfig", **fields: Any) -> dict[str, Any]:
    """Return parameters of the served version."""
    return {"apiVersion": V1BETA1, "kind": kind, **fields}


def entry(parameters: Any, driver: str = GPU_DRIVER) -> str:
    """Return an entry of a config list; *parameters* that are a text are JSON already."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    return f'{{"opaque": {{"driver": {json.dumps(driver)}, "parameters": {text}}}}}'


def domain_entry(parameters: Any) -> str:
    return entry(parameters, COMPUTE_DOMAIN_DRIVER)


def an_object(
    entries: Sequence[str],
    *,
    kind: str = "ResourceClaim",
    version: str = "v1",
    metadata: Mapping[str, Any] | None = None,
    beside: str = "",
) -> str:
    """Return an object as JSON; *beside* is text that stands before the list of configs."""
    *outer, last = CONFIG_LISTS[kind]
    text = f"{{{beside}{json.dumps(last)}: [{', '.join(entries)}]}}"
    for key in reversed(outer):
        text = f'{{"{key}": {text}}}'
    head = {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": "x", "namespace": "team", "uid": "object-uid", **(metadata or {})},
    }
    return f"{json.dumps(head)[:-1]}, {text[1:]}"


def a_review(
    new: str,
    old: str = "null",
    *,
    kind: str = "ResourceClaim",
    version: str = "v1",
    uid: str = "uid-1",
    **request: Any,
) -> bytes:
    """Return the review of *new*, an UPDATE when there is an *old* object."""
    group_version = {"group": GROUP, "version": version}
    asked = {
        "uid": uid,
        "kind": {**group_version, "kind": kind},
        "resource": {**group_version, "resource": RESOURCES[kind]},
        "name": "x",
        "namespace": "team",
        "operation": "CREATE" if old == "null" else "UPDATE",
        "dryRun": False,
        **request,
    }
    envelope = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    text = f'{json.dumps(asked)[:-1]}, "object": {new}, "oldObject": {old}}}'
    return f'{json.dumps(envelope)[:-1]}, "request": {text}}}'.encode()


def answer(body: bytes, policy: Policy = POLICY) -> dict[str, Any]:
    """Return the response to the review in *body*: read, judged and rendered."""
    request = read_review(body)
    rendered = json.loads(render_decision(request, judge(request, policy)))
    response: dict[str, Any] = rendered["response"]
    return response


def asked(*entries: str, policy: Policy = POLICY, **of: Any) -> dict[str, Any]:
    """Return the response to the creation of an object with *entries*."""
    return answer(a_review(an_object(entries, **of), **of), policy)


def rules(response: Mapping[str, Any]) -> list[str]:
    """Return the rules of the causes of a denial, in order; empty if it is allowed."""
    if response["allowed"]:
        assert "status" not in response
        return []
    causes = response["status"]["details"]["causes"]
    return [cause["message"].rpartition(", ")[2].removesuffix(")") for cause in causes]


def warned(response: Mapping[str, Any]) -> list[str]:
    """Return the rules of the warnings, in order."""
    return [warning.partition(" ")[0] for warning in response.get("warnings", [])]
