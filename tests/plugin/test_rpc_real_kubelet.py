"""A real kubelet registers the plugin, has claims prepared by it, and shows what it says."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from plugin.preparer import ClaimReference, Deadline, PreparedDevice, PrepareFailed
from plugin.rpc import dra, health
from plugin.rpc.edge import Edge
from plugin.rpc.health import DeviceHealth, Health, HealthBoard
from plugin.rpc.sockets import Places
from plugin.rpc.telemetry import EdgeTelemetry
from tests.cluster.client import Json, path_of
from tests.cluster.node import NODE, Node
from tests.cluster.waiting import wait_until
from tests.plugin.rpc_kubelet import Lines

DRIVER = "rpc.rig.test"
RESOURCE = "resource.k8s.io/v1"
CLASS = path_of(RESOURCE, "deviceclasses")
SLICES = path_of(RESOURCE, "resourceslices")
CLAIMS = path_of(RESOURCE, "resourceclaims", namespace="default")
PODS = path_of("v1", "pods", namespace="default")
EVENTS = path_of("v1", "events", namespace="default")
SECONDS = 60.0
UIDS = ("6f1ae0cb-3d0b-4e7e-8c56-0b8f3f6ae001", "6f1ae0cb-3d0b-4e7e-8c56-0b8f3f6ae002")


@dataclass
class OneFile:
    """Prepares a claim by writing one CDI file with one variable."""

    folder: Path
    refuse: str = ""
    calls: list[str] = field(default_factory=list)

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        self.calls.append(f"prepare {claim}")
        # Of the 45 seconds of the kubelet.
        assert 20 < deadline.remaining_seconds() < 38.1
        if self.refuse:
            raise PrepareFailed(self.refuse, permanent=True)
        edits = {"env": [f"RIG_CLAIM={claim}"]}
        spec = {
            "cdiVersion": "0.5.0",
            "kind": "rpc.rig.test/gpu",
            "devices": [{"name": claim.uid, "containerEdits": edits}],
        }
        part = self.folder / f".{claim.uid}.part"
        part.write_text(json.dumps(spec), encoding="utf-8")
        part.replace(self._file(claim))
        return (PreparedDevice(("gpu",), NODE, "gpu-0", (f"rpc.rig.test/gpu={claim.uid}",)),)

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        self.calls.append(f"unprepare {claim}")
        assert deadline.remaining_seconds() > 0
        self._file(claim).unlink(missing_ok=True)

    def _file(self, claim: ClaimReference) -> Path:
        return self.folder / f"rpc-{claim.uid}.json"

    def files(self) -> list[Path]:
        return [*self.folder.glob("rpc-*")]


@dataclass
class Plugin:
    """A running instance of the plugin in the process of the test."""

    edge: Edge
    core: OneFile
    board: HealthBoard
    lines: Lines
    registry: CollectorRegistry

    def stop(self) -> None:
        assert self.edge.stop(10.0)

    def wait_registered(self) -> None:
        wait_for("the kubelet registers the plugin", lambda: self.edge.registered)

    def streams(self) -> float | None:
        return self.registry.get_sample_value("dra_config_plugin_health_streams")


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    wait_until(condition, seconds=SECONDS, otherwise=lambda: f"it does not come true that {what}")


@contextmanager
def running(node: Node, pod_uid: str = "", *, registered: bool = True) -> Iterator[Plugin]:
    """Start the plugin, with its sockets in the kubelet's folders, and stop it at the end."""
    kubelet = node.folders.kubelet
    places = Places(DRIVER, kubelet / "plugins_registry", kubelet / "plugins" / DRIVER, pod_uid)
    core, board, lines = OneFile(node.folders.cdi), HealthBoard(), Lines()
    registry = CollectorRegistry()
    edge = Edge(places, core, board, lines, EdgeTelemetry(registry))
    edge.start()
    plugin = Plugin(edge, core, board, lines, registry)
    try:
        if registered:
            plugin.wait_registered()
        yield plugin
    finally:
        plugin.stop()


