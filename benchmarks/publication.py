"""How long it takes until a node's devices can be had, and how many requests that costs."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.allocated import NODES, SLICES
from benchmarks.comparison import REPEATS, Row, by_turns, compare
from benchmarks.plugins import MINIMAL, Kind, Place, ours, started
from dra_config.scheme import GPU_DRIVER
from kube.client import Client
from kube.credentials import from_kubeconfig
from plugin.publishing.publisher import Publisher
from plugin.publishing.rest import RestSlices
from plugin.publishing.writer_lock import WriterLock
from tests.cluster.client import Client as TestClient
from tests.cluster.node import Node
from tests.cluster.waiting import RigError, wait_until
from tests.plugin.publishing_fixtures import offer_of

_NODE: Final = "bench-publishing"
_PATIENCE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.005
_MILLISECONDS: Final = 1e3


def rows(node: Node, folder: Path, seconds: float) -> Iterator[Row]:
    """Yield the rows: publishing in a process that runs, and from the start of a process."""
    repeats = 1 if seconds < 1 else REPEATS
    node.client.create(NODES, {"metadata": {"name": _NODE}})
    try:
        yield _publishing(node, folder, repeats)
        yield _starting(node, folder, repeats)
    finally:
        node.client.delete(f"{NODES}/{_NODE}")


def wait_devices(client: TestClient, pool: str) -> list[str]:
    """Wait until a node's devices are published, and return their names in order."""
    found: list[str] = []

    def published() -> bool:
        found[:] = [
            device["name"]
            for one in client.list(SLICES, fieldSelector=f"spec.nodeName={pool}")
            for device in one["spec"].get("devices") or ()
        ]
        return bool(found)

    wait_until(
        published,
        seconds=_PATIENCE_SECONDS,
        otherwise=lambda: f"nothing is published for {pool}",
        pause_seconds=_LOOK_SECONDS,
    )
    return found


def _publishing(node: Node, folder: Path, repeats: int) -> Row:
    offer = offer_of("h100-mig", folder / "offer")
    access = from_kubeconfig(node.control_plane.kubeconfig)
    bodies: list[dict[str, Any]] = []

    def publisher() -> float:
        client = Client(access, user_agent="bench")
        slices = RestSlices(client, driver=GPU_DRIVER, node_name=_NODE, jitter=_jitter)
        found = Publisher(
            slices,
            WriterLock(folder / "slices.lock"),
            tell=lambda _: None,
            monotonic=time.monotonic,
            jitter=_jitter,
        )
        begun = time.perf_counter()
        found.publish(offer)
        found.start()
        if not found.wait_published(_PATIENCE_SECONDS):
            raise RigError("the slices are not published")
        taken = time.perf_counter() - begun
        found.stop()
        client.close()
        bodies[:] = node.client.list(SLICES, fieldSelector=f"spec.nodeName={_NODE}")
        _clear(node)
        return taken

    def bare() -> float:
        """Read the Node, and write the same slices."""
        client = Client(access, user_agent="bench")
        begun = time.perf_counter()
        client.get(f"{NODES}/{_NODE}")
        for one in bodies:
            metadata = {"generateName": "bare-"}
            client.create(SLICES, {"metadata": metadata, "spec": one["spec"]})
        taken = time.perf_counter() - begun
        client.close()
        _clear(node)
        return taken

    publisher()
    return compare(
        "56 MIG devices published by a publisher, beside a GET and a POST of them",
        "ms",
        *by_turns((publisher, bare), repeats),
        scale=_MILLISECONDS,
    )


def _starting(node: Node, folder: Path, repeats: int) -> Row:
    numbers = iter(range(1_000_000))

    def until_published(kind: Kind) -> Callable[[], float]:
        def measure() -> float:
            place = Place.alone(
                _NODE, node.control_plane.kubeconfig, folder / f"start-{next(numbers)}"
            )
            begun = time.perf_counter()
            with started(kind, place):
                wait_devices(node.client, _NODE)
                taken = time.perf_counter() - begun
            _clear(node)
            return taken

        return measure

    return compare(
        "from the start of the process until 56 devices (8 of the peer) are published",
        "s",
        *by_turns((until_published(ours("h100-mig")), until_published(MINIMAL)), repeats),
    )


def _clear(node: Node) -> None:
    node.client.delete(SLICES, fieldSelector=f"spec.nodeName={_NODE}")


def _jitter(longest_seconds: float) -> float:
    return random.uniform(0, longest_seconds)
