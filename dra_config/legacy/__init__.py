"""Older apiVersions that circulate in manifests; each settles as v1beta1 does, with a warning."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from dra_config.lazily import lazily

if TYPE_CHECKING:
    from dra_config.legacy.versions import VERSIONS

RENAMED_KINDS: Mapping[str, str] = MappingProxyType({"GpuConfiguration": "GpuConfig"})
"""Kinds whose name has changed since, by the former name."""

__all__ = ["RENAMED_KINDS", "VERSIONS"]

__getattr__ = lazily(__name__, {"VERSIONS": ".versions"})
