"""Events about claims that failed for good, and about warnings."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest

from kube.client import Client, path_of
from kube.credentials import from_kubeconfig
from kube.errors import KubeError, NotFoundError, UnreachableError
from kube.events import EventType, EventWriter, Regarding
from plugin.claim_events import MOST_PODS, REMEMBERED, WAITING, ClaimEvents, TellingPreparer
from plugin.preparer import (
    ClaimReference,
    Deadline,
    PreparedDevice,
    PrepareFailed,
    UnprepareFailed,
)
from tests.cluster.api_server import ApiServer

V1 = "resource.k8s.io/v1"
CLAIM = ClaimReference("team", "training", "6d0d1d6e-0001-4000-8000-000000000001")
LONG_SECONDS = 60.0
Written = tuple[str, str, str, str]


class World:
    """An API server that holds one claim, and remembers the Events; slow if told so."""

    def __init__(self) -> None:
        self.consumers: list[dict[str, str]] = []
        self.failure: KubeError | None = None
        self.write_failure: KubeError | None = None
        self.uid = CLAIM.uid
        self.asked: list[str] = []
        self.written: list[Written] = []
        self.lost: list[str] = []
        self.version: str | None = V1
        self.now = 0.0
        self.flowing = threading.Event()
        self.flowing.set()
        self.reached = threading.Event()
        self.heard = threading.Event()

    def lose(self, sentence: str) -> None:
        self.lost.append(sentence)
        self.heard.set()

    def get_bytes(self, path: str, *, seconds: float | None = None) -> bytes:
        assert seconds is not None
        self.asked.append(path)
        if self.failure is not None:
            raise self.failure
        claim = {"metadata": {"uid": self.uid}, "status": {"reservedFor": self.consumers}}
        return json.dumps(claim).encode()

    def write(
        self, regarding: Regarding, *, reason: str, note: str, action: str, event_type: EventType
    ) -> None:
        self.reached.set()
        assert self.flowing.wait(LONG_SECONDS)
        if self.write_failure is not None:
            raise self.write_failure
        assert event_type is EventType.WARNING
        self.written.append((f"{regarding.kind} {regarding.name}", reason, action, note))

    def reserve(self, *pods: str) -> None:
        self.consumers += [{"resource": "pods", "name": pod, "uid": f"uid-{pod}"} for pod in pods]

    @contextmanager
    def events(self) -> Iterator[ClaimEvents]:
        """Run the thread; at the end all that was told is written."""
        events = ClaimEvents(
            self,
            cast(EventWriter, self),
            api_version=lambda: self.version,
            lost=self.lose,
            monotonic=lambda: self.now,
        )
        events.start()
        try:
            yield events
        finally:
            self.flowing.set()
            events.stop(LONG_SECONDS)


class Failing:
    """A preparer that fails."""

    def __init__(self, *, permanent: bool) -> None:
        self.permanent = permanent

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        del claim, deadline
        raise PrepareFailed("No such device.", permanent=self.permanent)

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        del claim, deadline
        raise UnprepareFailed("It does not let go.", permanent=self.permanent)


class Working:
    """A preparer that does its work."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ClaimReference, Deadline]] = []
        self.device = PreparedDevice(requests=(), pool="p", device="d", cdi_device_ids=())

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        self.calls.append(("prepare", claim, deadline))
        return (self.device,)

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        self.calls.append(("unprepare", claim, deadline))


@pytest.fixture
def world() -> World:
    return World()


def patience() -> Deadline:
    return Deadline(LONG_SECONDS)


def fail(events: ClaimEvents, sentence: str = "No such device.") -> None:
    events.fail(CLAIM, PrepareFailed(sentence, permanent=True))


# ---------------------------------------------------------------------------- the preparer


def test_a_failure_for_good_is_told_on_the_claim_and_its_pods(world: World) -> None:
    """D54: the reference driver writes no event."""
    world.reserve("first", "second")
    with world.events() as events:
        preparer = TellingPreparer(Failing(permanent=True), events)
        with pytest.raises(PrepareFailed, match="No such device"):
            preparer.prepare(CLAIM, patience())
        with pytest.raises(UnprepareFailed, match="does not let go"):
            preparer.unprepare(CLAIM, patience())
    objects = ("ResourceClaim training", "Pod first", "Pod second")
    assert world.written == [
        *((one, "PrepareFailed", "Prepare", "No such device.") for one in objects),
        *((one, "UnprepareFailed", "Unprepare", "It does not let go.") for one in objects),
    ]
    assert world.asked == [path_of(V1, "resourceclaims", "training", namespace="team")] * 2
    assert world.lost == []


