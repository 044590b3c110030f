"""Claims, templates and classes of earlier versions, written for resource.k8s.io/v1."""

from typing import Any, Final

from dra_config.carriers import GROUP, SERVED_VERSIONS
from dra_config.rules.trees import Tree, as_list, as_object

API_VERSION: Final = f"{GROUP}/{SERVED_VERSIONS[0]}"
"""The version that everything is written for."""

_WRITTEN_BY_AUTHORS: Final = ("name", "generateName", "namespace", "labels", "annotations")
_OF_A_REQUEST: Final = frozenset({"name", "exactly", "firstAvailable"})
_GONE: Final = frozenset({"controller", "suitableNodes"})


def metadata_to_write(tree: Tree) -> dict[str, Any]:
    """Return the part of an object's metadata that its author wrote."""
    given = as_object(tree.get("metadata"))
    return {name: given[name] for name in _WRITTEN_BY_AUTHORS if given.get(name)}


def object_to_write(kind: str, metadata: Tree, spec: Tree) -> dict[str, Any]:
    """Return an object of the current version."""
    head = {"apiVersion": API_VERSION, "kind": kind}
    return {**head, **({"metadata": dict(metadata)} if metadata else {}), "spec": dict(spec)}


def rewritten(tree: Tree) -> dict[str, Any]:
    """Return the claim, template or class *tree* as the current version has it.

    The details of each request move below ``exactly``; fields that no longer exist are left out,
    and so is the status. Whatever is wrong in the object otherwise stays wrong.
    """
    kind = tree["kind"]
    spec = as_object(tree.get("spec"))
    if kind == "ResourceClaimTemplate":
        spec = {**spec, "spec": _claim_spec(as_object(spec.get("spec")))}
    elif kind == "ResourceClaim":
        spec = _claim_spec(spec)
    else:
        spec = _without_gone(spec)
    return object_to_write(kind, metadata_to_write(tree), spec)


def _claim_spec(spec: dict[str, Any]) -> dict[str, Any]:
    devices = as_object(spec.get("devices"))
    if "requests" in devices:
        devices["requests"] = [_request(request) for request in as_list(devices["requests"])]
    return {**_without_gone(spec), **({"devices": devices} if devices else {})}


def _request(given: object) -> object:
    request = as_object(given)
    details = {key: request[key] for key in request if key not in _OF_A_REQUEST}
    if not details or "exactly" in request:
        return given
    kept = {key: request[key] for key in request if key in _OF_A_REQUEST}
    return {**kept, "exactly": details}


def _without_gone(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: member for key, member in spec.items() if key not in _GONE}
