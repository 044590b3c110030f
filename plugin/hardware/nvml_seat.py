"""One place in the driver's order of GPUs: who sits there, and the lane in which it is asked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from plugin.hardware.deadlines import Lane
from plugin.hardware.errors import GpuMissingError, MachineError
from plugin.hardware.facts import Gpu
from plugin.hardware.nvml import Handle, Nvml
from plugin.hardware.nvml_gpu import read_address, read_gpu, read_profiles
from plugin.hardware.nvml_shapes import GpuInstanceProfile

_NOT_FOR_COMPUTE: Final = frozenset({"DGX Display", "NVIDIA DGX Display"})
"""Products that only drive a screen; they are no GPUs to hand out."""


class Seat:
    """One GPU in the driver's order: its lane, and what was ever learnt of it."""

    def __init__(self, index: int, deadline_seconds: float) -> None:
        self.index = index
        self.lane = Lane(f"GPU {index}", deadline_seconds=deadline_seconds)
        self.handle: Handle | None = None
        self.uuid: str | None = None
        self.pci_address: str | None = None
        self.mig_uuids: frozenset[str] = frozenset()
        self.profiles: Mapping[int, GpuInstanceProfile] | None = None
        self.for_compute = True

    def device(self, library: Nvml) -> Handle:
        """Return the handle, looked up on the first call; only for use in the lane."""
        if self.handle is None:
            self.handle = library.gpu(self.index)
        return self.handle

    def reader(self, library: Nvml, sys: Path) -> Callable[[], Gpu]:
        """Return what reads the GPU, for the lane; *sys* is the root of sysfs."""

        def profiles() -> Mapping[int, GpuInstanceProfile]:
            if self.profiles is None:
                self.profiles = read_profiles(library, self.device(library))
            return self.profiles

        def read() -> Gpu:
            device = self.device(library)
            try:
                # Kept before anything else is asked, so that a broken GPU can be named.
                uuid = library.uuid(device)
                if uuid != self.uuid:
                    # Another board sits here now, which may be of another product.
                    self.uuid, self.profiles = uuid, None
                self.pci_address = read_address(library, device)
                self.for_compute = library.name(device) not in _NOT_FOR_COMPUTE
                gpu = read_gpu(library, device, sys, profiles=profiles)
            except MachineError:
                # A GPU that comes back may come back under another handle.
                self.handle = None
                raise
            self.mig_uuids = frozenset(mig.uuid for mig in gpu.mig_devices)
            return gpu

        return read


def check_same(expected: str | None, found: str) -> None:
    """Refuse to take one GPU for another, should the driver's order have changed.

    Raises:
        GpuMissingError: They are two.
    """
    if found != expected:
        message = f"The driver has {found} in the place of {expected}."
        raise GpuMissingError(message)