def test_a_failure_that_may_pass_is_not_told(world: World) -> None:
    with world.events() as events:
        preparer = TellingPreparer(Failing(permanent=False), events)
        with pytest.raises(PrepareFailed):
            preparer.prepare(CLAIM, patience())
        with pytest.raises(UnprepareFailed):
            preparer.unprepare(CLAIM, patience())
    assert world.written == []
    assert world.asked == []


def test_what_works_is_passed_on_in_silence(world: World) -> None:
    inner, deadline = Working(), patience()
    with world.events() as events:
        preparer = TellingPreparer(inner, events)
        assert preparer.prepare(CLAIM, deadline) == (inner.device,)
        preparer.unprepare(CLAIM, deadline)
    assert inner.calls == [("prepare", CLAIM, deadline), ("unprepare", CLAIM, deadline)]
    assert world.written == []


# ------------------------------------------------------------------------------ the Events


def test_a_warning_is_told_on_the_claim_alone(world: World) -> None:
    world.reserve("first")
    with world.events() as events:
        events.warn(CLAIM, "It does nothing.")
    assert world.written == [
        ("ResourceClaim training", "ClaimWarning", "Prepare", "It does nothing.")
    ]
    assert world.asked == []


def test_what_reserved_the_claim_and_is_no_pod_gets_no_event(world: World) -> None:
    world.consumers = [
        {"resource": "jobs", "name": "a", "uid": "1"},
        {"apiGroup": "example.com", "resource": "pods", "name": "b", "uid": "2"},
    ]
    with world.events() as events:
        fail(events)
    assert [one[0] for one in world.written] == ["ResourceClaim training"]


def test_a_claim_of_many_pods_does_not_flood_the_server(world: World) -> None:
    world.reserve(*(f"pod-{number}" for number in range(200)))
    with world.events() as events:
        fail(events)
    assert len(world.written) == 1 + MOST_PODS


@pytest.mark.parametrize("trouble", ["gone", "away", "another claim", "nonsense"])
def test_without_the_claim_its_own_event_is_written_all_the_same(
    world: World, trouble: str
) -> None:
    world.reserve("first")
    if trouble == "another claim":
        world.uid = "other"
    elif trouble == "nonsense":
        world.consumers = [{"resource": "pods"}]
    else:
        world.failure = (
            NotFoundError("It is gone.") if trouble == "gone" else UnreachableError("Away.")
        )
    with world.events() as events:
        fail(events)
    assert [one[0] for one in world.written] == ["ResourceClaim training"]
    assert world.lost == []


def test_before_the_server_told_its_version_the_newest_is_taken(world: World) -> None:
    world.version = None
    with world.events() as events:
        fail(events)
    assert world.asked[0].startswith(f"/apis/{V1}/")


def test_odd_bytes_of_a_path_do_not_end_the_thread(world: World) -> None:
    with world.events() as events:
        fail(events, "No file '\udcff'.")
        fail(events, "Another.")
    assert [one[3] for one in world.written] == ["No file '\\udcff'.", "Another."]


# ------------------------------------------------------------------------------- repetition


def test_a_failure_that_the_kubelet_meets_again_is_told_once_in_ten_minutes(world: World) -> None:
    with world.events() as events:
        fail(events)
        world.now = 599.0
        fail(events)
        fail(events, "Another device.")
        world.now = 600.0
        fail(events)
    assert [one[3] for one in world.written] == [
        "No such device.",
        "Another device.",
        "No such device.",
    ]


def test_only_so_many_are_remembered(world: World) -> None:
    with world.events() as events:
        for number in range(REMEMBERED + 1):
            world.reached.clear()
            fail(events, f"{number}")
            assert world.reached.wait(LONG_SECONDS)
        fail(events, "1")
        fail(events, "0")
    assert [one[3] for one in world.written][REMEMBERED + 1 :] == ["0"]


def test_what_is_told_again_is_remembered_longest(world: World) -> None:
    with world.events() as events:
        for number in range(REMEMBERED):
            world.reached.clear()
            fail(events, f"{number}")
            assert world.reached.wait(LONG_SECONDS)
        world.now = 600.0
        for sentence in ("0", "new", "0", "1"):
            fail(events, sentence)
    assert [one[3] for one in world.written][REMEMBERED:] == ["0", "new", "1"]


# ---------------------------------------------------------------------------------- trouble


def test_an_event_that_cannot_be_written_is_counted_and_may_be_told_again(world: World) -> None:
    world.write_failure = UnreachableError("The server is away.")
    with world.events() as events:
        fail(events)
    assert events.lost_count == 1
    (sentence,) = world.lost
    assert "PrepareFailed" in sentence
    assert "team/training" in sentence
    assert "The server is away." in sentence


