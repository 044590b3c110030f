"""What goes wrong on a real node leaves pods running, or cleanly failed, and nothing behind.

These are the eight cases of the real kubelet. That the plugin may be killed at every single step
is shown without one, in `tests/plugin`.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dra_config.hub import TimeSliceInterval
from tests.cluster.client import Json
from tests.cluster.e2e.bodies import entry, gpu
from tests.cluster.e2e.gpu_node import GpuNode, cut_profile, gpu_node
from tests.cluster.e2e.pod_stream import pods_without_a_pause
from tests.cluster.e2e.release import namespace
from tests.cluster.e2e.workplace import SECONDS, WHOLE, Workplace, container, is_running
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until

GPUS = 4
AWAY_SECONDS = 60.0
"""So long is the API server away."""

UIDS = ("6f1ae0cb-3d0b-4e7e-8c56-0b8f3f6ae001", "6f1ae0cb-3d0b-4e7e-8c56-0b8f3f6ae002")
LONG = gpu(sharing={"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}})


@pytest.fixture(scope="module")
def gpus(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuNode]:
    """Prepare the node, on which each test runs the plugin itself."""
    profile = cut_profile("h100", tmp_path_factory.mktemp("profile"), gpus=GPUS)
    options = ("--simulate", str(profile), "--feature-gates", "TimeSlicingSettings=true")
    with gpu_node(node, *options) as found:
        yield found


@pytest.fixture(scope="module")
def shared_work(node: Node) -> Iterator[Workplace]:
    with namespace(node.client, "faults") as name:
        yield Workplace(node, name)


@pytest.fixture
def work(shared_work: Workplace, gpus: GpuNode) -> Iterator[Workplace]:
    """Lend the namespace; a test that fails may leave pods that only a plugin can end."""
    yield shared_work
    with gpus.plugin(devices=GPUS):
        shared_work.clear()
        gpus.wait_clean()


def runs(work: Workplace, name: str) -> tuple[str, int]:
    """Return which container of a pod runs, and after how many restarts."""
    found = work.client.get(f"{work.pods}/{name}")
    assert is_running(found)
    (status,) = found["status"]["containerStatuses"]
    return status["containerID"], status["restartCount"]


def uids(objects: list[Json]) -> set[str]:
    return {one["metadata"]["uid"] for one in objects}


def test_a_kubelet_that_restarts_gets_the_slices_back(work: Workplace, gpus: GpuNode) -> None:
    with gpus.plugin(devices=GPUS):
        work.pod_with_gpu("before")
        work.wait_running("before")
        container_before, slices_before = runs(work, "before"), uids(gpus.slices())
        work.node.restart_kubelet()
        # The kubelet removes them all when it starts.
        wait_until(
            lambda: not uids(gpus.slices()) & slices_before,
            seconds=SECONDS,
            otherwise=lambda: f"some of the slices stay: {slices_before}",
        )
        gpus.wait_offered(GPUS)
        work.pod_with_gpu("after")
        work.wait_running("after")
        assert runs(work, "before") == container_before
        assert work.devices("before") != work.devices("after")
        work.delete_pod("before")
        work.delete_pod("after")
        gpus.wait_clean()


def test_containers_outlive_a_containerd_that_restarts(work: Workplace, gpus: GpuNode) -> None:
    node = work.node
    with gpus.plugin(devices=GPUS):
        work.pod_with_gpu("before")
        work.wait_running("before")
        before = runs(work, "before")
        node.containerd.stop()
        node.containerd.start()
        node.containerd.wait_ready(lambda: node.run("ctr", "version", check=False).code == 0)
        node.wait_ready()
        work.pod_with_gpu("after")
        work.wait_running("after")
        assert runs(work, "before") == before
        work.delete_pod("before")
        work.delete_pod("after")
        gpus.wait_clean()


def test_pods_outlive_a_plugin_that_is_killed(work: Workplace, gpus: GpuNode) -> None:
    with gpus.plugin(devices=GPUS) as plugin:
        for name in ("stays", "goes"):
            work.pod_with_gpu(name, configs=[entry(LONG)])
            work.wait_running(name)
        stays = runs(work, "stays")
        (freed,) = work.devices("goes")
        plugin.kill()
    log = work.node.kubelet.log
    before = log.stat().st_size
    work.client.delete(f"{work.pods}/goes", gracePeriodSeconds="1")
    wait_until(
        lambda: b"unprepare dynamic resources" in log.read_bytes()[before:],
        seconds=SECONDS,
        otherwise=lambda: f"the kubelet does not miss the plugin: {work.node.kubelet.tail()}",
    )
    assert gpus.gpu_record(freed).time_slice is TimeSliceInterval.LONG
    with gpus.plugin(devices=GPUS):
        work.client.wait_gone(f"{work.pods}/goes", seconds=SECONDS)
        assert gpus.gpu_record(freed).time_slice is TimeSliceInterval.DEFAULT
        assert runs(work, "stays") == stays
        (device,) = work.devices("stays")
        assert gpus.gpu_record(device).time_slice is TimeSliceInterval.LONG
        work.delete_pod("stays")
        gpus.wait_clean()


def test_an_api_server_that_is_away_stops_no_pod_and_no_release(
    work: Workplace, gpus: GpuNode
) -> None:
    node, plane = work.node, work.node.control_plane
    # With it goes what asks it all the time, and would ask rarely by the time it is back.
    others = (node.controller_manager, node.scheduler)
    slowly = {"preStop": {"sleep": {"seconds": 5}}}
    with gpus.plugin(devices=GPUS) as plugin:
        work.pod_with_gpu("stays")
        work.claim("goes")
        work.pod("goes", container("main", WHOLE) | {"lifecycle": slowly})
        for name in ("stays", "goes"):
            work.wait_running(name)
        stays, left = runs(work, "stays"), work.claim_uid("goes")
        work.client.delete(f"{work.pods}/goes")
        work.pod_with_gpu("comes")
        work.wait_pod("comes", lambda one: "nodeName" in one["spec"])
        for one in (*others, plane.process):
            one.stop()
        back = threading.Timer(AWAY_SECONDS, plane.process.start)
        back.start()
        try:
            # The record of the plugin is enough to release a claim.
            wait_until(
                lambda: not any(left in file for file in gpus.left()),
                seconds=AWAY_SECONDS - 5,
                otherwise=lambda: f"the claim {left} is not released; left is {gpus.left()}",
            )
            assert not plane.client.ready()
        finally:
            back.join()
            plane.wait_ready()
            for one in others:
                one.start()
        work.client.wait_gone(f"{work.pods}/goes", seconds=SECONDS)
        work.wait_running("comes")
        assert runs(work, "stays") == stays
        node.wait_ready()
        gpus.wait_offered(GPUS)
        work.pod_with_gpu("later")
        # The kubelet asks for new pods ever more rarely, once a minute in the end.
        work.wait_running("later", seconds=2 * SECONDS)
        for name in ("stays", "comes", "later"):
            work.delete_pod(name)
        gpus.wait_clean()
        assert plugin.process.poll() is None


def test_pods_start_at_every_moment_of_a_rolling_update(work: Workplace, gpus: GpuNode) -> None:
    old, new = (in_pod(gpus, uid) for uid in UIDS)
    with old.plugin(devices=GPUS) as old_plugin:
        slices_before = uids(gpus.slices())
        with pods_without_a_pause(work) as stream, new.plugin(devices=GPUS) as new_plugin:
            stream.window()
            assert old_plugin.stop() == 0
            stream.window()
            # What is offered was there at every moment.
            assert uids(gpus.slices()) == slices_before
            assert len(new_plugin.about("prepare of a claim ended")) >= stream.WINDOW
            # The last pod ends while there still is a plugin.
            stream.end()
            gpus.wait_clean()


def in_pod(gpus: GpuNode, uid: str) -> GpuNode:
    """Return the same node with a plugin that runs in another pod."""
    found = GpuNode(gpus.node)
    found.host = replace(gpus.host, pod_uid=uid)
    return found


@pytest.mark.parametrize("phase", ["prepare", "unprepare"])
def test_a_plugin_that_dies_at_work_goes_on_where_it_was(
    work: Workplace, gpus: GpuNode, tmp_path: Path, phase: str
) -> None:
    crash_at = middle_step(work, gpus, tmp_path / "steps", phase)
    work.claim("halfway", configs=[entry(LONG)])
    with gpus.plugin("--crash-at", str(crash_at), devices=GPUS) as plugin:
        work.pod("halfway")
        if phase == "unprepare":
            work.wait_running("halfway")
            work.client.delete(f"{work.pods}/halfway", gracePeriodSeconds="1")
        assert plugin.wait() == -9
    assert gpus.left() != []
    with gpus.plugin(devices=GPUS):
        if phase == "prepare":
            work.wait_running("halfway")
            (device,) = work.devices("halfway")
            assert gpus.gpu_record(device).time_slice is TimeSliceInterval.LONG
            nodes = gpus.control_nodes | gpus.nodes_of(device)
            assert work.inside("halfway").driver_nodes == nodes
            work.delete_pod("halfway")
        else:
            work.client.wait_gone(f"{work.pods}/halfway", seconds=SECONDS)
        gpus.wait_clean()


def test_after_a_reboot_a_pod_gets_its_gpu_anew(work: Workplace, gpus: GpuNode) -> None:
    with gpus.plugin("--boot-id", "the-first", devices=GPUS):
        work.claim("survivor", configs=[entry(LONG)])
        work.pod("survivor", restartPolicy="Always")
        work.wait_running("survivor")
        first, _ = runs(work, "survivor")
        (device,) = work.devices("survivor")
    lose_power(gpus)
    work.node.kubelet.start()
    with gpus.plugin("--boot-id", "the-second", devices=GPUS):
        work.node.wait_ready()
        work.wait_pod(
            "survivor", lambda one: is_running(one) and runs(work, "survivor")[0] != first
        )
        assert gpus.record().boot_id == "the-second"
        assert gpus.gpu_record(device).time_slice is TimeSliceInterval.LONG
        nodes = gpus.control_nodes | gpus.nodes_of(device)
        assert work.inside("survivor").driver_nodes == nodes
        work.delete_pod("survivor")
        gpus.wait_clean()


def lose_power(gpus: GpuNode) -> None:
    """End all containers and the kubelet, and take away what lies in memory only."""
    node = gpus.node
    node.kubelet.kill()
    for task in node.run("ctr", "task", "ls", "--quiet").output.split():
        node.run("ctr", "task", "kill", "--signal", "SIGKILL", task)
    for file in gpus.host.cdi_root.iterdir():
        file.unlink()


def middle_step(work: Workplace, gpus: GpuNode, file: Path, phase: str) -> int:
    """Return the number of the step in the middle of a phase, for a pod of its own."""
    with gpus.plugin("--steps-file", str(file), devices=GPUS):
        before = len(steps(file))
        work.pod_with_gpu("whole", configs=[entry(LONG)])
        work.wait_running("whole")
        between = len(steps(file))
        work.delete_pod("whole")
        gpus.wait_clean()
        after = len(steps(file))
    assert before < between < after
    first, last = (before, between) if phase == "prepare" else (between, after)
    return (first + last + 1) // 2


def steps(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
