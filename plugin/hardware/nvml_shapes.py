"""What calls of the driver's library return, in our words, and what its error codes mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from plugin.hardware.errors import (
    DriverNotLoadedError,
    GpuLostError,
    GpuMissingError,
    InUseError,
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    PermissionDeniedError,
    TimedOutError,
    VersionMismatchError,
)
from plugin.hardware.facts import ComputeMode


class NotThereError(GpuMissingError):
    """The slot is empty or the id unknown: what an enumeration passes over."""


ERRORS: Final[Mapping[int, type[MachineError]]] = {
    1: DriverNotLoadedError,  # uninitialized
    2: NotThereError,  # invalid argument: how empty slots are told
    3: NotSupportedError,
    4: PermissionDeniedError,
    6: NotThereError,
    9: DriverNotLoadedError,
    10: TimedOutError,
    12: LibraryMissingError,
    13: NotSupportedError,  # function not found: an older driver
    15: GpuLostError,
    16: GpuLostError,  # reset required
    18: VersionMismatchError,
    19: InUseError,
    25: NotSupportedError,  # argument version mismatch: an older driver
    28: GpuMissingError,
}
"""By NVML's return codes; any other is a plain `MachineError`."""

COMPUTE_MODES: Final[Mapping[int, ComputeMode]] = {
    0: ComputeMode.DEFAULT,
    1: ComputeMode.EXCLUSIVE_THREAD,
    2: ComputeMode.PROHIBITED,
    3: ComputeMode.EXCLUSIVE_PROCESS,
}

COMPUTE_MODE_NUMBERS: Final[Mapping[ComputeMode, int]] = {
    mode: number for number, mode in COMPUTE_MODES.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInstanceProfile:
    """A way to cut a GPU, as the driver describes it."""

    number: int
    """NVML's index."""
    id: int
    slices: int
    multiprocessors: int
    copy_engines: int
    decoders: int
    encoders: int
    jpeg_engines: int
    ofa_engines: int
    memory_bytes: int
    name: str | None
    """Such as `1g.10gb`; None from a driver that does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInstance:
    """Where a GPU instance lies; the placement counts memory slices."""

    profile_id: int
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigAttributes:
    """What one MIG device owns of its GPU instance."""

    multiprocessors: int
    gpu_instance_slices: int
    compute_instance_slices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the driver reports of one device; the ids are None for the whole GPU."""

    xid: int | None
    double_bit_ecc: bool
    gpu_instance_id: int | None
    compute_instance_id: int | None
