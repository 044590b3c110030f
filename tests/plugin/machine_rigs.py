"""Machines under test with a hand on their other side: faults, events, administrators."""

import shutil
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from plugin.hardware.facts import HealthEvent
from plugin.hardware.fake import PROFILES, FakeMachine
from plugin.hardware.port import HealthWatch, Machine
from plugin.hardware.simulation.ledger import Ledger
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from plugin.hardware.simulation.profile import SimulatedMachine, read_machine, recut
from plugin.hardware.simulation.trees import nvml_file, render_trees, trees_below
from tests.plugin.nvml.flat_file import flat_file
from tests.plugin.nvml.worker import Remote, answers_meanwhile

PATIENCE_SECONDS: Final = 60.0
BOOT: Final = "8e0c9d2e-boot"

SHIPPED: Final = tuple(sorted(path.stem for path in PROFILES.glob("*.yaml")))


def profile(name: str) -> SimulatedMachine:
    return read_machine(
        PROFILES / f"{name}.yaml", products_folder=PROFILES / "products", seed="node-a"
    )


def until(claim: Callable[[], object]) -> None:
    """Wait until *claim* holds; the time is only a bound for what never comes true."""
    pause = threading.Event()
    end = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.02)


class Rig(Protocol):
    """One machine and what is done to it from outside."""

    @property
    def plan(self) -> SimulatedMachine:
        """Return what the machine has."""

    @property
    def machine(self) -> Machine:
        """Return the machine as the plugin sees it."""

    def restart(self) -> None:
        """Kill the plugin's side without warning and begin it anew."""

    def ail(self, uuid: str, ailment: str) -> None:
        """Make a GPU `lost`, `unreadable`, or one that `hangs`."""

    def refuse(self, uuid: str, method: str, how: str) -> None:
        """Make one method fail for a GPU."""

    def break_machine(self, how: str) -> None:
        """Take the driver or the library away, or replace it."""

    def repair(self) -> None:
        """Take back all faults."""

    def report_xid(self, uuid: str, xid: int, *places: int) -> None:
        """Let the driver log an XID; places are GPU instance and compute instance."""

    def report_double_bit(self, uuid: str) -> None:
        """Let the driver count a memory error."""

    def repartition(
        self, uuid: str, *, enabled: bool, instances: tuple[GpuInstancePlan, ...]
    ) -> None:
        """Change MIG mode and devices beside the plugin."""

    def compute_on(self, uuid: str, *processes: int) -> None:
        """Let processes compute on a GPU or MIG device."""

    def time_slice(self, uuid: str) -> str:
        """Return the time slice that the GPU really has."""

    def answers_meanwhile(self, hanging: str, other: str) -> bool:
        """Say whether one GPU answers while a call about another one still hangs."""

    def watch(self) -> HealthWatch:
        """Watch the machine; `told` returns what it delivers."""

    def told(self) -> list[HealthEvent]:
        """Return all that was delivered."""

    def close(self) -> None:
        """End everything."""


