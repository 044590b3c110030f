"""The kubelet plugin on a real kubelet and API server, beside one that does the least it can."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import kubelet, preparing, publication
from benchmarks.allocated import SLICES, Claims, claims_of, class_of
from benchmarks.comparison import REPEATS, Row, compare
from benchmarks.plugins import MINIMAL, Kind, Place, ours, running
from tests.cluster import machine
from tests.cluster.binaries import NAMES, packages, provide
from tests.cluster.binaries.settings import read
from tests.cluster.binaries.store import to_stderr
from tests.cluster.node import NODE, Node

TITLE: Final = "Plugin"
KUBELET_GOALS: Final = {"NodePrepareResources": 1.2, "NodeUnprepareResources": None}
"""Of the mean that the kubelet itself counts; never above 1.7 (decision F20).

To unprepare, the peer removes one file, and every record that is kept costs a multiple of that.
"""
SLICES_GOAL_SECONDS: Final = 2.0
_POD_SECONDS: Final = 0.5
_MILLISECONDS: Final = 1e3
_RESTARTS: Final = 3
_TOOLS: Final = ("gcc", "ip", "runc")


def note() -> str:
    """Return what stands above the table."""
    obstacles = " ".join(machine.obstacles())
    if obstacles:
        return f"Not measured here. {obstacles}"
    return (
        "`python -m plugin` with a simulated machine of eight H100, beside "
        "`python -m benchmarks.peers.minimal_plugin` (one GET, one CDI file), on one real kubelet "
        f"and API server. Means by the kubelet are its own {kubelet.METRIC}, over pods that come "
        "and go one after another. By a client: the same calls on the same sockets, on machines "
        "of 56 MIG devices. API server, etcd, kubelet, containerd, plugins and client share the "
        "cores of this machine."
    )


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows, spending about *seconds* on each side of each group of rows."""
    if machine.obstacles():
        return
    settings = read()
    packages.ensure(_TOOLS, report=to_stderr)
    node = Node(provide(settings, only=NAMES), cache=settings.cache)
    try:
        yield from rows_on(node, seconds)
    finally:
        node.close()


def rows_on(node: Node, seconds: float) -> Iterator[Row]:
    """Yield the rows that a node gives; it is left without our classes, pods and slices."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for driver in (MINIMAL.driver, ours("h100").driver):
            stack.enter_context(class_of(node.client, driver))
        claims = stack.enter_context(claims_of(node.client, "bench"))
        yield from _by_kubelet(node, claims, seconds)
        yield from preparing.rows(node, claims, folder, seconds)
        yield from publication.rows(node, folder, seconds)


def _by_kubelet(node: Node, claims: Claims, seconds: float) -> Iterator[Row]:
    """Yield what the kubelet counts, and how slices come back when it starts again."""
    place = Place(NODE, node.control_plane.kubeconfig, node.folders.kubelet, node.folders.cdi)
    kind = ours("h100")
    repeats = 1 if seconds < 1 else REPEATS
    pods = max(1, round(seconds / repeats / _POD_SECONDS))
    with running(kind, place), running(MINIMAL, place):
        for devices in preparing.DEVICES:
            means = _means(node, claims, (kind, MINIMAL), devices, repeats, pods)
            for method in kubelet.METHODS:
                mine, peer = ([one[method] for one in side] for side in means)
                yield compare(
                    f"{method} by the kubelet, {preparing.devices_text(devices)}: mean",
                    "ms",
                    mine,
                    peer,
                    goal=KUBELET_GOALS[method],
                    scale=_MILLISECONDS,
                )
        # Six restarts within a minute would be answered by slower repairs.
        returns = [kubelet.restart(node, kind.driver) for _ in range(min(repeats, _RESTARTS))]
    node.client.delete(SLICES, fieldSelector=f"spec.nodeName={NODE}")
    for what, found, goal in (
        (
            "a kubelet that starts deletes the slices: back after",
            [one.after_deletion_seconds for one in returns],
            SLICES_GOAL_SECONDS,
        ),
        (
            "a kubelet starts: slices deleted and back after",
            [one.after_start_seconds for one in returns],
            None,
        ),
    ):
        yield Row(what, "s", median(found), None, None, goal=goal)


_Means = dict[str, float]


def _means(
    node: Node, claims: Claims, kinds: tuple[Kind, ...], devices: int, repeats: int, pods: int
) -> list[list[_Means]]:
    """Return the mean of each method, for each plugin and each round of *pods* pods."""
    numbers = itertools.count()

    def stretch(kind: Kind, count: int) -> _Means:
        before = kubelet.read_totals(node, kind.driver)
        for _ in range(count):
            name = f"bench-{devices}-{next(numbers)}"
            kubelet.run_pod(node, claims, name, kind.driver, devices)
        after = kubelet.read_totals(node, kind.driver)
        return {method: after[method].since(before[method]).mean for method in after}

    # The first pod of each opens connections and reads files; nobody counts it.
    for kind in kinds:
        stretch(kind, 1)
    found: list[list[_Means]] = [[] for _ in kinds]
    for _ in range(repeats):
        for kind, side in zip(kinds, found, strict=True):
            side.append(stretch(kind, pods))
    return found
