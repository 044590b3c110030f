"""The configs and results of an allocation, and what they settle to."""

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from dra_config import hub
from dra_config.claims import OpaqueConfig
from dra_config.violations import FieldPath, Violation

CONFIGS: Final[FieldPath] = ("status", "allocation", "devices", "config")
"""Where the configs stand in an allocated claim."""

OfGpus: TypeAlias = hub.Gpu | hub.Mig | hub.Vfio | hub.FabricTopology
"""What the parameters of the GPU driver settle to."""
OfDevice: TypeAlias = hub.Gpu | hub.Mig | hub.Vfio
"""What sets up a device; each is for one type of device."""


class Source(StrEnum):
    """Who wrote a config, as the API spells it."""

    FROM_CLASS = "FromClass"
    FROM_CLAIM = "FromClaim"


class DeviceType(StrEnum):
    """What a device of the GPU driver is."""

    GPU = "full GPU"
    MIG = "MIG device"
    VFIO = "VFIO device"


class AllocationConfig(NamedTuple):
    """One entry of the configs in an allocation."""

    source: Source
    opaque: OpaqueConfig
    """Its position counts within the allocation; no requests means all of them."""


class AllocationResult(NamedTuple):
    """One device that was allocated."""

    request: str
    """With its subrequest, such as ``gpus/large``."""
    device_type: DeviceType
    admin_access: bool = False


class SettledConfig(NamedTuple):
    """One usable config of our driver."""

    position: int
    source: Source
    requests: tuple[str, ...]
    config: OfGpus


class Settled(NamedTuple):
    """All configs of an allocation, judged one by one."""

    configs: tuple[SettledConfig, ...]
    """The weakest first: those of classes in their order, then those of the claim."""
    violations: tuple[Violation, ...]
    """With any error among them the claim cannot be prepared."""


class SettledFabric(NamedTuple):
    """What is asked of the NVLink fabric for a device."""

    fabric: hub.Fabric
    position: int | None
    """Of the config that asks; None if nobody does and the block is implied: a preference."""

    @property
    def implied(self) -> bool:
        """Whether nobody wrote it."""
        return self.position is None


class SettledDevice(NamedTuple):
    """What one device gets."""

    config: OfDevice
    """The default of its type if none reaches it. The fabric block of a GPU is the one that
    counts, whichever config it stands in; an implied one is left out."""
    position: int | None
    """Of the config; devices with equal positions are set up together. None is the default."""
    fabric: SettledFabric | None
    """None where nothing is asked: on MIG devices, with admin access, or with the gate off."""


class Resolution(NamedTuple):
    """What the devices of a claim get."""

    devices: tuple[SettledDevice, ...]
    """One for each result, in order; none at all with an error among the violations."""
    violations: tuple[Violation, ...]
    """What only configs and devices together show."""


def parameters_of(position: int) -> FieldPath:
    """Return where the parameters of a config stand in an allocated claim."""
    return (*CONFIGS, position, "opaque", "parameters")
