"""Pods on a real kubelet get GPUs from the plugin, and give them back.

The machine is simulated and has four GPUs. After each test nothing may be left of its claims.
"""

from collections.abc import Iterator

import pytest

from dra_config.hub import TimeSliceInterval
from tests.cluster.client import Json, path_of
from tests.cluster.e2e.bodies import BAD, BAD_RULES, GPU, entry, gpu
from tests.cluster.e2e.gpu_node import EXTENDED_RESOURCE, GpuNode, cut_profile, gpu_node
from tests.cluster.e2e.release import namespace
from tests.cluster.e2e.workplace import (
    PREPARE_FAILED,
    WHOLE,
    Workplace,
    container,
    request,
)
from tests.cluster.node import Node

ALL = ("gpu-0", "gpu-1", "gpu-2", "gpu-3")
LONG = gpu(sharing={"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}})
ADMIN_LABEL = "resource.kubernetes.io/admin-access"


@pytest.fixture(scope="module")
def gpus(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuNode]:
    """Run the plugin on a machine with four GPUs."""
    profile = cut_profile("h100", tmp_path_factory.mktemp("profile"), gpus=len(ALL))
    options = ("--simulate", str(profile), "--feature-gates", "TimeSlicingSettings=true")
    with gpu_node(node, *options) as found, found.plugin(devices=len(ALL)):
        yield found


@pytest.fixture(scope="module")
def shared_work(node: Node) -> Iterator[Workplace]:
    with namespace(node.client, "gpus") as name:
        yield Workplace(node, name)


@pytest.fixture
def work(shared_work: Workplace, gpus: GpuNode) -> Iterator[Workplace]:
    """Lend the namespace, and see that nothing is left of a test."""
    yield shared_work
    shared_work.clear()
    gpus.wait_clean()


def test_a_container_finds_its_gpu_and_the_driver(work: Workplace, gpus: GpuNode) -> None:
    work.pod_with_gpu("single")
    work.wait_running("single")
    (device,) = work.devices("single")
    inside = work.inside("single")
    assert inside.driver_nodes == gpus.control_nodes | gpus.nodes_of(device)
    assert inside.environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    libraries = inside.environment["NVIDIA_CTK_LIBCUDA_DIR"]
    (place,) = (one for one in inside.mounts if one.startswith(f"{libraries}/libcuda.so"))
    text = work.node.run("cat", f"{inside.root}{place}").output
    assert text == "The library libcuda of no driver at all.\n"
    assert "NVIDIA_VISIBLE_DEVICES=void" in work.logged("single")


def test_two_pods_see_and_may_open_each_its_own_gpu_and_no_other(
    work: Workplace, gpus: GpuNode
) -> None:
    """D39: with the reference driver both pods of a pair of claims saw both GPUs."""
    names = ("left", "right")
    for name in names:
        work.pod_with_gpu(name)
    for name in names:
        work.wait_running(name)
    devices = [work.devices(name) for name in names]
    assert devices[0] != devices[1]
    everything = gpus.nodes_of(*ALL).values()
    for name, own in zip(names, devices, strict=True):
        inside = work.inside(name, numbers=[*everything])
        nodes = gpus.nodes_of(*own)
        assert inside.driver_nodes == gpus.control_nodes | nodes
        assert inside.openable == {number: number in nodes.values() for number in everything}


def test_the_containers_of_a_pod_share_a_claim_if_they_name_it(
    work: Workplace, gpus: GpuNode
) -> None:
    work.claim("shared")
    work.pod(
        "family",
        container("one", WHOLE),
        container("two", WHOLE),
        container("none"),
        claim="shared",
    )
    work.wait_running("family")
    own = gpus.control_nodes | gpus.nodes_of(*work.devices("shared"))
    assert work.inside("family", "one").driver_nodes == own
    assert work.inside("family", "two").driver_nodes == own
    assert work.inside("family", "none").driver_nodes == {}
    assert "NVIDIA_VISIBLE_DEVICES" not in work.inside("family", "none").environment


def test_a_container_gets_the_devices_of_the_request_that_it_names(
    work: Workplace, gpus: GpuNode
) -> None:
    work.claim("pair", request("first"), request("second"))
    first, second = ({"name": "gpu", "request": name} for name in ("first", "second"))
    work.pod("pair", container("one", first), container("two", second), container("all", WHOLE))
    work.wait_running("pair")
    devices = {one["request"]: one["device"] for one in work.results("pair")}
    for name, own in (
        ("one", [devices["first"]]),
        ("two", [devices["second"]]),
        ("all", [*devices.values()]),
    ):
        found = work.inside("pair", name).driver_nodes
        assert found == gpus.control_nodes | gpus.nodes_of(*own)


def test_two_pods_share_a_claim_until_the_last_of_them_is_gone(
    work: Workplace, gpus: GpuNode
) -> None:
    work.claim("shared")
    for name in ("early", "late"):
        work.pod(name, claim="shared")
        work.wait_running(name)
    own = gpus.control_nodes | gpus.nodes_of(*work.devices("shared"))
    assert work.inside("early").driver_nodes == work.inside("late").driver_nodes == own
    prepared = gpus.left()
    work.delete_pod("early")
    assert gpus.left() == prepared
    assert work.inside("late").driver_nodes == own
    work.delete_pod("late")
    gpus.wait_clean()
    # The claim is still there, and can be used again.
    work.pod("again", claim="shared")
    work.wait_running("again")


def test_the_fifth_pod_on_four_gpus_waits_for_one_to_be_freed(
    work: Workplace, gpus: GpuNode
) -> None:
    first = [f"pod-{number}" for number in range(len(ALL))]
    for name in first:
        work.pod_with_gpu(name)
    for name in first:
        work.wait_running(name)
    assert sorted(device for name in first for device in work.devices(name)) == [*ALL]
    work.pod_with_gpu("fifth")
    work.wait_unschedulable("fifth")
    (freed,) = work.devices("pod-2")
    work.delete_pod("pod-2")
    work.wait_running("fifth")
    assert work.devices("fifth") == [freed]
    assert work.inside("fifth").driver_nodes == gpus.control_nodes | gpus.nodes_of(freed)


def test_a_time_slice_is_set_for_a_claim_and_taken_back_after_it(
    work: Workplace, gpus: GpuNode
) -> None:
    work.pod_with_gpu("sliced", configs=[entry(LONG)])
    work.wait_running("sliced")
    (device,) = work.devices("sliced")
    slices = {name: gpus.gpu_record(name).time_slice for name in ALL}
    assert slices == dict.fromkeys(ALL, TimeSliceInterval.DEFAULT) | {
        device: TimeSliceInterval.LONG
    }
    work.delete_pod("sliced")
    gpus.wait_clean()
    assert gpus.gpu_record(device).time_slice is TimeSliceInterval.DEFAULT


def test_a_pod_may_ask_for_the_extended_resource(work: Workplace, gpus: GpuNode) -> None:
    asked = container(limits={EXTENDED_RESOURCE: "2"}, requests={EXTENDED_RESOURCE: "2"})
    work.create_pod("extended", {"restartPolicy": "Never", "containers": [asked]})
    found = work.wait_running("extended")
    claim = found["status"]["extendedResourceClaimStatus"]["resourceClaimName"]
    devices = work.devices(claim)
    assert len(devices) == 2
    inside = work.inside("extended")
    assert inside.driver_nodes == gpus.control_nodes | gpus.nodes_of(*devices)
    work.delete_pod("extended")
    gpus.wait_clean()
    work.client.wait_gone(f"{work.claims}/{claim}", seconds=60)


def test_the_first_alternative_that_there_is_gets_its_own_config(
    work: Workplace, gpus: GpuNode
) -> None:
    huge = f"device.capacity['{GPU}'].memory.isGreaterThan(quantity('1Ti'))"
    alternatives: list[Json] = [
        {"name": "huge", "deviceClassName": GPU, "selectors": [{"cel": {"expression": huge}}]},
        {"name": "pair", "deviceClassName": GPU, "count": 2},
    ]
    asked = {"name": "gpu", "firstAvailable": alternatives}
    for_the_pair = entry(LONG) | {"requests": ["gpu/pair"]}
    for_the_other = entry(gpu(sharing={"strategy": "TimeSlicing"})) | {"requests": ["gpu/huge"]}
    work.pod_with_gpu("either", asked, configs=[for_the_pair, for_the_other])
    work.wait_running("either")
    assert [one["request"] for one in work.results("either")] == ["gpu/pair", "gpu/pair"]
    devices = work.devices("either")
    inside = work.inside("either")
    assert inside.driver_nodes == gpus.control_nodes | gpus.nodes_of(*devices)
    assert {gpus.gpu_record(name).time_slice for name in devices} == {TimeSliceInterval.LONG}


def test_admin_access_shows_all_gpus_and_touches_none(work: Workplace, gpus: GpuNode) -> None:
    work.pod_with_gpu("worker", configs=[entry(LONG)])
    work.wait_running("worker")
    (device,) = work.devices("worker")
    with namespace(work.client, "gpu-admins") as name:
        label = {"metadata": {"labels": {ADMIN_LABEL: "true"}}}
        work.client.patch(path_of("v1", "namespaces", name), label)
        admins = Workplace(work.node, name)
        admins.pod_with_gpu("watcher", request(adminAccess=True, allocationMode="All"))
        admins.wait_running("watcher")
        everything = gpus.control_nodes | gpus.nodes_of(*ALL)
        assert admins.inside("watcher").driver_nodes == everything
        admins.clear()
    assert gpus.gpu_record(device).time_slice is TimeSliceInterval.LONG
    assert work.inside("worker").driver_nodes == gpus.control_nodes | gpus.nodes_of(device)


def test_a_config_that_is_wrong_is_told_on_the_pod_and_on_the_claim(
    work: Workplace, gpus: GpuNode
) -> None:
    work.pod_with_gpu("wrong", configs=[entry(BAD)])
    kubelets, *_ = work.wait_events("wrong", reason=PREPARE_FAILED)
    assert all(rule in kubelets["message"] for rule in BAD_RULES)
    ours = {
        event["involvedObject"]["kind"]: event
        for event in work.wait_events("wrong", reason="PrepareFailed", count=2)
    }
    assert ours.keys() == {"Pod", "ResourceClaim"}
    for event in ours.values():
        assert event["type"] == "Warning"
        assert event["message"] in kubelets["message"]
    assert ours["ResourceClaim"]["involvedObject"]["uid"] == work.claim_uid("wrong")
    assert gpus.left() == []
