"""Whether a config is meant for a request, and whether it suits the device."""

from typing import Final

from dra_config import hub
from dra_config.allocation.shapes import AllocationResult, DeviceType, OfGpus, SettledConfig

_KINDS: Final[dict[type[OfGpus], tuple[str, frozenset[DeviceType]]]] = {
    hub.Gpu: ("GpuConfig", frozenset({DeviceType.GPU})),
    hub.Mig: ("MigDeviceConfig", frozenset({DeviceType.MIG})),
    hub.Vfio: ("VfioDeviceConfig", frozenset({DeviceType.VFIO})),
    hub.FabricTopology: ("FabricTopologyConfig", frozenset({DeviceType.GPU, DeviceType.VFIO})),
}
"""The name of each kind, and the types of devices that it is for."""


def kind_of(one: SettledConfig) -> str:
    """Return the kind of a config as users write it."""
    kind, _ = _KINDS[type(one.config)]
    return kind


def fits(one: SettledConfig, result: AllocationResult) -> bool:
    """Say whether a config is for devices of this type."""
    _, device_types = _KINDS[type(one.config)]
    return result.device_type in device_types


def reaches(one: SettledConfig, result: AllocationResult) -> bool:
    """Say whether a config names a request, the request above it, or none."""
    if not one.requests or result.request in one.requests:
        return True
    above, slash, _ = result.request.partition("/")
    return bool(slash) and above in one.requests
