"""The hub: one settled shape per kind, no version; only these shapes leave the library.

Every wire version converts to them and back. None stands only where nothing is the setting: no
sharing settings to apply, no limit, no threshold. What has fields is a named tuple, the immutable
shape that is made fastest, since one is made on the way of every config; what has none is an
enumeration of one.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import NamedTuple, TypeAlias


class TimeSliceInterval(StrEnum):
    """How long a process keeps the GPU before the next one runs."""

    DEFAULT = "Default"
    SHORT = "Short"
    MEDIUM = "Medium"
    LONG = "Long"


class IommuBackendPolicy(StrEnum):
    """Which interface of the kernel a VFIO device is handed over through."""

    LEGACY_ONLY = "LegacyOnly"
    """The device node of the VFIO group."""
    PREFER_IOMMU_FD = "PreferIommuFD"
    """The device's own node where the host has ``/dev/iommu``, otherwise the group's."""


class VirtualizationModel(StrEnum):
    """Who activates NVLink partitions."""

    BARE_METAL = "BareMetal"
    """The node itself."""
    FULL_PASSTHROUGH = "FullPassthrough"
    """The guest, which is told what there is."""
    SHARED_NVSWITCH = "SharedNVSwitch"
    """A service outside the guest; the guest may not change it."""
    VGPU = "VGPU"
    """Nobody, because vGPU has no partitions."""


class ChannelAllocationMode(StrEnum):
    """How many IMEX channels a container gets."""

    SINGLE = "Single"
    """Channel 0."""
    ALL = "All"
    """Every channel of the node."""


class TimeSlicing(NamedTuple):
    """Processes take turns on the GPU."""

    interval: TimeSliceInterval


class Mps(NamedTuple):
    """Processes share the device through an MPS control daemon."""

    active_thread_percent: int | None
    """Share of the threads a client may use, 0 to 100; the daemon's own default if None."""
    pinned_memory_limit_bytes: int | None
    """Pinned memory a client may hold on each device, 2^20 to 2^63-1; no limit if None."""
    pinned_memory_limit_bytes_by_device: Mapping[str, int]
    """The same limit by device index or UUID; it overrides the common one."""
    multi_user: bool
    """Whether processes of several users may share the daemon."""


class FabricAuto(NamedTuple):
    """Activate the partition whose GPUs are exactly the claim's."""

    partition_size_count: int | None
    """GPUs of the partition: 2, 4 or 8; as many as the claim has full GPUs if None."""


class FabricManual(NamedTuple):
    """Activate the first listed partition whose GPUs are exactly the claim's."""

    partition_ids: tuple[str, ...]
    """At least one, none blank, none twice; compared as written."""


class FabricDisabled(Enum):
    """Activate no partition."""

    DISABLED = "Disabled"


class Fabric(NamedTuple):
    """What a config asks of the NVLink fabric."""

    strategy: FabricAuto | FabricManual | FabricDisabled
    virtualization_model: VirtualizationModel
    min_bandwidth_gigabytes_per_second: float | None
    """Bandwidth per GPU, both directions together; no threshold if None."""
    max_latency_milliseconds: float | None
    """No threshold if None."""
    nvlink_preferred: bool


class Unspecified(Enum):
    """A GpuConfig that is silent on the fabric; whoever resolves the claim may imply a block."""

    UNSPECIFIED = "unspecified"


UNSPECIFIED = Unspecified.UNSPECIFIED


class Gpu(NamedTuple):
    """How to set up a full GPU."""

    sharing: TimeSlicing | Mps | None
    """No sharing setting is touched if None."""
    fabric: Fabric | Unspecified


class MigTimeSlicing(Enum):
    """Strategy TimeSlicing on a MIG device: legal, and nothing is set."""

    WITHOUT_EFFECT = "TimeSlicing"


class Mig(NamedTuple):
    """How to set up a MIG device."""

    sharing: MigTimeSlicing | Mps | None
    """No sharing setting is touched if None."""


class Vfio(NamedTuple):
    """How to hand a GPU over to a virtual machine."""

    iommu_backend_policy: IommuBackendPolicy
    api_device_enabled: bool
    """Whether the container gets the IOMMU's API node beside the device's."""


class FabricTopology(NamedTuple):
    """The fabric half of a request, for full GPUs and VFIO devices."""

    fabric: Fabric


class ComputeDomainChannel(NamedTuple):
    """Access to the IMEX channels of a ComputeDomain."""

    domain_id: str
    """UID of the ComputeDomain, in lower case."""
    allocation_mode: ChannelAllocationMode


class ComputeDomainDaemon(NamedTuple):
    """The IMEX daemon of a ComputeDomain on one node."""

    domain_id: str
    """UID of the ComputeDomain, in lower case."""


Config: TypeAlias = Gpu | Mig | Vfio | FabricTopology | ComputeDomainChannel | ComputeDomainDaemon
"""Every config that opaque parameters can settle to."""
