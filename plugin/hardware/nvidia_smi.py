"""Sets time slices with the driver's own program, since NVML has no function for it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dra_config.hub import TimeSliceInterval
from plugin.hardware import driver_root
from plugin.hardware.errors import (
    DriverNotLoadedError,
    GpuLostError,
    GpuMissingError,
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    PermissionDeniedError,
    TimedOutError,
)

_NUMBERS: Final[Mapping[TimeSliceInterval, str]] = {
    TimeSliceInterval.DEFAULT: "0",
    TimeSliceInterval.SHORT: "1",
    TimeSliceInterval.MEDIUM: "2",
    TimeSliceInterval.LONG: "3",
}

_EXIT_ERRORS: Final[Mapping[int, type[MachineError]]] = {
    3: NotSupportedError,
    4: PermissionDeniedError,
    6: GpuMissingError,
    9: DriverNotLoadedError,
    12: LibraryMissingError,
    13: NotSupportedError,
    15: GpuLostError,
}
"""What the exit codes mean that the program's manual page lists."""

_MOST_OUTPUT_CHARACTERS: Final = 500


class NvidiaSmi:
    """The program `nvidia-smi` of one driver root."""

    def __init__(self, root: Path, *, timeout_seconds: float) -> None:
        self._root = root
        self._timeout_seconds = timeout_seconds

    def set_time_slice(self, gpu_uuid: str, interval: TimeSliceInterval) -> None:
        """Set how long processes on a GPU take turns.

        Raises:
            LibraryMissingError: The driver root holds no nvidia-smi or no NVML.
            NotSupportedError: The GPU cannot set it.
            GpuMissingError: There is no such GPU.
            PermissionDeniedError: The process is not privileged.
            TimedOutError: The program was killed, since it took too long.
            MachineError: The program failed in another way.
        """
        number = _NUMBERS[interval]
        self._run(
            f"set the time slice of {gpu_uuid} to {interval}",
            ["compute-policy", "-i", gpu_uuid, "--set-timeslice", number],
        )

    def _run(self, purpose: str, arguments: list[str]) -> None:
        program = driver_root.program(self._root, "nvidia-smi")
        library = driver_root.library(self._root, driver_root.NVML)
        try:
            finished = subprocess.run(
                [program, *arguments],
                check=False,
                env={
                    "LC_ALL": "C",
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    # A search path would bring the C library of the driver root with it, which
                    # is another than the one this program is started with.
                    "LD_PRELOAD": str(library),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._timeout_seconds,
            )
        except subprocess.TimeoutExpired as error:
            message = f"nvidia-smi did not {purpose} within {self._timeout_seconds:g} seconds."
            raise TimedOutError(message) from error
        except OSError as error:
            message = f"'{program}' cannot be started to {purpose}: {error}"
            raise MachineError(message) from error
        if finished.returncode == 0:
            return
        told = finished.stdout.decode(errors="replace").strip()[:_MOST_OUTPUT_CHARACTERS]
        kind = _EXIT_ERRORS.get(finished.returncode, MachineError)
        if kind is MachineError and "not supported" in told.lower():
            # Some versions tell it in words only.
            kind = NotSupportedError
        message = (
            f"nvidia-smi could not {purpose}: exit {finished.returncode}, {told or 'no output'}"
        )
        raise kind(message)
