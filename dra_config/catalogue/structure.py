"""Rules DRA901 to DRA927: versions and structure of the Kubernetes objects around a config."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import CLI, CLI_AND_WEBHOOK, FILE, block, claim, error, warning

_CONFIG: Final = ("apiVersion: resource.nvidia.com/v1beta1", "kind: GpuConfig")

DRA901: Final = error(
    id="DRA901",
    name="classic-claim-refused",
    judges=CLI,
    cause=Cause.NOT_SUPPORTED,
    why="The object follows the first design of dynamic resource allocation, which Kubernetes "
    "removed; no API server takes it any more.",
    fix="Write the claim for resource.k8s.io/v1 that the message shows.",
    bad=block(
        "apiVersion: resource.k8s.io/v1alpha2",
        "kind: ResourceClaim",
        "metadata: {name: training}",
        "spec: {resourceClassName: gpu.nvidia.com}",
    ),
    good=claim(*_CONFIG),
)
DRA902: Final = warning(
    id="DRA902",
    name="api-version-deprecated",
    judges=CLI,
    cause=Cause.NOT_SUPPORTED,
    why="The version still works and is on its way out: v1beta1 ends with Kubernetes 1.38, "
    "v1beta2 with 1.39, and the object cannot be applied from then on.",
    fix="Write the object for resource.k8s.io/v1.",
    bad=claim(*_CONFIG, api_version="resource.k8s.io/v1beta1"),
    good=claim(*_CONFIG),
)
DRA903: Final = error(
    id="DRA903",
    name="api-version-not-served",
    judges=CLI,
    cause=Cause.NOT_SUPPORTED,
    why="No API server from Kubernetes 1.34 on has claims, templates and classes in this "
    "version, so applying the object fails.",
    fix="Write apiVersion: resource.k8s.io/v1 and, in every request, the details under exactly.",
    bad=claim(*_CONFIG, api_version="resource.k8s.io/v1alpha3"),
    good=claim(*_CONFIG),
)
DRA920: Final = warning(
    id="DRA920",
    name="driver-name-upper-case",
    judges=CLI_AND_WEBHOOK,
    cause=Cause.INVALID,
    why="The API server takes a driver name in any case, but drivers compare it letter by "
    "letter, so none picks the config up and the devices run with the defaults.",
    fix="Write the name of the driver in lower case.",
    bad=claim(*_CONFIG, driver="GPU.nvidia.com"),
    good=claim(*_CONFIG),
)
DRA927: Final = error(
    id="DRA927",
    name="duplicate-manifest-key",
    needs=FILE,
    judges=CLI,
    cause=Cause.DUPLICATE,
    why="Most tools keep the last of two equal keys and say nothing, so a part of the manifest "
    "never reaches the cluster.",
    fix="Keep one of the two, or join what stands under them.",
    bad=block(
        "apiVersion: resource.k8s.io/v1",
        "kind: ResourceClaim",
        "metadata: {name: training}",
        "metadata: {namespace: team-a}",
        "spec:",
        "  devices:",
        "    requests:",
        "    - {name: gpu, exactly: {deviceClassName: gpu.nvidia.com}}",
    ),
    good=block(
        "apiVersion: resource.k8s.io/v1",
        "kind: ResourceClaim",
        "metadata: {name: training, namespace: team-a}",
        "spec:",
        "  devices:",
        "    requests:",
        "    - {name: gpu, exactly: {deviceClassName: gpu.nvidia.com}}",
    ),
)

RULES: Final[tuple[Rule, ...]] = (DRA901, DRA902, DRA903, DRA920, DRA927)
