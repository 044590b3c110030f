"""The kubelet learns who we are, and we tell people what it made of it."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from plugin.rpc.servers import REGISTERED, Options
from plugin.rpc.sockets import EdgeError
from tests.cluster.waiting import wait_until
from tests.plugin.rpc_kubelet import DRIVER, SECONDS, Served, serving

OPTIONS = Options(probe_address="127.0.0.1:0", look_seconds=0.02)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rpc") as folder:
        yield Path(folder)


@pytest.fixture
def served(root: Path) -> Iterator[Served]:
    with serving(root, options=OPTIONS) as one:
        yield one


def probed(served: Served, service: str = "") -> str:
    """Return what the gRPC health service says, as a kubelet's probe asks it."""
    with grpc.insecure_channel(f"127.0.0.1:{served.edge.probe_port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def wait_probed(served: Served, status: str, service: str = "") -> None:
    wait_until(
        lambda: probed(served, service) == status,
        seconds=SECONDS,
        otherwise=lambda: f"{service!r} is {probed(served, service)}, not {status}",
    )


def test_the_kubelet_is_told_a_plain_path_and_the_newest_service_first(served: Served) -> None:
    info = served.kubelet.get_info()
    assert (info.type, info.name) == ("DRAPlugin", DRIVER)
    assert info.endpoint == str(served.places.folder / "dra.sock")
    assert [*info.supported_versions] == [
        "v1.DRAPlugin",
        "v1beta1.DRAPlugin",
        "v1alpha1.DRAResourceHealth",
    ]


def test_a_registration_is_told_counted_and_probed(served: Served) -> None:
    assert (served.edge.registered, served.sample("registered")) == (False, 0)
    assert probed(served, REGISTERED) == "NOT_SERVING"
    served.kubelet.notify()
    assert (served.edge.registered, served.sample("registered")) == (True, 1)
    assert served.lines.about(message="the kubelet registered the driver", level=logging.INFO)
    wait_probed(served, "SERVING", REGISTERED)


def test_a_refusal_is_logged_in_the_kubelets_words(served: Served) -> None:
    served.kubelet.notify()
    error = "none of services supported by the plugin are supported by the kubelet"
    served.kubelet.notify(error)
    assert (served.edge.registered, served.sample("registered")) == (False, 0)
    (line,) = served.lines.about(level=logging.ERROR)
    assert line["error"] == error
    assert line["offered"][0] == "v1.DRAPlugin"
    # The process is alive and may still be registered: only the readiness is gone.
    wait_probed(served, "NOT_SERVING", REGISTERED)
    assert probed(served) == "SERVING"


@pytest.mark.parametrize("what", ["registration", "dra", "everything"])
def test_a_plugin_whose_sockets_were_removed_says_that_it_must_start_again(
    served: Served, root: Path, what: str
) -> None:
    served.kubelet.notify()
    assert probed(served) == "SERVING"
    if what == "everything":
        shutil.rmtree(root)
        root.mkdir()
    else:
        getattr(served.places, what).unlink()
    wait_probed(served, "NOT_SERVING")
    wait_probed(served, "NOT_SERVING", REGISTERED)
    lost = served.lines.about(level=logging.ERROR)
    assert {line["path"] for line in lost} == (
        {str(served.places.dra), str(served.places.registration)}
        if what == "everything"
        else {str(getattr(served.places, what))}
    )


def test_a_socket_that_was_removed_is_named_once(served: Served) -> None:
    for path in (served.places.dra, served.places.registration):
        path.unlink()
        served.lines.wait_about(level=logging.ERROR, path=str(path))
    # The second line comes from a later look, which saw the first loss once more.
    assert len(served.lines.about(level=logging.ERROR)) == 2


def test_another_instances_socket_in_our_place_is_not_ours(served: Served) -> None:
    path = served.places.registration
    path.unlink()
    path.touch()
    wait_probed(served, "NOT_SERVING")
    served.edge.stop(0)
    assert path.exists()


def test_without_an_address_there_is_no_probe(root: Path) -> None:
    with serving(root) as one:
        assert one.edge.probe_port == 0


def test_a_probe_address_that_is_taken_is_explained(served: Served) -> None:
    taken = f"127.0.0.1:{served.edge.probe_port}"
    with tempfile.TemporaryDirectory(prefix="rpc") as folder:
        with (
            pytest.raises(EdgeError, match=f"The health service cannot listen at {taken}"),
            serving(Path(folder), options=Options(probe_address=taken)),
        ):
            pass
        assert [path for path in Path(folder).rglob("*") if path.is_socket()] == []
