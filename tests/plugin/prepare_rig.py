"""A node with a simulated machine and real files, and the claims that tests prepare on it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dra_config import hub
from dra_config.gates import FeatureGates
from dra_config.scheme import DRIVERS, GPU_DRIVER
from plugin.cdi import CdiStore
from plugin.checkpoint import Checkpoint, Holders, Locks
from plugin.durable_files import Steps, unobserved
from plugin.hardware.facts import ComputeMode, Gpu
from plugin.hardware.fake import FakeMachine
from plugin.hardware.simulation.ledger import Ledger
from plugin.prepare import (
    ClaimPreparer,
    FoundDevice,
    Node,
    Policy,
    Sharing,
    TimeSlices,
    Unattributed,
)
from plugin.preparer import (
    ClaimReference,
    Deadline,
    PreparedDevice,
    PrepareFailed,
    Preparer,
)
from plugin.publishing.allocatable import enumerate_devices
from plugin.publishing.device_names import Board
from tests.plugin.cdi_examples import simulated_driver
from tests.plugin.machine_rigs import profile

BOOT = "first-boot"
POOL = "node-a"
V1BETA1 = "resource.nvidia.com/v1beta1"
GATES = FeatureGates.parse("TimeSlicingSettings=true,MPSSupport=true,FabricTopologySupport=true")
SHARES = FeatureGates.parse("TimeSlicingSettings=true,ConsumableShares=true")
SHORT_SLICES = {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Short"}}
LONG_SECONDS = 600.0
"""A deadline that nothing reaches, however busy the computer is."""

Json = dict[str, Any]


def claim(number: int = 1) -> ClaimReference:
    uid = f"6d0d1d6e-0001-4000-8000-{number:012x}"
    return ClaimReference(namespace="team", name=f"claim-{number}", uid=uid)


def result(device: str, request: str = "gpus", **fields: Any) -> Json:
    return {"request": request, "driver": GPU_DRIVER, "pool": POOL, "device": device, **fields}


def opaque(
    kind: str = "GpuConfig",
    *,
    source: str = "FromClaim",
    requests: Sequence[str] = (),
    driver: str = GPU_DRIVER,
    **fields: Any,
) -> Json:
    parameters = {"apiVersion": V1BETA1, "kind": kind, **fields}
    return {
        "source": source,
        "requests": list(requests),
        "opaque": {"driver": driver, "parameters": parameters},
    }


def allocated(of: ClaimReference, results: Sequence[Json], configs: Sequence[Json] = ()) -> bytes:
    return json.dumps(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": {"name": of.name, "namespace": of.namespace, "uid": of.uid},
            "status": {"allocation": {"devices": {"results": results, "config": configs}}},
        }
    ).encode()


@dataclass
class Book:
    """Remembers the names of boards as long as the test lasts."""

    boards: dict[str, Board] = field(default_factory=dict[str, Board])

    def recall(self) -> Mapping[str, Board]:
        return dict(self.boards)

    def store(self, boards: Mapping[str, Board]) -> None:
        self.boards = dict(boards)


class NodeRig:
    """A node on which claims are prepared; `restart` begins the plugin's side anew."""

    def __init__(self, folder: Path, plan: str = "h100", gates: FeatureGates = GATES) -> None:
        self.folder = folder
        self.gates = gates
        self.claims: dict[str, bytes | PrepareFailed] = {}
        self.fetched: list[str] = []
        self.told: list[str] = []
        self.boot_id = BOOT
        self._plan = profile(plan)
        self.restart()

    def restart(self, *, steps: Steps = unobserved, boot_id: str | None = None) -> None:
        self.boot_id = boot_id or self.boot_id
        self.machine = FakeMachine(
            self._plan, self.folder / "machine", boot_id=self.boot_id, deadline_seconds=60
        )
        inventory = self.machine.inventory()
        self.found = {
            one.name: FoundDevice(gpu=one.gpu, mig=one.mig)
            for one in enumerate_devices(inventory, Book()).devices
        }
        self.checkpoint = Checkpoint(self.folder / "claims", boot_id=self.boot_id, steps=steps)
        self.cdi = CdiStore(self.folder / "cdi", steps=steps)
        self.locks = Locks(self.folder / "locks")
        host_root = PurePosixPath(self.machine.trees.driver_root)
        facts = simulated_driver(self.machine, host_root=host_root)
        self.node = Node(
            machine=self.machine,
            devices=self,
            driver=lambda: facts,
            checkpoint=self.checkpoint,
            holders=Holders(self.checkpoint),
            locks=self.locks,
            cdi=self.cdi,
            sharing=self.strategies(steps),
        )
        self.unattributed = Unattributed(self.node, tell=self._hear)
        self.preparer: Preparer = ClaimPreparer(
            self.node,
            self,
            Policy(driver=GPU_DRIVER, pool=POOL, gates=self.gates, served_drivers=tuple(DRIVERS)),
            tell=self._hear,
            unattributed=self.unattributed,
        )

    def strategies(self, steps: Steps) -> dict[type, Sharing]:
        return {hub.TimeSlicing: TimeSlices(self.machine, steps=steps)}

    def _hear(self, of: ClaimReference, sentence: str) -> None:
        self.told.append(f"{of}: {sentence}")

    # ------------------------------------------------------- what the preparer is given

    def find(self, name: str) -> FoundDevice | None:
        return self.found.get(name)

    def fetch(self, claim: ClaimReference, deadline: Deadline) -> bytes:
        del deadline
        self.fetched.append(claim.uid)
        answer = self.claims[claim.uid]
        if isinstance(answer, PrepareFailed):
            raise answer
        return answer

    # -------------------------------------------------------------------- what is done

    def allocate(
        self, of: ClaimReference, results: Sequence[Json], configs: Sequence[Json] = ()
    ) -> None:
        self.claims[of.uid] = allocated(of, results, configs)

    def prepare(
        self, of: ClaimReference, deadline: Deadline | None = None
    ) -> tuple[PreparedDevice, ...]:
        return self.preparer.prepare(of, deadline or Deadline(LONG_SECONDS))

    def unprepare(self, of: ClaimReference) -> None:
        self.preparer.unprepare(of, Deadline(LONG_SECONDS))

    # -------------------------------------------------------------------- what is seen

    def gpu(self, name: str) -> Gpu:
        return self.found[name].gpu

    def setting(self, name: str) -> tuple[str, str]:
        """Return the compute mode and the time slice of a GPU."""
        ledger = Ledger(self.folder / "machine", boot_id=self.boot_id)
        gpu = ledger.read().gpu(self.gpu(name).uuid)
        return gpu.compute_mode, gpu.time_slice

    def set_mode(self, name: str, mode: ComputeMode) -> None:
        self.machine.set_compute_mode(self.gpu(name).uuid, mode)

    def refuse(self, name: str, method: str, how: str) -> None:
        with (self.folder / "machine" / "faults").open("a") as file:
            file.write(f"{self.gpu(name).uuid} refuses {method} {how}\n")

    def ail(self, name: str, ailment: str) -> None:
        with (self.folder / "machine" / "faults").open("a") as file:
            file.write(f"{self.gpu(name).uuid} {ailment}\n")

    def repair(self) -> None:
        (self.folder / "machine" / "faults").unlink()

    def files(self) -> list[str]:
        """Return the names of all files of claims; none are left once all are unprepared."""
        folders = (self.folder / "claims", self.folder / "cdi")
        return sorted(path.name for folder in folders for path in folder.iterdir())

    def cdi_file(self, of: ClaimReference) -> Json:
        (path,) = (self.folder / "cdi").glob(f"*{of.uid}.json")
        content: Json = json.loads(path.read_bytes())
        return content