def test_after_a_lost_event_the_next_failure_is_told(world: World) -> None:
    world.write_failure = UnreachableError("The server is away.")
    with world.events() as events:
        fail(events)
        assert world.heard.wait(LONG_SECONDS)
        world.write_failure = None
        fail(events)
    assert len(world.written) == 1


def test_a_server_that_hangs_delays_nobody_and_loses_what_is_too_much(world: World) -> None:
    world.flowing.clear()
    with world.events() as events:
        fail(events, "first")
        assert world.reached.wait(LONG_SECONDS)
        for number in range(WAITING + 3):
            fail(events, f"{number}")
        assert events.lost_count == 3
        assert all("too many others" in sentence for sentence in world.lost)
    assert len(world.written) == 1 + WAITING


@pytest.mark.parametrize("waiting", [0, WAITING], ids=["nothing waits", "no room is left"])
def test_a_server_that_hangs_does_not_hold_up_the_end(world: World, waiting: int) -> None:
    world.flowing.clear()
    with world.events() as events:
        fail(events)
        assert world.reached.wait(LONG_SECONDS)
        for number in range(waiting):
            fail(events, f"{number}")
        events.stop(0.01)
        assert world.written == []


def test_stopping_before_the_start_changes_nothing(world: World) -> None:
    events = ClaimEvents(
        world, cast(EventWriter, world), api_version=lambda: V1, lost=world.lost.append
    )
    events.warn(CLAIM, "Nobody reads it.")
    events.stop(LONG_SECONDS)
    assert world.written == []


# ------------------------------------------------------------------------ a real API server


def make(server: ApiServer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return server.client.create(path, body)


def test_people_find_the_events_with_kubectl(api_server: ApiServer) -> None:
    namespace = f"events-{uuid4().hex[:8]}"
    name = {"name": namespace}
    make(api_server, path_of("v1", "namespaces"), {"kind": "Namespace", "metadata": name})
    try:
        told_on_claim, told_on_pod = told(api_server, namespace)
    finally:
        api_server.client.delete(path_of("v1", "namespaces", namespace))
    assert "ClaimWarning" in told_on_claim
    assert "PrepareFailed" in told_on_claim
    assert "No such device." in told_on_claim
    assert "PrepareFailed" in told_on_pod
    assert "ClaimWarning" not in told_on_pod


def told(server: ApiServer, namespace: str) -> tuple[str, str]:
    """Let a reserved claim fail; return what kubectl describes of the claim and of its pod."""
    claims = path_of(V1, "resourceclaims", namespace=namespace)
    requests = [{"name": "gpus", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]
    claim = make(
        server,
        claims,
        {
            "apiVersion": V1,
            "kind": "ResourceClaim",
            "metadata": {"name": "training"},
            "spec": {"devices": {"requests": requests}},
        },
    )
    pod = make_pod(server, namespace)
    result = {"request": "gpus", "driver": "gpu.nvidia.com", "pool": "p", "device": "gpu-0"}
    claim["status"] = {
        "allocation": {"devices": {"results": [result]}},
        "reservedFor": [{"resource": "pods", "name": "worker", "uid": pod["metadata"]["uid"]}],
    }
    server.client.replace(f"{claims}/training/status", claim)
    reference = ClaimReference(namespace, "training", claim["metadata"]["uid"])
    client = Client(from_kubeconfig(server.control_plane.kubeconfig), user_agent="test-events")
    lost: list[str] = []
    events = ClaimEvents(
        client,
        EventWriter(
            client,
            controller="gpu.nvidia.com",
            instance="node-a",
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
        ),
        api_version=lambda: V1,
        lost=lost.append,
    )
    events.start()
    try:
        events.warn(reference, "It does nothing.")
        with pytest.raises(PrepareFailed):
            TellingPreparer(Failing(permanent=True), events).prepare(reference, patience())
        events.stop(LONG_SECONDS)
    finally:
        client.close()
    assert lost == []
    return (
        server.run("kubectl", "-n", namespace, "describe", "resourceclaim", "training").output,
        server.run("kubectl", "-n", namespace, "describe", "pod", "worker").output,
    )


def make_pod(server: ApiServer, namespace: str) -> dict[str, Any]:
    # Without a controller no account is made for pods.
    account = {"kind": "ServiceAccount", "metadata": {"name": "default"}}
    make(server, path_of("v1", "serviceaccounts", namespace=namespace), account)
    return make(
        server,
        path_of("v1", "pods", namespace=namespace),
        {
            "kind": "Pod",
            "metadata": {"name": "worker"},
            "spec": {
                "containers": [{"name": "main", "image": "rig.local/env:1"}],
                "resourceClaims": [{"name": "gpus", "resourceClaimName": "training"}],
            },
        },
    )
