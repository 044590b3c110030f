"""The Kubernetes objects that carry opaque configs, and where the configs stand in them."""

from collections.abc import Mapping
from types import MappingProxyType

from dra_config.violations import FieldPath

GROUP = "resource.k8s.io"
SERVED_VERSIONS = ("v1", "v1beta2", "v1beta1")
"""The versions in which claims, templates and classes exist, the newest first."""

CONFIG_LISTS: Mapping[str, FieldPath] = MappingProxyType(
    {
        "ResourceClaim": ("spec", "devices", "config"),
        "ResourceClaimTemplate": ("spec", "spec", "devices", "config"),
        "DeviceClass": ("spec", "config"),
    }
)
"""Where the list of configs stands, by the kind of object; the same in every version."""
