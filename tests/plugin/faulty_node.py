"""A node without a kubelet, on which the plugin is a process that is killed and started anew."""

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from plugin.hardware.facts import ComputeMode
from plugin.hardware.fake import FakeMachine
from plugin.hardware.host_trees import HostTrees
from plugin.hardware.simulation.ledger import GpuRecord, Ledger
from plugin.mps.folders import MpsPlaces
from plugin.mps.processes import ProcessLauncher
from plugin.preparer import Deadline
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Json, path_of
from tests.plugin.claims_on_server import ClaimsOnServer
from tests.plugin.plugin_process import SECONDS, Host
from tests.plugin.rpc_kubelet import PREPARE, UNPREPARE, Kubelet

SLICES = path_of("resource.k8s.io/v1", "resourceslices")
NODES = path_of("v1", "nodes")
EVENTS = path_of("events.k8s.io/v1", "events", namespace="default")
BOOT = "first-boot"
GATES = "TimeSlicingSettings=true,MPSSupport=true"
PROFILE = "h100"
ANSWER_SECONDS = 45.0
"""How long the kubelet waits for an answer."""


class FaultyNode:
    """The node, its claims, and all that a claim may leave on it.

    Attributes:
        host: How the plugin is started here.
        claims: The claims that have devices of this node.
        shared_memory: The folder of the shared memory of MPS daemons.
        root_seen: Where the plugin's root directory is seen from here.
    """

    def __init__(self, api_server: ApiServer, *, kubeconfig: Path | None = None) -> None:
        """Let the API server know of the node; `close` removes all of it.

        Args:
            api_server: The API server.
            kubeconfig: Another way to it for the plugin.
        """
        self.client = api_server.client
        name = f"faulty-{uuid.uuid4().hex[:8]}"
        self.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        # The path of a socket has to be short.
        self.root = Path("/tmp") / name  # noqa: S108 - nobody else knows the name
        self.shared_memory = Path("/dev/shm") / name  # noqa: S108 - as above
        self.steps_file = self.root / "steps"
        self.host = Host(
            node=name,
            kubeconfig=kubeconfig or api_server.control_plane.kubeconfig,
            kubelet_root=self.root,
            cdi_root=self.root / "cdi",
            options=(
                *("--simulate", PROFILE, "--boot-id", BOOT, "--feature-gates", GATES),
                *("--mps-launcher", "process", "--mps-shm-root", str(self.shared_memory)),
                *("--steps-file", str(self.steps_file)),
            ),
        )
        self.root_seen = Path("/")
        self.claims = ClaimsOnServer(self.client, name)
        self.host.places()
        self._machine = FakeMachine.start(
            PROFILE,
            self.host.folder / "machine",
            node_name=name,
            boot_id=BOOT,
            host=HostTrees.of_driver_root(Path("/")),
            deadline_seconds=SECONDS,
        )
        self._uuids = [gpu.uuid for gpu in self._machine.inventory().gpus]
        self._places = MpsPlaces(folder=self.host.folder / "mps", shared_memory=self.shared_memory)
        self._launcher = ProcessLauncher(self._places, driver_root=self._machine.trees.driver_root)

    def close(self) -> None:
        """Remove all of it; the plugin has ended."""
        for daemon in self.daemons():
            self._launcher.stop(daemon, Deadline(SECONDS))
        self._machine.close()
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.shared_memory, ignore_errors=True)
        self.claims.close()
        for one in self.slices():
            self.client.delete(f"{SLICES}/{one['metadata']['name']}")
        self.client.delete(f"{NODES}/{self.host.node}")

    def instance(self, number: int) -> Host:
        """Return the host with a plugin that runs in a pod of its own."""
        return replace(self.host, pod_uid=f"6d0d1d6e-000{number}-4000-8000-000000000000")

    # ---------------------------------------------------------------------------- machine

    def uuid_of(self, device: str) -> str:
        """Return the UUID of a whole GPU."""
        return self._uuids[int(device.removeprefix("gpu-"))]

    def set_mode(self, device: str, mode: ComputeMode) -> None:
        """Set the compute mode of a GPU as an administrator would, in the first boot."""
        self._machine.set_compute_mode(self.uuid_of(device), mode)

    def settings(self, boot_id: str = BOOT) -> dict[str, tuple[str, str]]:
        """Return compute mode and time slice of each GPU that is not as it booted."""
        record = Ledger(self.host.folder / "machine", boot_id=boot_id).read()
        return {
            f"gpu-{self._uuids.index(uuid)}": (str(gpu.compute_mode), str(gpu.time_slice))
            for uuid, gpu in record.gpus.items()
            if gpu != GpuRecord()
        }

    # ------------------------------------------------------------------------- what is left

    def daemons(self) -> list[str]:
        """Return the ids of the MPS daemons of which a process runs."""
        return sorted(self._launcher.ids(Deadline(SECONDS)))

    def daemon_processes(self) -> list[int]:
        """Return the ids of the processes of all MPS daemons."""
        return [one for daemon in self.daemons() for one in self._launcher._all(daemon)]

    def records(self) -> list[str]:
        """Return the names of the files of the checkpoint."""
        names = self._names(self.host.folder / "claims")
        return [name for name in names if name != "boot-id" and not name.startswith("filling")]

    def cdi_files(self) -> list[str]:
        """Return the names of the files of the container runtime."""
        names = self._names(self.host.cdi_root)
        return [name for name in names if not name.startswith("filling")]

    def _names(self, folder: Path) -> list[str]:
        seen = self.seen(folder)
        return sorted(path.name for path in seen.iterdir()) if seen.exists() else []

    def _mps_folders(self) -> list[str]:
        folder = self.seen(self._places.folder)
        return sorted(replace(self._places, folder=folder).ids())

    def seen(self, path: Path) -> Path:
        """Return where a path of the plugin is seen from here."""
        return self.root_seen / path.relative_to("/")

    def left(self) -> list[str]:
        """Return all that there is of claims: files, folders, processes."""
        return [
            *self.records(),
            *self.cdi_files(),
            *self._mps_folders(),
            *self.daemons(),
        ]

    def cdi_of(self, claim: v1.Claim) -> str:
        """Return the text of a claim's CDI file, with all that names the claim taken out."""
        (file,) = self.host.cdi_root.glob(f"*{claim.uid}.json")
        content: Json = json.loads(file.read_bytes())
        # They repeat the record of the claim, which others look at.
        del content["annotations"]
        text = json.dumps(content, sort_keys=True)
        return text.replace(claim.uid, "UID").replace(claim.name, "NAME")

    # ------------------------------------------------------------------------------- steps

    def steps(self) -> list[str]:
        """Return the steps that were announced since they were forgotten."""
        if not self.steps_file.exists():
            return []
        return self.steps_file.read_text(encoding="utf-8").splitlines()

    def forget_steps(self) -> None:
        """Begin to list the steps anew."""
        self.steps_file.unlink(missing_ok=True)

    # -------------------------------------------------------------------------- API server

    def slices(self) -> list[Json]:
        """Return the ResourceSlices of the node."""
        return self.client.list(SLICES, fieldSelector=f"spec.nodeName={self.host.node}")

    def offered(self) -> list[str]:
        """Return the names of the devices that are offered."""
        return sorted(
            device["name"] for one in self.slices() for device in one["spec"].get("devices", ())
        )

    def events_about(self, name: str) -> list[tuple[str, str]]:
        """Return reason and sentence of the Events about an object."""
        return [
            (one["reason"], one["note"])
            for one in self.client.list(EVENTS)
            if one["regarding"].get("name") == name
        ]


