"""Claims, templates and classes with opaque configs, in every served version."""

from tests.cluster.client import Json, path_of

VERSIONS = ("v1", "v1beta2", "v1beta1")
KINDS = ("ResourceClaim", "ResourceClaimTemplate", "DeviceClass")
PLURALS = {
    "ResourceClaim": "resourceclaims",
    "ResourceClaimTemplate": "resourceclaimtemplates",
    "DeviceClass": "deviceclasses",
}
GPU = "gpu.nvidia.com"


def gpu(**fields: object) -> Json:
    """Return parameters of the served version."""
    return {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig", **fields}


GOOD = gpu()
BAD = gpu(sharing={"strategy": "Sometimes"}, colour="red")
"""Breaks two rules: an unknown strategy and an unknown field."""

BAD_RULES = ("DRA101", "DRA010")
MPS = gpu(sharing={"strategy": "MPS", "mpsConfig": {"defaultActiveThreadPercentage": 50}})
"""Good where the gate MPSSupport is on."""

OLD = GOOD | {"apiVersion": "gpu.nvidia.com/v1alpha1"}
"""Good, with a warning that there is a newer version."""


def entry(parameters: Json, driver: str = GPU) -> Json:
    """Return an entry of a list of configs."""
    return {"opaque": {"driver": driver, "parameters": parameters}}


def body(kind: str, name: str, *parameters: Json, version: str = "v1") -> Json:
    """Return an object of *kind* whose configs have *parameters*."""
    configs = [entry(one) for one in parameters]
    head: Json = {
        "apiVersion": f"resource.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
    }
    if kind == "DeviceClass":
        return head | {"spec": {"config": configs}}
    asked: Json = {"deviceClassName": GPU}
    request = {"name": "gpu"} | (asked if version == "v1beta1" else {"exactly": asked})
    claimed: Json = {"devices": {"requests": [request], "config": configs}}
    return head | {"spec": claimed if kind == "ResourceClaim" else {"spec": claimed}}


def path(kind: str, name: str = "", *, namespace: str, version: str = "v1") -> str:
    """Return the path of the objects of *kind*, or of one; classes have no namespace."""
    inside = "" if kind == "DeviceClass" else namespace
    return path_of(f"resource.k8s.io/{version}", PLURALS[kind], name, namespace=inside)
