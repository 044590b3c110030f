"""Others that hand out the GPUs of this node."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kube.client import Client, path_of
from kube.credentials import from_kubeconfig
from kube.errors import ForbiddenError, KubeError, UnreachableError
from plugin.neighbours import Neighbours
from tests.cluster.api_server import ApiServer

BOOT = "0c1b7a0e-boot"
UIDS = ("6d0d1d6e-0001-4000-8000-000000000001", "6d0d1d6e-0001-4000-8000-000000000002")
ALONE: dict[str, Any] = {"metadata": {"name": "node-a"}, "status": {"capacity": {"cpu": "8"}}}


class Server:
    """Answers for the Node."""

    def __init__(self, answer: dict[str, Any] | bytes | KubeError = ALONE) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def get_bytes(self, path: str) -> bytes:
        self.asked.append(path)
        if isinstance(self.answer, KubeError):
            raise self.answer
        return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()


def neighbours(server: Server, folder: Path) -> Neighbours:
    return Neighbours(server, node_name="node-a", folder=folder, boot_id=BOOT)


def leave(folder: Path, content: object) -> Path:
    """Leave a file as the reference driver does."""
    path = folder / "checkpoint.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def entries(*uids: str) -> dict[str, Any]:
    return {uid: {"status": {}, "preparedDevices": None} for uid in uids}


# ----------------------------------------------------------------------------- nobody else


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"capacity": {"cpu": "8", "amd.com/gpu": "4"}, "allocatable": None},
        {"capacity": {"nvidia.com/gpu": "0"}, "allocatable": {"nvidia.com/gpu": "0"}},
    ],
)
def test_a_node_without_a_device_plugin_is_ours(tmp_path: Path, status: object) -> None:
    server = Server({"metadata": {"name": "node-a"}, "status": status})
    found = neighbours(server, tmp_path)
    assert found.look() == ()
    assert found.known


def test_after_an_answer_of_none_nothing_is_asked_any_more(tmp_path: Path) -> None:
    server = Server()
    found = neighbours(server, tmp_path)
    found.look()
    leave(tmp_path, {"v1": {"preparedClaims": entries(*UIDS)}})
    assert found.look() == ()
    assert server.asked == [path_of("v1", "nodes", "node-a")]


# --------------------------------------------------------------------------- device plugin


@pytest.mark.parametrize("where", ["capacity", "allocatable"])
@pytest.mark.parametrize(
    "resource", ["nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb"]
)
def test_a_device_plugin_is_named_with_what_it_offers_until_it_is_gone(
    tmp_path: Path, where: str, resource: str
) -> None:
    """D125: the reference driver refuses every node until a value overrides it."""
    server = Server({"status": {where: {resource: "8", "cpu": "64"}}})
    found = neighbours(server, tmp_path)
    (sentence,) = found.look()
    assert f" {resource} " in sentence
    assert "--ignore-neighbours" in sentence
    assert found.known
    server.answer = ALONE
    assert found.look() == ()


def test_a_server_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    server = Server(UnreachableError("It is away."))
    found = neighbours(server, tmp_path)
    (sentence,) = found.look()
    assert "It is away." in sentence
    assert not found.known
    server.answer = ALONE
    assert found.look() == ()
    assert found.known


@pytest.mark.parametrize("answer", [ForbiddenError("Not you."), b"{", b"\xff", b'{"status":1}'])
def test_an_answer_that_tells_nothing_is_no_leave_to_publish(
    tmp_path: Path, answer: bytes | KubeError
) -> None:
    found = neighbours(Server(answer), tmp_path)
    assert len(found.look()) == 1
    assert found.known


# ---------------------------------------------------------------------------- other driver


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ({"checksum": 1, "v1": {"preparedClaims": entries(UIDS[0])}}, 1),
        ({"v1": {"preparedClaims": {}}, "v2": {"preparedClaims": entries(*UIDS)}}, 2),
        (
            {
                "v1": {"preparedClaims": entries(UIDS[0])},
                "v2": {"preparedClaims": entries(*UIDS), "nodeBootID": BOOT},
            },
            2,
        ),
    ],
)
def test_claims_that_another_driver_prepared_are_counted(
    tmp_path: Path, content: object, count: int
) -> None:
    path = leave(tmp_path, content)
    found = neighbours(Server(), tmp_path)
    (sentence,) = found.look()
    assert f"prepared {count} claims" in sentence
    assert str(path) in sentence
    assert "--ignore-neighbours" in sentence
    path.unlink()
    assert found.look() == ()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"checksum": 1, "v1": {"preparedClaims": None}, "v2": {"preparedClaims": {}}},
        {
            "v1": {"preparedClaims": entries(*UIDS)},
            "v2": {"preparedClaims": entries(*UIDS), "nodeBootID": "earlier"},
        },
    ],
    ids=["empty", "no claims", "before a reboot"],
)
def test_what_another_driver_left_without_claims_is_no_obstacle(
    tmp_path: Path, content: object
) -> None:
    leave(tmp_path, content)
    assert neighbours(Server(), tmp_path).look() == ()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"v1":{"preparedClaims":3}}', "[" * 9999])
def test_a_file_of_another_driver_that_cannot_be_read_is_an_obstacle(
    tmp_path: Path, content: str
) -> None:
    path = leave(tmp_path, content)
    (sentence,) = neighbours(Server(), tmp_path).look()
    assert str(path) in sentence
    assert "cannot be read" in sentence


def test_both_are_told_at_once(tmp_path: Path) -> None:
    leave(tmp_path, {"v1": {"preparedClaims": entries(*UIDS)}})
    server = Server({"status": {"capacity": {"nvidia.com/gpu": "8"}}})
    assert len(neighbours(server, tmp_path).look()) == 2


# ----------------------------------------------------------------------- a real API server


@pytest.fixture
def node_name(api_server: ApiServer) -> Iterator[str]:
    name = f"neighbours-{uuid4().hex[:8]}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    api_server.client.create(path_of("v1", "nodes"), node)
    yield name
    api_server.client.delete(path_of("v1", "nodes", name))


def test_what_a_kubelet_writes_of_a_device_plugin_is_seen(
    api_server: ApiServer, node_name: str, tmp_path: Path
) -> None:
    client = Client(
        from_kubeconfig(api_server.control_plane.kubeconfig), user_agent="test-neighbours"
    )

    def look() -> tuple[str, ...]:
        return Neighbours(client, node_name=node_name, folder=tmp_path, boot_id=BOOT).look()

    try:
        assert look() == ()
        amounts = {"cpu": "8", "nvidia.com/gpu": "4"}
        path = f"{path_of('v1', 'nodes', node_name)}/status"
        api_server.client.patch(path, {"status": {"capacity": amounts, "allocatable": amounts}})
        (sentence,) = look()
    finally:
        client.close()
    assert "nvidia.com/gpu" in sentence