class Caller:
    """Prepares and unprepares claims of a node in the kubelet's place."""

    def __init__(self, host: Host) -> None:
        self.kubelet = Kubelet(host.places())

    def prepare(self, claim: v1.Claim, *, seconds: float = ANSWER_SECONDS) -> list[v1.Device]:
        """Prepare a claim, which must succeed, and return its devices."""
        answer = self.try_prepare(claim, seconds=seconds)
        assert not answer.error, answer.error
        return list(answer.devices)

    def try_prepare(self, claim: v1.Claim, *, seconds: float = ANSWER_SECONDS) -> Any:
        """Prepare a claim and return the answer, which may carry an error."""
        return self.kubelet.call(PREPARE, claim, seconds=seconds)[claim.uid]

    def unprepare(self, *claims: v1.Claim) -> None:
        """Unprepare claims, which must succeed."""
        answers = self.kubelet.call(UNPREPARE, *claims, seconds=ANSWER_SECONDS)
        assert {uid: one.error for uid, one in answers.items()} == {one.uid: "" for one in claims}


@contextmanager
def faulty_node(api_server: ApiServer, *, kubeconfig: Path | None = None) -> Iterator[FaultyNode]:
    """Lend a node, and remove it."""
    node = FaultyNode(api_server, kubeconfig=kubeconfig)
    try:
        yield node
    finally:
        node.close()


@contextmanager
def calling(host: Host) -> Iterator[Caller]:
    """Lend a caller of the plugin that runs on a host."""
    caller = Caller(host)
    try:
        yield caller
    finally:
        caller.kubelet.close()


def told_devices(devices: Sequence[v1.Device], claim: v1.Claim) -> list[str]:
    """Return what the kubelet was answered, with the claim's UID taken out."""
    return [str(one).replace(claim.uid, "UID") for one in devices]
