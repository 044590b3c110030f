"""What can go wrong when the machine is asked, sorted by what a caller can do about it."""

from typing import ClassVar


class MachineError(Exception):
    """The machine refused, or could not be asked.

    The message is a sentence for the person who reads the pod's events.
    """

    transient: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody repairing anything."""


class LibraryMissingError(MachineError):
    """A library or program of the driver is not below the driver root.

    The driver may still be on its way, as with a driver container: look again.
    """

    transient = True


class DriverNotLoadedError(MachineError):
    """The kernel module of the driver is not loaded: for now the machine has no GPUs."""

    transient = True


class VersionMismatchError(MachineError):
    """The loaded library and the kernel module are of different versions.

    A process keeps the library that it loaded first: drain and start anew.
    """


class GpuMissingError(MachineError):
    """The machine has no GPU or MIG device of this UUID."""


class GpuLostError(MachineError):
    """The GPU has fallen off the bus, or needs a reset before it answers again."""


class NotSupportedError(MachineError):
    """The GPU or its driver cannot do this, now or later."""


class PermissionDeniedError(MachineError):
    """The process lacks the rights for this call."""


class TimedOutError(MachineError):
    """No answer came before the deadline.

    A change that was asked for may still take effect later.
    """

    transient = True


class InUseError(MachineError):
    """Something else holds the device."""

    transient = True


class SimulationRefusedError(MachineError):
    """The simulated machine does not start, since this machine has real NVIDIA devices."""
