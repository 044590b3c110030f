"""Slices on a node with a real kubelet, which deletes all of them whenever it starts."""

import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from kube.client import Client
from kube.credentials import from_kubeconfig
from kube.watch import ChangeKind
from plugin.publishing.device import Device
from plugin.publishing.layout import Offer
from plugin.publishing.reports import Published
from tests.cluster.node import NODE, Node
from tests.plugin.publishing_fixtures import LONG_SECONDS, SLICES, Site, offer_of

LOG = logging.getLogger(__name__)
"""Figures, shown by `pytest --log-cli-level=INFO`."""


@pytest.fixture
def here(node: Node, tmp_path: Path) -> Iterator[Site]:
    yield Site(node.control_plane.kubeconfig, node.client, NODE, tmp_path)
    node.client.delete(SLICES)


class Observer(Thread):
    """Notes when slices of the node were made and removed, as a scheduler would hear of it."""

    def __init__(self, here: Site) -> None:
        super().__init__(name="observer")
        self.seen: list[tuple[ChangeKind, float]] = []
        self._client = Client(from_kubeconfig(here.kubeconfig), user_agent="observer")
        listed = self._client.list(SLICES)
        self._watch = self._client.watch(
            SLICES,
            resource_version=listed["metadata"]["resourceVersion"],
            params={"fieldSelector": f"spec.nodeName={here.node}"},
            last_seconds=600,
        )

    def run(self) -> None:
        with self._watch as watch:
            for event in watch:
                self.seen.append((event.kind, time.monotonic()))

    def end(self) -> None:
        self._watch.close()
        self.join()
        self._client.close()


def test_a_kubelet_that_starts_removes_the_slices_and_they_come_back(
    here: Site,
    node: Node,
    tmp_path: Path,
) -> None:
    """D57: with the reference driver the node has no devices for 30 seconds."""
    more = (Device(name=f"more-{number}", board=str(number)) for number in range(100))
    offer = Offer(devices=(*offer_of("h100-mig", tmp_path / "machine").devices, *more))
    with here.publisher() as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
        before = here.slices()
        assert len(before) == 3
        observer = Observer(here)
        observer.start()
        try:
            node.restart_kubelet()
            here.reports.wait(lambda: len(here.reports.of(Published)) == 2)
            assert publisher.wait_published(LONG_SECONDS)
        finally:
            observer.end()
        after = here.slices()
    assert here.devices() == [device.name for device in offer.devices]
    assert here.complete()
    assert {one["metadata"]["uid"] for one in before}.isdisjoint(
        one["metadata"]["uid"] for one in after
    )
    told = here.reports.of(Published)[-1]
    assert isinstance(told, Published)
    assert (told.repaired, told.writes) == (True, len(before))
    kinds = [
        (kind, len(list(group))) for kind, group in itertools.groupby(k for k, _ in observer.seen)
    ]
    assert kinds == [(ChangeKind.DELETED, len(before)), (ChangeKind.ADDED, len(after))]
    gone, back = observer.seen[0][1], observer.seen[-1][1]
    LOG.info("the slices were away for %.3f seconds", back - gone)