@pytest.fixture
def device(node: Node) -> Iterator[None]:
    """Offer one device of the driver, which a test's plugin is to prepare."""
    client = node.client
    meta = {"name": DRIVER}
    expression = f'device.driver == "{DRIVER}"'
    client.create(
        CLASS,
        {
            "apiVersion": RESOURCE,
            "kind": "DeviceClass",
            "metadata": meta,
            "spec": {"selectors": [{"cel": {"expression": expression}}]},
        },
        fieldValidation="Strict",
    )
    client.create(
        SLICES,
        {
            "apiVersion": RESOURCE,
            "kind": "ResourceSlice",
            "metadata": meta,
            "spec": {
                "driver": DRIVER,
                "nodeName": NODE,
                "pool": {"name": NODE, "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "gpu-0"}],
            },
        },
        fieldValidation="Strict",
    )
    yield
    client.delete(f"{CLASS}/{DRIVER}")
    if client.find(f"{SLICES}/{DRIVER}") is not None:
        client.delete(f"{SLICES}/{DRIVER}")


@contextmanager
def pod(node: Node, name: str) -> Iterator[str]:
    """Create a claim and a pod that uses it; yield the pod's path; remove both."""
    request = {"name": "gpu", "exactly": {"deviceClassName": DRIVER}}
    node.client.create(
        CLAIMS,
        {
            "apiVersion": RESOURCE,
            "kind": "ResourceClaim",
            "metadata": {"name": name},
            "spec": {"devices": {"requests": [request]}},
        },
        fieldValidation="Strict",
    )
    container = {
        "name": "main",
        "image": "rig.local/env:1",
        "imagePullPolicy": "Never",
        "resources": {"claims": [{"name": "gpu", "request": "gpu"}]},
    }
    node.client.create(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "resourceClaims": [{"name": "gpu", "resourceClaimName": name}],
                "containers": [container],
            },
        },
        fieldValidation="Strict",
    )
    path = f"{PODS}/{name}"
    try:
        yield path
    finally:
        if node.client.find(path) is not None:
            node.client.delete(path, gracePeriodSeconds="1")
            node.client.wait_gone(path, seconds=SECONDS)
        node.client.delete(f"{CLAIMS}/{name}")
        node.client.wait_gone(f"{CLAIMS}/{name}", seconds=SECONDS)


def wait_running(node: Node, path: str) -> Json:
    found = node.client.wait(
        path, lambda one: one is not None and one["status"]["phase"] == "Running", seconds=SECONDS
    )
    assert found is not None
    return found


