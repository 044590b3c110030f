"""The kubelet always has the complete and latest health of all devices."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from plugin.rpc.health import INTERVAL_SECONDS, TIMEOUT_SECONDS, DeviceHealth, Health, HealthBoard
from plugin.rpc.servers import Options
from plugin.rpc.stubs import kubelet_dra_health_v1alpha1_pb2 as v1alpha1
from tests.plugin.rpc_kubelet import SECONDS, Served, serving

NEVER = Options(health_seconds=3600.0)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rpc") as folder:
        yield Path(folder)


@pytest.fixture
def served(root: Path) -> Iterator[Served]:
    with serving(root, options=NEVER) as one:
        yield one


def seen(response: v1alpha1.NodeWatchResourcesResponse) -> list[tuple[str, str, int, str]]:
    return [
        (one.device.pool_name, one.device.device_name, one.health, one.message)
        for one in response.devices
    ]


def test_the_complete_list_comes_at_once_even_an_empty_one(served: Served) -> None:
    stream = served.kubelet.watch_health()
    assert seen(next(stream)) == []


def test_health_that_is_not_known_is_sent_as_unknown(served: Served) -> None:
    served.board.replace([DeviceHealth("node1", "gpu-1"), DeviceHealth("node1", "gpu-0")])
    assert seen(next(served.kubelet.watch_health())) == [
        ("node1", "gpu-0", v1alpha1.UNKNOWN, ""),
        ("node1", "gpu-1", v1alpha1.UNKNOWN, ""),
    ]


def test_every_change_brings_the_complete_list_to_every_stream(served: Served) -> None:
    devices = [DeviceHealth("node1", f"gpu-{n}", Health.HEALTHY) for n in range(2)]
    served.board.replace(devices)
    streams = [served.kubelet.watch_health() for _ in range(40)]
    for stream in streams:
        assert [health for _, _, health, _ in seen(next(stream))] == [v1alpha1.HEALTHY] * 2
    assert served.sample("health_streams") == 40
    # So many streams take no thread from the claims: a batch still gets its answer.
    devices[1] = DeviceHealth("node1", "gpu-1", Health.UNHEALTHY, "Xid 79: off the bus")
    served.board.replace(devices)
    for stream in streams:
        assert seen(next(stream)) == [
            ("node1", "gpu-0", v1alpha1.HEALTHY, ""),
            ("node1", "gpu-1", v1alpha1.UNHEALTHY, "Xid 79: off the bus"),
        ]


def test_the_same_list_again_is_not_sent(served: Served) -> None:
    served.board.replace([DeviceHealth("node1", "gpu-0", Health.HEALTHY)])
    stream = served.kubelet.watch_health()
    next(stream)
    served.board.replace([DeviceHealth("node1", "gpu-0", Health.HEALTHY)])
    served.board.replace([])
    assert seen(next(stream)) == []


def test_without_a_change_the_list_is_sent_again_and_again(root: Path) -> None:
    with serving(root, options=Options(health_seconds=0.01)) as one:
        one.board.replace([DeviceHealth("node1", "gpu-0", Health.HEALTHY)])
        stream = one.kubelet.watch_health()
        assert [seen(next(stream)) for _ in range(4)] == [
            [("node1", "gpu-0", v1alpha1.HEALTHY, "")]
        ] * 4


def test_the_interval_is_well_below_what_the_kubelet_is_told_to_wait() -> None:
    assert INTERVAL_SECONDS * 2 < TIMEOUT_SECONDS
    board = HealthBoard(clock=lambda: 1234.9)
    board.replace([DeviceHealth("node1", "gpu-0")])
    (device,) = board.latest().devices
    assert device.health_check_timeout_seconds == TIMEOUT_SECONDS
    assert device.last_updated_time == 1234


def test_a_stream_that_the_kubelet_ends_is_forgotten(served: Served) -> None:
    stream = served.kubelet.watch_health()
    next(stream)
    served.wait_sample(1, "health_streams")
    stream.cancel()
    served.wait_sample(0, "health_streams")
    assert served.board._readers == set()
    served.board.replace([DeviceHealth("node1", "gpu-0")])


def test_a_stop_ends_the_streams_cleanly(served: Served) -> None:
    stream = served.kubelet.watch_health()
    next(stream)
    assert served.edge.stop(SECONDS)
    assert [*stream] == []
    assert stream.code() is grpc.StatusCode.OK
