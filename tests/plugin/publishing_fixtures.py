"""What tests of publishing share: fake machines, offers, and publishers over a real API server."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kube.client import Client
from kube.credentials import from_kubeconfig
from plugin.hardware.fake import PROFILES
from plugin.hardware.simulation.profile import SimulatedMachine, read_machine
from plugin.publishing.allocatable import enumerate_devices
from plugin.publishing.device_names import Board
from plugin.publishing.dialects import DIALECTS, Dialect
from plugin.publishing.layout import Offer
from plugin.publishing.publisher import Publisher
from plugin.publishing.rendering import render_devices
from plugin.publishing.reports import Report
from plugin.publishing.rest import RestSlices
from plugin.publishing.writer_lock import WriterLock
from tests.cluster.client import Client as TestClient
from tests.cluster.client import Json, path_of
from tests.plugin.machine_rigs import FakeRig

DRIVER = "gpu.nvidia.com"
SLICES = path_of("resource.k8s.io/v1", "resourceslices")
LONG_SECONDS = 60.0
"""No healthy server takes so long, however busy the machine is."""


@dataclass
class MemoryBook:
    """A name book that lives as long as the test."""

    boards: dict[str, Board] = field(default_factory=dict)

    def recall(self) -> dict[str, Board]:
        return dict(self.boards)

    def store(self, boards: Mapping[str, Board]) -> None:
        self.boards = dict(boards)


def machine(profile: str) -> SimulatedMachine:
    return read_machine(
        PROFILES / f"{profile}.yaml", products_folder=PROFILES / "products", seed="node1"
    )


def offer_of(profile: str, folder: Path) -> Offer:
    """Return what a simulated machine offers."""
    rig = FakeRig(machine(profile), folder, deadline_seconds=LONG_SECONDS)
    try:
        inventory = rig.machine.inventory()
    finally:
        rig.close()
    found = enumerate_devices(inventory, MemoryBook())
    return Offer(devices=render_devices(found, inventory.versions, simulated=True))


@dataclass
class Reports:
    """What publishers told, in order, from whatever thread."""

    told: list[Report] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, report: Report) -> None:
        with self.changed:
            self.told.append(report)
            self.changed.notify_all()

    def of(self, kind: type[Report]) -> list[Report]:
        with self.changed:
            return [report for report in self.told if isinstance(report, kind)]

    def wait(self, claim: Callable[[], bool]) -> None:
        """Wait until *claim* holds, which is looked at after each report."""
        with self.changed:
            assert self.changed.wait_for(claim, LONG_SECONDS), f"only told: {self.told}"


@dataclass
class Site:
    """One node's publishers over a real API server."""

    kubeconfig: Path
    client: TestClient
    node: str
    folder: Path
    reports: Reports = field(default_factory=Reports)

    @contextmanager
    def client_of_ours(self) -> Iterator[Client]:
        """Return the client of the plugin, which the audit log shows under the node's name."""
        client = Client(from_kubeconfig(self.kubeconfig), user_agent=f"test-{self.node}")
        try:
            yield client
        finally:
            client.close()

    def server(
        self,
        client: Client,
        dialects: tuple[Dialect, ...] = DIALECTS,
        jitter: Callable[[float], float] = lambda _: 0.0,
    ) -> RestSlices:
        return RestSlices(
            client,
            driver=DRIVER,
            node_name=self.node,
            jitter=jitter,
            dialects=dialects,
            field_validation="Strict",
        )

    @contextmanager
    def publisher(
        self,
        dialects: tuple[Dialect, ...] = DIALECTS,
        jitter: Callable[[float], float] = lambda _: 0,
    ) -> Iterator[Publisher]:
        """Run a publisher."""
        with self.client_of_ours() as client, ExitStack() as stack:
            server = self.server(client, dialects, jitter)
            publisher = Publisher(
                server,
                WriterLock(self.folder / "slices.lock"),
                tell=self.reports,
                monotonic=time.monotonic,
                jitter=jitter,
            )
            publisher.start()
            stack.callback(publisher.stop)
            yield publisher

    def slices(self) -> list[Json]:
        """Return what the scheduler sees, in its order."""
        found = self.client.get(
            SLICES, fieldSelector=f"spec.driver={DRIVER},spec.nodeName={self.node}"
        )
        items: list[Json] = found.get("items") or []
        return sorted(items, key=lambda one: str(one["metadata"]["name"]))

    def devices(self) -> list[str]:
        return [
            device["name"] for one in self.slices() for device in one["spec"].get("devices", ())
        ]

    def complete(self) -> bool:
        """Say whether a scheduler takes the pool for complete."""
        pools = [one["spec"]["pool"] for one in self.slices()]
        return bool(pools) and all(
            (pool["generation"], pool["resourceSliceCount"])
            == (pools[0]["generation"], len(pools))
            for pool in pools
        )

    def requests(self, events: list[Json]) -> list[str]:
        """Return verb and resource of what our publisher asked, from an audit log."""
        asked: list[str] = []
        for event in events:
            if event.get("userAgent") != f"test-{self.node}":
                continue
            reference = event.get("objectRef") or {}
            entry = f"{event['verb']} {reference.get('resource', event['requestURI'])}"
            if event["stage"] == "ResponseComplete" and event["verb"] == "watch":
                continue
            asked.append(entry)
        return asked


@contextmanager
def site(kubeconfig: Path, client: TestClient, folder: Path) -> Iterator[Site]:
    """Make a Node object of a name of its own, and remove it with its slices afterwards."""
    name = f"publishing-{uuid.uuid4().hex[:8]}"
    path = path_of("v1", "nodes", name)
    client.create(path_of("v1", "nodes"), {"kind": "Node", "metadata": {"name": name}})
    try:
        yield Site(kubeconfig, client, name, folder)
    finally:
        client.delete(SLICES, fieldSelector=f"spec.nodeName={name}")
        client.delete(path)
