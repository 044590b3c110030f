"""resource.nvidia.com/v1beta1: the wire shapes that are served today."""

from dra_config.v1beta1.compute_domain import (
    ComputeDomainChannelConfig,
    ComputeDomainDaemonConfig,
)
from dra_config.v1beta1.fabric import FabricSettings, FabricTopologyConfig
from dra_config.v1beta1.from_hub import from_hub
from dra_config.v1beta1.gpu import GpuConfig
from dra_config.v1beta1.mig import MigDeviceConfig
from dra_config.v1beta1.sharing import (
    GpuSharing,
    MigDeviceSharing,
    MpsConfig,
    TimeSlicingConfig,
)
from dra_config.v1beta1.version import API_VERSION
from dra_config.v1beta1.vfio import Iommu, VfioDeviceConfig

KINDS = (
    GpuConfig,
    MigDeviceConfig,
    VfioDeviceConfig,
    FabricTopologyConfig,
    ComputeDomainChannelConfig,
    ComputeDomainDaemonConfig,
)
"""The kinds that opaque parameters may be."""

__all__ = [
    "API_VERSION",
    "KINDS",
    "ComputeDomainChannelConfig",
    "ComputeDomainDaemonConfig",
    "FabricSettings",
    "FabricTopologyConfig",
    "GpuConfig",
    "GpuSharing",
    "Iommu",
    "MigDeviceConfig",
    "MigDeviceSharing",
    "MpsConfig",
    "TimeSlicingConfig",
    "VfioDeviceConfig",
    "from_hub",
]
