"""Two hundred nodes and one API server: what they ask at the start, at rest, after an outage."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kube.client import Client
from kube.credentials import from_kubeconfig
from plugin.publishing.follower import OUTAGE_SECONDS
from plugin.publishing.layout import Offer
from plugin.publishing.publisher import Publisher
from plugin.publishing.reports import Published, Report, ServerFound, ServerLost, WriteFailed
from plugin.publishing.rest import RestSlices
from plugin.publishing.writer_lock import WriterLock
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Json, path_of
from tests.cluster.waiting import wait_until
from tests.plugin.publishing_fixtures import DRIVER, SLICES, Reports, offer_of

NODES = 200
FEW = 30
AGENT = "scale-"
RBAC = "rbac.authorization.k8s.io/v1"
FLOW = "flowcontrol.apiserver.k8s.io/v1"
PATIENCE_SECONDS = 300.0
"""Two hundred nodes share a core with a server; nothing is told by how long they take."""
START = Counter({"list": 1, "watch": 1, "get": 1, "create": 1})
REFUSED = {403, 429}
"""A server that has just started knows nobody's rights yet; a busy one turns some away."""
WATCHES = {1, 2, 3}
"""While the server ends, it may take a watch that it ends at once, and another a second later."""


@dataclass
class PlayedNode:
    """The publisher of one node, as it runs in a plugin of its own."""

    name: str
    publisher: Publisher
    reports: Reports
    drawn: list[float] = field(default_factory=list)
    """Out of how many seconds it drew a pause, each time."""

    def wait_told(self, kind: type[Report], times: int) -> None:
        self.reports.wait(lambda: len(self.reports.of(kind)) >= times)


@dataclass
class Fleet:
    """Nodes that start together."""

    server: ApiServer
    nodes: list[PlayedNode]
    begun: int
    """How many lines the server's log had before."""

    def start(self) -> None:
        for node in self.nodes:
            node.publisher.start()

    def wait_published(self) -> None:
        for node in self.nodes:
            assert node.publisher.wait_published(PATIENCE_SECONDS), node.reports.told

    def wait_told(self, kind: type[Report], times: int) -> None:
        for node in self.nodes:
            node.wait_told(kind, times)

    def asked(self, since: int | None = None) -> dict[str, list[Json]]:
        """Return the requests of each node after so many lines of the server's own log."""
        found: dict[str, list[Json]] = {node.name: [] for node in self.nodes}
        for event in self.server.control_plane.audit()[self.begun if since is None else since :]:
            name = str(event.get("userAgent", ""))
            # A watch is told twice: when it begins, and when it ends.
            ended = event["verb"] == "watch" and event["stage"] == "ResponseComplete"
            if name in found and not ended:
                found[name].append(event)
        return found

    def counted(self, since: int | None = None) -> dict[str, Counter[str]]:
        """Count what each node asked and was answered, by verb."""
        return {name: verbs(events) for name, events in self.asked(since).items()}

    def wait_watched(self, since: int | None = None) -> None:
        """Wait until the server has begun to answer a watch of each node after its last list."""

        def watched() -> bool:
            return all(
                [one["verb"] for one in events if one["verb"] in {"list", "watch"}][-1:]
                == ["watch"]
                and not is_refused([one for one in events if one["verb"] == "watch"][-1])
                for events in self.asked(since).values()
            )

        wait_until(
            watched,
            seconds=PATIENCE_SECONDS,
            otherwise=lambda: f"some do not watch: {self.counted(since)}",
            pause_seconds=0.25,
        )


def verbs(events: list[Json]) -> Counter[str]:
    """Count what was asked and answered, whatever the answer said."""
    return Counter(one["verb"] for one in events if not is_refused(one))


def is_refused(event: Json) -> bool:
    return bool(event["responseStatus"]["code"] in REFUSED)