class FakeRig:
    """The machine made of data."""

    def __init__(self, plan: SimulatedMachine, folder: Path, *, deadline_seconds: float) -> None:
        self.plan = plan
        self.folder = folder
        self._deadline_seconds = deadline_seconds
        self._told: list[HealthEvent] = []
        self.machine = self._start()

    def _start(self) -> FakeMachine:
        return FakeMachine(
            self.plan, self.folder, boot_id=BOOT, deadline_seconds=self._deadline_seconds
        )

    def restart(self) -> None:
        self.machine = self._start()

    def _append(self, name: str, line: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(f"{line}\n")

    def ail(self, uuid: str, ailment: str) -> None:
        self._append("faults", f"{uuid} {ailment}")

    def refuse(self, uuid: str, method: str, how: str) -> None:
        self._append("faults", f"{uuid} refuses {method} {how}")

    def break_machine(self, how: str) -> None:
        self._append("faults", f"machine {how}")

    def repair(self) -> None:
        (self.folder / "faults").unlink()

    def report_xid(self, uuid: str, xid: int, *places: int) -> None:
        self._append("events", " ".join([uuid, "xid", *map(str, (xid, *places))]))

    def report_double_bit(self, uuid: str) -> None:
        self._append("events", f"{uuid} double-bit")

    def repartition(
        self, uuid: str, *, enabled: bool, instances: tuple[GpuInstancePlan, ...]
    ) -> None:
        self.machine.repartition(uuid, enabled=enabled, instances=instances)

    def compute_on(self, uuid: str, *processes: int) -> None:
        with Ledger(self.folder, boot_id=BOOT).change() as record:
            record.processes[uuid] = set(processes)

    def time_slice(self, uuid: str) -> str:
        return Ledger(self.folder, boot_id=BOOT).read().gpu(uuid).time_slice

    def answers_meanwhile(self, hanging: str, other: str) -> bool:
        return answers_meanwhile(self.machine, hanging, other)

    def watch(self) -> HealthWatch:
        return self.machine.watch(self._told.append)

    def told(self) -> list[HealthEvent]:
        return list(self._told)

    def close(self) -> None:
        self.machine.close()


class NvmlRig:
    """The adapter to NVML, in a process of its own, over a library that plays NVML."""

    METHODS: Final = {
        "compute_mode": "nvmlDeviceGetComputeMode",
        "process_ids": "nvmlDeviceGetComputeRunningProcesses_v3",
        "set_compute_mode": "nvmlDeviceSetComputeMode",
        "watch": "nvmlDeviceRegisterEvents",
    }
    CODES: Final = {"not-supported": 3, "permission": 4, "in-use": 19}
    AILMENTS: Final = {"lost": 15, "unreadable": 999, "hangs": -1}
    SLICES: Final = {"0": "Default", "1": "Short", "2": "Medium", "3": "Long"}

    def __init__(
        self, plan: SimulatedMachine, folder: Path, library: Path, *, deadline_seconds: float
    ) -> None:
        self.plan = plan
        self.trees = trees_below(folder)
        render_trees(plan, self.trees)
        self._deadline_seconds = deadline_seconds
        self._processes: dict[str, set[int]] = {}
        self._library = library
        self.library_file = nvml_file(self.trees)
        self.beside = self.library_file.parent
        self.library_file.unlink()
        shutil.copy(library, self.library_file)
        program = self.trees.driver_root / "usr/bin/nvidia-smi"
        shutil.copy(Path(__file__).with_name("nvml") / "nvidia-smi", program)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        for gpu in plan.gpus:
            if not gpu.product.time_slices:
                self._append("smi-refusals", f"{gpu.uuid} 3")
        self.describe()
        self.machine = self.remote = self._start()

    def _start(self) -> Remote:
        return Remote(self.trees, deadline_seconds=self._deadline_seconds)

    def describe(self, text: str | None = None) -> None:
        """Write what the machine has, or what a test wants it to have."""
        part = self.beside / ".nvml-machine"
        part.write_text(text or flat_file(self.plan, self._processes))
        part.replace(self.beside / "nvml-machine")

    def _append(self, name: str, line: str) -> None:
        with (self.beside / name).open("a") as file:
            file.write(f"{line}\n")

    def index(self, uuid: str) -> int:
        return [gpu.uuid for gpu in self.plan.gpus].index(uuid)

    def fail(self, uuid: str | None, function: str, code: int) -> None:
        """Make a function of the library answer with an error code."""
        index = -1 if uuid is None else self.index(uuid)
        self._append("nvml-faults", f"{index} {function} {code}")

    def restart(self) -> None:
        self.remote.kill()
        self.machine = self.remote = self._start()

    def ail(self, uuid: str, ailment: str) -> None:
        self.fail(uuid, "*", self.AILMENTS[ailment])

    def refuse(self, uuid: str, method: str, how: str) -> None:
        code = self.CODES[how]
        if method == "set_time_slice":
            self._append("smi-refusals", f"{uuid} {code}")
        else:
            self.fail(uuid, self.METHODS[method], code)

    def break_machine(self, how: str) -> None:
        match how:
            case "no-driver":
                self.fail(None, "nvmlInitWithFlags", 9)
                self.fail(None, "nvmlSystemGetDriverVersion", 1)
            case "no-library":
                self.library_file.unlink()
            case "other-version":
                self.fail(None, "nvmlInitWithFlags", 18)
                self.fail(None, "nvmlSystemGetDriverVersion", 18)
            case _:
                raise AssertionError(how)

    def repair(self) -> None:
        (self.beside / "nvml-faults").unlink(missing_ok=True)
        # A file that is loaded must not be written to.
        if not self.library_file.exists():
            shutil.copy(self._library, self.library_file)

    def report_xid(self, uuid: str, xid: int, *places: int) -> None:
        outer, inner = (*places, 0xFFFFFFFF, 0xFFFFFFFF)[:2]
        self._append("nvml-events", f"{self.index(uuid)} 8 {xid} {outer} {inner}")

    def report_double_bit(self, uuid: str) -> None:
        self._append("nvml-events", f"{self.index(uuid)} 2 0 {0xFFFFFFFF} {0xFFFFFFFF}")

    def repartition(
        self, uuid: str, *, enabled: bool, instances: tuple[GpuInstancePlan, ...]
    ) -> None:
        gpus = list(self.plan.gpus)
        index = self.index(uuid)
        gpus[index] = recut(gpus[index], enabled=enabled, instances=instances)
        self.plan = replace(self.plan, gpus=tuple(gpus))
        self.describe()

    def compute_on(self, uuid: str, *processes: int) -> None:
        self._processes[uuid] = set(processes)
        self.describe()

    def time_slice(self, uuid: str) -> str:
        file = self.beside / f"time-slice-{uuid}"
        return self.SLICES[file.read_text().strip() if file.exists() else "0"]

    def answers_meanwhile(self, hanging: str, other: str) -> bool:
        return bool(self.remote.ask("meanwhile", hanging, other))

    def watch(self) -> Any:
        return self.remote.watch()

    def told(self) -> list[HealthEvent]:
        return self.remote.told()

    def close(self) -> None:
        self.remote.end()
