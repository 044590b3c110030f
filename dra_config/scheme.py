"""Which apiVersions and kinds opaque parameters have, and which driver carries which of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from dra_config import legacy
from dra_config.lazily import lazily
from dra_config.v1beta1.version import API_VERSION

if TYPE_CHECKING:
    from dra_config.models import MODELS, ServedConfig

__all__ = [
    "API_VERSIONS",
    "COMPUTE_DOMAIN_DRIVER",
    "DRIVERS",
    "GPU_DRIVER",
    "HEADERS",
    "KINDS",
    "MODELS",
    "OBJECT_KINDS",
    "Driver",
    "ServedConfig",
]

GPU_DRIVER = "gpu.nvidia.com"
COMPUTE_DOMAIN_DRIVER = "compute-domain.nvidia.com"

_OF_GPUS = ("GpuConfig", "MigDeviceConfig", "VfioDeviceConfig", "FabricTopologyConfig")
_OF_COMPUTE_DOMAINS = ("ComputeDomainChannelConfig", "ComputeDomainDaemonConfig")

# Written out, although every model knows its own: the models take longer to build than most runs
# of the command line take, and most runs need none of them.
HEADERS: tuple[tuple[str, str], ...] = (
    *((API_VERSION, kind) for kind in (*_OF_GPUS, *_OF_COMPUTE_DOMAINS)),
    ("gpu.nvidia.com/v1alpha1", "GpuConfig"),
    ("gpu.nvidia.com/v1alpha1", "MigDeviceConfig"),
    ("gpu.resource.nvidia.com/v1alpha1", "GpuConfiguration"),
    ("nvidia.com/v1beta1", "GpuConfig"),
)
"""Every apiVersion and kind that is read, the served version first; the keys of `MODELS`."""

API_VERSIONS: tuple[str, ...] = tuple(dict.fromkeys(version for version, _ in HEADERS))
"""Every apiVersion that is read, the served one first."""

KINDS = frozenset(kind for _, kind in HEADERS)
"""Every kind that is read, older names included."""

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
                frozenset({*_OF_GPUS, *legacy.RENAMED_KINDS}),
            ),
            Driver(
                COMPUTE_DOMAIN_DRIVER,
                frozenset(_OF_COMPUTE_DOMAINS),
            ),
        )
    }
)
"""The drivers whose parameters are judged, by name; several may carry the same kinds."""

__getattr__ = lazily(
    __name__, {"MODELS": "dra_config.models", "ServedConfig": "dra_config.models"}
)
