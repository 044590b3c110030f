"""Pods on a real kubelet share GPUs through an MPS control daemon, which is a process of the node.

The driver's control program is played by one that takes the same commands. The daemon as a Pod is
in `test_e2e_plugin_release.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.hardware.facts import ComputeMode
from tests.cluster.e2e.bodies import entry, gpu
from tests.cluster.e2e.gpu_node import GpuNode, cut_profile, gpu_node, workplace
from tests.cluster.e2e.workplace import PREPARE_FAILED, Workplace, request
from tests.cluster.node import Node

GPUS = 2
CONFIG = {
    "defaultActiveThreadPercentage": 25,
    "defaultPinnedDeviceMemoryLimit": "8Gi",
    "defaultPerDevicePinnedMemoryLimit": {"0": "12Gi"},
}
SHARED = gpu(sharing={"strategy": "MPS", "mpsConfig": CONFIG})
PROCESS = Path("pipe", "nvidia-cuda-mps-control.pid")
"""Holds the process id of the daemon, below its folder."""

REFUSAL = "MPS is not for today"


@pytest.fixture(scope="module")
def gpus(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuNode]:
    """Run the plugin on a machine with two GPUs."""
    profile = cut_profile("h100", tmp_path_factory.mktemp("profile"), gpus=GPUS)
    options = (
        *("--simulate", str(profile), "--feature-gates", "MPSSupport=true"),
        *("--mps-launcher", "process"),
    )
    with gpu_node(node, *options) as found, found.plugin(devices=GPUS):
        yield found


@pytest.fixture
def work(node: Node, gpus: GpuNode) -> Iterator[Workplace]:
    with workplace(node, gpus, "mps") as found:
        yield found


def daemon_folder(gpus: GpuNode) -> Path:
    """Return the folder of the only daemon there is."""
    (folder,) = (gpus.host.folder / "mps").iterdir()
    return folder


def test_two_pods_share_two_gpus_through_one_daemon(work: Workplace, gpus: GpuNode) -> None:
    work.claim("shared", request(count=GPUS), configs=[entry(SHARED)])
    for name in ("one", "two"):
        work.pod(name, claim="shared")
        work.wait_running(name)
    devices = work.devices("shared")
    uuids = sorted(map(gpus.uuid, devices))
    seen_from_outside = (daemon_folder(gpus) / PROCESS).read_text(encoding="utf-8")
    for name in ("one", "two"):
        inside = work.inside(name)
        assert inside.driver_nodes == gpus.control_nodes | gpus.nodes_of(*devices)
        pipe = inside.environment["CUDA_MPS_PIPE_DIRECTORY"]
        assert {pipe, "/dev/shm"} <= {*inside.mounts}  # noqa: S108 - of the container
        file = f"{inside.root}{pipe}/{PROCESS.name}"
        assert work.node.run("cat", file).output == seen_from_outside
    told = (daemon_folder(gpus) / "log/commands").read_text(encoding="utf-8").splitlines()
    started, *commands = told
    assert started.endswith(",".join(uuids))
    assert set(commands) == {
        "set_default_active_thread_percentage 25",
        f"set_default_device_pinned_mem_limit {uuids[0]} 12288M",
        f"set_default_device_pinned_mem_limit {uuids[1]} 8192M",
    }
    modes = {gpus.gpu_record(device).compute_mode for device in devices}
    assert modes == {ComputeMode.EXCLUSIVE_PROCESS}
    process = Path("/proc", seen_from_outside)
    assert process.exists()
    for name in ("one", "two"):
        work.delete_pod(name)
    gpus.wait_clean()
    assert not process.exists()


def test_a_daemon_that_does_not_start_is_told_on_the_pod_and_leaves_nothing(
    work: Workplace, gpus: GpuNode
) -> None:
    fault = gpus.machine / "driver/usr/bin/mps-refusal"
    fault.write_text(f"set_default_active_thread_percentage\n{REFUSAL}\n", encoding="utf-8")
    try:
        work.pod_with_gpu("refused", configs=[entry(SHARED)])
        told, *_ = work.wait_events("refused", reason=PREPARE_FAILED)
        assert REFUSAL in told["message"]
        gpus.wait_clean()
    finally:
        fault.unlink()
    work.wait_running("refused")
