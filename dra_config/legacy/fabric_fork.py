"""nvidia.com/v1beta1: GpuConfig as the fork with Fabric Manager support writes it."""

from typing import Literal

from dra_config.v1beta1.gpu import GpuSettings

API_VERSION = "nvidia.com/v1beta1"


class GpuConfig(GpuSettings):
    """How to set up a full GPU; today this is resource.nvidia.com/v1beta1."""

    api_version: Literal["nvidia.com/v1beta1"]
    """The former version of this shape."""
    kind: Literal["GpuConfig"]
    """The kind of this config."""


KINDS = (GpuConfig,)
