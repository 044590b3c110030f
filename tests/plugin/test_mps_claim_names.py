"""Claims that are found by their UID among the Pods of MPS daemons."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kube.errors import KubeError, UnreachableError
from plugin.mps.claim_names import ClaimNames
from plugin.mps.description import MpsDaemon, daemon_id
from plugin.mps.pod_shape import MpsOptions, PodShape
from plugin.preparer import ClaimReference

CLAIM = ClaimReference("team", "training", "6d0d1d6e-0001-4000-8000-000000000001")


class Server:
    """Lists Pods."""

    def __init__(self, *pods: dict[str, Any], failure: KubeError | None = None) -> None:
        self.pods = pods
        self.failure = failure

    def list(self, path: str, *, params: dict[str, str]) -> dict[str, Any]:
        assert path == "/api/v1/namespaces/dra-config/pods"
        if self.failure is not None:
            raise self.failure
        label, _, value = params["labelSelector"].partition("=")
        return {"items": [pod for pod in self.pods if pod["metadata"]["labels"][label] == value]}


def pod(folder: Path) -> dict[str, Any]:
    """Return a Pod as the launcher makes it."""
    options = MpsOptions(
        namespace="dra-config",
        node_name="node-a",
        image="plugin:1",
        image_pull_policy="Never",
        image_pull_secrets=(),
        service_account="default",
        priority_class="",
        tolerations=(),
        privileged=False,
        driver_root=PurePosixPath("/"),
    )
    daemon = MpsDaemon(
        id=daemon_id(CLAIM.uid, ["GPU-1"]),
        claim=CLAIM,
        devices=("GPU-1",),
        active_thread_percentage=None,
        pinned_memory_limits=(),
        multi_user=False,
        folder=str(folder / "mps"),
        shared_memory=str(folder / "shm"),
    )
    return PodShape(options, driver_root_mount=folder).pod(daemon, node_uid="node-uid")


def named(server: Server, uid: str = CLAIM.uid) -> ClaimReference | None:
    return ClaimNames(server, namespace="dra-config")(uid)


def test_the_pod_of_a_daemon_tells_its_claim(tmp_path: Path) -> None:
    server = Server(pod(tmp_path))
    assert named(server) == CLAIM
    assert named(server, "6d0d1d6e-0001-4000-8000-000000000002") is None


@pytest.mark.parametrize("annotations", [None, {}, {"dra-config.dev/claim-name": "training"}])
def test_a_pod_that_does_not_tell_enough_tells_nothing(
    tmp_path: Path, annotations: dict[str, str] | None
) -> None:
    made = pod(tmp_path)
    made["metadata"]["annotations"] = annotations
    assert named(Server(made)) is None


def test_without_an_answer_the_claim_is_not_known() -> None:
    assert named(Server(failure=UnreachableError("Away."))) is None