@pytest.fixture
def kubeconfig(api_server: ApiServer) -> Iterator[Path]:
    """Make an account that may publish and no more, so that it is put in the queue of all."""
    control_plane, client = api_server.control_plane, api_server.client
    name = {"metadata": {"name": AGENT + "account"}}
    user = name["metadata"]["name"]
    slices = ["create", "delete", "get", "list", "update", "watch"]
    rules = [
        {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"], "verbs": slices},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]
    group = RBAC.partition("/")[0]
    role = {"apiGroup": group, "kind": "ClusterRole", "name": user}
    subject = {"apiGroup": group, "kind": "User", "name": user}
    made: dict[str, Json] = {
        "clusterroles": {"rules": rules},
        "clusterrolebindings": {"roleRef": role, "subjects": [subject]},
    }
    for plural, content in made.items():
        client.create(path_of(RBAC, plural), {**name, **content})
    leaf = control_plane.authority.leaf(user, user)
    yield control_plane.authority.kubeconfig(user, server=control_plane.url, leaf=leaf)
    for plural in made:
        client.delete(path_of(RBAC, plural, user))


@contextmanager
def fleet(
    server: ApiServer, kubeconfig: Path, folder: Path, offer: Offer, count: int
) -> Iterator[Fleet]:
    """Yield nodes that know what they will offer, and remove them at the end."""
    nodes = path_of("v1", "nodes")
    labels = {"scale": "played"}
    access = from_kubeconfig(kubeconfig)
    with ExitStack() as stack:
        stack.callback(server.client.delete, nodes, labelSelector="scale=played")
        stack.callback(server.client.delete, SLICES, fieldSelector=f"spec.driver={DRIVER}")
        made: list[PlayedNode] = []
        for number in range(count):
            name = f"{AGENT}{number:03}"
            dice = random.Random(number)  # noqa: S311 - spreads pauses
            server.client.create(
                nodes, {"kind": "Node", "metadata": {"name": name, "labels": labels}}
            )
            client = Client(access, user_agent=name)
            stack.callback(client.close)
            made.append(_played(name, client, folder, dice))
            made[-1].publisher.publish(offer)
        for node in made:
            stack.callback(node.publisher.stop)
        # All are told to stop before the first is waited for.
        for node in made:
            stack.callback(node.publisher.release)
        yield Fleet(server, made, len(server.control_plane.audit()))


def _played(name: str, client: Client, folder: Path, dice: random.Random) -> PlayedNode:
    reports = Reports()
    drawn: list[float] = []

    def jitter(longest_seconds: float) -> float:
        drawn.append(longest_seconds)
        return dice.uniform(0, longest_seconds)

    publisher = Publisher(
        RestSlices(client, driver=DRIVER, node_name=name, jitter=jitter),
        WriterLock(folder / f"{name}.lock"),
        tell=reports,
        monotonic=time.monotonic,
        jitter=jitter,
    )
    return PlayedNode(name, publisher, reports, drawn)


def test_two_hundred_nodes_ask_four_times_at_the_start_never_at_rest_and_come_back_one_by_one(
    api_server: ApiServer, kubeconfig: Path, tmp_path: Path
) -> None:
    offer = offer_of("h100-mig", tmp_path / "machine")
    with fleet(api_server, kubeconfig, tmp_path, offer, NODES) as played:
        played.start()
        played.wait_published()
        played.wait_watched()
        assert played.counted() == {node.name: START for node in played.nodes}

        first, *others = played.nodes
        (one,) = _slices(api_server, first)
        rested = len(api_server.control_plane.audit())
        api_server.client.delete(f"{SLICES}/{one['metadata']['name']}")
        first.wait_told(Published, 2)
        # The server has told of the deletion and of a new slice, and only one node is concerned.
        asked = played.asked(rested)
        assert [asked[node.name] for node in others] == [[]] * len(others)

        drawn = {node.name: len(node.drawn) for node in played.nodes}
        before = len(api_server.control_plane.audit())
        api_server.control_plane.restart()
        played.wait_told(ServerFound, 2)
        played.wait_published()
        played.wait_watched(before)
        for name, events in played.asked(before).items():
            found = verbs(events)
            assert found.pop("watch") in WATCHES, name
            assert found == Counter(list=1), name
        for node in played.nodes:
            assert node.drawn[drawn[node.name] :].count(OUTAGE_SECONDS) == 1
            assert len(node.reports.of(ServerLost)) == 1
        # A busy machine makes it more. Without the pauses, all would be back within a second.
        assert _span(played.asked(before)) > timedelta(seconds=OUTAGE_SECONDS / 2)


def test_a_server_that_refuses_most_of_them_is_asked_nothing_twice_but_what_it_refused(
    api_server: ApiServer, kubeconfig: Path, tmp_path: Path
) -> None:
    """What a refusal cost before: another list after a lost watch, the Node for each creation."""
    offer = offer_of("h100", tmp_path / "machine")
    with _narrow(api_server), fleet(api_server, kubeconfig, tmp_path, offer, FEW) as played:
        played.start()
        played.wait_published()
        played.wait_watched()
        assert played.counted() == {node.name: START for node in played.nodes}
        asked = played.asked()
        assert any(is_refused(one) for events in asked.values() for one in events)
        assert not any(node.reports.of(ServerLost) for node in played.nodes)
        assert all(
            "429" in one.reason
            for node in played.nodes
            for one in node.reports.of(WriteFailed)
            if isinstance(one, WriteFailed)
        )


@contextmanager
def _narrow(server: ApiServer) -> Iterator[None]:
    """Let the server work on very few requests of the account at once, and refuse the others."""
    name = AGENT + "narrow"
    level, schema = "prioritylevelconfigurations", "flowschemas"
    limited = {
        "nominalConcurrencyShares": 1,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    subject = {"kind": "User", "user": {"name": AGENT + "account"}}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True}
    client = server.client
    client.create(
        path_of(FLOW, level),
        {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}},
    )
    client.create(
        path_of(FLOW, schema),
        {
            "metadata": {"name": name},
            "spec": {
                "matchingPrecedence": 100,
                "priorityLevelConfiguration": {"name": name},
                "rules": [{"subjects": [subject], "resourceRules": [everything]}],
            },
        },
    )
    try:
        client.wait(
            path_of(FLOW, schema, name),
            lambda one: bool(one and one.get("status", {}).get("conditions")),
            seconds=PATIENCE_SECONDS,
        )
        yield
    finally:
        client.delete(path_of(FLOW, schema, name))
        client.delete(path_of(FLOW, level, name))


def _slices(server: ApiServer, node: PlayedNode) -> list[Json]:
    return server.client.list(SLICES, fieldSelector=f"spec.nodeName={node.name}")


def _span(asked: dict[str, list[Json]]) -> timedelta:
    """Return how long it took from the first list to the last."""
    moments = sorted(
        datetime.fromisoformat(event["requestReceivedTimestamp"])
        for events in asked.values()
        for event in events
        if event["verb"] == "list"
    )
    return moments[-1] - moments[0]
