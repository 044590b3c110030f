"""A machine made of data, so that the plugin runs where there is no GPU; for tests and laptops."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from dra_config.hub import TimeSliceInterval
from plugin.hardware.errors import (
    GpuLostError,
    GpuMissingError,
    MachineError,
    NotSupportedError,
    SimulationRefusedError,
    TimedOutError,
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
from plugin.hardware.simulation.faults import Faults, read_faults
from plugin.hardware.simulation.ledger import Ledger, Record
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from plugin.hardware.simulation.profile import (
    InvalidProfile,
    MigPlan,
    SimulatedGpu,
    SimulatedMachine,
    read_machine,
    recut,
)
from plugin.hardware.simulation.real_devices import real_device
from plugin.hardware.simulation.sight import seen
from plugin.hardware.simulation.trees import render_capabilities, render_trees, trees_below
from plugin.hardware.simulation.watch import SimulatedWatch

PROFILES: Final = Path(__file__).parent / "profiles"
"""The machines that ship; `products` inside it holds the GPUs they may have."""


class FakeMachine:
    """The machine of a profile; implements `port.Machine`.

    What is done to it lies in a folder and survives the process; see `simulation.ledger` and
    `simulation.faults` for the files there.
    """

    simulated = True

    def __init__(
        self, machine: SimulatedMachine, folder: Path, *, boot_id: str, deadline_seconds: float
    ) -> None:
        """Render the machine's files into *folder* and take up what was done to it.

        Args:
            machine: What the machine has.
            folder: Where its files and the record of what was done to it lie. Only one machine
                may use it, but several processes.
            boot_id: Of the machine that the process runs on; another one is a reboot.
            deadline_seconds: How long the simulated driver hangs before the call times out.

        Raises:
            MachineError: The folder cannot be written or holds something else.
        """
        self._profile = machine
        self._deadline_seconds = deadline_seconds
        self._trees = trees_below(folder)
        self._faults_file = folder / "faults"
        self._events_file = folder / "events"
        self._ledger = Ledger(folder, boot_id=boot_id)
        self._closed = threading.Event()
        self._watches: list[SimulatedWatch] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._ledger.change() as record:
                render_trees(self._machine(record), self._trees)
        except OSError as error:
            message = f"The simulated machine cannot be rendered: {error}"
            raise MachineError(message) from error

    @classmethod
    def start(
        cls,
        profile: str,
        folder: Path,
        *,
        node_name: str,
        boot_id: str,
        host: HostTrees,
        deadline_seconds: float,
    ) -> Self:
        """Return the machine of a profile, on a node without NVIDIA devices.

        Args:
            profile: The name of a profile that ships, such as `h100`, or the path of a file.
            folder: As for the class.
            node_name: Makes the UUIDs of this node's devices its own.
            boot_id: As for the class.
            host: The trees of the machine that the process really runs on.
            deadline_seconds: As for the class.

        Raises:
            SimulationRefusedError: The node has a real NVIDIA GPU or driver.
            InvalidProfile: There is no such profile, or it describes what could not exist.
            MachineError: The folder cannot be written.
        """
        found = real_device(host)
        if found is not None:
            message = f"No machine is simulated beside real NVIDIA devices. {found}"
            raise SimulationRefusedError(message)
        path = Path(profile) if "/" in profile else PROFILES / f"{profile}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in PROFILES.glob("*.yaml")))
            message = f"There is no profile '{profile}'; those that ship are {known}."
            raise InvalidProfile(message)
        machine = read_machine(path, products_folder=PROFILES / "products", seed=node_name)
        return cls(machine, folder, boot_id=boot_id, deadline_seconds=deadline_seconds)

    @property
    def trees(self) -> HostTrees:
        """Return where the rendered files lie."""
        return self._trees

    def inventory(self) -> Inventory:
        """Read all GPUs."""
        faults = self._faults()
        machine = self._machine(self._ledger.read())
        if any(faults.ailments.get(gpu.uuid) == "hangs" for gpu in machine.gpus):
            self._closed.wait(self._deadline_seconds)
        gpus: list[Gpu] = []
        unreadable: list[UnreadableGpu] = []
        for index, gpu in enumerate(machine.gpus):
            error = self._ailment(gpu, faults)
            if error is None:
                gpus.append(seen(gpu, self._trees.sys))
            else:
                unreadable.append(
                    UnreadableGpu(
                        index=index, uuid=gpu.uuid, pci_address=gpu.pci_address, error=error
                    )
                )
        return Inventory(
            versions=DriverVersions(driver=machine.driver_version, cuda=machine.cuda_version),
            gpus=tuple(gpus),
            unreadable=tuple(unreadable),
        )

    def gpu(self, gpu_uuid: str) -> Gpu:
        """Read one GPU."""
        return seen(self._answering(gpu_uuid, "gpu", self._ledger.read()), self._trees.sys)

    def compute_mode(self, gpu_uuid: str) -> ComputeMode:
        """Return the compute mode of a GPU."""
        record = self._ledger.read()
        return record.gpu(self._answering(gpu_uuid, "compute_mode", record).uuid).compute_mode

    def set_compute_mode(self, gpu_uuid: str, mode: ComputeMode) -> None:
        """Set the compute mode of a GPU."""
        self._answering(gpu_uuid, "set_compute_mode", self._ledger.read())
        if mode is ComputeMode.EXCLUSIVE_THREAD:
            message = f"{gpu_uuid}: this driver has no compute mode {mode}."
            raise NotSupportedError(message)
        with self._ledger.change() as record:
            record.gpu(gpu_uuid).compute_mode = mode

    def set_time_slice(self, gpu_uuid: str, interval: TimeSliceInterval) -> None:
        """Set the time slice of a GPU."""
        gpu = self._answering(gpu_uuid, "set_time_slice", self._ledger.read())
        if not gpu.product.time_slices:
            message = f"{gpu_uuid}: a {gpu.product.name} cannot set time slices."
            raise NotSupportedError(message)
        with self._ledger.change() as record:
            record.gpu(gpu_uuid).time_slice = interval

    def process_ids(self, uuid: str) -> frozenset[int]:
        """Return the processes that compute on a GPU or MIG device."""
        record = self._ledger.read()
        for gpu in self._machine(record).gpus:
            inner = {device.uuid for device in gpu.mig_devices}
            if uuid == gpu.uuid or uuid in inner:
                self._answering(gpu.uuid, "process_ids", record)
                wanted = {uuid, *inner} if uuid == gpu.uuid else {uuid}
                return frozenset[int]().union(
                    *(record.processes.get(device, set[int]()) for device in wanted)
                )
        raise _missing(uuid)

    def watch(self, deliver: Callable[[HealthEvent], None]) -> SimulatedWatch:
        """Watch the health of all GPUs that can be read now."""
        faults = self._faults()
        watched: list[str] = []
        for gpu in self.inventory().gpus:
            refusal = faults.refusals.get((gpu.uuid, "watch"))
            if refusal is None:
                watched.append(gpu.uuid)
            else:
                reason = f"{gpu.uuid}: the simulated driver refuses to watch it."
                deliver(WatchFailed(gpu_uuid=gpu.uuid, reason=reason))
        watch = SimulatedWatch(
            faults=self._faults_file,
            events=self._events_file,
            gpu_uuids=watched,
            deliver=deliver,
        )
        self._watches.append(watch)
        return watch

    def close(self) -> None:
        """End the watches; the record stays."""
        self._closed.set()
        for watch in self._watches:
            watch.close()
        self._watches.clear()

    def repartition(
        self, gpu_uuid: str, *, enabled: bool, instances: tuple[GpuInstancePlan, ...]
    ) -> None:
        """Change the MIG mode and devices of a GPU, as an administrator would beside the plugin.

        Raises:
            GpuMissingError: There is no such GPU.
            InvalidProfile: The product cannot be cut like this.
        """
        with self._ledger.change() as record:
            recut(_found(self._machine(record), gpu_uuid), enabled=enabled, instances=instances)
            record.gpu(gpu_uuid).mig = MigPlan(enabled=enabled, instances=instances)
            render_capabilities(self._machine(record), self._trees)

    def _machine(self, record: Record) -> SimulatedMachine:
        """Return the machine of the profile with what administrators did to it since."""
        gpus = [self._current(gpu, record) for gpu in self._profile.gpus]
        return replace(self._profile, gpus=tuple(gpus))

    def _current(self, gpu: SimulatedGpu, record: Record) -> SimulatedGpu:
        known = record.gpus.get(gpu.uuid)
        if known is None or known.mig is None:
            return gpu
        # A record of another profile of the same machine may not fit; then it means nothing.
        with suppress(InvalidProfile):
            return recut(gpu, enabled=known.mig.enabled, instances=known.mig.instances)
        return gpu

    def _faults(self) -> Faults:
        faults = read_faults(self._faults_file)
        if faults.machine is not None:
            raise faults.machine
        return faults

    def _answering(self, gpu_uuid: str, method: str, record: Record) -> SimulatedGpu:
        """Return a GPU that answers the question.

        Raises:
            MachineError: It does not, or there is none.
        """
        faults = self._faults()
        gpu = _found(self._machine(record), gpu_uuid)
        if faults.ailments.get(gpu_uuid) == "hangs":
            self._closed.wait(self._deadline_seconds)
        error = self._ailment(gpu, faults)
        if error is not None:
            raise error
        refusal = faults.refusals.get((gpu_uuid, method))
        if refusal is not None:
            message = f"{gpu_uuid}: the simulated driver refuses {method}."
            raise refusal(message)
        return gpu

    def _ailment(self, gpu: SimulatedGpu, faults: Faults) -> MachineError | None:
        match faults.ailments.get(gpu.uuid) or gpu.broken:
            case None:
                return None
            case "lost":
                return GpuLostError(f"{gpu.uuid} has fallen off the simulated bus.")
            case "unreadable":
                return MachineError(f"{gpu.uuid} answers with an unknown error.")
            case "hangs":
                return TimedOutError(
                    f"{gpu.uuid} did not answer within {self._deadline_seconds:g} seconds."
                )


def _found(machine: SimulatedMachine, gpu_uuid: str) -> SimulatedGpu:
    for gpu in machine.gpus:
        if gpu.uuid == gpu_uuid:
            return gpu
    raise _missing(gpu_uuid)


def _missing(uuid: str) -> GpuMissingError:
    return GpuMissingError(f"This machine has no GPU or MIG device {uuid}.")
