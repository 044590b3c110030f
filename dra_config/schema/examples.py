"""Small whole examples of every kind, for the schemas and the reference; all of them are sound."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from dra_config.v1beta1 import API_VERSION

_DOMAIN: Final = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
_CLIQUE: Final = "7d1c2b3a-0000-4000-8000-5f5e5d5c5b5a.1"
_TIME_SLICING: Final = {
    "sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}}
}
_MPS: Final = {
    "sharing": {
        "strategy": "MPS",
        "mpsConfig": {
            "defaultActiveThreadPercentage": 40,
            "defaultPinnedDeviceMemoryLimit": "8Gi",
        },
    }
}
_FABRIC: Final = {"strategy": "Auto", "partitionSize": 4}

EXAMPLES: Final[Mapping[tuple[str, str], tuple[Mapping[str, Any], ...]]] = MappingProxyType(
    {
        (API_VERSION, "GpuConfig"): (
            _TIME_SLICING,
            _MPS,
            {"fabricTopologyConfig": _FABRIC},
        ),
        (API_VERSION, "MigDeviceConfig"): (_MPS,),
        (API_VERSION, "VfioDeviceConfig"): (
            {"iommu": {"backendPolicy": "PreferIommuFD", "enableAPIDevice": True}},
        ),
        (API_VERSION, "FabricTopologyConfig"): (
            _FABRIC,
            {"strategy": "Manual", "partitionIDs": ["rack3-a", "rack3-b"]},
            {"strategy": "Disabled", "virtualizationModel": "VGPU"},
        ),
        (API_VERSION, "ComputeDomainChannelConfig"): (
            {"domainID": _DOMAIN, "allocationMode": "All"},
        ),
        (API_VERSION, "ComputeDomainDaemonConfig"): ({"domainID": _DOMAIN},),
        ("gpu.nvidia.com/v1alpha1", "GpuConfig"): (_TIME_SLICING,),
        ("gpu.nvidia.com/v1alpha1", "MigDeviceConfig"): (_MPS,),
        ("gpu.resource.nvidia.com/v1alpha1", "GpuConfiguration"): (
            {"sharing": [_TIME_SLICING["sharing"]]},
        ),
        ("nvidia.com/v1beta1", "GpuConfig"): ({"fabricTopologyConfig": _FABRIC},),
        (API_VERSION, "ComputeDomain"): (
            {
                "metadata": {"name": "training", "namespace": "team-a"},
                "spec": {
                    "numNodes": 0,
                    "channel": {"resourceClaimTemplate": {"name": "training-channel"}},
                },
            },
        ),
        (API_VERSION, "ComputeDomainClique"): (
            {
                "metadata": {
                    "name": f"{_DOMAIN}.{_CLIQUE}",
                    "namespace": "nvidia-dra",
                    "labels": {
                        "resource.nvidia.com/computeDomain": _DOMAIN,
                        "resource.nvidia.com/computeDomain.cliqueID": _CLIQUE,
                    },
                },
                "daemons": [
                    {
                        "nodeName": "node-1",
                        "ipAddress": "10.0.4.11",
                        "cliqueID": _CLIQUE,
                        "index": 0,
                        "status": "Ready",
                    }
                ],
            },
        ),
    }
)
"""By apiVersion and kind, without the two."""
