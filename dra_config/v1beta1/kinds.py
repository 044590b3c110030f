"""The kinds of resource.nvidia.com/v1beta1 that opaque parameters may be."""

from dra_config.v1beta1.compute_domain import (
    ComputeDomainChannelConfig,
    ComputeDomainDaemonConfig,
)
from dra_config.v1beta1.fabric import FabricTopologyConfig
from dra_config.v1beta1.gpu import GpuConfig
from dra_config.v1beta1.mig import MigDeviceConfig
from dra_config.v1beta1.vfio import VfioDeviceConfig

KINDS = (
    GpuConfig,
    MigDeviceConfig,
    VfioDeviceConfig,
    FabricTopologyConfig,
    ComputeDomainChannelConfig,
    ComputeDomainDaemonConfig,
)
"""In the order in which people are told of them."""
