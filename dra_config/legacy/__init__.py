"""Older apiVersions that circulate in manifests; each settles as v1beta1 does, with a warning."""

from collections.abc import Mapping
from types import MappingProxyType

from dra_config.legacy import fabric_fork, gpu_v1alpha1, resource_v1alpha1

VERSIONS = (gpu_v1alpha1, resource_v1alpha1, fabric_fork)
"""One module per apiVersion, each with its ``API_VERSION`` and its ``KINDS``."""

RENAMED_KINDS: Mapping[str, str] = MappingProxyType({"GpuConfiguration": "GpuConfig"})
"""Kinds whose name has changed since, by the former name."""

__all__ = ["RENAMED_KINDS", "VERSIONS"]
