"""From the configs of an allocated claim to what each of its devices gets."""

from dra_config.allocation.resolution import resolve
from dra_config.allocation.settling import settle
from dra_config.allocation.shapes import (
    AllocationConfig,
    AllocationResult,
    DeviceType,
    OfDevice,
    Resolution,
    Settled,
    SettledConfig,
    SettledDevice,
    SettledFabric,
    Source,
)

__all__ = [
    "AllocationConfig",
    "AllocationResult",
    "DeviceType",
    "OfDevice",
    "Resolution",
    "Settled",
    "SettledConfig",
    "SettledDevice",
    "SettledFabric",
    "Source",
    "resolve",
    "settle",
]
