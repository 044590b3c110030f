"""The driver's library NVML, spoken to through pynvml; no other module knows either.

Every function may block for ever: callers stand in a `deadlines.Lane`.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NewType

import pynvml  # type: ignore[import-untyped]

from plugin.hardware.errors import (
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    TimedOutError,
)
from plugin.hardware.facts import ComputeMode
from plugin.hardware.nvml_shapes import (
    COMPUTE_MODE_NUMBERS,
    COMPUTE_MODES,
    ERRORS,
    Event,
    GpuInstance,
    GpuInstanceProfile,
    MigAttributes,
    NotThereError,
)

_nvml: Final[Any] = pynvml

Handle = NewType("Handle", object)
"""A GPU or MIG device of the library; valid until the library is shut down."""

EventSet = NewType("EventSet", object)


_EVENT_TYPES: Final = int(
    _nvml.nvmlEventTypeXidCriticalError | _nvml.nvmlEventTypeDoubleBitEccError
)

_ALL_INSTANCES: Final = 0xFFFFFFFF
"""Stands for no GPU or compute instance in an event."""

_LISTED_PROFILES: Final = int(_nvml.NVML_GPU_INSTANCE_PROFILE_COUNT)
"""Up to here, a profile that is refused as an argument is merely one that the driver lacks."""

_MOST_PROFILES: Final = 64
"""Bounds the enumeration of profiles, should a driver never say that there are no more."""


class Nvml:
    """The library of one file; a process can have only one, since pynvml keeps the first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> None:
        """Load the library, if it is not yet, and connect to the driver.

        Raises:
            LibraryMissingError: The file is no library, or one of another machine type.
            DriverNotLoadedError: The kernel module is not loaded.
            VersionMismatchError: Library and kernel module do not fit.
        """
        if _nvml.nvmlLib is None:
            try:
                _nvml.nvmlLib = ctypes.CDLL(str(self._path))
            except OSError as error:
                message = f"'{self._path}' cannot be loaded: {error}"
                raise LibraryMissingError(message) from error
        # All GPUs may be handed to virtual machines, which is no fault.
        _call("connect to the driver", _nvml.nvmlInitWithFlags, _nvml.NVML_INIT_FLAG_NO_GPUS)

    def close(self) -> None:
        """Disconnect from the driver; all handles become invalid."""
        _call("disconnect from the driver", _nvml.nvmlShutdown)

    def driver_version(self) -> str:
        """Return the version of the kernel module that the library speaks to."""
        return _text(_call("read the driver's version", _nvml.nvmlSystemGetDriverVersion))

    def cuda_version(self) -> tuple[int, int]:
        """Return the newest CUDA version that the driver serves."""
        number = int(_call("read the CUDA version", _nvml.nvmlSystemGetCudaDriverVersion_v2))
        return number // 1000, number % 1000 // 10

    def gpu_count(self) -> int:
        """Return how many GPUs the driver has."""
        return int(_call("count the GPUs", _nvml.nvmlDeviceGetCount))

    def gpu(self, index: int) -> Handle:
        """Return the handle of one GPU in the driver's order."""
        return Handle(_call(f"find GPU {index}", _nvml.nvmlDeviceGetHandleByIndex, index))

    def uuid(self, device: Handle) -> str:
        """Return the UUID of a GPU or MIG device."""
        return _text(_call("read a UUID", _nvml.nvmlDeviceGetUUID, device))

    def pci_address(self, device: Handle) -> str:
        """Return the PCI address as the driver writes it, with eight digits of domain."""
        return _text(_call("read a PCI address", _nvml.nvmlDeviceGetPciInfo_v3, device).busId)

    def minor(self, device: Handle) -> int:
        """Return the minor number of the GPU's device node."""
        return int(_call("read a minor number", _nvml.nvmlDeviceGetMinorNumber, device))

    def name(self, device: Handle) -> str:
        """Return the product's name."""
        return _text(_call("read a product name", _nvml.nvmlDeviceGetName, device))

    def brand(self, device: Handle) -> int:
        """Return the number of the product's brand."""
        return int(_call("read a brand", _nvml.nvmlDeviceGetBrand, device))

    def architecture(self, device: Handle) -> int:
        """Return the number of the architecture."""
        return int(_call("read an architecture", _nvml.nvmlDeviceGetArchitecture, device))

    def compute_capability(self, device: Handle) -> tuple[int, int]:
        """Return major and minor compute capability."""
        major, minor = _call(
            "read a compute capability", _nvml.nvmlDeviceGetCudaComputeCapability, device
        )
        return int(major), int(minor)

    def memory_bytes(self, device: Handle) -> int:
        """Return the size of the frame buffer."""
        return int(_call("read the memory", _nvml.nvmlDeviceGetMemoryInfo, device).total)

    def addressing_mode(self, device: Handle) -> int:
        """Return the number of the addressing mode."""
        return int(_call("read an addressing mode", _nvml.nvmlDeviceGetAddressingMode, device))

    def mig_modes(self, device: Handle) -> tuple[bool, bool]:
        """Say whether MIG is on now, and whether it will be after the next reset."""
        now, pending = _call("read the MIG mode", _nvml.nvmlDeviceGetMigMode, device)
        return int(now) == 1, int(pending) == 1

    def mig_devices(self, device: Handle) -> Iterator[Handle]:
        """Yield the handle of each MIG device of a GPU whose MIG mode is on."""
        most = int(_call("count MIG devices", _nvml.nvmlDeviceGetMaxMigDeviceCount, device))
        for slot in range(most):
            try:
                found = _call(
                    f"find MIG device {slot}",
                    _nvml.nvmlDeviceGetMigDeviceHandleByIndex,
                    device,
                    slot,
                )
            except NotThereError:
                continue
            yield Handle(found)

    def instance_ids(self, mig_device: Handle) -> tuple[int, int]:
        """Return the ids of a MIG device's GPU instance and compute instance."""
        outer = _call("read a GPU instance id", _nvml.nvmlDeviceGetGpuInstanceId, mig_device)
        inner = _call(
            "read a compute instance id", _nvml.nvmlDeviceGetComputeInstanceId, mig_device
        )
        return int(outer), int(inner)

    def mig_attributes(self, mig_device: Handle) -> MigAttributes:
        """Return what a MIG device owns."""
        found = _call("read MIG attributes", _nvml.nvmlDeviceGetAttributes_v2, mig_device)
        return MigAttributes(
            multiprocessors=int(found.multiprocessorCount),
            gpu_instance_slices=int(found.gpuInstanceSliceCount),
            compute_instance_slices=int(found.computeInstanceSliceCount),
        )

    def gpu_instance(self, device: Handle, instance_id: int) -> GpuInstance:
        """Return where a GPU instance lies."""
        purpose = f"find GPU instance {instance_id}"
        instance = _call(purpose, _nvml.nvmlDeviceGetGpuInstanceById, device, instance_id)
        found = _call(purpose, _nvml.nvmlGpuInstanceGetInfo, instance)
        return GpuInstance(
            profile_id=int(found.profileId),
            start=int(found.placement.start),
            size=int(found.placement.size),
        )

    def gpu_instance_profiles(self, device: Handle) -> Iterator[GpuInstanceProfile]:
        """Yield every way to cut a GPU, those that this release has never heard of included."""
        read = _nvml.nvmlDeviceGetGpuInstanceProfileInfo
        for number in range(_MOST_PROFILES):
            purpose = f"read MIG profile {number}"
            try:
                try:
                    found = _call(purpose, read, device, number, 2)
                except NotSupportedError:
                    # Neither the profile nor, on an older driver, the question may be known.
                    found = _call(purpose, read, device, number, 1)
            except NotSupportedError:
                continue
            except NotThereError:
                if number < _LISTED_PROFILES:
                    continue
                return
            yield GpuInstanceProfile(
                number=number,
                id=int(found.id),
                slices=int(found.sliceCount),
                multiprocessors=int(found.multiprocessorCount),
                copy_engines=int(found.copyEngineCount),
                decoders=int(found.decoderCount),
                encoders=int(found.encoderCount),
                jpeg_engines=int(found.jpegCount),
                ofa_engines=int(found.ofaCount),
                memory_bytes=int(found.memorySizeMB) * 2**20,
                name=_text(getattr(found, "name", b"")).removeprefix("MIG ") or None,
            )

    def compute_mode(self, device: Handle) -> ComputeMode:
        """Return the compute mode of a GPU."""
        number = int(_call("read the compute mode", _nvml.nvmlDeviceGetComputeMode, device))
        try:
            return COMPUTE_MODES[number]
        except KeyError as error:
            message = (
                f"The driver reports compute mode {number}, which this release does not know."
            )
            raise NotSupportedError(message) from error

    def set_compute_mode(self, device: Handle, mode: ComputeMode) -> None:
        """Set the compute mode of a GPU."""
        number = COMPUTE_MODE_NUMBERS[mode]
        purpose = f"set the compute mode to {mode}"
        _call(purpose, _nvml.nvmlDeviceSetComputeMode, device, number)

    def process_ids(self, device: Handle) -> frozenset[int]:
        """Return the processes that compute on a GPU or MIG device."""
        read = _nvml.nvmlDeviceGetComputeRunningProcesses_v3
        return frozenset(int(process.pid) for process in _call("list processes", read, device))

    def register_events(self, device: Handle) -> EventSet:
        """Return a new event set that gets the errors of one GPU, from now on.

        Raises:
            NotSupportedError: The GPU reports none of these errors.
        """
        read = _nvml.nvmlDeviceGetSupportedEventTypes
        wanted = int(_call("read the types of events", read, device)) & _EVENT_TYPES
        if not wanted:
            message = "The GPU reports neither XID errors nor memory errors."
            raise NotSupportedError(message)
        found = EventSet(_call("make an event set", _nvml.nvmlEventSetCreate))
        try:
            _call("register for events", _nvml.nvmlDeviceRegisterEvents, device, wanted, found)
        except MachineError:
            self.free_events(found)
            raise
        return found

    def next_event(self, events: EventSet, timeout_milliseconds: int) -> Event | None:
        """Return the next event, or None if none came in time.

        Raises:
            GpuLostError: The GPU fell off the bus.
        """
        try:
            found = _call("wait", _nvml.nvmlEventSetWait_v2, events, timeout_milliseconds)
        except TimedOutError:
            return None
        kind = int(found.eventType)
        outer, inner = int(found.gpuInstanceId), int(found.computeInstanceId)
        return Event(
            xid=int(found.eventData) if kind == _nvml.nvmlEventTypeXidCriticalError else None,
            double_bit_ecc=kind == _nvml.nvmlEventTypeDoubleBitEccError,
            gpu_instance_id=None if outer == _ALL_INSTANCES else outer,
            compute_instance_id=None if inner == _ALL_INSTANCES else inner,
        )

    def free_events(self, events: EventSet) -> None:
        """Give an event set back; nobody may wait for it any more."""
        _call("close an event set", _nvml.nvmlEventSetFree, events)


def _call(purpose: str, function: Callable[..., Any], *arguments: object) -> Any:
    """Make one call, and say in our words what went wrong."""
    try:
        return function(*arguments)
    except _nvml.NVMLError as error:
        code = int(error.value)
        message = f"The driver could not {purpose}: {_meaning(code)}."
        raise ERRORS.get(code, MachineError)(message) from error


def _meaning(code: int) -> str:
    """Return the library's own words for an error."""
    try:
        return f"{_text(_nvml.nvmlErrorString(code))} (NVML error {code})"
    except _nvml.NVMLError:
        # Without a library there are no words.
        return f"NVML error {code}"


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
