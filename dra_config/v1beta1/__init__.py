"""resource.nvidia.com/v1beta1: the wire shapes that are served today."""

from typing import TYPE_CHECKING

from dra_config.lazily import lazily
from dra_config.v1beta1.version import API_VERSION

if TYPE_CHECKING:
    from dra_config.v1beta1.compute_domain import (
        ComputeDomainChannelConfig,
        ComputeDomainDaemonConfig,
    )
    from dra_config.v1beta1.fabric import FabricSettings, FabricTopologyConfig
    from dra_config.v1beta1.gpu import GpuConfig
    from dra_config.v1beta1.kinds import KINDS
    from dra_config.v1beta1.mig import MigDeviceConfig
    from dra_config.v1beta1.sharing import (
        GpuSharing,
        MigDeviceSharing,
        MpsConfig,
        TimeSlicingConfig,
    )
    from dra_config.v1beta1.vfio import Iommu, VfioDeviceConfig
    from dra_config.v1beta1.way_back import from_hub

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

# The name of the version is wanted also where no config is read by a model.
__getattr__ = lazily(
    __name__,
    {
        "KINDS": ".kinds",
        "ComputeDomainChannelConfig": ".compute_domain",
        "ComputeDomainDaemonConfig": ".compute_domain",
        "FabricSettings": ".fabric",
        "FabricTopologyConfig": ".fabric",
        "GpuConfig": ".gpu",
        "GpuSharing": ".sharing",
        "Iommu": ".vfio",
        "MigDeviceConfig": ".mig",
        "MigDeviceSharing": ".sharing",
        "MpsConfig": ".sharing",
        "TimeSlicingConfig": ".sharing",
        "VfioDeviceConfig": ".vfio",
        "from_hub": ".way_back",
    },
)
