"""Pods on a real kubelet get MIG devices of one GPU, and see no more of it than their own."""

from collections.abc import Iterator

import pytest

from tests.cluster.e2e.gpu_node import GpuNode, cut_profile, gpu_node, workplace
from tests.cluster.e2e.workplace import Workplace, request
from tests.cluster.node import Node

SEVENTHS = 7
CLASS = "mig.nvidia.com"


@pytest.fixture(scope="module")
def gpus(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuNode]:
    """Run the plugin on a machine with one GPU that is cut into seven."""
    profile = cut_profile("h100-mig", tmp_path_factory.mktemp("profile"), gpus=1)
    with gpu_node(node, "--simulate", str(profile)) as found, found.plugin(devices=SEVENTHS):
        yield found


@pytest.fixture
def work(node: Node, gpus: GpuNode) -> Iterator[Workplace]:
    with workplace(node, gpus, "mig") as found:
        yield found


def test_two_pods_share_a_gpu_by_a_mig_device_each(work: Workplace, gpus: GpuNode) -> None:
    names = ("left", "right")
    for name in names:
        work.pod_with_gpu(name, request(device_class=CLASS))
    capabilities = gpus.capabilities(0)
    assert len(capabilities) == SEVENTHS
    board = dict([gpus.board_node(0)])
    own: list[dict[str, str]] = []
    for name in names:
        work.wait_running(name)
        inside = work.inside(name)
        (found,) = (
            pair
            for pair in capabilities
            if inside.driver_nodes == gpus.control_nodes | board | pair
        )
        own.append(found)
    assert own[0] != own[1]
    assert work.devices("left") != work.devices("right")


def test_a_container_may_open_the_capabilities_of_its_own_device_only(
    work: Workplace, gpus: GpuNode
) -> None:
    work.pod_with_gpu("seventh", request(device_class=CLASS))
    work.wait_running("seventh")
    numbers = [number for pair in gpus.capabilities(0) for number in pair.values()]
    inside = work.inside("seventh", numbers=numbers)
    assert {number for number, may in inside.openable.items() if may} == {
        number for path, number in inside.nodes.items() if path.startswith("/dev/nvidia-caps/")
    }
    assert len(numbers) == 2 * SEVENTHS


def test_one_claim_may_hold_all_parts_and_the_eighth_waits(work: Workplace, gpus: GpuNode) -> None:
    work.pod_with_gpu("whole", request(device_class=CLASS, count=SEVENTHS))
    work.wait_running("whole")
    parts = {path for pair in gpus.capabilities(0) for path in pair}
    assert parts <= work.inside("whole").nodes.keys()
    work.pod_with_gpu("eighth", request(device_class=CLASS))
    work.wait_unschedulable("eighth")
    work.delete_pod("whole")
    work.wait_running("eighth")
