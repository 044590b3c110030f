"""The chart on a whole node with the plugin as a DaemonSet: from the install to the uninstall.

The image is the real one, the machine is simulated. The tests share a release and run in this
order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.e2e.bodies import MPS, entry
from tests.cluster.e2e.census import LEFT, census, remove_crds
from tests.cluster.e2e.gpu_node import EXTENDED_RESOURCE, GpuNode
from tests.cluster.e2e.plugin_release import PluginRelease
from tests.cluster.e2e.pod_stream import pods_without_a_pause
from tests.cluster.e2e.release import namespace
from tests.cluster.e2e.workplace import SECONDS, Workplace, container
from tests.cluster.fixtures import missing
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until
from tools.images.build import Image, obstacles, provide

GPUS = 8
SHARED_MEMORY = "/dev/shm/dra-config"  # noqa: S108 - of the node


@dataclass(frozen=True, slots=True)
class Installed:
    """A release, and what the cluster held before it."""

    release: PluginRelease
    before: set[str]


@pytest.fixture(scope="module")
def images(node: Node) -> dict[str, Image]:
    """Give the node both images of this tree."""
    found: dict[str, Image] = {}
    for target in ("webhook", "plugin"):
        reasons = obstacles(target)
        if reasons:
            missing(" ".join(reasons))
        found[target] = provide(target)
        node.import_image(found[target].archive)
    return found


@pytest.fixture(scope="module")
def gpus(node: Node) -> Iterator[GpuNode]:
    """Look at what the plugin does to the node."""
    found = GpuNode(node)
    found.remove()
    yield found
    found.remove()


@pytest.fixture(scope="module")
def installed(node: Node, images: dict[str, Image], gpus: GpuNode) -> Iterator[Installed]:
    """Install the chart."""
    release = PluginRelease(
        node,
        "e2e",
        webhook_image=images["webhook"].name,
        image=images["plugin"].name,
        profile="h100",
    )
    with namespace(node.client, release.namespace), namespace(node.client, release.claims):
        before = census(node.client)
        try:
            release.bring("install", {})
            release.wait_judging()
            gpus.wait_offered(GPUS)
            yield Installed(release, before)
        finally:
            release.uninstall()
            remove_crds(node.client)


@pytest.fixture
def release(installed: Installed) -> PluginRelease:
    return installed.release


@pytest.fixture
def work(node: Node, release: PluginRelease, gpus: GpuNode) -> Iterator[Workplace]:
    """Lend the namespace for claims, and see that nothing is left of a test."""
    found = Workplace(node, release.claims)
    yield found
    found.clear()
    gpus.wait_clean()


def test_a_pod_gets_its_gpu_from_a_plugin_without_privileges(
    work: Workplace, gpus: GpuNode, release: PluginRelease, images: dict[str, Image]
) -> None:
    status = release.plugin_container()
    assert (status["image"], status["restartCount"]) == (images["plugin"].name, 0)
    work.pod_with_gpu("single")
    work.wait_running("single")
    inside = work.inside("single", numbers=[*gpus.nodes_of(*gpus.devices()).values()])
    own = gpus.nodes_of(*work.devices("single"))
    assert inside.driver_nodes == gpus.control_nodes | own
    assert {number for number, may in inside.openable.items() if may} == {*own.values()}


def test_the_hook_of_the_image_finishes_containers(work: Workplace, gpus: GpuNode) -> None:
    asked = container(limits={EXTENDED_RESOURCE: "1"}, requests={EXTENDED_RESOURCE: "1"})
    work.create_pod("extended", {"restartPolicy": "Never", "containers": [asked]})
    work.wait_running("extended")
    root = work.inside("extended").root
    # The driver's mounts bring no links; the hook makes them, as they are on the host.
    link = work.node.run("readlink", f"{root}/usr/lib64/libcuda.so").output
    assert link.strip() == "libcuda.so.1"
    assert (gpus.host.folder / "nvidia-cdi-hook").exists()


def test_a_container_of_the_plugin_that_is_killed_comes_back_and_pods_run_on(
    work: Workplace, gpus: GpuNode, release: PluginRelease
) -> None:
    for name in ("stays", "goes"):
        work.pod_with_gpu(name)
        work.wait_running(name)
    task = release.plugin_container()["containerID"].removeprefix("containerd://")
    work.node.run("ctr", "task", "kill", "--signal", "SIGKILL", task)
    work.client.delete(f"{work.pods}/goes", gracePeriodSeconds="1")
    wait_until(
        lambda: (
            (release.plugin_container()["restartCount"], release.plugin_container()["ready"])
            == (1, True)
        ),
        seconds=SECONDS,
        otherwise=lambda: f"the plugin's container is {release.plugin_container()}",
        pause_seconds=0.2,
    )
    work.client.wait_gone(f"{work.pods}/goes", seconds=SECONDS)
    work.pod_with_gpu("comes")
    work.wait_running("comes")
    gpus.wait_offered(GPUS)
    own = gpus.nodes_of(*work.devices("stays"))
    assert work.inside("stays").driver_nodes == gpus.control_nodes | own


def test_pods_start_at_every_moment_of_an_upgrade(
    work: Workplace, gpus: GpuNode, release: PluginRelease
) -> None:
    work.pod_with_gpu("stays")
    work.wait_running("stays")
    old, slices = release.plugin_pod()["metadata"]["uid"], uids(gpus)
    with pods_without_a_pause(work) as stream:
        release.change({"featureGates": {"MPSSupport": True}})
    assert len(stream.ran) >= 2 * stream.WINDOW
    assert release.plugin_pod()["metadata"]["uid"] != old
    # What is offered was there at every moment.
    assert uids(gpus) == slices
    work.delete_pod("stays")


def uids(gpus: GpuNode) -> set[str]:
    return {one["metadata"]["uid"] for one in gpus.slices()}


def test_a_claim_with_mps_gets_a_daemon_in_a_pod_of_the_same_image(
    work: Workplace, gpus: GpuNode, release: PluginRelease, images: dict[str, Image]
) -> None:
    work.pod_with_gpu("shared", configs=[entry(MPS)])
    work.wait_running("shared")
    (daemon,) = release.daemon_pods()
    assert daemon["spec"]["nodeName"] == gpus.host.node
    (one,) = daemon["spec"]["containers"]
    assert one["image"] == images["plugin"].name
    inside = work.inside("shared")
    pipe = inside.environment["CUDA_MPS_PIPE_DIRECTORY"]
    assert pipe in inside.mounts
    text = work.node.run("ls", f"{inside.root}{pipe}").output
    assert "nvidia-cuda-mps-control.pid" in text.split()
    work.delete_pod("shared")
    gpus.wait_clean()
    assert release.daemon_pods() == []
    assert work.node.run("ls", SHARED_MEMORY).output == ""


def test_an_uninstall_leaves_nothing_behind(
    node: Node, installed: Installed, gpus: GpuNode
) -> None:
    release = installed.release
    assert release.daemon_set in census(release.client) - installed.before
    release.uninstall()
    # The kubelet takes away the ResourceSlices of a driver that has been gone for 30 seconds.
    wait_until(
        lambda: census(release.client) <= installed.before | LEFT,
        seconds=2 * SECONDS,
        otherwise=lambda: f"left: {sorted(census(release.client) - installed.before - LEFT)}",
        pause_seconds=0.5,
    )
    assert gpus.slices() == []
    assert gpus.left() == []
    assert not [*node.folders.cdi.iterdir()]
    assert not [*(node.folders.kubelet / "plugins_registry").iterdir()]
    assert not [*gpus.host.folder.glob("*.sock")]
