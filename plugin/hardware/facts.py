"""What the machine tells: its GPUs, their MIG devices, and what happens to their health."""

from dataclasses import dataclass
from enum import StrEnum

from plugin.hardware.errors import MachineError


class MigMode(StrEnum):
    """Whether a GPU is split into MIG devices."""

    UNSUPPORTED = "Unsupported"
    DISABLED = "Disabled"
    ENABLED = "Enabled"


class ComputeMode(StrEnum):
    """Which processes the driver lets on a GPU."""

    DEFAULT = "Default"
    EXCLUSIVE_THREAD = "ExclusiveThread"
    """Only very old drivers have it; it is reported and never set."""
    PROHIBITED = "Prohibited"
    EXCLUSIVE_PROCESS = "ExclusiveProcess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which memory slices a MIG device occupies: `start` up to, not including, `start + size`."""

    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigCapacity:
    """What a MIG device owns; counts of engines, memory in bytes."""

    multiprocessors: int
    copy_engines: int
    decoders: int
    encoders: int
    jpeg_engines: int
    ofa_engines: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigDevice:
    """One existing MIG device: a compute instance inside a GPU instance."""

    uuid: str
    """Begins with `MIG-`; the only safe identity, since the driver uses instance ids again."""
    profile: str
    """As the driver names it, such as `1g.10gb+me`; `1c.3g.40gb` if it is part of its instance."""
    gpu_instance_id: int
    gpu_instance_profile_id: int
    """The number that `nvidia-smi mig -lgip` prints, not NVML's index."""
    compute_instance_id: int
    fills_gpu_instance: bool
    """False for a compute instance that shares its GPU instance with others, or could."""
    placement: Placement
    capacity: MigCapacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One physical GPU, read at one moment."""

    uuid: str
    """Begins with `GPU-`; stays with the board."""
    minor: int
    """Of `/dev/nvidia<minor>`; changes with passthrough and MIG mode."""
    pci_address: str
    """`dddd:bb:dd.f` in lower case; eight digits of domain only where four do not hold it."""
    product_name: str
    brand: str
    """One of `names.BRANDS`; `Unknown` for one that this release does not know."""
    architecture: str
    """One of `names.ARCHITECTURES`; `Unknown` for one that this release does not know."""
    compute_capability: tuple[int, int]
    memory_bytes: int | None
    """All of the frame buffer; None where the GPU has none of its own."""
    addressing_mode: str | None
    """`HMM`, `ATS` or `None`; the value None if the driver does not tell."""
    pcie_root: str | None
    """`pciDDDD:BB`; None if sysfs does not tell."""
    numa_node: int | None
    mig_mode: MigMode
    pending_mig_mode: MigMode
    """The mode after the next reset; differs from `mig_mode` only before Hopper."""
    mig_devices: tuple[MigDevice, ...]
    """In order of placement, then of compute instance id."""
    warnings: tuple[str, ...] = ()
    """Sentences on what could not be read, such as a MIG device that is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableGpu:
    """A GPU that the driver counts and that does not answer; the others are not affected."""

    index: int
    """Position in the driver's order, from 0."""
    uuid: str | None
    """None if not even that was ever read."""
    pci_address: str | None
    error: MachineError


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverVersions:
    """The versions of the driver that is loaded."""

    driver: str
    """As the driver writes it, such as `580.95.05`: no semantic version."""
    cuda: tuple[int, int]
    """The newest CUDA major and minor version that the driver serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All GPUs of the machine, read at about one moment."""

    versions: DriverVersions
    gpus: tuple[Gpu, ...]
    """In order of PCI address. Empty if all are handed to virtual machines."""
    unreadable: tuple[UnreadableGpu, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class XidReported:
    """The driver logged an XID error of a GPU."""

    gpu_uuid: str
    xid: int
    gpu_instance_id: int | None
    """None if the error concerns the whole GPU, or the driver does not know better."""
    compute_instance_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryErrorReported:
    """Two or more bits of the GPU's memory were wrong, which ECC cannot repair."""

    gpu_uuid: str
    gpu_instance_id: int | None
    compute_instance_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLostReported:
    """The GPU fell off the bus; it is not watched any more."""

    gpu_uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFailed:
    """The GPU is not watched, or not any more, though it may work; `reason` is a sentence."""

    gpu_uuid: str
    reason: str


HealthEvent = XidReported | MemoryErrorReported | GpuLostReported | WatchFailed
