"""The real machine: every question to the driver's library with a deadline, GPU by GPU."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from dra_config.hub import TimeSliceInterval
from plugin.hardware import driver_root
from plugin.hardware.deadlines import Answer, Lane
from plugin.hardware.errors import (
    DriverNotLoadedError,
    GpuMissingError,
    MachineError,
)
from plugin.hardware.facts import (
    ComputeMode,
    DriverVersions,
    Gpu,
    HealthEvent,
    Inventory,
    UnreadableGpu,
    WatchFailed,
)
from plugin.hardware.host_trees import HostTrees
from plugin.hardware.nvidia_smi import NvidiaSmi
from plugin.hardware.nvml import EventSet, Handle, Nvml
from plugin.hardware.nvml_mig import find
from plugin.hardware.nvml_seat import Seat, check_same
from plugin.hardware.nvml_watch import NvmlHealthWatch

_T = TypeVar("_T")


class NvmlMachine:
    """The GPUs that NVML sees; implements `port.Machine`.

    NVML stays open as long as the driver does: handles are costly to look up under load.
    """

    simulated = False

    def __init__(self, trees: HostTrees, *, deadline_seconds: float) -> None:
        """Prepare to ask; nothing is opened before the first question.

        Args:
            trees: Where driver and kernel show their files.
            deadline_seconds: How long one question about one GPU may take, more than 0. Under
                load, the driver has been seen to need ten.
        """
        self._trees = trees
        self._deadline_seconds = deadline_seconds
        self._nvidia_smi = NvidiaSmi(trees.driver_root, timeout_seconds=deadline_seconds)
        self._driver = Lane("The driver", deadline_seconds=deadline_seconds)
        self._lock = threading.Lock()
        self._library: Nvml | None = None
        self._seats: dict[int, Seat] = {}
        self._watches: list[NvmlHealthWatch] = []

    @property
    def trees(self) -> HostTrees:
        """Return where the files of the driver and the kernel lie."""
        return self._trees

    def inventory(self) -> Inventory:
        """Read all GPUs, each in its own lane and all at once."""
        library, versions, seats = self._look()
        answers: list[tuple[Seat, Answer[Gpu]]] = [
            (seat, seat.lane.begin(seat.reader(library, self._trees.sys))) for seat in seats
        ]
        gpus: list[Gpu] = []
        unreadable: list[UnreadableGpu] = []
        for seat, answer in answers:
            try:
                gpu = answer.result()
            except MachineError as error:
                unreadable.append(
                    UnreadableGpu(
                        index=seat.index,
                        uuid=seat.uuid,
                        pci_address=seat.pci_address,
                        error=error,
                    )
                )
            else:
                if seat.for_compute:
                    gpus.append(gpu)
        gpus.sort(key=lambda gpu: gpu.pci_address)
        return Inventory(versions=versions, gpus=tuple(gpus), unreadable=tuple(unreadable))

    def gpu(self, gpu_uuid: str) -> Gpu:
        """Read one GPU."""
        library, seat = self._seat(gpu_uuid)
        found = _about(gpu_uuid, lambda: seat.lane.run(seat.reader(library, self._trees.sys)))
        check_same(gpu_uuid, found.uuid)
        return found

    def compute_mode(self, gpu_uuid: str) -> ComputeMode:
        """Return the compute mode of a GPU."""
        return self._ask(gpu_uuid, lambda library, device: library.compute_mode(device))

    def set_compute_mode(self, gpu_uuid: str, mode: ComputeMode) -> None:
        """Set the compute mode of a GPU."""
        self._ask(gpu_uuid, lambda library, device: library.set_compute_mode(device, mode))

    def set_time_slice(self, gpu_uuid: str, interval: TimeSliceInterval) -> None:
        """Set the time slice of a GPU."""
        self._seat(gpu_uuid)
        self._nvidia_smi.set_time_slice(gpu_uuid, interval)

    def process_ids(self, uuid: str) -> frozenset[int]:
        """Return the processes that compute on a GPU or MIG device."""

        def ask(library: Nvml, device: Handle) -> frozenset[int]:
            is_mig = library.uuid(device) != uuid
            return library.process_ids(find(library, device, uuid) if is_mig else device)

        return self._ask(uuid, ask)

    def watch(self, deliver: Callable[[HealthEvent], None]) -> NvmlHealthWatch:
        """Watch the health of all GPUs that can be read now."""
        inventory = self.inventory()
        registered: dict[str, tuple[Handle, EventSet]] = {}
        for gpu in inventory.gpus:
            try:
                registered[gpu.uuid] = self._ask(gpu.uuid, _registration)
            except MachineError as error:
                deliver(WatchFailed(gpu_uuid=gpu.uuid, reason=str(error)))
        watch = NvmlHealthWatch(self._opened(), deliver)
        watch.begin(registered)
        with self._lock:
            self._watches.append(watch)
        return watch

    def close(self) -> None:
        """End the watches, then the lanes, then NVML."""
        with self._lock:
            watches, self._watches = self._watches, []
            library, self._library = self._library, None
            seats, self._seats = self._seats, {}
        for watch in watches:
            watch.close()
        for seat in seats.values():
            seat.lane.close()
        if library is not None:
            # A driver that hangs or is gone has nothing left to give back.
            with suppress(MachineError):
                self._driver.run(library.close)
        self._driver.close()

    def _look(self) -> tuple[Nvml, DriverVersions, list[Seat]]:
        """Open the library if needed and return a seat for each GPU that the driver counts."""
        library = self._opened()

        def ask() -> tuple[str, tuple[int, int], int]:
            return library.driver_version(), library.cuda_version(), library.gpu_count()

        try:
            driver, cuda, count = self._driver.run(ask)
        except DriverNotLoadedError:
            self._forget()
            raise
        with self._lock:
            for index in range(count):
                if index not in self._seats:
                    self._seats[index] = Seat(index, self._deadline_seconds)
            # Who sat behind the last place is gone, or sits further to the front now.
            for index in [index for index in self._seats if index >= count]:
                self._seats.pop(index).lane.close()
            seats = [self._seats[index] for index in range(count)]
        return library, DriverVersions(driver=driver, cuda=cuda), seats

    def _opened(self) -> Nvml:
        """Return the library, opened in the driver's lane on the first call.

        Raises:
            LibraryMissingError: The driver root holds none.
            DriverNotLoadedError: The kernel module is not loaded.
            VersionMismatchError: Library and kernel module do not fit.
        """

        def open_once() -> Nvml:
            library = self._library
            if library is None:
                library = Nvml(driver_root.library(self._trees.driver_root, driver_root.NVML))
                library.open()
                self._library = library
            return library

        return self._library or self._driver.run(open_once)

    def _forget(self) -> None:
        """Begin anew with the next question: no handle outlives the kernel module."""
        with self._lock:
            self._library = None
            seats, self._seats = self._seats, {}
        for seat in seats.values():
            seat.lane.close()

    def _ask(self, uuid: str, call: Callable[[Nvml, Handle], _T]) -> _T:
        """Ask about a GPU, or the GPU of a MIG device, in its lane."""
        library, seat = self._seat(uuid)
        gpu_uuid = seat.uuid

        def ask() -> _T:
            device = seat.device(library)
            check_same(gpu_uuid, library.uuid(device))
            return call(library, device)

        return _about(uuid, lambda: seat.lane.run(ask))

    def _seat(self, uuid: str) -> tuple[Nvml, Seat]:
        """Return the seat of a GPU or MIG device; who is not known is looked for once.

        Raises:
            GpuMissingError: Nothing has this UUID.
        """
        library = self._opened()
        for attempt in range(2):
            with self._lock:
                seats = list(self._seats.values())
            for seat in seats:
                if seat.uuid == uuid or uuid in seat.mig_uuids:
                    return library, seat
            if attempt == 0:
                self.inventory()
        message = f"This machine has no GPU or MIG device {uuid}."
        raise GpuMissingError(message)


def _registration(library: Nvml, device: Handle) -> tuple[Handle, EventSet]:
    return device, library.register_events(device)


def _about(uuid: str, ask: Callable[[], _T]) -> _T:
    """Ask, and put the name of the device before whatever goes wrong."""
    try:
        return ask()
    except MachineError as error:
        message = f"{uuid}: {error}"
        raise type(error)(message) from error
