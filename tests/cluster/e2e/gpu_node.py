"""The plugin as a process on the node, with a simulated machine and the chart's DeviceClasses."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from dra_config.scheme import GPU_DRIVER
from plugin.hardware.fake import PROFILES
from plugin.hardware.simulation.ledger import GpuRecord, Record
from tests.chart.chart import Helm, with_tls
from tests.cluster.client import Json, path_of
from tests.cluster.e2e.release import namespace
from tests.cluster.e2e.workplace import SECONDS, Workplace
from tests.cluster.node import NODE, Node
from tests.cluster.waiting import wait_until
from tests.plugin.plugin_process import Host, PluginProcess, running

EXTENDED_RESOURCE = "nvidia.com/gpu"
RESOURCE = "resource.k8s.io/v1"
SLICES = path_of(RESOURCE, "resourceslices")
CLASSES = path_of(RESOURCE, "deviceclasses")
REGISTERED = "the kubelet registered the driver"


def cut_profile(name: str, folder: Path, *, gpus: int) -> Path:
    """Write the profile of a machine with the first GPUs of one that ships, and return it."""
    machine = yaml.safe_load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))
    path = folder / f"{name}-{gpus}.yaml"
    path.write_text(json.dumps(machine | {"gpus": machine["gpus"][:gpus]}), encoding="utf-8")
    return path


class GpuNode:
    """Where the plugin runs, and what it does to the node.

    Attributes:
        node: The node of the cluster.
        host: What the plugin is told of it.
    """

    def __init__(self, node: Node, *options: str) -> None:
        """Start nothing yet; *options* are the plugin's."""
        self.node = node
        self.host = Host(
            node=NODE,
            kubeconfig=node.control_plane.kubeconfig,
            kubelet_root=node.folders.kubelet,
            cdi_root=node.folders.cdi,
            options=options,
        )

    def slices(self) -> list[Json]:
        """Return our ResourceSlices."""
        return self.node.client.list(SLICES, fieldSelector=f"spec.driver={GPU_DRIVER}")

    def devices(self) -> dict[str, Json]:
        """Return the devices that are offered, by name."""
        return {
            device["name"]: device
            for one in self.slices()
            for device in one["spec"].get("devices", [])
        }

    def uuid(self, device: str) -> str:
        """Return the UUID of an offered device."""
        uuid: str = self.devices()[device]["attributes"]["uuid"]["string"]
        return uuid

    def wait_offered(self, count: int) -> None:
        """Wait until so many devices are offered.

        Raises:
            RigError: They are not in time.
        """
        wait_until(
            lambda: len(self.devices()) == count,
            seconds=SECONDS,
            otherwise=lambda: f"offered are {sorted(self.devices())}, not {count} devices",
        )

    @property
    def machine(self) -> Path:
        """Return the folder of the simulated machine."""
        return self.host.folder / "machine"

    def record(self) -> Record:
        """Return what was done to the simulated machine."""
        return Record.model_validate_json((self.machine / "machine.json").read_bytes())

    def gpu_record(self, device: str) -> GpuRecord:
        """Return what was done to an offered GPU."""
        return self.record().gpu(self.uuid(device))

    @property
    def control_nodes(self) -> dict[str, str]:
        """Return the numbers of the device nodes that every container with a GPU needs."""
        gpu, uvm = self._major("nvidia"), self._major("nvidia-uvm")
        return {
            "/dev/nvidia-modeset": f"{gpu}:254",
            "/dev/nvidia-uvm": f"{uvm}:0",
            "/dev/nvidia-uvm-tools": f"{uvm}:1",
            "/dev/nvidiactl": f"{gpu}:255",
        }

    def nodes_of(self, *devices: str) -> dict[str, str]:
        """Return the numbers of the nodes of whole GPUs, as the simulated kernel has them."""
        return dict(pair for device in devices for pair in self._nodes_of(device))

    def _nodes_of(self, device: str) -> Iterator[tuple[str, str]]:
        yield self.board_node(int(device.removeprefix("gpu-")))
        attributes = self.devices()[device]["attributes"]
        address = attributes["resource.kubernetes.io/pciBusID"]["string"]
        for card in (self.machine / "sys/bus/pci/devices" / address / "drm").iterdir():
            yield f"/dev/dri/{card.name}", (card / "dev").read_text(encoding="utf-8").strip()

    def board_node(self, minor: int) -> tuple[str, str]:
        """Return path and number of the node that a GPU has, whole or cut."""
        return f"/dev/nvidia{minor}", f"{self._major('nvidia')}:{minor}"

    def capabilities(self, minor: int) -> list[dict[str, str]]:
        """Return the nodes of the MIG devices of a GPU, two for each."""
        folder = self.machine / f"proc/driver/nvidia/capabilities/gpu{minor}/mig"
        return [
            dict(map(self._capability, (outer / "access", inner)))
            for outer in folder.iterdir()
            for inner in outer.glob("ci*/access")
        ]

    def _capability(self, file: Path) -> tuple[str, str]:
        line, *_ = file.read_text(encoding="utf-8").splitlines()
        minor = line.removeprefix("DeviceFileMinor: ")
        return f"/dev/nvidia-caps/nvidia-cap{minor}", f"{self._major('nvidia-caps')}:{minor}"

    def _major(self, name: str) -> int:
        text = (self.machine / "proc/devices").read_text(encoding="utf-8")
        lines = (line.split() for line in text.splitlines())
        (found,) = (int(words[0]) for words in lines if words[1:] == [name])
        return found

    def cdi_files(self) -> list[str]:
        """Return the names of all files for the container runtime."""
        return sorted(path.name for path in self.host.cdi_root.iterdir())

    def left(self) -> list[str]:
        """Return what is left of claims: files, records, settings of GPUs."""
        folders = (
            self.host.cdi_root,
            *(self.host.folder / name for name in ("claims", "mps")),
            self.host.shared_memory,
        )
        files = [
            str(path)
            for one in folders
            if one.exists()
            for path in one.iterdir()
            if path.name != "boot-id"
        ]
        changed = [
            f"{uuid}: {gpu!r}" for uuid, gpu in self.record().gpus.items() if gpu != GpuRecord()
        ]
        return files + changed

    def wait_clean(self) -> None:
        """Wait until nothing is left of claims.

        Raises:
            RigError: Something is.
        """
        wait_until(
            lambda: not self.left(), seconds=SECONDS, otherwise=lambda: f"left: {self.left()}"
        )

    @contextmanager
    def plugin(self, *options: str, devices: int) -> Iterator[PluginProcess]:
        """Run the plugin, registered and with so many devices offered."""
        with running(self.host, *options) as plugin:
            plugin.wait_line(REGISTERED)
            self.wait_offered(devices)
            yield plugin

    def remove(self) -> None:
        """Remove the files of the plugin and its ResourceSlices, after its end."""
        shutil.rmtree(self.host.folder, ignore_errors=True)
        self.node.client.delete(SLICES, fieldSelector=f"spec.driver={GPU_DRIVER}")
        wait_until(lambda: not self.slices(), seconds=SECONDS, otherwise=lambda: "the slices stay")


@contextmanager
def device_classes(node: Node) -> Iterator[None]:
    """Have the DeviceClasses as the chart makes them, the extended resource included."""
    rendered = Helm(node.binaries.helm).render(
        with_tls(
            "self-managed",
            {
                "drivers": [GPU_DRIVER],
                "deviceClasses": {"extendedResourceName": EXTENDED_RESOURCE},
            },
        )
    )
    classes = rendered.of("DeviceClass")
    for one in classes:
        node.client.create(CLASSES, one, fieldValidation="Strict")
    try:
        yield
    finally:
        for one in classes:
            node.client.delete(f"{CLASSES}/{one['metadata']['name']}")


@contextmanager
def gpu_node(node: Node, *options: str) -> Iterator[GpuNode]:
    """Lend a node without a trace of the plugin, and leave none."""
    found = GpuNode(node, *options)
    with device_classes(node):
        found.remove()
        try:
            yield found
        finally:
            found.remove()


@contextmanager
def workplace(node: Node, gpus: GpuNode, name: str) -> Iterator[Workplace]:
    """Lend a namespace, and see that nothing is left of what was done in it."""
    with namespace(node.client, name) as made:
        found = Workplace(node, made)
        yield found
        found.clear()
        gpus.wait_clean()