def messages(node: Node, name: str) -> list[str]:
    """Return what the events of a pod say about a failed prepare."""
    return [
        event["message"]
        for event in node.client.list(EVENTS)
        if event["involvedObject"]["name"] == name
        and event["reason"] == "FailedPrepareDynamicResources"
    ]


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("services", [dra.SERVICES, ("v1beta1.DRAPlugin",)], ids=["v1", "v1beta1"])
def test_a_pod_gets_its_device_and_gives_it_back(
    node: Node, services: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kubelet takes the first service that it knows.
    monkeypatch.setattr(dra, "SERVICES", services)
    with running(node) as plugin:
        with pod(node, "rpc-whole") as path:
            wait_running(node, path)
            output = node.run("kubectl", "logs", "rpc-whole").output
            assert "RIG_CLAIM=default/rpc-whole" in output.splitlines()
            assert plugin.core.calls == ["prepare default/rpc-whole"]
            assert len(plugin.core.files()) == 1
        assert plugin.core.calls[-1] == "unprepare default/rpc-whole"
        assert plugin.core.files() == []
        assert plugin.lines.about(message="prepare of a claim ended", outcome="success")


@pytest.mark.usefixtures("device")
def test_a_refusal_can_be_read_in_the_pods_events_and_is_asked_again(node: Node) -> None:
    with running(node) as plugin:
        plugin.core.refuse = "GPU gpu-0 is too warm; let it cool down."
        with pod(node, "rpc-refused") as path:
            wait_for("the event comes", lambda: bool(messages(node, "rpc-refused")))
            (message, *_) = messages(node, "rpc-refused")
            assert "for ResourceClaim rpc-refused: GPU gpu-0 is too warm; let it cool" in message
            plugin.core.refuse = ""
            wait_running(node, path)


@pytest.mark.usefixtures("device")
def test_a_pod_outlives_the_plugin_and_ends_when_it_is_back(node: Node) -> None:
    with ExitStack() as stack:
        with running(node) as plugin:
            path = stack.enter_context(pod(node, "rpc-outlives"))
            wait_running(node, path)
        assert node.client.get(path)["status"]["phase"] == "Running"
        node.client.delete(path, gracePeriodSeconds="1")
        wait_for(
            "the kubelet misses the driver",
            lambda: f"DRA driver {DRIVER} is not registered" in node.kubelet.tail(),
        )
        assert len(plugin.core.files()) == 1
        with running(node) as again:
            node.client.wait_gone(path, seconds=SECONDS)
            assert set(again.core.calls) == {"unprepare default/rpc-outlives"}
            assert again.core.files() == []


@pytest.mark.usefixtures("device")
def test_the_health_of_a_device_is_shown_in_the_pods_status(node: Node) -> None:
    """D58: the reference driver does not serve the kubelet's DRAResourceHealth, so a pod never
    shows it.
    """

    def shown(one: Json | None) -> list[Json]:
        statuses = (one or {}).get("status", {}).get("containerStatuses", [])
        return [
            resource
            for status in statuses
            for allocated in status.get("allocatedResourcesStatus", [])
            for resource in allocated["resources"]
        ]

    with running(node) as plugin:
        plugin.board.replace([DeviceHealth(NODE, "gpu-0", Health.HEALTHY)])
        with pod(node, "rpc-health") as path:
            wait_running(node, path)
            wait_for("the kubelet opens a stream", lambda: plugin.streams() == 1)
            sick = DeviceHealth(NODE, "gpu-0", Health.UNHEALTHY, "Xid 79: off the bus")
            plugin.board.replace([sick])
            found = node.client.wait(
                path,
                lambda one: any(resource["health"] == "Unhealthy" for resource in shown(one)),
                seconds=SECONDS,
            )
            (resource,) = shown(found)
            assert resource["resourceID"].startswith("rpc.rig.test/gpu=")
            assert resource["message"] == "Xid 79: off the bus"


@pytest.mark.usefixtures("device")
def test_two_instances_take_turns_in_a_rolling_update(node: Node) -> None:
    """D56: the reference driver's old instance ends before the new one begins."""
    with ExitStack() as stack:
        old = stack.enter_context(running(node, UIDS[0]))
        new = stack.enter_context(running(node, UIDS[1]))
        with pod(node, "rpc-rolling") as path:
            wait_running(node, path)
            assert (old.core.calls, new.core.calls) == ([], ["prepare default/rpc-rolling"])
            old.stop()
        assert new.core.calls[-1] == "unprepare default/rpc-rolling"
        assert node.client.find(f"{SLICES}/{DRIVER}") is not None


def test_a_kubelet_that_refuses_says_why(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dra, "SERVICES", ("v0.DRAPlugin",))
    monkeypatch.setattr(health, "SERVICE", "v0.DRAResourceHealth")
    with running(node, registered=False) as plugin:
        line = plugin.lines.wait_about(level=logging.ERROR)
        assert "none of services supported by the plugin" in line["error"]
        assert line["offered"] == ["v0.DRAPlugin", "v0.DRAResourceHealth"]
        assert not plugin.edge.registered


def test_a_kubelet_that_starts_again_finds_the_plugin(node: Node) -> None:
    with running(node) as plugin:
        before = len(plugin.lines.about(message="the kubelet registered the driver"))
        node.restart_kubelet()
        wait_for(
            "the kubelet registers the plugin again",
            lambda: len(plugin.lines.about(message="the kubelet registered the driver")) > before,
        )
        wait_for("the kubelet opens a stream", lambda: plugin.streams() == 1)
