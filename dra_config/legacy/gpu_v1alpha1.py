"""gpu.nvidia.com/v1alpha1: the driver's own API until January 2025, without multiUser."""

from typing import Literal

from pydantic import ConfigDict

from dra_config import hub
from dra_config.catalogue.decode import DRA010
from dra_config.v1beta1 import GpuSharing, MigDeviceSharing
from dra_config.v1beta1.mig import MigDeviceSettings
from dra_config.violations import Target
from dra_config.wire import Findings, WireConfig

API_VERSION = "gpu.nvidia.com/v1alpha1"

_MULTI_USER_AT = ("sharing", "mpsConfig", "multiUser")
_WITHOUT_MULTI_USER = ConfigDict(
    json_schema_extra={
        "allOf": [
            {
                "properties": {
                    "sharing": {
                        "properties": {
                            "mpsConfig": {"properties": {"multiUser": {"type": "null"}}}
                        }
                    }
                }
            }
        ]
    }
)


def _refuse_multi_user(sharing: GpuSharing | MigDeviceSharing | None, found: Findings) -> None:
    mps = None if sharing is None else sharing.mps_config
    if mps is not None and mps.multi_user is not None:
        message = (
            f"multiUser is not a field of {API_VERSION}; it came with resource.nvidia.com/v1beta1"
        )
        found.add(DRA010, _MULTI_USER_AT, message, target=Target.KEY)
        found.mark_broken(_MULTI_USER_AT)


class GpuConfig(WireConfig):
    """How to set up a full GPU; today this is resource.nvidia.com/v1beta1."""

    model_config = _WITHOUT_MULTI_USER

    api_version: Literal["gpu.nvidia.com/v1alpha1"]
    """The former version of this shape."""
    kind: Literal["GpuConfig"]
    """The kind of this config."""
    sharing: GpuSharing | None = None
    """How the GPU is shared; no sharing setting is touched if absent."""

    def to_hub(self, found: Findings) -> hub.Gpu:
        """Return the settled config."""
        _refuse_multi_user(self.sharing, found)
        settled = None if self.sharing is None else self.sharing.to_hub(found)
        return hub.Gpu(settled, hub.UNSPECIFIED)


class MigDeviceConfig(MigDeviceSettings):
    """How to set up a MIG device; today this is resource.nvidia.com/v1beta1."""

    model_config = _WITHOUT_MULTI_USER

    api_version: Literal["gpu.nvidia.com/v1alpha1"]
    """The former version of this shape."""
    kind: Literal["MigDeviceConfig"]
    """The kind of this config."""

    def to_hub(self, found: Findings) -> hub.Mig:
        """Return the settled config."""
        _refuse_multi_user(self.sharing, found)
        return super().to_hub(found)


KINDS = (GpuConfig, MigDeviceConfig)
