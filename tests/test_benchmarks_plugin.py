"""The plugin is measured beside one that does the least, and none is asked how fast it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks import plugin
from benchmarks.allocated import CLASSES, NODES, SLICES, Caller, Claims, claims_of, class_of
from benchmarks.kubelet import Total, Unexpected, totals
from benchmarks.peers.minimal_plugin import KIND
from benchmarks.plugins import MINIMAL, Place, PluginFailed, running
from benchmarks.publication import wait_devices
from tests.cluster.api_server import ApiServer
from tests.cluster.node import Node

METRICS = """
# HELP dra_grpc_operations_duration_seconds [BETA] Duration in seconds of the DRA gRPC operations
dra_grpc_operations_duration_seconds_bucket{driver_name="a",grpc_status_code="OK",method_name="/x.DRAPlugin/NodePrepareResources",le="0.1"} 3
dra_grpc_operations_duration_seconds_sum{driver_name="a",grpc_status_code="OK",method_name="/x.DRAPlugin/NodePrepareResources"} 0.06
dra_grpc_operations_duration_seconds_count{driver_name="a",grpc_status_code="OK",method_name="/x.DRAPlugin/NodePrepareResources"} 3
dra_grpc_operations_duration_seconds_sum{driver_name="a",grpc_status_code="Unavailable",method_name="/x.DRAPlugin/NodePrepareResources"} 9
dra_grpc_operations_duration_seconds_count{driver_name="a",grpc_status_code="Unavailable",method_name="/x.DRAPlugin/NodePrepareResources"} 1
dra_grpc_operations_duration_seconds_sum{driver_name="b",grpc_status_code="OK",method_name="/x.DRAPlugin/NodePrepareResources"} 5
dra_grpc_operations_duration_seconds_count{driver_name="b",grpc_status_code="OK",method_name="/x.DRAPlugin/NodePrepareResources"} 1
"""  # noqa: E501 - as a kubelet writes it


def test_the_kubelets_histogram_is_read_by_driver_and_method_and_only_what_succeeded() -> None:
    found = totals(METRICS, "a")
    assert found["NodePrepareResources"] == Total(0.06, 3)
    assert found["NodePrepareResources"].mean == pytest.approx(0.02)
    assert found["NodeUnprepareResources"] == Total()
    assert Total(0.5, 5).since(Total(0.1, 1)).mean == pytest.approx(0.1)


def test_a_stretch_without_a_call_is_no_figure() -> None:
    with pytest.raises(Unexpected, match="0 calls"):
        _ = Total().mean


def test_where_no_cluster_can_run_the_table_is_empty_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.cluster.machine.obstacles", lambda: ["It is not Linux."])
    assert list(plugin.measure(1)) == []
    assert plugin.note() == "Not measured here. It is not Linux."


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a folder in which a socket's path fits 107 bytes."""
    with TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


@pytest.fixture
def claims(api_server: ApiServer) -> Iterator[Claims]:
    client = api_server.client
    client.create(NODES, {"metadata": {"name": "bench-peer"}})
    with class_of(client, MINIMAL.driver), claims_of(client, "bench-peer") as found:
        yield found
    client.delete(SLICES, fieldSelector="spec.nodeName=bench-peer")
    client.delete(f"{NODES}/bench-peer")


def test_the_peer_publishes_prepares_what_was_allocated_and_takes_its_file_away(
    api_server: ApiServer, claims: Claims, short: Path
) -> None:
    place = Place.alone("bench-peer", api_server.control_plane.kubeconfig, short / "kubelet")
    with running(MINIMAL, place), Caller(place.socket(MINIMAL)) as caller:
        devices = wait_devices(api_server.client, "bench-peer")
        assert devices == [f"device-{number}" for number in range(8)]
        claim = claims.allocate("two", MINIMAL.driver, "bench-peer", devices[:2])
        assert caller.prepare(claim) > 0
        (file,) = place.cdi_root.iterdir()
        spec = json.loads(file.read_bytes())
        assert spec["kind"] == KIND
        assert [one["name"] for one in spec["devices"]] == [
            f"{claim.uid}-device-0",
            f"{claim.uid}-device-1",
        ]
        assert caller.unprepare(claim) > 0
        assert list(place.cdi_root.iterdir()) == []


def test_a_plugin_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    place = Place.alone("nowhere", tmp_path / "no-kubeconfig", tmp_path / "kubelet")
    with pytest.raises(PluginFailed, match="no-kubeconfig"), running(MINIMAL, place):
        pass


@pytest.mark.deep
def test_every_row_can_be_measured_and_nothing_stays(node: Node) -> None:
    rows = {row.what: row for row in plugin.rows_on(node, 0.2)}
    assert all(row.ours > 0 for row in rows.values())
    prepare = rows["NodePrepareResources by the kubelet, 1 device: mean"]
    assert (prepare.goal, prepare.peer is None) == (1.2, False)
    assert rows["a kubelet that starts deletes the slices: back after"].goal == 2.0
    assert rows["resident memory with 56 devices and 100 prepared claims"].goal == 80.0
    assert len(rows) == 27
    assert node.client.list(SLICES) == []
    assert node.client.list(CLASSES) == []
