"""What a real kubelet says of the plugins, while it runs pods with their devices."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.allocated import SLICES, Claims
from tests.cluster.client import Json, path_of
from tests.cluster.node import NODE, Node
from tests.cluster.waiting import wait_until

METRIC: Final = "dra_grpc_operations_duration_seconds"
METHODS: Final = ("NodePrepareResources", "NodeUnprepareResources")
_SERIES: Final = re.compile(
    rf"{METRIC}_(?P<what>sum|count)\{{(?P<labels>[^}}]*)\}} (?P<value>\S+)"
)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_PATIENCE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.005


class Unexpected(RuntimeError):  # noqa: N818 - it says what happened
    """The kubelet did not do what a measurement counts on."""


@dataclass(frozen=True, slots=True)
class Total:
    """Calls that succeeded so far, or between two moments."""

    seconds: float = 0.0
    count: float = 0.0

    def since(self, before: "Total") -> "Total":
        """Return what came after *before*."""
        return Total(self.seconds - before.seconds, self.count - before.count)

    @property
    def mean(self) -> float:
        """Return how many seconds one took.

        Raises:
            Unexpected: If there was none.
        """
        if self.count < 1:
            raise Unexpected(f"the kubelet counted {self.count:g} calls")
        return self.seconds / self.count


def totals(text: str, driver: str) -> dict[str, Total]:
    """Return what the kubelet's metrics tell of a driver's methods, by their names."""
    found: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    for series in _SERIES.finditer(text):
        labels = dict(_LABEL.findall(series["labels"]))
        method = labels["method_name"].rpartition("/")[2]
        if labels["driver_name"] == driver and labels["grpc_status_code"] == "OK":
            values = found.setdefault(method, {})
            values[series["what"]] = values.get(series["what"], 0.0) + float(series["value"])
    return {
        method: Total(values.get("sum", 0.0), values.get("count", 0.0))
        for method, values in found.items()
    }


def read_totals(node: Node, driver: str) -> Mapping[str, Total]:
    """Ask the kubelet for the totals of a driver."""
    path = f"{path_of('v1', 'nodes', NODE)}/proxy/metrics"
    return totals(node.client.send("GET", path).text, driver)


def run_pod(node: Node, claims: Claims, name: str, driver: str, devices: int) -> None:
    """Create a claim and a pod with it, wait until the pod runs, and remove both."""
    client, seconds = node.client, _PATIENCE_SECONDS
    claims.create(name, driver, devices)
    container = {
        "name": "main",
        "image": "rig.local/env:1",
        "imagePullPolicy": "Never",
        "resources": {"claims": [{"name": "gpu"}]},
    }
    spec = {
        "restartPolicy": "Never",
        "resourceClaims": [{"name": "gpu", "resourceClaimName": name}],
        "containers": [container],
    }
    pods = path_of("v1", "pods", namespace=claims.namespace)
    client.create(pods, {"metadata": {"name": name}, "spec": spec})
    client.wait(f"{pods}/{name}", _runs, seconds=seconds)
    client.delete(f"{pods}/{name}", gracePeriodSeconds="1")
    client.wait_gone(f"{pods}/{name}", seconds=seconds)
    client.delete(f"{claims.path}/{name}")
    client.wait_gone(f"{claims.path}/{name}", seconds=seconds)


def _runs(pod: Json | None) -> bool:
    return pod is not None and pod["status"].get("phase") == "Running"


@dataclass(frozen=True, slots=True)
class Return:
    """How slices came back after the kubelet was started again, which deletes them."""

    after_deletion_seconds: float
    after_start_seconds: float


def restart(node: Node, driver: str) -> Return:
    """Restart the kubelet and wait until the driver's slices are there again."""
    before = _uids(node, driver)
    node.kubelet.stop()
    begun = time.perf_counter()
    node.kubelet.start()
    _wait(lambda: not before & _uids(node, driver), "the kubelet deletes no slices")
    deleted = time.perf_counter()
    _wait(lambda: bool(_uids(node, driver)), "no slices come back")
    back = time.perf_counter()
    node.wait_ready()
    return Return(back - deleted, back - begun)


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    wait_until(
        condition,
        seconds=_PATIENCE_SECONDS,
        otherwise=lambda: otherwise,
        pause_seconds=_LOOK_SECONDS,
    )


def _uids(node: Node, driver: str) -> set[str]:
    selector = f"spec.nodeName={NODE},spec.driver={driver}"
    return {one["metadata"]["uid"] for one in node.client.list(SLICES, fieldSelector=selector)}
