"""What was done to the simulated machine: a locked file, shared by all who play with it.

It outlives the process, however that ends. What a reboot of a real machine clears is cleared when
the boot id is another one.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dra_config.hub import TimeSliceInterval
from plugin.hardware.errors import MachineError
from plugin.hardware.facts import ComputeMode
from plugin.hardware.simulation.profile import MigPlan


class GpuRecord(BaseModel):
    """What was done to one GPU since the machine booted."""

    # Programs that play a part of the driver keep notes of their own here.
    model_config = ConfigDict(extra="allow", validate_assignment=True)

    compute_mode: ComputeMode = ComputeMode.DEFAULT
    time_slice: TimeSliceInterval = TimeSliceInterval.DEFAULT
    mig: MigPlan | None = None
    """The MIG mode and devices that an administrator left; None is as the profile says."""


class Record(BaseModel):
    """What was done to the machine since it booted."""

    model_config = ConfigDict(extra="allow")

    boot_id: str
    gpus: dict[str, GpuRecord] = Field(default_factory=dict[str, GpuRecord])
    """By UUID; a GPU that is as it was at boot may be absent."""
    processes: dict[str, set[int]] = Field(default_factory=dict[str, set[int]])
    """Process ids by the UUID of the GPU or MIG device that they compute on."""

    def gpu(self, uuid: str) -> GpuRecord:
        """Return what was done to a GPU; changes to it are kept."""
        return self.gpus.setdefault(uuid, GpuRecord())


class Ledger:
    """The file `machine.json` of a folder, and its lock beside it."""

    def __init__(self, folder: Path, *, boot_id: str) -> None:
        self._file = folder / "machine.json"
        self._lock_file = folder / "machine.lock"
        self._boot_id = boot_id

    def read(self) -> Record:
        """Return the record of this boot.

        Raises:
            MachineError: The file cannot be read, or holds something else.
        """
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return Record(boot_id=self._boot_id)
        except OSError as error:
            message = f"The record of the simulated machine cannot be read: {error}"
            raise MachineError(message) from error
        try:
            record = Record.model_validate_json(text)
        except ValidationError as error:
            message = (
                f"'{self._file}' is no record of a simulated machine; delete it to start anew."
            )
            raise MachineError(message) from error
        return record if record.boot_id == self._boot_id else Record(boot_id=self._boot_id)

    @contextmanager
    def change(self) -> Generator[Record]:
        """Hold the lock, lend the record, and keep what the caller made of it.

        Nothing is kept if the caller raises. The file is whole at every moment.

        Raises:
            MachineError: The record cannot be read or kept.
        """
        with self._locked():
            record = self.read()
            yield record
            part = self._file.with_name(".machine.json.part")
            try:
                part.write_text(record.model_dump_json(indent=1), encoding="utf-8")
                part.replace(self._file)
            except OSError as error:
                message = f"The record of the simulated machine cannot be kept: {error}"
                raise MachineError(message) from error

    @contextmanager
    def _locked(self) -> Generator[None]:
        # Opened anew each time: such locks belong to the open file, so threads wait as well.
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"The record of the simulated machine cannot be locked: {error}"
            raise MachineError(message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
