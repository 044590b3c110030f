"""Which model reads which apiVersion and kind, and which driver carries it; the only such list."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, TypeAlias

from pydantic import Field

from dra_config import legacy, v1beta1
from dra_config.wire import WireConfig

GPU_DRIVER = "gpu.nvidia.com"
COMPUTE_DOMAIN_DRIVER = "compute-domain.nvidia.com"

ServedConfig: TypeAlias = Annotated[
    v1beta1.GpuConfig
    | v1beta1.MigDeviceConfig
    | v1beta1.VfioDeviceConfig
    | v1beta1.FabricTopologyConfig
    | v1beta1.ComputeDomainChannelConfig
    | v1beta1.ComputeDomainDaemonConfig,
    Field(discriminator="kind"),
]
"""Every config of the version that is served today."""

MODELS: Mapping[tuple[str, str], type[WireConfig]] = MappingProxyType(
    {
        (version.API_VERSION, model.__name__): model
        for version in (v1beta1, *legacy.VERSIONS)
        for model in version.KINDS
    }
)
"""The model of each apiVersion and kind, the served version first."""

API_VERSIONS: tuple[str, ...] = tuple(dict.fromkeys(version for version, _ in MODELS))
"""Every apiVersion that is read, the served one first."""

OBJECT_KINDS = frozenset(
    {"ComputeDomain", "ComputeDomainClique", "ComputeDomainList", "ComputeDomainCliqueList"}
    | {"List", "Status"}
)
"""Kinds that are objects of their own and never parameters."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What a driver reads from opaque parameters."""

    name: str
    kinds: frozenset[str]
    """The kinds that it can prepare, older names included."""


DRIVERS: Mapping[str, Driver] = MappingProxyType(
    {
        driver.name: driver
        for driver in (
            Driver(
                GPU_DRIVER,
                frozenset(
                    {"GpuConfig", "MigDeviceConfig", "VfioDeviceConfig", "FabricTopologyConfig"}
                )
                | legacy.RENAMED_KINDS.keys(),
            ),
            Driver(
                COMPUTE_DOMAIN_DRIVER,
                frozenset({"ComputeDomainChannelConfig", "ComputeDomainDaemonConfig"}),
            ),
        )
    }
)
"""The drivers whose parameters are judged, by name; several may carry the same kinds."""
