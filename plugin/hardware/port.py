"""What the plugin asks of the machine, in our words.

Two things implement `Machine`: `nvml_machine.NvmlMachine` and `fake.FakeMachine`. Both pass the
same contract tests. Methods may block up to the machine's deadline and are safe to call from
several threads; calls about one GPU are answered one after another, those about two are not.
"""

from collections.abc import Callable
from typing import Protocol

from dra_config.hub import TimeSliceInterval
from plugin.hardware.facts import ComputeMode, Gpu, HealthEvent, Inventory
from plugin.hardware.host_trees import HostTrees


class HealthWatch(Protocol):
    """A running look-out for health events."""

    @property
    def watched(self) -> frozenset[str]:
        """Return the UUIDs of the GPUs that are watched at this moment."""
        ...

    def leave(self, gpu_uuid: str) -> None:
        """Stop watching one GPU, before its mode changes or it is unbound.

        When this returns, nothing of the watch holds the GPU and no event of it will come. A GPU
        that is not watched is no error. Blocks up to two seconds.

        Raises:
            TimedOutError: The GPU does not let go; its mode must not be changed.
        """
        ...

    def close(self) -> None:
        """Stop watching all GPUs; closing twice changes nothing."""
        ...


class Machine(Protocol):
    """The GPUs of this node and what can be done with them.

    Every method may raise any `MachineError`; those listed are the ones with a meaning of their
    own there.
    """

    @property
    def simulated(self) -> bool:
        """Say whether the machine is made of data, which is published with every device."""
        ...

    @property
    def trees(self) -> HostTrees:
        """Return where the files of the driver and the kernel lie, for `device_nodes` and CDI."""
        ...

    def inventory(self) -> Inventory:
        """Read all GPUs and their MIG devices anew.

        One GPU that fails or hangs is reported in `unreadable` and delays the answer by at most
        the deadline.

        Raises:
            LibraryMissingError: The driver root holds no NVML; look again later.
            DriverNotLoadedError: The kernel module is not loaded; look again later.
            VersionMismatchError: The driver was replaced; this process must start anew.
        """
        ...

    def gpu(self, gpu_uuid: str) -> Gpu:
        """Read one GPU anew.

        Raises:
            GpuMissingError: There is no such GPU.
            GpuLostError: It fell off the bus.
            TimedOutError: It does not answer.
        """
        ...

    def compute_mode(self, gpu_uuid: str) -> ComputeMode:
        """Return the compute mode of a GPU.

        Raises:
            GpuMissingError: There is no such GPU.
            NotSupportedError: It has none.
        """
        ...

    def set_compute_mode(self, gpu_uuid: str, mode: ComputeMode) -> None:
        """Set the compute mode of a GPU; setting it again changes nothing.

        Raises:
            GpuMissingError: There is no such GPU.
            NotSupportedError: It has no such mode.
            PermissionDeniedError: The process is not privileged.
        """
        ...

    def set_time_slice(self, gpu_uuid: str, interval: TimeSliceInterval) -> None:
        """Set how long processes on a GPU take turns; setting it again changes nothing.

        The setting is the whole GPU's and cannot be read back.

        Raises:
            GpuMissingError: There is no such GPU.
            NotSupportedError: The GPU cannot set it, as before Volta.
            PermissionDeniedError: The process is not privileged.
            LibraryMissingError: The driver root holds no nvidia-smi.
        """
        ...

    def process_ids(self, uuid: str) -> frozenset[int]:
        """Return the processes that compute on a GPU, its MIG devices included, or a MIG device.

        The ids are those of the plugin's own PID namespace where the driver can tell.

        Raises:
            GpuMissingError: There is no GPU or MIG device of this UUID.
        """
        ...

    def watch(self, deliver: Callable[[HealthEvent], None]) -> HealthWatch:
        """Watch the health of all GPUs that can be read now, from before this returns.

        A GPU that cannot be watched is delivered as `WatchFailed` at once.

        Args:
            deliver: Called from threads of the watch, one event at a time for each GPU. It must
                return soon, must not raise, and must not call the watch.
        """
        ...

    def close(self) -> None:
        """Let go of the driver; no other method may be called after that."""
        ...
